"""One record of what a published photo is and under which terms: every dialect is written from it alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pipeline.record import AiTraining, Anchor, Capture, Dimensions, Manifest, Rights
from rights.terms import PRESETS, licence_title, licence_url

CLOSED = "all-rights-reserved"

THUMBNAIL_SIDE = 512  # pixels: the longer side of what every stranger may see
ISCC = "io.iscc.v0"
# Licences under which anybody may pass on copies: only of these does a stranger get the whole photo from its address.
OPEN_LICENCES = frozenset(name for name, preset in PRESETS.items() if "creativecommons.org" in preset.url)
AI_WORDS: dict[AiTraining, str] = {
    "allowed": "Yes, the uploader allows it",
    "ask": "Only with the uploader’s permission: ask first",
    "not_allowed": "No",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that strangers may have: its address, media type and pixels after the EXIF turn."""

    url: str
    media_type: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class Stated:
    """A licence and the word on AI. `licence`: a preset's name, a URL of the owner's, None for terms of no preset."""

    licence: str | None
    licence_title: str
    licence_url: str
    ai_training: AiTraining


@dataclass(frozen=True, slots=True)
class ChainLicence:
    """What a contract on a chain offers for the photo. `token`: CAIP-19; `asset`, `terms_id`: hex.

    `price`: of a licence, in the smallest unit of `currency` (a token's address, or None for the chain's coin); 0 when
    what the terms allow is free. `title`: the terms in plain words; `licence`, `licence_title`, `text_url`: which
    licence that is and where its words can be read, None for terms of no preset; `copy`: where the file is got, for
    money or free. `on_sale`: whether a licence can be bought for the price now; `why_not`: why the contract sells none,
    when something stands in the way. `counts`: it is the first work of its file; `barred`: an objection was upheld, or
    the chain, which cannot be asked, may know better terms only; `awaits_parents`: nothing is given meanwhile.
    `is_known`: the chain said so just now; else these are the terms that were put there last from here, and nothing is
    for sale. `chain_id` and `token` are None while the chain was never reached.
    """

    chain_id: int | None
    contract: str
    local: bool
    asset: str
    token: str | None
    terms_id: str
    terms: Mapping[str, Any]
    title: str
    licence: str | None
    licence_title: str
    text_url: str | None
    price: int
    currency: str | None
    copy: str
    on_sale: bool
    why_not: str | None
    counts: bool
    barred: bool
    awaits_parents: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class EarlierRights:
    """What was stated about the rights before, from when on, and where that is in the log."""

    licence_title: str
    licence_url: str
    ai_training: AiTraining
    stated_at: datetime
    log_index: int | None


@dataclass(frozen=True, slots=True)
class RightsRecord:
    """What anyone may be told about a published photo. All addresses are absolute.

    `licence_title`, `licence_url` and `ai_training` are what counts: a work's terms on the chain, as long as the work
    counts there, and else what was stated; that is in `stated`.
    `sha256`, `media_type` and `size` (bytes) are the upload's. `iscc`: as text, from the manifest that is public; None
    when there is none. `image`: what the licence lets strangers have, whole or small; `whole_image` says which.
    `manifest`: where the C2PA manifest store is. `log_index`: the leaf's position in the log. `licence_on_chain`: what
    a contract offers, when the photo is a work there. `stated_at`: since when the rights are as they are;
    `stated_index`: where that stands in the log; `earlier`: what was stated before, oldest first, as the signed file
    may still say.
    """

    id: str
    title: str
    page: str
    registered_at: datetime
    stated_at: datetime
    published: bool
    sha256: bytes
    media_type: str
    size: int
    licence_title: str
    licence_url: str
    acquire_page: str
    ai_training: AiTraining
    stated: Stated
    creator: str | None = None
    credit: str | None = None
    copyright_notice: str | None = None
    iscc: str | None = None
    thumbnail: Picture | None = None
    image: Picture | None = None
    whole_image: bool = False
    manifest: str | None = None
    log_index: int | None = None
    anchor: Anchor | None = None
    licence_on_chain: ChainLicence | None = None
    stated_index: int | None = None
    earlier: tuple[EarlierRights, ...] = ()

    def address(self, dialect: str) -> str:
        """Where this record stands in a dialect, for those who follow links and send no Accept."""
        return f"{self.page}?format={dialect}"


