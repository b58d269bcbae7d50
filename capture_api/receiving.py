"""Uploads in pieces, whatever dialect their client speaks: begun, gone on with, and made a capture, once."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any

from flask import Response, request, url_for

from capture_api.auth import caller
from capture_api.body import Upload, open_incoming, parse_metadata
from capture_api.problems import Problem, problem
from capture_api.quotas import admit, uploading
from capture_api.registration import Registered, answer_registered, check_metadata, register_upload
from capture_api.services import services
from capture_api.vouching import for_photo, vouched
from fingerprint.sniff import SNIFF_BYTES, sniff
from pipeline.device import Device
from pipeline.record import decode, encode
from settings import MAX_UPLOAD_BYTES
from store.blobs import CHUNK_BYTES, Incoming
from store.uploads import MAX_OPEN, Overtaken, PartialUpload, TooManyOpen, UploadStore

HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}  # what a piece may be checked with (tus)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the creation of an upload said of the photo: the Capture-Metadata, its SHA-256, an Idempotency-Key.

    `said`: the creation's own header, given back to those who ask. `statement`: what a device signed offline; once it
    is checked, or the request's own signature, `device` is the fact (pipeline/device.py), encoded.
    """

    metadata: str | None = None
    sha256: str | None = None
    idempotency_key: str | None = None
    said: str = ""
    statement: str | None = None
    device: dict[str, Any] | None = None


def store() -> UploadStore:
    """Where this app keeps uploads that are not complete."""
    return services().uploads


def begin(length: int | None, wishes: Wishes, partial: bool = False) -> PartialUpload:
    """A new upload of the caller's. Raises Problem for what could not become a capture whatever bytes come.

    Who signs the request, or the statement in it, vouches for the photo that the upload becomes; for a part of one
    nobody does.
    """
    if length is not None:
        check_size(length)
        if length == 0 and not partial:
            raise problem("empty-upload", "An upload has at least one byte. Send the photo's own file.")
    check_metadata(parse_metadata(wishes.metadata))
    admit(caller(), length)
    if store().open_count(caller().owner) >= MAX_OPEN:
        raise _too_many()
    try:
        said = json.dumps(asdict(wishes if partial else _vouched(wishes)))
        return store().create(caller().owner, length, said, partial)
    except TooManyOpen:  # others began at the same time
        raise _too_many() from None


def _too_many() -> Problem:
    return problem("too-many-uploads", f"{MAX_OPEN} uploads of yours are begun and not complete. Go on with one of "
                   "them, or remove one with DELETE.", retry_after_s=60)  # fmt: skip


def _vouched(wishes: Wishes) -> Wishes:
    # The last check of a creation: the nonce of one that is refused for something else is still good.
    device = vouched(wishes.statement)
    if wishes.sha256:
        for_photo(device, bytes.fromhex(wishes.sha256))
    return replace(wishes, statement=None, device=encode(device) if device else None)


def mine(upload_id: str) -> PartialUpload:
    """The caller's upload. Raises Problem, the same for another's, an expired one and one that never was."""
    try:
        return store().get(upload_id, caller().owner)
    except LookupError:
        raise problem("no-upload", "There is no such upload, or no longer: begin it anew.") from None


def wishes_of(upload: PartialUpload) -> Wishes:
    """What its creation said."""
    return Wishes(**json.loads(upload.metadata))


def check_size(length: int) -> None:
    """Raise Problem for what is larger than an upload may be."""
    if length > MAX_UPLOAD_BYTES:
        raise problem("too-large", f"A photo may have {MAX_UPLOAD_BYTES} bytes. Send a smaller one.")


