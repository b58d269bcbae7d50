"""A capture as JSON, and a fact as a person or a program reads it."""

import json
from base64 import b64decode
from typing import Any

from flask import Response, url_for

from capture_api.auth import has_caller, may_see
from capture_api.device_words import device_words
from capture_api.lineage import parents_json
from capture_api.services import services
from capture_api.words import MEANS, checked
from ledger.promise import promise
from pipeline.device import Device
from pipeline.record import (
    FACTS,
    Alignment,
    Anchor,
    Capture,
    Corners,
    Evidence,
    Fingerprint,
    Match,
    Timestamp,
    Verdict,
    encode,
)
from store.captures import timeline

LONGEST_VALUE = 1_000  # characters of a soft binding within a capture; local features have six times as many
_NO_ALIGNMENT = dict.fromkeys(
    ("box", "reverse_box", "homography", "dimensions", "visible", "covers", "agreement", "inliers", "windows",
     "correlation")
)  # fmt: skip


def capture_json(capture: Capture) -> dict[str, Any]:
    """The capture in the shape of the API; facts that are not there yet are null."""
    return {
        "id": capture.id,
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "rights": encode(capture.request.rights),
        "published": capture.request.published,
        "keep_location": capture.request.keep_location,
        **parents_json(capture),
        **{name: fact_json(capture.facts.get(name), capture.id) for name, _, _ in FACTS},
        "timestamp": fact_json(capture.facts.get("timestamp")),
        "device": fact_json(capture.facts.get("device")),
        "credentials_now": _credentials_now(capture),
        "rejection": encode(capture.facts.get("rejection")),
        "timings": timeline(capture),
        "promise": promise(services().checkpoint_signer, capture.id, capture.fact("asset").sha256, capture.created_at),
        "links": links(capture),
    }


def fact_json(fact: Any, capture_id: str | None = None) -> Any:
    """A fact as JSON, for the caller's eyes; with the capture's id, its matches link to their evidence.

    An anchor says what kind of chain it stands on.
    """
    value = encode(fact)
    if isinstance(fact, Verdict):
        value["matches"] = [match_json(match, match_links(match.id, capture_id)) for match in fact.matches]
    if isinstance(fact, Fingerprint):
        value["soft_bindings"] = [_binding_json(**binding) for binding in value["soft_bindings"]]
    if isinstance(fact, Timestamp):
        del value["reply"]  # kilobytes, and a call of its own
    if isinstance(fact, Device):
        value["means"] = device_words(fact)
    if isinstance(fact, Anchor) and fact.local:
        value["note"] = "local chain: not independent proof"
    return value


def _credentials_now(capture: Capture) -> Any:
    """What the trust lists of a later day say of the credentials; null while the fact is all there is."""
    found = services().trust_verdicts.newest(capture.id) if "credentials" in capture.facts else None
    return encode(found[0]) | {"judged_at": found[1]} if found else None


def match_json(match: Match, links: dict[str, str]) -> dict[str, Any]:
    """A match: what it is, what it means in plain words, what was checked, and its evidence."""
    return {
        "id": match.id,
        "kind": match.kind,
        "score": match.score_ppm / 1_000_000,
        "distance": match.distance if links else None,  # asked often enough, distances would tell the whole code
        "means": MEANS[match.kind],
        "checked": checked(match),
        "evidence": _evidence_json(match.evidence),
        "links": links,
    }


def match_links(other_id: str, capture_id: str | None = None) -> dict[str, str]:
    """Where a matched capture may be looked at: nowhere, when it is another's that is not published.

    Whoever may look at it is told the distance of the whole codes too.

    The evidence is of the pair, for the caller with a key: without `capture_id` there is none.
    """
    try:
        other = services().captures.get(other_id)
    except LookupError:
        return {}
    found = {}
    if has_caller() and may_see(other.owner, owner_only=False):
        found["self"] = url_for("captures.show", capture_id=other_id)
    if other.request.published:
        found["public"] = url_for("public.page", capture_id=other_id)
        if "manifest" in other.facts:
            found["thumbnail"] = url_for("public.public_thumbnail", capture_id=other_id)
    if capture_id and picture_may_be_seen(other):
        found["evidence"] = url_for("matches.evidence", capture_id=capture_id, other=other_id)
    return found


def picture_may_be_seen(other: Capture) -> bool:
    """Whether the caller may look at a matched capture's picture: when it is published, or as its owner or reviewer."""
    published = other.request.published and "rejection" not in other.facts
    return published or may_see(other.owner, owner_only=False)


def links(capture: Capture) -> dict[str, str]:
    """Where everything about a capture is; only what exists already."""
    call = {"self": "show", "events": "events", "original": "original"}
    if "fingerprint" in capture.facts:
        call |= {"fingerprint": "fingerprint"}
    if "manifest" in capture.facts:
        call |= {"file": "file", "signed": "signed", "thumbnail": "thumbnail", "manifest": "manifest"}
        if capture.fact("manifest").open_file is None:
            del call["file"]
    if "timestamp" in capture.facts:
        call |= {"timestamp": "timestamp"}
    found = {name: url_for(f"captures.{view}", capture_id=capture.id) for name, view in call.items()}
    if "inclusion" in capture.facts:
        proofs = ("receipt", "receipt_cose", "bundle")
        found |= {name: url_for(f"proofs.{name}", capture_id=capture.id) for name in proofs}
    if capture.request.published:
        found["public"] = url_for("public.page", capture_id=capture.id)
    return found


def json_answer(value: Any, status: int = 200) -> Response:
    """JSON that nobody may keep: it changes with every fact, or is its owner's alone."""
    return Response(json.dumps(value), status, mimetype="application/json", headers={"Cache-Control": "no-store"})


def _binding_json(alg: str, value: str) -> dict[str, Any]:
    """A fingerprint; of a long one, which is base64, only its size: see /v1/captures/{id}/fingerprint."""
    return {"alg": alg, "value": value} if len(value) <= LONGEST_VALUE else {"alg": alg, "bytes": len(b64decode(value))}


def _evidence_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "alg": evidence.alg,
        "orientation": evidence.orientation,
        "bits": evidence.bits,
        "negative": evidence.negative,
        **(_alignment_json(evidence.alignment) if evidence.alignment else _NO_ALIGNMENT),
    }


def _alignment_json(alignment: Alignment) -> dict[str, Any]:
    numbers = [float(number) for number in alignment.homography]
    return {
        "box": _pixels(alignment.box),
        "reverse_box": _pixels(alignment.reverse_box),
        "homography": [numbers[at : at + 3] for at in (0, 3, 6)],
        "dimensions": encode(alignment.dimensions),
        "visible": alignment.visible_ppm / 1_000_000,
        "covers": alignment.covers_ppm / 1_000_000,
        "agreement": alignment.agreement_ppm / 1_000_000,
        "inliers": alignment.inliers,
        "windows": alignment.windows,
        "correlation": encode(alignment.correlation),
    }


def _pixels(corners: Corners) -> list[list[float]]:
    return [[x / 100, y / 100] for x, y in corners]
