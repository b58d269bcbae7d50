"""The rights record in the languages that machines read. Pure: a record goes in, text or header values come out.

Which standard says what, and what none of them can say, is in docs/rights.md.
"""

import json
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from pipeline.record import AiTraining, encode
from rights.record import AI_WORDS, RightsRecord

JSON_LD, RSL, C2PA, OEMBED = "application/ld+json", "application/rsl+xml", "application/c2pa", "application/json+oembed"
RSL_NAMESPACE = "https://rslstandard.org/rsl"
CACHE_S = 3600  # of oEmbed: how long somebody else's page may show this without asking again

# draft-ietf-aipref-vocab: there is yes, no, and silence; "ask first" is a no to whoever does not ask. Who publishes a
# page wants it found: search is no learning from the photo.
_USAGE: dict[AiTraining, str] = {
    "allowed": "train-ai=y, ai-use=y, search=y",
    "ask": "train-ai=n, ai-use=n, search=y",
    "not_allowed": "train-ai=n, ai-use=n, search=y",
}
USAGE_DEFAULT = _USAGE["not_allowed"]
# A URL within <> of a Link header (RFC 8288): all that a URL may have, and nothing that would end it.
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~-._"


def record_json(record: RightsRecord) -> dict[str, Any]:
    """The record as it is, as JSON values; what is not known is not there."""
    return {name: value for name, value in encode(record).items() if value is not None}


def json_ld(record: RightsRecord) -> str:
    """schema.org's ImageObject, with what Google asks of licensable images. Safe within <script> too."""
    picture = record.image
    stated = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "@id": record.page,
        "name": record.title,
        "url": record.page,
        "contentUrl": picture and picture.url,
        "encodingFormat": picture and picture.media_type,
        "width": picture and picture.dimensions.width,
        "height": picture and picture.dimensions.height,
        "thumbnailUrl": record.thumbnail and record.thumbnail.url,
        "uploadDate": encode(record.registered_at),
        "license": record.licence_url,
        "acquireLicensePage": record.acquire_page,
        "creditText": record.credit,
        "copyrightNotice": record.copyright_notice,
        "creator": {"@type": "Person", "name": record.creator} if record.creator else None,
        "usageInfo": {"@type": "CreativeWork", "name": f"AI training: {record.ai_training}",
                      "url": record.address("rsl"), "encodingFormat": RSL},
        "identifier": _identifiers(record),
    }  # fmt: skip
    text = json.dumps({name: value for name, value in stated.items() if value is not None})
    # ASCII only by json.dumps; of that, these three could end the script element, or begin a comment in it.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def rsl(record: RightsRecord) -> str:
    """Really Simple Licensing 1.0: may machines use it, and if they must ask, where."""
    root, content = _rsl(f"/a/{quote(record.id)}")
    if record.ai_training == "not_allowed":
        _forbid_ai(content)
    elif record.ai_training == "allowed":
        _allow(_licence(content, permits="ai-all search"), record.licence_url)
    else:
        # Where something is permitted, nothing else is (RSL 1.0, section 3.5), and a payment is for all of a licence.
        _allow(_licence(content, permits="search"))
        # RSL's word for "not without an agreement": a payment of no amount, whose terms are got at an address. Amounts
        # are of currencies with three letters; a chain's coin has none, and its price is told at that address.
        payment = ElementTree.SubElement(_licence(content, permits="ai-all"), "payment", type="purchase")
        ElementTree.SubElement(payment, "custom").text = _where_to_ask(record)
    if holder := record.credit or record.creator:
        ElementTree.SubElement(content, "copyright", contactUrl=record.acquire_page).text = xml_text(holder)
    ElementTree.SubElement(content, "terms").text = xml_text(record.licence_url)
    return _xml(root)


def rsl_default(path: str) -> str:
    """The RSL of all that lies under a path and states nothing nearer: not for AI."""
    root, content = _rsl(path)
    _forbid_ai(content)
    return _xml(root)


def oembed(record: RightsRecord, max_width: int | None = None, max_height: int | None = None) -> dict[str, Any]:
    """oEmbed 1.0: a photo that fits into so many pixels, or a mere link while there is none to show."""
    common = {
        "version": "1.0",
        "title": record.title,
        "author_name": record.creator,
        "provider_name": "Capture",
        "provider_url": record.page.removesuffix(f"/a/{quote(record.id)}") + "/",
        "cache_age": CACHE_S,
        "web_page": record.page,
        "license_url": record.licence_url,
        "credit": record.credit,
        "copyright_notice": record.copyright_notice,
        "ai_training": record.ai_training,
    }
    stated = {name: value for name, value in common.items() if value is not None}
    if record.thumbnail is None:
        return stated | {"type": "link"}
    width, height = record.thumbnail.dimensions.width, record.thumbnail.dimensions.height
    scale = min(1.0, (max_width or width) / width, (max_height or height) / height)
    size = {"width": max(1, int(width * scale)), "height": max(1, int(height * scale))}
    return stated | {"type": "photo", "url": record.thumbnail.url, **size}


