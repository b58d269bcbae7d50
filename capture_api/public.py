"""What anyone may see: the public page of a published capture, and the documentation."""

import json
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from capture_api.captures import blob_answer
from capture_api.device_words import open_device
from capture_api.lineage import open_parents_json
from capture_api.match_json import match_json, match_links
from capture_api.openapi import document
from capture_api.problems import TYPES as TYPES_OF_PROBLEM
from capture_api.problems import Problem, gone, problem
from capture_api.render import fact_json
from capture_api.services import services
from capture_api.words import MEANS, SOURCES
from pipeline.errors import Erased
from pipeline.record import Capture, Verdict, encode
from rights.terms import PRESETS, licence_url

public = Blueprint("public", __name__)

# The facts that a stranger may read. Fingerprints can be turned back into a thumbnail, and the statement's salt is the
# owner's to give away: neither is here. Of the verdict's matches there are those with published captures.
_OPEN_FACTS = ("asset", "credentials", "inclusion", "anchor")


@public.get("/a/<capture_id>")
def page(capture_id: str) -> Response:
    """The public identifier of a published capture, as a page or as JSON."""
    wants_json = request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    try:
        capture = _published(capture_id)
    except Problem as why:
        if wants_json:
            raise
        return Response(render_template("not_found.html", title=why.title, sentence=why.detail), why.status)
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


def open_json(capture: Capture) -> dict[str, Any]:
    """The part of a capture that a stranger may read."""
    return {
        "id": capture.id,
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "rights": encode(capture.request.rights),
        **{name: fact_json(capture.facts.get(name)) for name in _OPEN_FACTS},
        "device": open_device(capture.facts.get("device")),
        "verdict": _open_verdict(capture.facts.get("verdict")),
        **open_parents_json(capture),
        "links": {"self": url_for("public.page", capture_id=capture.id)},
    }


def _open_verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    shown = open_matches(verdict)
    return {
        "kind": verdict.kind,
        "compared_with": verdict.compared_with,
        "note": verdict.note,
        "matches": shown,
        "unpublished_matches": len(verdict.matches) - len(shown),
    }


def open_matches(verdict: Verdict) -> list[dict[str, Any]]:
    """The matches that a stranger may see."""
    matches = [match_json(match, match_links(match.id)) for match in verdict.matches]
    return [match for match in matches if "public" in match["links"]]


def _published(capture_id: str) -> Capture:
    try:
        capture = services().captures.get(capture_id)
    except LookupError as missing:
        if isinstance(missing, Erased) and missing.published:
            raise gone(missing) from None
        capture = None
    if capture is None or not capture.request.published:
        raise problem("not-found", "There is no published capture here. Its owner may have kept it private.")
    return capture


def _html(capture: Capture, view: dict[str, Any]) -> str:
    rights = capture.request.rights
    preset = PRESETS.get(rights.licence)
    fingerprint = capture.facts.get("fingerprint")
    has_thumbnail = "manifest" in capture.facts
    return render_template(
        "public.html",
        capture=view,
        source_words=SOURCES.get(capture.request.digital_source_type or ""),
        licence_title=preset.title if preset else rights.licence,
        licence_url=licence_url(rights),
        verdict_words=_words(capture.facts.get("verdict")),
        dimensions=encode(fingerprint.dimensions) if fingerprint else None,
        thumbnail_url=url_for("public.public_thumbnail", capture_id=capture.id) if has_thumbnail else None,
        origin=services().settings.log_vkey_file.read_text().split("+")[0],
    )


def _words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "Not compared with other photos yet."
    count = verdict.compared_with
    if not count:
        return "It was the first photo here: there was none to compare it with."
    seen = f"the {count} photos registered before it" if count != 1 else "the one photo registered before it"
    found = "No copy of it was found" if verdict.kind == "original" else MEANS[verdict.kind]
    return f"Compared with {seen}. {found}."
