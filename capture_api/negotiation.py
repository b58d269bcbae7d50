"""Which dialect of `/a/{id}` is wanted, and what every answer about a published photo says of its rights."""

from hashlib import sha256

from flask import Response, after_this_request, request

from capture_api.captures import blob_answer, is_known, lasting, not_yet, open_or_refuse
from capture_api.offering import offered
from capture_api.problems import problem
from capture_api.services import services
from pipeline.errors import Unavailable
from pipeline.record import Capture
from rights.dialects import C2PA, JSON_LD, RSL, links, usage_headers
from rights.record import RightsRecord, rights_record
from rights.xmp import with_xmp, xmp

# In the order of preference, for those who take anything. `?format=` asks for one by its name here.
DIALECTS = {"html": "text/html", "jsonld": JSON_LD, "json": "application/json", "rsl": RSL, "c2pa": C2PA}
FORMATS = (*DIALECTS, "image")


def base_url() -> str:
    """The service's address as the operator or, without that, the request states it."""
    return services().settings.public_url or request.host_url.rstrip("/")


def record_of(capture: Capture) -> RightsRecord:
    """The rights record of a published capture: what was stated, and what counts now."""
    base = base_url()
    return rights_record(capture, base, offered(capture, base))


def wanted(image_type: str) -> str:
    """The dialect that is asked for by `?format=`, or by Accept (RFC 9110, section 12.5.1).

    Raises Problem for one that there is not. `image_type`: what the picture would come as.
    """
    if (name := request.args.get("format")) is not None:
        if name not in FORMATS:
            raise problem("malformed-request", f"format is one of {', '.join(FORMATS)}.")
        return name
    there = {media_type: name for name, media_type in DIALECTS.items()} | {image_type: "image"}
    if not (accepted := request.accept_mimetypes):
        return "html"
    # What has the quality 0 is not wanted, whatever else `*/*` takes; the library leaves that to us.
    found = accepted.best_match([each for each in there if accepted.quality(each)])
    if found is None:
        raise problem("not-acceptable", f"This photo is to be had as {', '.join(there)}. Send one of these in "
                      "Accept, or `?format=` with one of " + ", ".join(FORMATS) + ".")  # fmt: skip
    return there[found]


def vary() -> None:
    """Say to caches that this answer, be it a problem, depends on Accept."""

    @after_this_request
    def tell(answer: Response) -> Response:
        answer.vary.add("Accept")
        return answer


def about(record: RightsRecord, answer: Response, of_small_picture: bool = False) -> Response:
    """The same answer with what its headers say of the photo's rights."""
    answer.headers |= usage_headers(record) | {"Link": links(record, of_small_picture)}
    return answer


def picture(capture: Capture, record: RightsRecord) -> Response:
    """What the licence lets strangers have: the whole photo, without the place it was taken, or a small picture."""
    if "manifest" not in capture.facts:
        raise not_yet(capture, "picture")
    if record.image is None or not record.whole_image:
        return small_picture(capture, record)
    file = open_or_refuse(capture.fact("manifest").open_file, capture.id)
    return about(record, blob_answer(file, record.image.media_type, public=True))


def small_picture(capture: Capture, record: RightsRecord) -> Response:
    """The thumbnail of a signed capture, with the record in it: what is passed on says whose it is."""
    try:
        plain = b"".join(services().blobs.read(capture.fact("manifest").thumbnail_sha256))
    except LookupError as missing:  # erased a moment ago: asked again, that is what the answer says
        raise Unavailable(f"the bytes of {request.path}") from missing
    shown = with_xmp(plain, xmp(record))
    digest = sha256(shown).digest()
    answer = Response(status=304) if is_known(digest) else Response(shown, mimetype="image/jpeg")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return about(record, lasting(answer, digest, public=True), of_small_picture=True)


def store(capture: Capture, record: RightsRecord) -> Response:
    """The manifest store of the file that strangers may have."""
    if "manifest" not in capture.facts:
        raise not_yet(capture, "manifest")
    found = open_or_refuse(capture.fact("manifest").open_store, capture.id)
    return about(record, blob_answer(found, C2PA, public=True))