def rights_record(capture: Capture, base: str, offer: ChainLicence | None = None) -> RightsRecord:
    """The record of a capture as strangers see it. `base`: the service's address, without a slash at its end."""
    *earlier, (rights, stated_at, stated_index) = _history(capture)
    asset = capture.fact("asset")
    page = f"{base}/a/{quote(capture.id)}"
    manifest: Manifest | None = capture.facts.get("manifest")
    inclusion = capture.facts.get("inclusion")
    thumbnail = _thumbnail(capture, page) if manifest else None
    stated = Stated(rights.licence, licence_title(rights), licence_url(rights), rights.ai_training)
    counting = _effective(stated, offer, page)
    open_ = counting.licence in OPEN_LICENCES and not (offer and offer.counts and offer.awaits_parents)
    whole = _whole(capture, manifest, page) if manifest and open_ else None
    return RightsRecord(
        id=capture.id,
        title="A photo that was refused" if "rejection" in capture.facts else "A registered photo",
        page=page,
        registered_at=capture.created_at,
        stated_at=stated_at,
        published=capture.request.published,
        sha256=asset.sha256,
        media_type=asset.media_type,
        size=asset.size,
        licence_title=counting.licence_title,
        licence_url=counting.licence_url,
        acquire_page=page,
        ai_training=counting.ai_training,
        stated=stated,
        creator=rights.creator,
        credit=rights.credit,
        copyright_notice=rights.copyright_notice,
        iscc=_iscc(capture) if manifest and manifest.open_store else None,
        thumbnail=thumbnail,
        image=whole or thumbnail,
        whole_image=whole is not None,
        manifest=f"{page}?format=c2pa" if manifest and manifest.open_store else None,
        log_index=inclusion.index if inclusion else None,
        anchor=capture.facts.get("anchor"),
        licence_on_chain=offer,
        stated_index=stated_index,
        earlier=tuple(
            EarlierRights(licence_title(said), licence_url(said), said.ai_training, at, index)
            for said, at, index in earlier
        ),
    )


def _effective(stated: Stated, offer: ChainLicence | None, page: str) -> Stated:
    """The licence and the word on AI that count: a work's terms on the chain are its owner's newest word."""
    if offer and offer.barred:  # nobody may use it any more, not even for what its terms, or its uploader, gave away
        closed = PRESETS[CLOSED]
        return Stated(CLOSED, closed.title, closed.url, "not_allowed")
    if offer is None or not offer.counts:
        return stated
    return Stated(offer.licence, offer.licence_title, offer.text_url or page, _ai_training(stated, offer))


def _ai_training(stated: Stated, offer: ChainLicence) -> AiTraining:
    # A contract has no word for "ask first": that it sells no licence for training is what it can say of that.
    if offer.terms["ai_training"] == "denied":
        return "ask" if stated.ai_training == "ask" else "not_allowed"
    return "allowed" if offer.terms["ai_training"] == "allowed" else "ask"


def _history(capture: Capture) -> list[tuple[Rights, datetime, int | None]]:
    """What was stated about the rights, since when, and at which position of the log: with the photo, and later."""
    first = capture.request.rights, capture.created_at, capture.facts.get("inclusion")
    later = [(each.rights, each.stated_at, each.inclusion) for each in capture.statements]
    return [(rights, at, place.index if place else None) for rights, at, place in (first, *later)]


def _thumbnail(capture: Capture, page: str) -> Picture:
    whole = capture.fact("fingerprint").dimensions
    scale = min(1.0, THUMBNAIL_SIDE / max(whole.width, whole.height))
    small = Dimensions(max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    return Picture(f"{page}/thumbnail", "image/jpeg", small)


def _whole(capture: Capture, manifest: Manifest, page: str) -> Picture | None:
    """The signed photo without the place where it was taken, if that could be taken out."""
    if manifest.location is None or manifest.open_file is None:  # older versions signed without looking for a place
        return None
    return Picture(f"{page}?format=image", manifest.signed_media_type, capture.fact("fingerprint").dimensions)


def _iscc(capture: Capture) -> str | None:
    """The code that the public manifest states, as ISO 24138 writes it."""
    try:
        return str(capture.fact("fingerprint").value(ISCC))
    except KeyError:
        return None
