"""Every dialect says what the record says, whatever people call themselves."""

import json
import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any, get_args
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from pipeline.record import (
    AiTraining,
    Anchor,
    Asset,
    Capture,
    Dimensions,
    Fingerprint,
    Inclusion,
    Manifest,
    Rendition,
    Request,
    Rights,
    SoftBinding,
    encode,
)
from rights.dialects import (
    alternates,
    json_ld,
    links,
    oembed,
    open_graph,
    record_json,
    rsl,
    rsl_default,
    tdm,
    usage_headers,
)
from rights.record import AI_WORDS, RightsRecord, rights_record
from rights.terms import PRESETS

BASE = "https://photos.example"
NS = {"r": "https://rslstandard.org/rsl"}
HOSTILE = (
    '"><script>alert(1)</script>', "</script><!--", "a\r\nSet-Cookie: b=c", "\u202egpj.", "' onload='x", "]]>&amp;\x00",
    "{{ 7*7 }}", "\ud800", "<!-- <script>", "; rel=\"next\"",
)  # fmt: skip
names = st.none() | st.sampled_from(HOSTILE) | st.text(max_size=60)
rights_values = st.builds(
    Rights,
    creator=names,
    credit=names,
    copyright_notice=names,
    licence=st.sampled_from([*PRESETS, "https://example.com/terms?a=1&b=2#c", "https://example.com/ü>\r\nX: y"]),
    ai_training=st.sampled_from(get_args(AiTraining)),
)
moments = st.sampled_from(["asset", "manifest", "anchor"])


def captured(rights: Rights, until: str = "anchor", **manifest: Any) -> Capture:
    facts: dict[str, Any] = {"asset": Asset(b"\xab" * 32, "image/png", 12345)}
    if until != "asset":
        bindings = (SoftBinding("io.iscc.v0", "ISCC:EEAYEBYRCEP35NXX"), SoftBinding("pdq256-v1", "f0" * 32))
        facts["fingerprint"] = Fingerprint(bindings, 100, Dimensions(4000, 3000))
        made = Manifest(b"m" * 32, 9, "urn:c2pa:1", b"s" * 32, 99, "image/png", "Capture", "trusted", b"t" * 32)
        manifest = {"location": "absent"} | manifest
        facts["manifest"] = type(made)(**{name: getattr(made, name) for name in made.__slots__} | manifest)
    if until == "anchor":
        facts["inclusion"] = Inclusion(41, 42)
        facts["anchor"] = Anchor(31337, "0xc0", "0xdeadbeef", 7, 1, 42, "final", True)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Capture("c0ffee", "owner", b"a" * 20, at, Request(rights), facts, {})


def recorded(rights: Rights, until: str = "anchor", **manifest: Any) -> RightsRecord:
    return rights_record(captured(rights, until, **manifest), BASE)


def test_the_whole_photo_is_for_strangers_only_under_an_open_licence() -> None:
    for licence in (*PRESETS, "https://example.com/terms"):
        record = recorded(Rights(licence=licence))
        assert record.image
        assert record.whole_image == licence.startswith("cc")
        assert (record.image == record.thumbnail) != record.whole_image
        assert record.image.dimensions == (Dimensions(4000, 3000) if record.whole_image else Dimensions(512, 384))


def test_what_would_tell_the_place_is_not_named() -> None:
    record = recorded(Rights(licence="cc0"), location="withheld")
    assert (record.manifest, record.iscc, record.whole_image) == (None, None, False)
    assert record.image == record.thumbnail
    assert "c2pa" not in links(record)
    assert not recorded(Rights(licence="cc0"), location=None).whole_image, "nobody looked whether it tells the place"
    public = Rendition(b"p" * 32, 1, b"q" * 32, "urn:c2pa:2")
    assert recorded(Rights(licence="cc0"), location="removed", public=public).whole_image


