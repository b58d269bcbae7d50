"""/verify: a page, without any script, that tells what a photo carries and what registered photos it has to do with."""

from typing import Any

from flask import Blueprint, Response, render_template
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from capture_api.bindings import RECOVERED, RECOVERING
from capture_api.body import TYPES, open_incoming, take_upload
from capture_api.problems import Problem, problem
from capture_api.public import open_matches
from capture_api.relatives import Relatives
from capture_api.services import services
from capture_api.strangers import compare, limited
from capture_api.words import CREDENTIALS, FIELDS, found
from pipeline.errors import Unavailable
from pipeline.record import Dimensions, Manifest, Verdict, decode, encode
from settings import MAX_UPLOAD_BYTES

inspector = Blueprint("inspector", __name__)

_WITHOUT_CREDENTIALS = ("captured_at", "device")  # what the file's EXIF says


@inspector.get("/verify")
def form() -> str:
    """The form."""
    return _page()


@inspector.post("/verify")
@limited("photos")
def inspect() -> Response:
    """What this photo carries, our verdict on it, and published photos that it has to do with. Nothing is kept."""
    with open_incoming(services().blobs) as incoming:
        upload = take_upload(incoming)
        answer = compare(incoming, upload.media_type)
    if "rejected" in answer:
        raise problem("rejected", f"{answer['rejected']}. Nothing was kept.")
    return Response(_page(answer=_shown(answer)), headers={"Cache-Control": "no-store"})


@inspector.errorhandler(Problem)
@inspector.errorhandler(Unavailable)
@inspector.errorhandler(RequestEntityTooLarge)
def _trouble(error: Problem | Unavailable | HTTPException) -> Response:
    """The same problems as everywhere, as a page."""
    if isinstance(error, Unavailable):
        error = problem("unavailable", "No photo worker had time for it. Try again in a minute. Nothing was kept.")
    if isinstance(error, HTTPException):
        error = problem("too-large", f"A photo may have {MAX_UPLOAD_BYTES} bytes. Choose a smaller one.")
    answer = Response(_page(trouble=error), error.status, headers={"Cache-Control": "no-store"})
    if error.status in (429, 503):
        answer.headers["Retry-After"] = str(error.more.get("retry_after_s", 60))
    return answer


def _page(**shown: Any) -> str:
    return render_template("verify.html", max_upload_bytes=MAX_UPLOAD_BYTES, types=TYPES, **shown)


def _shown(answer: dict[str, Any]) -> dict[str, Any]:
    verdict, size = decode(Verdict, answer["verdict"]), decode(Dimensions, answer["dimensions"])
    labels = services().published.labels([match.id for match in verdict.matches])
    matches = [
        match | {"recovered": _recovered(match["id"], labels[match["id"]]) if match["kind"] in RECOVERING else None}
        for match in open_matches(verdict, Relatives(match.id for match in verdict.matches))
        if match["id"] in labels
    ]
    credentials = answer["credentials"]
    if credentials["state"] == "none":  # that is said in words
        credentials = {name: value for name, value in credentials.items() if name in _WITHOUT_CREDENTIALS}
    return {
        "state": answer["credentials"]["state"],
        "worst": answer["credentials"]["worst"],
        "picture": f"data:image/jpeg;base64,{answer['thumbnail']}",
        "dimensions": size,
        "credentials": credentials,
        "judged": CREDENTIALS[answer["credentials"]["worst"]],
        "fields": FIELDS,
        "matches": matches,
        "heading": found(len(matches)),
        "compared": verdict.note,
        "recovered": RECOVERED,
    }


def _recovered(capture_id: str, label: str) -> dict[str, Any] | None:
    """What the credentials that were signed for a published photo say; None when it was erased a moment ago."""
    try:
        capture = services().captures.get(capture_id)
    except LookupError:
        return None
    made: Manifest = capture.fact("manifest")
    return {
        "signer": made.signer,
        "registered": encode(capture.created_at)[:19].replace("T", " ") + " UTC",
        **encode(capture.request.rights),
        "what_it_came_with": CREDENTIALS[capture.fact("credentials").worst],
        "manifest": label,
    }