def open_graph(record: RightsRecord) -> tuple[tuple[str, str], ...]:
    """OpenGraph's properties and their contents, for messengers that show a link as a card."""
    who = record.credit or record.creator
    at = encode(record.registered_at)[:19].replace("T", " ")
    stated = [
        ("og:type", "website"),
        ("og:site_name", "Capture"),
        ("og:title", f"{record.title} · {who} (as stated)" if who else record.title),
        ("og:description", f"Registered {at} UTC. Licence: {record.licence_title}. "
                           f"AI training: {AI_WORDS[record.ai_training]}."),
        ("og:url", record.page),
    ]  # fmt: skip
    if record.thumbnail:
        stated += [
            ("og:image", record.thumbnail.url),
            ("og:image:type", record.thumbnail.media_type),
            ("og:image:width", str(record.thumbnail.dimensions.width)),
            ("og:image:height", str(record.thumbnail.dimensions.height)),
            ("og:image:alt", "A small picture of the registered photo"),
        ]
    return tuple(stated)


def usage_headers(record: RightsRecord) -> dict[str, str]:
    """What every answer about the photo says to machines: AI preferences (IETF) and TDM reservation (W3C)."""
    headers = {"Content-Usage": _USAGE[record.ai_training]} | tdm(record.ai_training)
    if record.ai_training != "allowed":
        headers["tdm-policy"] = _url(record.page)
    return headers


def tdm(ai_training: AiTraining) -> dict[str, str]:
    """Whether text and data mining is reserved (TDM Reservation Protocol, section 4)."""
    return {"tdm-reservation": "0" if ai_training == "allowed" else "1"}


def links(record: RightsRecord, of_small_picture: bool = False) -> str:
    """The Link header (RFC 8288): the licence, where one is bought, the manifest store, and this record elsewhere.

    A small picture is not what the manifest was signed for: a validator would call it changed.
    """
    found = [
        (record.page, {"rel": "canonical"}),
        (record.licence_url, {"rel": "license"}),
        (record.address("rsl"), {"rel": "license", "type": RSL}),
        *((address, {"rel": "alternate", "type": media_type}) for media_type, address in alternates(record)),
    ]
    if record.licence_on_chain and record.licence_on_chain.on_sale:
        found.append((record.licence_on_chain.copy, {"rel": "payment"}))
    if record.manifest and not of_small_picture:
        found.append((record.manifest, {"rel": "c2pa-manifest", "type": C2PA}))
    return ", ".join(f"<{_url(url)}>" + "".join(f'; {k}="{v}"' for k, v in more.items()) for url, more in found)


def alternates(record: RightsRecord) -> tuple[tuple[str, str], ...]:
    """Every dialect that is a document of its own: media type and address."""
    base, page = record.page.removesuffix(f"/a/{quote(record.id)}"), quote(record.page, safe="")
    return (
        ("text/html", record.address("html")),
        (JSON_LD, record.address("jsonld")),
        ("application/json", record.address("json")),
        (RSL, record.address("rsl")),
        (OEMBED, f"{base}/oembed?url={page}"),
    )


def _rsl(path: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    root = ElementTree.Element("rsl", xmlns=RSL_NAMESPACE)
    return root, ElementTree.SubElement(root, "content", url=path)


def _licence(content: ElementTree.Element, **rules: str) -> ElementTree.Element:
    licence = ElementTree.SubElement(content, "license")
    for rule, uses in rules.items():
        ElementTree.SubElement(licence, rule, type="usage").text = uses
    return licence


def _forbid_ai(content: ElementTree.Element) -> None:
    _allow(_licence(content, permits="search", prohibits="ai-all"))


def _where_to_ask(record: RightsRecord) -> str:
    """Where machines get leave to learn from the photo: by a licence that is for sale, or else of a person."""
    offer = record.licence_on_chain
    sold = offer and offer.on_sale and offer.terms["ai_training"] == "paid"
    return offer.copy if offer and sold else record.acquire_page


def _allow(licence: ElementTree.Element, licence_url: str = "") -> None:
    """For nothing, or for the credit that Creative Commons asks for."""
    if licence_url.startswith("https://creativecommons.org/licenses/"):
        payment = ElementTree.SubElement(licence, "payment", type="attribution")
        ElementTree.SubElement(payment, "standard").text = licence_url
    else:
        ElementTree.SubElement(licence, "payment", type="free")


def _identifiers(record: RightsRecord) -> list[dict[str, Any]]:
    found: list[tuple[str, str | None, str | None]]
    found = [("sha256", record.sha256.hex(), None), ("ISCC", record.iscc, None), ("capture", record.id, None)]
    if record.log_index is not None:
        found.append(("log-index", str(record.log_index), None))
    if record.anchor:
        remark = ", a local chain: not independent proof" if record.anchor.local else ""
        found.append(("transaction", record.anchor.transaction, f"on chain eip155:{record.anchor.chain_id}{remark}"))
    if offer := record.licence_on_chain:
        found.append(("CAIP-19", offer.token, "a local chain: not independent proof" if offer.local else None))
    return [
        {"@type": "PropertyValue", "propertyID": name, "value": value} | ({"description": note} if note else {})
        for name, value, note in found
        if value
    ]


def _url(url: str) -> str:
    return quote(url, safe=_URL_CHARACTERS, errors="replace")


def xml_text(text: str) -> str:
    """XML 1.0 has no way to write most control characters, nor halves of surrogate pairs."""
    return "".join(c if c in "\t\n" or (c >= "\x20" and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
                   else "\ufffd" for c in text)  # fmt: skip


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