def append(upload: PartialUpload, offset: int, checksum: tuple[str, bytes] | None = None) -> PartialUpload:
    """Add the request's body at `offset`; what came of a body that was cut off is kept, unless it has a checksum.

    Raises Problem when the offset is another, when more comes than the upload's length, and for a wrong checksum.
    """
    check_offset(upload, offset)
    most = MAX_UPLOAD_BYTES if upload.length is None else upload.length
    if offset + (request.content_length or 0) > most:
        raise _too_long(upload)
    try:
        with uploading(caller()), store().writer(upload, at_once=checksum is not None) as writer:
            if writer.offset != offset:  # another was quicker
                raise mismatch(writer.offset, offset)
            digest = HASHES[checksum[0]]() if checksum else None
            try:
                for chunk in _chunks(request.stream):
                    if writer.offset + len(chunk) > most:
                        raise _too_long(upload)
                    if digest:
                        digest.update(chunk)
                    writer.append(chunk)
            finally:
                if digest and checksum and not hmac.compare_digest(digest.digest(), checksum[1]):
                    writer.forget()
            if digest and checksum and digest.digest() != checksum[1]:
                raise problem("checksum-mismatch", "These bytes have another checksum: none was kept. Send them again.")
    except Overtaken as overtaken:
        raise problem("upload-busy", f"{overtaken}.") from None
    except LookupError:
        raise problem("no-upload", "The upload was removed meanwhile: begin it anew.") from None
    return mine(upload.id)


def check_offset(upload: PartialUpload, offset: int) -> None:
    """Raise Problem unless the next byte belongs there."""
    if upload.offset != offset:
        raise mismatch(upload.offset, offset)


def mismatch(expected: int, provided: int) -> Problem:
    """The problem of an offset that is not where the next byte belongs."""
    found = problem("wrong-offset", f"{expected} bytes are here; the request begins at {provided}. Go on from there.")
    found.more |= {"expected-offset": expected, "provided-offset": provided}
    return found


def _too_long(upload: PartialUpload) -> Problem:
    if upload.length is None:
        return problem("too-large", f"A photo may have {MAX_UPLOAD_BYTES} bytes. Send a smaller one.")
    return problem("wrong-length", f"The upload has {upload.length} bytes, and more came. Begin it anew.")


def finish(upload: PartialUpload) -> Registered:
    """Make a whole upload a capture; one that became a capture already gives that one.

    Raises Problem for bytes that can be none: the upload is removed then, for no other bytes can come.
    """
    try:
        with store().finishing(upload) as (now, path):
            if now.capture_id:
                return Registered(services().captures.get(now.capture_id), False)
            with path.open("rb") as source, open_incoming(services().blobs) as incoming:
                first = b""
                for chunk in _chunks(source):
                    first = first or chunk[:SNIFF_BYTES]
                    incoming.write(chunk)
                registered = _register(now, incoming, sniff(first))
            store().became(now, registered.capture.id)
            return registered
    except LookupError:
        raise problem("no-upload", "The upload was removed meanwhile: begin it anew.") from None
    except Problem as refused:
        if refused.status < 500 and refused.status != 429:
            store().remove(upload.id)
        raise


def _register(whole: PartialUpload, incoming: Incoming, media_type: str | None) -> Registered:
    wishes = wishes_of(whole)
    found = incoming.sha256.hex()
    if wishes.sha256 and wishes.sha256.lower() != found:
        raise problem("wrong-digest", f"The bytes that came have the SHA-256 {found}, not the one that was stated. "
                      "The upload was removed: begin it anew.")  # fmt: skip
    if media_type is None:
        raise problem("wrong-media-type", "The bytes are no photo that Capture takes. Send the photo's own file.")
    upload = Upload(incoming, media_type, parse_metadata(wishes.metadata))
    device = decode(Device, wishes.device) if wishes.device else None
    return register_upload(upload, wishes.idempotency_key, device)


def answer_finished(upload: PartialUpload) -> Response:
    """The plain upload's answer, and where the capture is."""
    registered = finish(upload)
    answer = answer_registered(registered)
    answer.headers["Content-Location"] = capture_place(registered.capture.id)
    return answer


def capture_place(capture_id: str) -> str:
    """The address of a capture."""
    return url_for("captures.show", capture_id=capture_id)


def seconds_left(upload: PartialUpload) -> int:
    """How long the upload is kept when nothing more comes."""
    return max(0, int((upload.expires_at - datetime.now(UTC)).total_seconds()))


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk
