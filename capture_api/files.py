"""/v1/captures/{id}/…: the photo's files. Who may have which is decided here: the place it was taken is the owner's."""

from flask import Response

from capture_api.auth import may_see, needs
from capture_api.captures import blob_answer, captures, manifest_fact, not_yet, open_or_refuse, own
from capture_api.problems import problem
from pipeline.record import Timestamp


@captures.get("/<capture_id>/original")
@needs("capture")
def original(capture_id: str) -> Response:
    """The upload, untouched."""
    asset = own(capture_id, owner_only=True).fact("asset")
    return blob_answer(asset.sha256, asset.media_type)


@captures.get("/<capture_id>/file")
@needs("capture", "review")
def file(capture_id: str) -> Response:
    """The photo with its signed manifest, without the place where it was taken unless its owner wants that kept."""
    made = manifest_fact(capture_id)
    return blob_answer(open_or_refuse(made.open_file, capture_id), made.signed_media_type)


@captures.get("/<capture_id>/signed")
@needs("capture")
def signed(capture_id: str) -> Response:
    """The whole signed photo, the place where it was taken included: its owner's alone."""
    made = manifest_fact(capture_id, owner_only=True)
    return blob_answer(made.signed_sha256, made.signed_media_type)


@captures.get("/<capture_id>/thumbnail")
@needs("capture", "review")
def thumbnail(capture_id: str) -> Response:
    """A small upright JPEG without metadata."""
    return blob_answer(manifest_fact(capture_id).thumbnail_sha256, "image/jpeg")


@captures.get("/<capture_id>/manifest")
@needs("capture", "review")
def manifest(capture_id: str) -> Response:
    """The C2PA manifest store: the registered one for the owner, for others that of the file that they may have."""
    made = manifest_fact(capture_id)
    is_owner = may_see(own(capture_id).owner, owner_only=True)
    return blob_answer(made.sha256 if is_owner else open_or_refuse(made.open_store, capture_id), "application/c2pa")


@captures.get("/<capture_id>/timestamp")
@needs("capture", "review")
def timestamp(capture_id: str) -> Response:
    """The time-stamp that came after signing, as the authority gave it (RFC 3161)."""
    made, capture = manifest_fact(capture_id), own(capture_id)
    if made.timestamp != "pending":
        where = "it is in the photo's own signature" if made.timestamp else "nobody was asked for one"
        raise problem("not-found", f"No time-stamp came after this photo was signed: {where}.")
    if "timestamp" not in capture.facts:
        raise not_yet(capture, "timestamp")
    given: Timestamp = capture.fact("timestamp")
    return Response(given.reply, mimetype="application/timestamp-reply", headers={"Cache-Control": "no-store"})
