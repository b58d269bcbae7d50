"""A capture as JSON, and a fact as a person or a program reads it."""

import json
from base64 import b64decode
from typing import Any

from flask import Response, url_for

from capture_api.device_words import device_words
from capture_api.lineage import parents_json
from capture_api.match_json import match_json, match_links
from capture_api.services import services
from ledger.promise import promise
from pipeline.device import Device
from pipeline.record import (
    FACTS,
    Anchor,
    Capture,
    Fingerprint,
    Timestamp,
    Verdict,
    encode,
)
from store.captures import timeline

LONGEST_VALUE = 1_000  # characters of a soft binding within a capture; local features have six times as many


def capture_json(capture: Capture) -> dict[str, Any]:
    """The capture in the shape of the API; facts that are not there yet are null."""
    return {
        "id": capture.id,
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "rights": encode(capture.rights),
        "published": capture.request.published,
        "keep_location": capture.request.keep_location,
        **parents_json(capture),
        **{name: fact_json(capture.facts.get(name), capture.id) for name, _, _ in FACTS},
        "timestamp": fact_json(capture.facts.get("timestamp")),
        "device": fact_json(capture.facts.get("device")),
        "credentials_now": _credentials_now(capture),
        "rejection": encode(capture.facts.get("rejection")),
        "timings": timeline(capture),
        "promise": promise(services().checkpoint_signer, capture.id, capture.fact("asset").sha256, capture.created_at),
        "links": links(capture),
    }


def fact_json(fact: Any, capture_id: str | None = None) -> Any:
    """A fact as JSON, for the caller's eyes; with the capture's id, its matches link to their evidence.

    An anchor says what kind of chain it stands on.
    """
    value = encode(fact)
    if isinstance(fact, Verdict):
        value["matches"] = [match_json(match, match_links(match.id, capture_id)) for match in fact.matches]
    if isinstance(fact, Fingerprint):
        value["soft_bindings"] = [_binding_json(**binding) for binding in value["soft_bindings"]]
    if isinstance(fact, Timestamp):
        del value["reply"]  # kilobytes, and a call of its own
    if isinstance(fact, Device):
        value["means"] = device_words(fact)
    if isinstance(fact, Anchor) and fact.local:
        value["note"] = "local chain: not independent proof"
    return value


def _credentials_now(capture: Capture) -> Any:
    """What the trust lists of a later day say of the credentials; null while the fact is all there is."""
    found = services().trust_verdicts.newest(capture.id) if "credentials" in capture.facts else None
    return encode(found[0]) | {"judged_at": found[1]} if found else None


def links(capture: Capture) -> dict[str, str]:
    """Where everything about a capture is; only what exists already."""
    call = {"self": "show", "events": "events", "original": "original", "rights": "show_rights"}
    if "fingerprint" in capture.facts:
        call |= {"fingerprint": "fingerprint"}
    if "manifest" in capture.facts:
        call |= {"file": "file", "signed": "signed", "thumbnail": "thumbnail", "manifest": "manifest"}
        if capture.fact("manifest").open_file is None:
            del call["file"]
    if "timestamp" in capture.facts:
        call |= {"timestamp": "timestamp"}
    found = {name: url_for(f"captures.{view}", capture_id=capture.id) for name, view in call.items()}
    if "inclusion" in capture.facts:
        proofs = ("receipt", "receipt_cose", "bundle")
        found |= {name: url_for(f"proofs.{name}", capture_id=capture.id) for name in proofs}
    if capture.request.published:
        found["public"] = url_for("public.page", capture_id=capture.id)
    return found


def json_answer(value: Any, status: int = 200) -> Response:
    """JSON that nobody may keep: it changes with every fact, or is its owner's alone."""
    return Response(json.dumps(value), status, mimetype="application/json", headers={"Cache-Control": "no-store"})


def _binding_json(alg: str, value: str) -> dict[str, Any]:
    """A fingerprint; of a long one, which is base64, only its size: see /v1/captures/{id}/fingerprint."""
    return {"alg": alg, "value": value} if len(value) <= LONGEST_VALUE else {"alg": alg, "bytes": len(b64decode(value))}