def test_nothing_is_named_before_it_is_there() -> None:
    record = recorded(Rights(), "asset")
    assert (record.image, record.thumbnail, record.manifest, record.iscc, record.anchor) == (None,) * 5
    assert "licence_on_chain" not in record_json(record)
    assert oembed(record)["type"] == "link"


def read(licence: ElementTree.Element) -> tuple[dict[str, str | None], str | None]:
    """What one licence of RSL permits or prohibits, and for what kind of payment."""
    rules = {rule: licence.findtext(f"r:{rule}", namespaces=NS) for rule in ("permits", "prohibits")}
    payment = licence.find("r:payment", NS)
    return {name: uses for name, uses in rules.items() if uses}, None if payment is None else payment.get("type")


@pytest.mark.parametrize(
    ("choice", "usage", "reservation", "licences"),
    [
        ("allowed", "train-ai=y, ai-use=y, search=y", "0", [({"permits": "ai-all search"}, "free")]),
        (
            "ask",
            "train-ai=n, ai-use=n, search=y",
            "1",
            [({"permits": "search"}, "free"), ({"permits": "ai-all"}, "purchase")],
        ),
        (
            "not_allowed",
            "train-ai=n, ai-use=n, search=y",
            "1",
            [({"permits": "search", "prohibits": "ai-all"}, "free")],
        ),
    ],
)
def test_the_choice_on_ai_in_every_dialect(
    choice: AiTraining, usage: str, reservation: str, licences: list[tuple[dict[str, str], str]]
) -> None:
    record = recorded(Rights(ai_training=choice))
    headers = usage_headers(record)
    assert headers["Content-Usage"] == usage
    assert headers["tdm-reservation"] == reservation
    assert ("tdm-policy" in headers) == (reservation == "1")
    content = ElementTree.fromstring(rsl(record)).find("r:content", NS)
    assert content is not None
    assert [read(licence) for licence in content.findall("r:license", NS)] == licences
    assert content.findtext("r:license/r:payment/r:custom", namespaces=NS) == (record.page if choice == "ask" else None)
    assert json.loads(json_ld(record))["usageInfo"]["name"] == f"AI training: {choice}"
    assert AI_WORDS[choice] in dict(open_graph(record))["og:description"]
    assert (record_json(record)["ai_training"], oembed(record)["ai_training"]) == (choice, choice)


def test_rsl_names_the_credit_that_creative_commons_asks_for() -> None:
    payments = {}
    for licence in ("cc0", "cc-by-4.0", "all-rights-reserved"):
        root = ElementTree.fromstring(rsl(recorded(Rights(licence=licence, ai_training="allowed"))))
        payment = root.find("r:content/r:license/r:payment", NS)
        assert payment is not None
        payments[licence] = (payment.get("type"), payment.findtext("r:standard", namespaces=NS))
    by = "https://creativecommons.org/licenses/by/4.0/"
    assert payments == {"cc0": ("free", None), "cc-by-4.0": ("attribution", by), "all-rights-reserved": ("free", None)}


def test_the_services_own_licence_keeps_ai_out() -> None:
    content = ElementTree.fromstring(rsl_default("/a/")).find("r:content", NS)
    assert content is not None
    assert (content.get("url"), content.findtext("r:license/r:prohibits", namespaces=NS)) == ("/a/", "ai-all")
    assert tdm("not_allowed") == {"tdm-reservation": "1"}


@given(rights_values, moments)
def test_json_ld_says_what_the_record_says(rights: Rights, until: str) -> None:
    record = recorded(rights, until)
    said = json.loads(json_ld(record))
    assert said["license"] == record.licence_url
    assert said["acquireLicensePage"] == record.acquire_page
    assert said.get("creditText") == record.credit
    assert said.get("copyrightNotice") == record.copyright_notice
    assert said.get("creator", {}).get("name") == (record.creator or None)
    assert said.get("contentUrl") == (record.image and record.image.url)
    ids = {item["propertyID"]: item["value"] for item in said["identifier"]}
    assert ids.pop("sha256") == record.sha256.hex()
    assert ids.pop("capture") == record.id
    assert ids.pop("ISCC", None) == record.iscc
    assert ids.pop("log-index", None) == (None if record.log_index is None else str(record.log_index))
    assert ids.pop("transaction", None) == (record.anchor and record.anchor.transaction)
    assert not ids


