"""/v1/captures: register a photo, see what became of it, take what was made of it."""

import re
from dataclasses import replace

from flask import Blueprint, Response, request

from capture_api import resumable
from capture_api.auth import caller, may_see, needs
from capture_api.body import idempotency_key, open_incoming, take_upload
from capture_api.problems import Problem, gone, problem
from capture_api.quotas import admit, uploading
from capture_api.registration import answer_registered, register_upload
from capture_api.render import capture_json, fact_json, json_answer
from capture_api.services import services, watch
from capture_api.vouching import vouched
from pipeline.errors import Erased, Unavailable
from pipeline.record import Capture, Manifest, encode

captures = Blueprint("captures", __name__, url_prefix="/v1/captures")

MAX_WAIT_S = 60  # of Prefer: wait; proxies cut longer answers off


@captures.post("")
@needs("capture")
def register() -> Response:
    """Register a photo, or begin to, in the IETF's dialect of resumable uploads."""
    if resumable.is_spoken():
        return resumable.create()
    patience_s, wanted_key = wait_s(), idempotency_key(request.headers.get("Idempotency-Key"))
    admit(caller(), request.content_length)
    with uploading(caller(), wanted_key), open_incoming(services().blobs) as incoming:
        device = vouched()
        registered = register_upload(take_upload(incoming), wanted_key, device)
    if patience_s:
        registered = replace(registered, capture=_wait(registered.capture, patience_s))
    return answer_registered(registered)


@captures.get("/<capture_id>")
@needs("capture", "review")
def show(capture_id: str) -> Response:
    """The capture."""
    return json_answer(capture_json(own(capture_id)))


@captures.delete("/<capture_id>")
@needs("capture")
def erase(capture_id: str) -> Response:
    """Erase the capture: nobody gets at it from here on, and its bytes are off the disk within seconds."""
    services().erasures.erase(own(capture_id, owner_only=True).id)
    return json_answer({"id": capture_id, "status": "erased"}, 202)


@captures.get("/<capture_id>/fingerprint")
@needs("capture", "review")
def fingerprint(capture_id: str) -> Response:
    """All fingerprints, raw: for the owner and for reviewers, because a picture can be guessed from them."""
    capture = own(capture_id)
    if "fingerprint" not in capture.facts:
        raise not_yet(capture, "fingerprint")
    return json_answer(encode(capture.fact("fingerprint")))


def blob_answer(sha256: bytes, media_type: str, public: bool = False) -> Response:
    """Stored bytes as an answer that may be cached for ever: its address stands for its content."""
    if is_known(sha256):
        return lasting(Response(status=304), sha256, public)
    blobs = services().blobs
    try:
        size, chunks = blobs.size(sha256), blobs.read(sha256)
    except LookupError as missing:  # erased a moment ago: asked again, that is what the answer says
        raise Unavailable(f"the bytes of {request.path}") from missing
    answer = Response(chunks, mimetype=media_type)
    answer.headers |= {"Content-Length": str(size), "X-Content-Type-Options": "nosniff"}
    return lasting(answer, sha256, public)


def is_known(sha256: bytes) -> bool:
    """Whether the client says that it has the bytes of this digest."""
    return sha256.hex() in request.if_none_match


def lasting(answer: Response, sha256: bytes, public: bool) -> Response:
    """The same answer, which may be kept for a day: its tag is its content's digest."""
    cache = "public, max-age=86400" if public else "private, max-age=86400"
    answer.headers |= {"ETag": f'"{sha256.hex()}"', "Cache-Control": cache}
    return answer


def _wait(capture: Capture, for_s: int) -> Capture:
    for _ in watch().changes(for_s):
        capture = services().captures.get(capture.id)
        if capture.finished:
            break
    return capture


def own(capture_id: str, owner_only: bool = False) -> Capture:
    """The capture, when the caller may see it; raises Problem, the same for one that is not there."""
    try:
        capture = services().captures.get(capture_id)
    except Erased as erased:
        raise _erased(erased, owner_only) from None
    except LookupError:
        raise unknown(capture_id) from None
    if not may_see(capture.owner, owner_only):
        raise unknown(capture_id)  # the same answer: whether another's capture exists is not told
    return capture


def own_or_published(capture_id: str) -> Capture:
    """The capture, when it is published or the caller may see it; raises Problem as `own` does."""
    try:
        return own(capture_id)
    except Problem:
        try:
            found = services().captures.get(capture_id)
        except LookupError:
            found = None
        if found is None or not found.request.published:
            raise
        return found


def _erased(erased: Erased, owner_only: bool) -> Exception:
    """The problem of an erased capture, with its tombstone, for those who might have seen the capture."""
    if not may_see(erased.owner, owner_only):
        return unknown(erased.capture_id)
    entry = ("leaf", "inclusion", "anchor") if "leaf" in erased.facts else ()
    return gone(erased, tombstone={name: fact_json(erased.facts.get(name)) for name in entry} or None)


def unknown(capture_id: str) -> Exception:
    """The problem of a capture that is not there, or not for the caller."""
    return problem("not-found", f"You have no capture {capture_id[:40]!r}.")


def open_or_refuse(sha256: bytes | None, capture_id: str) -> bytes:
    """What others than the owner may have; raises Problem when there is nothing that would not tell the place."""
    if sha256 is None:
        raise problem("location-withheld", "The file tells where the photo was taken, and that cannot be taken out. "
                      f"Its owner gets it whole: /v1/captures/{capture_id}/signed and /bundle?photo=full.")  # fmt: skip
    return sha256


def manifest_fact(capture_id: str, owner_only: bool = False) -> Manifest:
    """What was signed, when the caller may see the capture; raises Problem, also when it is not made yet."""
    capture = own(capture_id, owner_only)
    if "manifest" not in capture.facts:
        raise not_yet(capture, "manifest")
    made: Manifest = capture.fact("manifest")
    return made


def not_yet(capture: Capture, name: str) -> Exception:
    """The problem of something that is still to be made, or never will be."""
    if "rejection" in capture.facts:
        return problem("not-found", f"This photo was refused and has no {name}: {capture.fact('rejection').reason}")
    return problem("not-there-yet", f"The {name} is not made yet; the capture is {capture.status}. Ask again soon.")


def wait_s() -> int:
    """How long the client wants to wait for an answer that is complete (RFC 7240)."""
    match = re.search(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", request.headers.get("Prefer", ""))
    return min(int(match.group(1)), MAX_WAIT_S) if match else 0
