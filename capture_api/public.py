"""What anyone may see: the capture page, the public page of a published capture, and the documentation."""

import json

from flask import Blueprint, Response, render_template, request, url_for

from capture_api.body import TYPES
from capture_api.captures import blob_answer
from capture_api.openapi import document
from capture_api.problems import TYPES as TYPES_OF_PROBLEM
from capture_api.problems import Problem, problem
from capture_api.render import capture_json
from capture_api.services import services
from pipeline.record import Capture
from rights.terms import PRESETS, licence_url
from settings import MAX_UPLOAD_BYTES

public = Blueprint("public", __name__)

# What a stranger may read of a capture. Fingerprints can be turned back into a thumbnail, the statement's salt is the
# owner's to give away, and matches name other people's captures: none of these is here.
_OPEN_FIELDS = ("id", "status", "created_at", "rights", "asset", "credentials", "inclusion", "anchor")


@public.get("/")
def home() -> str:
    """The capture page."""
    presets = [{"name": name, "title": preset.title} for name, preset in PRESETS.items()]
    return render_template("capture.html", presets=presets, max_upload_bytes=MAX_UPLOAD_BYTES, types=TYPES)


@public.get("/a/<capture_id>")
def page(capture_id: str) -> Response:
    """The public identifier of a published capture, as a page or as JSON."""
    wants_json = request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    try:
        capture = _published(capture_id)
    except Problem as unknown:
        if wants_json:
            raise
        return Response(render_template("not_found.html", title=unknown.title, sentence=unknown.detail), 404)
    view = open_json(capture)
    if wants_json:
        answer = Response(json.dumps(view), mimetype="application/json")
    else:
        answer = Response(_html(capture, view), mimetype="text/html")
    answer.headers |= {"Vary": "Accept", "Cache-Control": "no-cache"}
    return answer


@public.get("/a/<capture_id>/thumbnail")
def public_thumbnail(capture_id: str) -> Response:
    """The thumbnail of a published capture."""
    capture = _published(capture_id)
    if "manifest" not in capture.facts:
        raise problem("not-there-yet", "The thumbnail is not made yet. Ask again soon.")
    return blob_answer(capture.fact("manifest").thumbnail_sha256, "image/jpeg", public=True)


@public.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Response(json.dumps(document()), mimetype="application/json")


@public.get("/docs")
def docs() -> str:
    """The API, for people."""
    return render_template("docs.html", spec=document(), problems=TYPES_OF_PROBLEM)


def open_json(capture: Capture) -> dict[str, object]:
    """The part of a capture that a stranger may read."""
    whole = capture_json(capture)
    shown = {name: whole[name] for name in _OPEN_FIELDS}
    shown["verdict"] = _open_verdict(capture)
    shown["links"] = {"self": url_for("public.page", capture_id=capture.id)}
    return shown


def _open_verdict(capture: Capture) -> dict[str, object] | None:
    verdict = capture.facts.get("verdict")
    if verdict is None:
        return None
    kinds = [match.kind for match in verdict.matches]
    return {
        "kind": verdict.kind,
        "compared_with": verdict.compared_with,
        "note": verdict.note,
        "matches": len(kinds),
    }


def _published(capture_id: str) -> Capture:
    try:
        capture = services().captures.get(capture_id)
    except LookupError:
        capture = None
    if capture is None or not capture.request.published:
        raise problem("not-found", "There is no published capture here. Its owner may have kept it private.")
    return capture


def _html(capture: Capture, view: dict[str, object]) -> str:
    rights = capture.request.rights
    preset = PRESETS.get(rights.licence)
    has_thumbnail = "manifest" in capture.facts
    return render_template(
        "public.html",
        capture=view,
        licence_title=preset.title if preset else rights.licence,
        licence_url=licence_url(rights),
        matches_words=_words(capture),
        thumbnail_url=url_for("public.public_thumbnail", capture_id=capture.id) if has_thumbnail else None,
        origin=services().settings.log_vkey_file.read_text().split("+")[0],
    )


def _words(capture: Capture) -> str:
    verdict = capture.facts.get("verdict")
    if verdict is None:
        return "Not compared with other photos yet."
    count = verdict.compared_with
    seen = f"the {count} photos registered before it" if count != 1 else "the one photo registered before it"
    return {
        "original": f"No copy of it was found among {seen}.",
        "exact_copy": f"The same file is among {seen}.",
        "near_copy": f"A photo that looks the same is among {seen}.",
        "contains": f"It contains a photo that is among {seen}.",
    }[str(verdict.kind)]
