"""Resumable uploads as iOS speaks them: draft-ietf-httpbis-resumable-upload, its interop versions 3, 5, 6 and 8.

Version 3 is draft -01 (`Upload-Incomplete`), 5 is -03 (`Upload-Complete`), 6 is -04 and -05 (pieces are
application/partial-upload; length and limits are told), 8 is -09 and later. The response 104 cannot be sent through
WSGI: a client that waits for it sends its photo whole; one that begins with `Upload-Complete: ?0` needs none.
"""

from flask import Response, request, url_for

from capture_api.body import ascii_metadata, idempotency_key, stated_sha256
from capture_api.problems import problem
from capture_api.receiving import (
    Wishes,
    answer_finished,
    append,
    begin,
    capture_place,
    check_size,
    mine,
    seconds_left,
    store,
)
from settings import MAX_UPLOAD_BYTES
from store.uploads import PartialUpload

PIECE = "application/partial-upload"
VERSIONS = (3, 5, 6, 8)


def is_spoken() -> bool:
    """Whether this request is in one of these dialects."""
    return "Upload-Draft-Interop-Version" in request.headers and "Tus-Resumable" not in request.headers


def create() -> Response:
    """Begin an upload with the bytes that came; when they are all, it is a capture."""
    version, complete = _version(), _complete()
    length = _stated_length(complete)
    _check_end(complete, length)
    wishes = Wishes(ascii_metadata(), stated_sha256(), idempotency_key(request.headers.get("Idempotency-Key")))
    upload = begin(length, wishes)
    return _append(upload, 0, complete, version, created=True)


def show(upload: PartialUpload) -> Response:
    """How much of it is here, and whether that is all."""
    version = _version()
    _check_kind(upload)
    answer = Response(status=204)
    answer.headers["Cache-Control"] = "no-store"
    if upload.whole:
        answer = answer_finished(upload)
        answer = Response(status=204, headers={"Content-Location": answer.headers["Content-Location"],
                                               "Cache-Control": "no-store"})  # fmt: skip
    return _say(answer, upload, version)


def go_on(upload: PartialUpload) -> Response:
    """Add bytes at the offset; when the request says that these are the last, it is a capture."""
    version, complete = _version(), _complete()
    _check_kind(upload)
    if version >= 6 and request.mimetype != PIECE:
        raise problem("wrong-media-type", f"Send the piece with Content-Type: {PIECE}.")
    offset = request.headers.get("Upload-Offset", "")
    if not (offset.isascii() and offset.isdigit() and len(offset) <= 15):
        raise problem("malformed-request", "Send Upload-Offset: HEAD tells it.")
    if upload.capture_id:
        if complete and int(offset) == upload.offset and not request.content_length:
            return _say(answer_finished(upload), upload, version)  # the answer was lost: here it is again
        raise problem("completed-upload", f"It is complete: {capture_place(upload.capture_id)}")
    return _append(upload, int(offset), complete, version)


def _append(upload: PartialUpload, offset: int, complete: bool, version: int, created: bool = False) -> Response:
    if (length := _stated_length(complete, offset)) is not None:
        check_size(length)
        upload = _with_length(upload, length)
    _check_end(complete, upload.length)
    upload = append(upload, offset)
    if upload.whole:  # of a length that was told before: nothing more can come, whatever the piece says of itself
        return _say(answer_finished(upload), upload, version)
    answer = Response(status=201 if created else 204)
    if created:
        answer.headers["Location"] = url_for("uploads.show", upload_id=upload.id)
    return _say(answer, upload, version)


def _with_length(upload: PartialUpload, length: int) -> PartialUpload:
    if upload.length not in (None, length):
        raise problem("wrong-length", f"The upload has {upload.length} bytes, and this says {length}. Begin it anew.")
    return store().set_length(upload, length) if upload.length is None else mine(upload.id)


def _check_kind(upload: PartialUpload) -> None:
    """Refuse a part of a photo, which this dialect does not know: it would become a capture of its own."""
    if upload.partial:
        raise problem("malformed-request", "This upload was begun as a part of one: go on with it by tus.")


def _check_end(complete: bool, length: int | None) -> None:
    """Refuse last bytes of which nobody could tell whether they are all: the server says nothing of a cut."""
    if complete and length is None:
        raise problem("no-length", "Send the last piece with Content-Length or Upload-Length. When no more bytes are "
                      "left, send it without any and with Content-Length: 0.")  # fmt: skip


def _stated_length(complete: bool, offset: int = 0) -> int | None:
    """The upload's length, as Upload-Length or the last piece's own length tells it."""
    stated = request.headers.get("Upload-Length", "")
    lengths = {int(stated)} if stated.isascii() and stated.isdigit() and len(stated) <= 15 else set()
    if complete and request.content_length is not None:
        lengths.add(offset + request.content_length)
    if len(lengths) > 1:
        raise problem("wrong-length", f"Upload-Length and the body's own length disagree: {sorted(lengths)}.")
    return lengths.pop() if lengths else None


def _say(answer: Response, upload: PartialUpload, version: int) -> Response:
    done = upload.whole
    answer.headers["Upload-Draft-Interop-Version"] = str(version)
    answer.headers["Upload-Offset"] = str(upload.offset)
    if version == 3:
        answer.headers["Upload-Incomplete"] = "?0" if done else "?1"
        return answer
    answer.headers["Upload-Complete"] = "?1" if done else "?0"
    if version >= 6:
        age = "expires" if version == 6 else "max-age"
        answer.headers["Upload-Limit"] = f"max-size={MAX_UPLOAD_BYTES}, {age}={seconds_left(upload)}"
        if upload.length is not None:
            answer.headers["Upload-Length"] = str(upload.length)
    return answer


def _version() -> int:
    text = request.headers.get("Upload-Draft-Interop-Version", "")
    if text not in map(str, VERSIONS):
        known = ", ".join(map(str, VERSIONS))
        raise problem("wrong-version", f"The interop versions {known} of the IETF's resumable uploads are spoken here.")
    return int(text)


def _complete() -> bool:
    """Whether the body's end is the upload's end."""
    old = _version() == 3
    stated = request.headers.get("Upload-Incomplete" if old else "Upload-Complete")
    if stated not in ("?0", "?1"):
        name = "Upload-Incomplete" if old else "Upload-Complete"
        raise problem("malformed-request", f"Send {name}: ?0 or ?1.")
    return (stated == "?1") is not old
