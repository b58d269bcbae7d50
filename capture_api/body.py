"""Reading an upload: streamed to the blob store while it is digested, so that memory does not grow with the photo."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from flask import Request, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capture_api.problems import problem
from fingerprint.sniff import sniff
from pipeline.errors import Rejected
from pipeline.parents import MOST_PARENTS, SourceType
from settings import MAX_UPLOAD_BYTES
from store.amendments import MOST_HELD_S
from store.blobs import CHUNK_BYTES, BlobStore, Incoming

MAX_METADATA_BYTES = 64 * 1024
MULTIPART_OVERHEAD_BYTES = 1024 * 1024  # boundaries, headers and the metadata part around the photo
TYPES = (
    "image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif", "image/tiff", "image/gif",
    "image/x-adobe-dng",
)  # fmt: skip
_VIDEOS = " Videos are not taken: nothing here could find a copy of one."
_DECLARABLE = (*TYPES, "image/jpg", "image/dng")
CAPTURE_ID = r"^[a-z0-9]+$"  # what is none is refused before a database is asked: PostgreSQL takes no NUL


class ParentClaim(BaseModel):
    """A capture that the photo was made from: yours, or a published one, and in the log already.

    `licence`: the token that allows it, as decimal digits or as 0x and hex digits.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=CAPTURE_ID, max_length=40)
    licence: str | None = Field(default=None, max_length=80)


class Metadata(BaseModel):
    """What may accompany a photo. `rights` is read by rights/terms.py, which knows the fields.

    `hold_s`: nobody works on it for so long, unless a PATCH ends that, so that more can be said about it. `parents`:
    what it was made from. `digital_source_type`: how it was made, where no camera took it (IPTC's names).
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    rights: dict[str, Any] | None = None
    keep_location: bool = False
    published: bool = True
    hold_s: int = Field(default=0, ge=0, le=MOST_HELD_S)
    parents: list[ParentClaim] | None = Field(default=None, min_length=1, max_length=MOST_PARENTS)
    digital_source_type: SourceType | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo that came in whole and is not yet kept."""

    incoming: Incoming
    media_type: str
    metadata: Metadata


def take_upload(incoming: Incoming) -> Upload:
    """Read the request's photo, raw or multipart, into `incoming`. Raises Problem for whatever is wrong with it."""
    declared = request.mimetype
    if declared == "multipart/form-data":
        _check_length(MAX_UPLOAD_BYTES + MULTIPART_OVERHEAD_BYTES)
        source, metadata = _multipart()
    elif declared in _DECLARABLE:
        _check_length(MAX_UPLOAD_BYTES)
        source, metadata = request.stream, ascii_metadata()
    else:
        raise problem("wrong-media-type", f"The Content-Type is {declared or 'missing'}; send one of {', '.join(TYPES)}"
                      f", or multipart/form-data with a part named file.{_VIDEOS}")  # fmt: skip
    parsed = parse_metadata(metadata)
    first = _copy(source, incoming)
    _check_whole(incoming.size, declared)
    _check_digest(incoming.sha256, declared)
    media_type = sniff(first)
    if media_type is None:
        raise problem(
            "wrong-media-type", f"The bytes are none of {', '.join(TYPES)}. Send the photo's own file.{_VIDEOS}"
        )
    return Upload(incoming, media_type, parsed)


def take_asset(incoming: Incoming) -> str:
    """Read a body that is only looked at into `incoming`, and return its media type: its bytes decide, not its header.

    Raises Problem for what is no photo that can be looked at.
    """
    if request.mimetype.partition("/")[0] not in ("image", "application", ""):
        raise problem("wrong-media-type", f"Only photos are compared here, not {request.mimetype}. Send one.")
    _check_length(MAX_UPLOAD_BYTES)
    media_type = sniff(_copy(request.stream, incoming))
    if media_type is None:
        raise problem("wrong-media-type", f"The bytes are none of {', '.join(TYPES)}. Send the photo as the body.")
    return media_type


def ascii_metadata() -> str | None:
    """The header Capture-Metadata. Raises Problem for other characters than ASCII.

    HTTP servers disagree on those in headers: ours empties such a header, others change its text.
    """
    header = request.headers.get("Capture-Metadata")
    if header is not None and not (header and header.isascii()):
        raise problem("invalid-metadata", "Write Capture-Metadata in ASCII, as JSON can: é is \\u00e9.")
    return header


def _check_whole(size: int, declared: str) -> None:
    """Refuse a photo of which only a part came. The server says nothing when a connection is cut: we count."""
    if declared != "multipart/form-data":  # there, the closing boundary says that it is whole
        length = request.content_length
        if length is None and "Content-Digest" not in request.headers:
            raise problem("no-length", "Send Content-Length, or Content-Digest where the length is not known before.")
        if length is not None and size != length:
            raise problem("upload-cut-off", f"{size} of {length} bytes came. Send the photo again.")
    if size == 0:
        raise problem("empty-upload", "No byte of a photo came. Send the photo's bytes as the body.")


