"""A match as JSON: what it is, its evidence, and where those who may can look at it."""

from typing import Any

from flask import url_for

from capture_api.auth import has_caller, may_see
from capture_api.services import services
from capture_api.words import MEANS, checked
from pipeline.kin import Lookup
from pipeline.record import Alignment, Capture, Corners, Evidence, Match, encode

_NO_ALIGNMENT = dict.fromkeys(
    ("box", "reverse_box", "homography", "dimensions", "visible", "covers", "agreement", "inliers", "windows",
     "correlation")
)  # fmt: skip


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


def match_links(other_id: str, capture_id: str | None = None, lookup: Lookup | None = None) -> dict[str, str]:
    """Where a matched capture may be looked at: nowhere, when it is another's that is not published.

    Whoever may look at it is told the distance of the whole codes too.

    The evidence is of the pair, for the caller with a key: without `capture_id` there is none.
    """
    try:
        other = (lookup or services().captures.get)(other_id)
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