@given(rights_values, moments)
def test_json_ld_cannot_leave_its_script_element(rights: Rights, until: str) -> None:
    text = json_ld(recorded(rights, until))
    assert not re.search("[<>&\u2028\u2029]", text)
    assert text.isascii()

    class Page(HTMLParser):
        found, tags = "", ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tags += f"<{tag}>"

        def handle_data(self, data: str) -> None:
            self.found += data

    page = Page()
    page.feed(f'<script type="application/ld+json">{text}</script>')
    page.close()
    assert (page.tags, json.loads(page.found)) == ("<script>", json.loads(text))


def readable(text: str) -> str:
    """A text as XML can carry it; its parser turns line ends into \\n (XML 1.0, section 2.11)."""
    return re.sub("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


@given(rights_values, moments)
@example(Rights(creator="a\r\nb]]><x/>&"), "anchor")
def test_rsl_is_well_formed_and_says_whose_it_is(rights: Rights, until: str) -> None:
    record = recorded(rights, until)
    root = ElementTree.fromstring(rsl(record).encode())
    allowed = {"rsl", "content", "license", "permits", "prohibits", "payment", "custom", "standard", "copyright",
               "terms"}  # fmt: skip
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= allowed
    content = root.find("r:content", NS)
    assert content is not None
    assert content.get("url") == f"/a/{record.id}"
    assert content.findtext("r:terms", namespaces=NS) == readable(record.licence_url)
    holder = record.credit or record.creator
    shown = content.findtext("r:copyright", namespaces=NS)
    assert shown == (readable(holder) if holder else None)


@given(rights_values, moments)
def test_headers_carry_nothing_but_themselves(rights: Rights, until: str) -> None:
    record = recorded(rights, until)
    for value in (*usage_headers(record).values(), links(record)):
        assert re.fullmatch(r"[ -~]+", value)
    found = re.findall(r'<([^<>]*)>((?:; \w+="[^"]*")+)(?:, |$)', links(record))
    assert ", ".join(f"<{url}>{rest}" for url, rest in found) == links(record)
    licences = [url for url, rest in found if rest == '; rel="license"']
    assert [unquote(url, errors="replace") for url in licences] == [unquote(record.licence_url, errors="replace")]
    by_type = {rest: url for url, rest in found}
    for media_type, address in alternates(record):
        assert by_type[f'; rel="alternate"; type="{media_type}"'] == address
    assert by_type.get('; rel="c2pa-manifest"; type="application/c2pa"') == record.manifest
    assert "c2pa" not in links(record, of_small_picture=True)


@given(rights_values, moments)
def test_cards_and_json_say_what_the_record_says(rights: Rights, until: str) -> None:
    record = recorded(rights, until)
    card = dict(open_graph(record))
    assert unescape(str(escape(card["og:title"]))) == card["og:title"]
    assert (record.credit or record.creator or "") in card["og:title"]
    assert record.licence_title in card["og:description"]
    assert card.get("og:image") == (record.thumbnail and record.thumbnail.url)
    stated = json.loads(json.dumps(record_json(record)))
    assert stated == {name: value for name, value in encode(record).items() if value is not None}
    embedded = json.loads(json.dumps(oembed(record)))
    assert embedded.get("author_name") == record.creator
    assert embedded.get("copyright_notice") == record.copyright_notice
    assert (embedded["license_url"], embedded["web_page"]) == (record.licence_url, record.page)


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_an_embedded_photo_fits(width: int, height: int) -> None:
    shown = oembed(recorded(Rights()), width, height)
    assert 1 <= shown["width"] <= min(width, 512)
    assert 1 <= shown["height"] <= min(height, 384)
