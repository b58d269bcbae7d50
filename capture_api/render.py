"""A capture as JSON, and a fact as a person or a program reads it."""

import json
from typing import Any

from flask import Response, url_for

from pipeline.record import FACTS, Anchor, Capture, Verdict, encode
from store.captures import timeline


def capture_json(capture: Capture) -> dict[str, Any]:
    """The capture in the shape of the API; facts that are not there yet are null."""
    return {
        "id": capture.id,
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "rights": encode(capture.request.rights),
        "published": capture.request.published,
        "keep_location": capture.request.keep_location,
        **{name: fact_json(capture.facts.get(name)) for name, _, _ in FACTS},
        "rejection": encode(capture.facts.get("rejection")),
        "timings": timeline(capture),
        "links": links(capture),
    }


def fact_json(fact: Any) -> Any:
    """A fact as JSON. A verdict's scores become parts of one; an anchor says what kind of chain it stands on."""
    value = encode(fact)
    if isinstance(fact, Verdict):
        for match in value["matches"]:
            match["score"] = match.pop("score_ppm") / 1_000_000
    if isinstance(fact, Anchor) and fact.local:
        value["note"] = "local chain: not independent proof"
    return value


def links(capture: Capture) -> dict[str, str]:
    """Where everything about a capture is; only what exists already."""
    call = {"self": "show", "events": "events", "original": "original"}
    if "manifest" in capture.facts:
        call |= {"file": "file", "thumbnail": "thumbnail", "manifest": "manifest"}
    if "inclusion" in capture.facts:
        call |= {"receipt": "receipt"}
    found = {name: url_for(f"captures.{view}", capture_id=capture.id) for name, view in call.items()}
    if capture.request.published:
        found["public"] = url_for("public.page", capture_id=capture.id)
    return found


def json_answer(value: Any, status: int = 200) -> Response:
    """JSON that nobody may keep: it changes with every fact, or is its owner's alone."""
    return Response(json.dumps(value), status, mimetype="application/json", headers={"Cache-Control": "no-store"})