def open_incoming(blobs: BlobStore) -> Any:
    """A place for this request's photo, with the upload limit."""
    return blobs.incoming(MAX_UPLOAD_BYTES)


def _check_length(limit: int) -> None:
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large()


def _too_large() -> Exception:
    return problem("too-large", f"A photo may have {MAX_UPLOAD_BYTES} bytes. Send a smaller one.")


def _copy(source: IO[bytes], incoming: Incoming) -> bytes:
    first = b""
    try:
        for chunk in _chunks(source):
            if len(first) < 64:
                first = (first + chunk)[:64]
            incoming.write(chunk)
    except Rejected as rejected:
        raise _too_large() from rejected
    return first


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


class UploadRequest(Request):
    """A request whose multipart files are spooled to disk, and whose other parts are small."""

    # Also bounds the parser's buffer, into which a file's bytes come in pieces of 64 KiB.
    max_form_memory_size = 4 * MAX_METADATA_BYTES
    max_form_parts = 8


def _multipart() -> tuple[IO[bytes], str | None]:
    request.max_content_length = MAX_UPLOAD_BYTES + MULTIPART_OVERHEAD_BYTES
    files = request.files
    if set(files) != {"file"} or len(files.getlist("file")) != 1:
        raise problem("malformed-request", "Send exactly one part named file, and at most one named metadata.")
    metadata = request.form.get("metadata")
    if set(request.form) - {"metadata"}:
        raise problem("malformed-request", "The parts are file and metadata; there is another one.")
    return files["file"].stream, metadata


def parse_metadata(text: str | None) -> Metadata:
    """The metadata, from JSON. Raises Problem, naming the field."""
    if text is None:
        return Metadata()
    if len(text.encode()) > MAX_METADATA_BYTES:
        raise problem("too-large", f"The metadata may have {MAX_METADATA_BYTES} bytes. Send fewer.")
    try:
        return Metadata.model_validate_json(text)
    except ValidationError as error:
        raise invalid(error, "metadata") from None


def invalid(error: ValidationError, whole: str) -> Exception:
    """The problem of JSON that is not as described: the first place that is wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or whole
    return problem("invalid-metadata", f"{place}: {first['msg']}. The fields are listed at /docs.")


_DIGEST = re.compile(r"^(sha-256|sha-512)=:([A-Za-z0-9+/=]+):$")


def _check_digest(sha256: bytes, declared: str) -> None:
    """Content-Digest (RFC 9530): when there is one, it is checked and must hold."""
    header = request.headers.get("Content-Digest")
    if header is None:
        return
    if declared == "multipart/form-data":
        raise problem("wrong-digest", "Content-Digest would cover the whole form, which is not checked here: "
                      "send the photo as the body itself, or leave the header out.")  # fmt: skip
    if _sha256_in(header, "Content-Digest") != sha256:
        raise problem("wrong-digest", f"The bytes that came have the SHA-256 {sha256.hex()}. Send the photo again.")


def stated_sha256() -> str | None:
    """The SHA-256 of the whole photo, as Repr-Digest (RFC 9530) tells it with a piece; hex. Raises Problem."""
    header = request.headers.get("Repr-Digest")
    return None if header is None else _sha256_in(header, "Repr-Digest").hex()


def _sha256_in(header: str, name: str) -> bytes:
    members = [_DIGEST.match(member.strip()) for member in header.split(",")]
    given = [match.group(2) for match in members if match and match.group(1) == "sha-256"]
    if not given:
        raise problem("wrong-digest", f"Write the header as '{name}: sha-256=:<base64 of the 32 bytes>:'.")
    try:
        return base64.b64decode(given[0], validate=True)
    except binascii.Error:
        return b""


def idempotency_key(key: str | None) -> str | None:
    """The key as it is kept, whatever door it came by. Raises Problem for what cannot be one."""
    if key and len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]  # the draft writes it as a structured field, most clients as it is: both are the same key
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise problem("malformed-request", "An Idempotency-Key has 1 to 255 printable ASCII characters.")
    return key


def request_digest(sha256: bytes, metadata: Metadata) -> bytes:
    """What an Idempotency-Key stands for: these bytes with this metadata."""
    # Without the hold, which is no part of what will stand; nor what older versions did not know, where it is not said.
    unsaid = {name for name in ("parents", "digital_source_type") if getattr(metadata, name) is None}
    return hashlib.sha256(sha256 + metadata.model_dump_json(exclude={"hold_s", *unsaid}).encode()).digest()
