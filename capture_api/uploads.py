"""/v1/uploads: uploads that survive a lost connection, by tus 1.0. The IETF's dialect is capture_api/resumable.py."""

import binascii
from base64 import b64decode
from email.utils import format_datetime

from flask import Blueprint, Response, request, url_for

from capture_api import resumable
from capture_api.auth import needs
from capture_api.body import MAX_METADATA_BYTES, idempotency_key
from capture_api.problems import problem
from capture_api.receiving import (
    HASHES,
    Wishes,
    answer_finished,
    append,
    begin,
    capture_place,
    check_offset,
    check_size,
    finish,
    mine,
    store,
    wishes_of,
)
from settings import MAX_UPLOAD_BYTES
from store.uploads import PartialUpload

uploads = Blueprint("uploads", __name__, url_prefix="/v1/uploads")

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation"
PIECE = "application/offset+octet-stream"
MAX_JOINED = 100  # partial uploads in one


@uploads.route("", methods=["OPTIONS"], provide_automatic_options=False)
@uploads.route("/<upload_id>", methods=["OPTIONS"], provide_automatic_options=False)
def capabilities(upload_id: str = "") -> Response:
    """What this server can do, in both dialects."""
    answer = Response(status=204)
    answer.headers |= {
        "Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(MAX_UPLOAD_BYTES),
        "Tus-Checksum-Algorithm": ",".join(HASHES), "Upload-Limit": f"max-size={MAX_UPLOAD_BYTES}",
        "Accept-Patch": f"{PIECE}, {resumable.PIECE}", "Allow": "OPTIONS, POST, HEAD, PATCH, DELETE",
    }  # fmt: skip
    return answer


@uploads.post("")
@needs("capture")
def create() -> Response:
    """Begin an upload, with or without its first bytes, or join partial ones."""
    if resumable.is_spoken():
        return resumable.create()
    _check_version()
    joined = request.headers.get("Upload-Concat", "")
    if joined.startswith("final;"):
        return _join(joined.removeprefix("final;").split())
    if joined not in ("", "partial"):
        raise problem("malformed-request", "Upload-Concat is 'partial', or 'final;' and the addresses of the parts.")
    upload = begin(_length(), _wishes(), partial=joined == "partial")
    location = url_for("uploads.show", upload_id=upload.id)
    if request.mimetype == PIECE:
        upload = append(upload, 0, _checksum())
    answer = _answer(upload, 201)
    answer.headers["Location"] = location
    return answer


@uploads.route("/<upload_id>", methods=["HEAD"])
@needs("capture")
def show(upload_id: str) -> Response:
    """How much of it is here. A whole upload that is no capture yet, because of a crash, becomes one now."""
    upload = mine(upload_id)
    if resumable.is_spoken():
        return resumable.show(upload)
    _check_version()
    answer = _answer(upload, 200)
    answer.headers["Cache-Control"] = "no-store"
    if upload.length is None:
        answer.headers["Upload-Defer-Length"] = "1"
    else:
        answer.headers["Upload-Length"] = str(upload.length)
    if said := wishes_of(upload).said:
        answer.headers["Upload-Metadata"] = said
    if upload.partial:
        answer.headers["Upload-Concat"] = "partial"
    return answer


@uploads.patch("/<upload_id>")
@needs("capture")
def go_on(upload_id: str) -> Response:
    """Add bytes at the offset; the last ones make it a capture."""
    upload = mine(upload_id)
    if resumable.is_spoken():
        return resumable.go_on(upload)
    _check_version()
    if request.mimetype != PIECE:
        raise problem("wrong-media-type", f"Send the piece with Content-Type: {PIECE}.")
    offset = _number("Upload-Offset")
    if offset is None:
        raise problem("malformed-request", "Send Upload-Offset: HEAD tells it.")
    check_offset(upload, offset)
    if upload.length is None and (length := _number("Upload-Length")) is not None:
        check_size(length)
        upload = store().set_length(upload, length)
    return _answer(append(upload, offset, _checksum()), 204)


