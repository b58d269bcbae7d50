"""What anyone may see: the public page of a published capture, and the documentation."""

import json
from typing import Any

from flask import Blueprint, Response, render_template, url_for

from capture_api.device_words import open_device
from capture_api.kinship import family_of
from capture_api.lineage import open_parents_json
from capture_api.match_json import match_json, match_links
from capture_api.negotiation import about, picture, record_of, small_picture, store, vary, wanted
from capture_api.openapi import document
from capture_api.problems import TYPES as TYPES_OF_PROBLEM
from capture_api.problems import Problem, gone, problem
from capture_api.relatives import Relatives
from capture_api.render import fact_json
from capture_api.services import services
from capture_api.words import MEANS, SOURCES
from pipeline.errors import Erased
from pipeline.record import Capture, Verdict, encode
from rights.dialects import JSON_LD, RSL, alternates, json_ld, open_graph, record_json, rsl, usage_headers
from rights.offers import in_coins
from rights.record import AI_WORDS, RightsRecord
from rights.terms import licence_title, licence_url

public = Blueprint("public", __name__)

# The facts that a stranger may read. Fingerprints can be turned back into a thumbnail, and the statement's salt is the
# owner's to give away: neither is here. (The rights record has the ISCC: 64 bits, from the manifest that is public.)
# Of the verdict's matches there are those with published captures.
_OPEN_FACTS = ("asset", "credentials", "inclusion", "anchor")


@public.get("/a/<capture_id>")
def page(capture_id: str) -> Response:
    """The public identifier of a published capture, in the dialect that is asked for."""
    vary()
    try:
        capture = published(capture_id)
    except Problem as why:
        if wanted("image/jpeg") != "html":
            raise
        return Response(render_template("not_found.html", title=why.title, sentence=why.detail), why.status)
    record = record_of(capture)
    answer = _dialect(wanted(record.image.media_type if record.image else "image/jpeg"), capture, record)
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@public.get("/a/<capture_id>/thumbnail")
def public_thumbnail(capture_id: str) -> Response:
    """The thumbnail of a published capture."""
    capture = published(capture_id)
    if "manifest" not in capture.facts:
        raise problem("not-there-yet", "The thumbnail is not made yet. Ask again soon.")
    return small_picture(capture, record_of(capture))


def _dialect(name: str, capture: Capture, record: RightsRecord) -> Response:
    if name == "image":
        return picture(capture, record)
    if name == "c2pa":
        return store(capture, record)
    if name == "jsonld":
        return about(record, Response(json_ld(record), mimetype=JSON_LD))
    if name == "rsl":
        return about(record, Response(rsl(record), mimetype=RSL))
    lookup = Relatives.of(capture)
    view = open_json(capture, lookup)
    if name == "json":
        return about(record, Response(json.dumps(view | {"record": record_json(record)}), mimetype="application/json"))
    return about(record, Response(_html(capture, view, record, lookup), mimetype="text/html"))


@public.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Response(json.dumps(document()), mimetype="application/json")


@public.get("/docs")
def docs() -> str:
    """The API, for people."""
    return render_template("docs.html", spec=document(), problems=TYPES_OF_PROBLEM)


def open_json(capture: Capture, lookup: Relatives) -> dict[str, Any]:
    """The part of a capture that a stranger may read."""
    return {
        "id": capture.id,
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "rights": encode(capture.rights),
        **{name: fact_json(capture.facts.get(name)) for name in _OPEN_FACTS},
        "device": open_device(capture.facts.get("device")),
        "verdict": _open_verdict(capture.facts.get("verdict"), lookup),
        **open_parents_json(capture, lookup),
        "links": {"self": url_for("public.page", capture_id=capture.id)},
    }


def _open_verdict(verdict: Verdict | None, lookup: Relatives) -> dict[str, Any] | None:
    if verdict is None:
        return None
    shown = open_matches(verdict, lookup)
    return {
        "kind": verdict.kind,
        "compared_with": verdict.compared_with,
        "note": verdict.note,
        "matches": shown,
        "unpublished_matches": len(verdict.matches) - len(shown),
    }


def open_matches(verdict: Verdict, lookup: Relatives) -> list[dict[str, Any]]:
    """The matches that a stranger may see."""
    matches = [match_json(match, match_links(match.id, lookup=lookup)) for match in verdict.matches]
    return [match for match in matches if "public" in match["links"]]


def published(capture_id: str) -> Capture:
    """The capture, when strangers may see it; raises Problem, the same for one that is kept private."""
    try:
        capture = services().captures.get(capture_id)
    except LookupError as missing:
        if isinstance(missing, Erased) and missing.published:
            raise gone(missing) from None
        capture = None
    if capture is None or not capture.request.published:
        raise problem("not-found", "There is no published capture here. Its owner may have kept it private.")
    return capture


def _html(capture: Capture, view: dict[str, Any], record: RightsRecord, lookup: Relatives) -> str:
    fingerprint = capture.facts.get("fingerprint")
    has_thumbnail = "manifest" in capture.facts
    return render_template(
        "public.html",
        capture=view,
        record=record,
        ai=AI_WORDS[record.ai_training],
        stated_title=licence_title(capture.rights),
        stated_url=licence_url(capture.rights),
        stated_ai=AI_WORDS[capture.rights.ai_training],
        family=family_of(capture, view, lookup),
        ai_words=AI_WORDS,
        price_words=in_coins(record.licence_on_chain.price) if record.licence_on_chain else None,
        json_ld=json_ld(record),
        open_graph=open_graph(record),
        alternates=alternates(record),
        usage=usage_headers(record),
        source_words=SOURCES.get(capture.request.digital_source_type or ""),
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
