"""/v1/captures/{id}/review: an objection to a work, its owner's appeal, and what was decided; each a transaction.

The contract's reviewer is the service's account, and whoever has a key with the scope `review` speaks for it.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from capture_api.auth import needs
from capture_api.captures import captures, own
from capture_api.json_body import read_json
from capture_api.market import made, works
from capture_api.orders import ordered
from capture_api.render import json_answer
from capture_api.services import services
from capture_api.works import MAX_BODY_BYTES
from pipeline.record import encode

DIGEST = r"^[0-9a-f]{64}$"


class Evidence(BaseModel):
    """SHA-256 of what speaks for it; that itself stays with whoever has it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    evidence: str = Field(pattern=DIGEST)


class Objection(Evidence):
    """What is objected to, in a word that the chain keeps for everybody to read."""

    tag: str = Field(pattern=r"^[a-z0-9-]{1,31}$")


class Decision(Evidence):
    """Whether the objection holds."""

    upheld: bool


@captures.get("/<capture_id>/review")
@needs("capture", "review")
def show_review(capture_id: str) -> Response:
    """How the last review of the work stands."""
    capture = own(capture_id)
    asset, _ = made(capture)
    state = works().review(asset)
    raised = [order for order in services().orders.of(capture.id, "flag") if order.state == "done"]
    asked = raised[-1].asked if raised else {}
    return json_answer({
        "in_review": state.in_review, "barred": state.barred, "appealed": state.appealed, "until": _moment(state.until),
        "appeal_until": _moment(state.appeal_until), "tag": asked.get("tag"), "evidence": asked.get("evidence"),
    })  # fmt: skip


@captures.post("/<capture_id>/review")
@needs("review")
def flag(capture_id: str) -> Response:
    """Object to a work: until that is decided, or for 30 days, nobody gets a licence and its owner is not paid."""
    capture = own(capture_id)
    made(capture)
    asked = read_json(Objection, MAX_BODY_BYTES)
    return ordered(capture, "flag", {"tag": asked.tag, "evidence": asked.evidence})


@captures.post("/<capture_id>/appeal")
@needs("capture")
def appeal(capture_id: str) -> Response:
    """Speak against an objection to one's own work: the review starts anew, and may be decided against it."""
    capture = own(capture_id, owner_only=True)
    made(capture)
    return ordered(capture, "appeal", {"evidence": read_json(Evidence, MAX_BODY_BYTES).evidence})


@captures.post("/<capture_id>/decision")
@needs("review")
def decide(capture_id: str) -> Response:
    """End a review: with the objection upheld, the work is licensed no more."""
    capture = own(capture_id)
    made(capture)
    asked = read_json(Decision, MAX_BODY_BYTES)
    return ordered(capture, "resolve", {"upheld": asked.upheld, "evidence": asked.evidence})


def _moment(seconds: int) -> Any:
    return encode(datetime.fromtimestamp(seconds, UTC)) if seconds else None
