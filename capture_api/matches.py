"""/v1/captures/{id}/matches: why a match is a match, as a picture."""

from flask import Blueprint, Response

from capture_api.auth import may_see, needs
from capture_api.captures import not_yet, own, unknown
from capture_api.match_json import picture_may_be_seen
from capture_api.problems import gone, problem
from capture_api.services import services
from pipeline.errors import Erased
from pipeline.record import Capture

matches = Blueprint("matches", __name__, url_prefix="/v1/captures/<capture_id>/matches")


@matches.get("/<other>/evidence.png")
@needs("capture", "review")
def evidence(capture_id: str, other: str) -> Response:
    """Both photos side by side, what they share outlined and what differs shaded."""
    from fingerprint.evidence import side_by_side  # loads Pillow: 6 MB, in a process that draws

    capture = own(capture_id)
    if "verdict" not in capture.facts:
        raise not_yet(capture, "verdict")
    found = next((match for match in capture.fact("verdict").matches if match.id == other), None)
    if found is None:
        raise problem("not-found", f"The verdict of {capture_id} has no match {other[:40]!r}. Those that it has, and "
                      f"where their evidence is, stand in /v1/captures/{capture_id}.")  # fmt: skip
    # Safe to decode here, where uploads never are: workers of ours wrote these JPEGs, of at most 512 px a side, after
    # they had decoded the upload, and the blob store keeps them under their digests, which stand in the record.
    pictures = thumbnail(capture), thumbnail(_seen(other))
    drawn = side_by_side(*pictures, found, capture.fact("fingerprint").dimensions)
    return Response(drawn, mimetype="image/png", headers={"Cache-Control": "private, max-age=3600"})


def thumbnail(capture: Capture) -> bytes:
    """The capture's small picture. Raises Problem when there is none yet."""
    made = capture.facts.get("fingerprint"), capture.facts.get("manifest")
    digests = [fact.thumbnail_sha256 for fact in made if fact and fact.thumbnail_sha256]
    if not digests:
        raise not_yet(capture, "thumbnail")
    return b"".join(services().blobs.read(digests[0]))


def _seen(other: str) -> Capture:
    """The matched capture. The same problem when it is not there and when the caller may not look at it."""
    try:
        capture = services().captures.get(other)
    except LookupError as missing:
        if isinstance(missing, Erased) and (missing.published or may_see(missing.owner, owner_only=False)):
            raise gone(missing) from None
        raise unknown(other) from None
    if not picture_may_be_seen(capture):
        raise unknown(other)
    return capture
