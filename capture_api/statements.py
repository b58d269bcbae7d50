"""/v1/captures/{id}/rights: what its owner states about the rights, now and before: nothing that was stated goes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Response, url_for
from pydantic import RootModel

from capture_api.amending import ask_otherwise
from capture_api.auth import caller, needs
from capture_api.body import MAX_METADATA_BYTES
from capture_api.captures import captures, not_yet, own
from capture_api.json_body import read_json
from capture_api.problems import problem
from capture_api.quotas import charge_of, over_quota
from capture_api.render import fact_json, json_answer
from capture_api.services import services
from ledger.receipt import rights_receipt
from pipeline.errors import Rejected
from pipeline.record import Anchor, Capture, Inclusion, Leaf, Rights, encode
from rights.terms import parse_rights, terms_document
from store.amendments import TooLate
from store.quotas import OverQuota
from store.statements import MOST_STATEMENTS, TooMany

SEALED_SOON_S = 2


class StatedRights(RootModel[dict[str, Any]]):
    """The rights, whole: what is left out is what the key states for uploads."""


@captures.put("/<capture_id>/rights")
@needs("capture")
def state(capture_id: str) -> Response:
    """State the rights: as part of the upload until it is signed, as a leaf of its own once it is sealed."""
    capture = own(capture_id, owner_only=True)
    stated = _parsed(read_json(StatedRights, MAX_METADATA_BYTES).root)
    if "rejection" in capture.facts:
        raise not_yet(capture, "rights statement")
    if "leaf" in capture.facts:
        _restate(capture, stated)
    else:
        _amend(capture, stated)
    return json_answer(rights_json(own(capture_id, owner_only=True)))


@captures.get("/<capture_id>/rights")
@needs("capture", "review")
def show_rights(capture_id: str) -> Response:
    """The rights, and all that was ever stated about them."""
    return json_answer(rights_json(own(capture_id)))


@captures.get("/<capture_id>/rights/<int:number>/receipt")
@needs("capture")
def receipt_of_rights(capture_id: str, number: int) -> Response:
    """What anyone needs to verify a later statement without us; `number` counts them from 1."""
    capture = own(capture_id, owner_only=True)
    if not 1 <= number <= len(capture.statements):
        raise problem("not-found", f"{capture_id} has {len(capture.statements)} later statements about its rights.")
    stated = capture.statements[number - 1]
    if stated.inclusion is None:
        raise problem("not-there-yet", "The statement has no place in the log yet. Ask again soon.")
    answer = json_answer(rights_receipt(capture, number, services().log, terms_document(stated.rights)))
    answer.headers["Content-Disposition"] = f'attachment; filename="rights-{capture_id}-{number}.json"'
    return answer


def rights_json(capture: Capture) -> dict[str, Any]:
    """The rights and their history as the owner sees them: what came with the photo is number 0."""
    facts = (capture.facts.get(name) for name in ("leaf", "inclusion", "anchor"))
    first = _entry(capture.request.rights, capture.created_at, *facts)
    later = [_entry(each.rights, each.stated_at, each.leaf, each.inclusion, each.anchor) for each in capture.statements]
    history = [{"number": number, **each, "links": {}} for number, each in enumerate([first, *later])]
    for entry in history:
        if entry["inclusion"]:
            entry["links"] = {"receipt": _receipt_url(capture.id, entry["number"])}
    return {"rights": encode(capture.rights), "history": history}


def _entry(
    rights: Rights, stated_at: datetime, leaf: Leaf | None, inclusion: Inclusion | None, anchor: Anchor | None
) -> dict[str, Any]:
    return {
        "rights": encode(rights),
        "stated_at": encode(stated_at),
        "leaf": leaf.digest.hex() if leaf else None,
        "inclusion": encode(inclusion),
        "anchor": fact_json(anchor),
    }


def _receipt_url(capture_id: str, number: int) -> str:
    if number == 0:
        return url_for("proofs.receipt", capture_id=capture_id)
    return url_for("captures.receipt_of_rights", capture_id=capture_id, number=number)


def _parsed(stated: dict[str, Any]) -> Rights:
    try:
        return parse_rights(stated, caller().rights)
    except Rejected as rejected:
        raise problem("invalid-metadata", str(rejected)) from None


def _restate(capture: Capture, stated: Rights) -> None:
    here = services()

    def inscribe(previous: bytes, at: datetime) -> Leaf:
        return here.domains.restate(capture, stated, previous, at)

    try:
        here.statements.add(capture.id, stated, datetime.now(UTC), inscribe, charge_of(caller()))
    except OverQuota as over:
        raise over_quota(over) from None
    except TooMany:
        raise problem("too-late", f"A photo may have {MOST_STATEMENTS} statements about its rights, and this one has. "
                      "The last one stands.") from None  # fmt: skip
    here.bell.ledger()


def _amend(capture: Capture, stated: Rights) -> None:
    try:
        ask_otherwise(capture.id, lambda asked: replace(asked, rights=stated), hold_s=None)
    except TooLate as late:
        raise problem("too-late", f"Nothing was changed, because {late}. Send this again in a moment: once the photo "
                      "is sealed, it is stated anew.", retry_after_s=SEALED_SOON_S) from None  # fmt: skip
    services().bell.photo(capture.id)