@uploads.delete("/<upload_id>")
@needs("capture")
def remove(upload_id: str) -> Response:
    """Forget the upload and its bytes; what became a capture stays one."""
    if not resumable.is_spoken():
        _check_version()
    store().remove(mine(upload_id).id)
    return Response(status=204)


@uploads.after_request
def _speak(answer: Response) -> Response:
    answer.headers.setdefault("Tus-Resumable", VERSION)
    if answer.status_code == 412:
        answer.headers["Tus-Version"] = VERSION
    return answer


def _answer(upload: PartialUpload, status: int) -> Response:
    """Without a body: its state is in the headers. A whole upload is made a capture first."""
    answer = Response(status=status)
    if upload.whole and not upload.partial:
        capture = finish(upload).capture
        answer.headers["Content-Location"] = capture_place(capture.id)
    answer.headers["Upload-Offset"] = str(upload.offset)
    answer.headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return answer


def _join(places: list[str]) -> Response:
    """One upload of several partial ones, in this order."""
    if not 0 < len(places) <= MAX_JOINED:
        raise problem("malformed-request", f"Join 1 to {MAX_JOINED} partial uploads by their addresses.")
    parts = [mine(place.rstrip("/").rpartition("/")[2]) for place in places]
    if not all(part.partial and part.whole for part in parts):
        raise problem("malformed-request", "Only partial uploads that are complete can be joined.")
    length = sum(part.length or 0 for part in parts)
    upload = begin(length, _wishes())
    try:
        upload = store().join(upload, parts)
    except LookupError:  # one was removed meanwhile
        store().remove(upload.id)
        raise problem("no-upload", "A part's bytes are here no longer: begin it anew.") from None
    answer = answer_finished(upload)
    for part in parts:
        store().remove(part.id)
    made = Response(status=201)
    made.headers |= {
        "Location": url_for("uploads.show", upload_id=upload.id),
        "Content-Location": answer.headers["Content-Location"],
    }
    return made


def _check_version() -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise problem("wrong-version", f"Send Tus-Resumable: {VERSION}, or Upload-Draft-Interop-Version for the "
                      "IETF's resumable uploads.")  # fmt: skip


def _number(header: str) -> int | None:
    text = request.headers.get(header)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise problem("malformed-request", f"{header} is a number of bytes.")
    return int(text)


def _length() -> int | None:
    length = _number("Upload-Length")
    if length is None and request.headers.get("Upload-Defer-Length") != "1":
        raise problem("malformed-request", "Send Upload-Length, or Upload-Defer-Length: 1 while it is not known.")
    return length


def _wishes() -> Wishes:
    """What tus's Upload-Metadata says: keys, each with a value in base64."""
    said = request.headers.get("Upload-Metadata", "")
    if len(said) > 2 * MAX_METADATA_BYTES:
        raise problem("too-large", f"Upload-Metadata may have {2 * MAX_METADATA_BYTES} characters. Send fewer.")
    values = dict(_pair(item) for item in said.split(",") if item.strip())
    sha256 = values.get("sha256")
    if sha256 is not None and not (len(sha256) == 64 and set(sha256.lower()) <= set("0123456789abcdef")):
        raise problem("invalid-metadata", "sha256 is the digest of the whole photo: 64 hexadecimal digits.")
    key = idempotency_key(values.get("idempotency-key") or None)
    return Wishes(values.get("metadata") or None, sha256, key, said, values.get("statement"))


def _pair(item: str) -> tuple[str, str]:
    key, _, value = item.strip().partition(" ")
    try:
        return key, b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise problem("invalid-metadata", f"Upload-Metadata: the value of {key[:40]!a} is no base64 of text.") from None


def _checksum() -> tuple[str, bytes] | None:
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    name, _, value = header.partition(" ")
    if name not in HASHES:
        raise problem("malformed-request", f"Upload-Checksum is one of {', '.join(HASHES)}, and the digest in base64.")
    try:
        return name, b64decode(value, validate=True)
    except binascii.Error:
        raise problem("malformed-request", "The digest in Upload-Checksum is no base64.") from None
