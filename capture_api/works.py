"""/v1/captures/{id}/…: the photo as a work on the chain: its terms, licences, parents and revenue. Its owner's door.

What takes a transaction is an order: committed at once, carried out by the ledger worker, asked for until it is done.
"""

from typing import Any

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from capture_api.auth import caller, may_see, needs
from capture_api.body import CAPTURE_ID
from capture_api.captures import captures, own, own_or_published
from capture_api.json_body import read_json
from capture_api.market import ADDRESS, asset_of, free_uses, known, made, purchase, quote, token, works
from capture_api.orders import order_json, order_licence, order_work, ordered, seen_json
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from ledger.asking import WorkState
from pipeline.errors import Conflict, Rejected
from pipeline.record import Capture
from pipeline.works import Terms
from rights.offers import offer_json, offer_of, parse_offer

MAX_BODY_BYTES = 16 * 1024
MOST_PARENTS = 16


class Offer(BaseModel):
    """The terms that a work is offered under; those of the capture's stated rights when left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    terms: dict[str, Any] | None = None


class Parent(BaseModel):
    """What a work was made from, and by which licence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=CAPTURE_ID, max_length=64)
    licence: str | None = Field(default=None, pattern=r"^0x[0-9a-f]{1,64}$")


class Derivation(BaseModel):
    """All that a work was made from; what its upload named when left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parents: list[Parent] | None = Field(default=None, min_length=1, max_length=MOST_PARENTS)


class Purchase(BaseModel):
    """Who gets a licence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    holder: str = Field(pattern=ADDRESS)


class Move(BaseModel):
    """To whom a work goes; to the owner's own wallet when left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str | None = Field(default=None, pattern=ADDRESS)


@captures.post("/<capture_id>/asset")
@needs("capture")
def make(capture_id: str) -> Response:
    """Make the photo a work on the chain, under these terms."""
    capture = own(capture_id, owner_only=True)
    _no_rejected(capture)
    stated = read_json(Offer, MAX_BODY_BYTES).terms
    return order_work(capture, _terms(capture, stated))


@captures.get("/<capture_id>/asset")
@needs("capture")
def show_work(capture_id: str) -> Response:
    """How the work stands on the chain now."""
    capture = own(capture_id, owner_only=True)
    _, work = made(capture)
    return json_answer(work_json(capture, work))


@captures.put("/<capture_id>/terms")
@needs("capture")
def offer(capture_id: str) -> Response:
    """Offer the work under other terms from now on; licences that exist keep theirs."""
    capture = own(capture_id, owner_only=True)
    made(capture)
    stated = read_json(Offer, MAX_BODY_BYTES).terms
    return ordered(capture, "terms", {"terms": offer_json(_terms(capture, stated))})


@captures.post("/<capture_id>/derivation")
@needs("capture")
def derive(capture_id: str) -> Response:
    """Say on the chain what the work was made from, once: its parents share in what it earns from then on."""
    capture = own(capture_id, owner_only=True)
    made(capture)
    asked = read_json(Derivation, MAX_BODY_BYTES).parents or capture.request.parents
    parents = [(known(each.id), int(each.licence or "0", 16)) for each in asked]
    if not parents:
        raise problem("invalid-metadata", "parents: the upload named none. Name what the work was made from.")
    declared = {each.id for each in capture.request.parents}
    named = {parent.id: f"{asset_of(parent):#x}" for parent, _ in parents}
    if missing := declared - set(named):
        raise problem("invalid-metadata", f"parents: the statement names {', '.join(sorted(missing))} too. Name them.")
    wanted = [
        {"asset": named[parent.id], "licence": str(licence), "terms": _terms_read(parent, licence).hex()}
        for parent, licence in parents
    ]
    return ordered(capture, "derive", {"parents": wanted, "declared": [named[each] for each in declared]})


@captures.get("/<capture_id>/licences")
@needs("capture", "review")
def licences(capture_id: str) -> Response:
    """What a licence costs, what buys it, and those that were bought: all for the owner, for others their own."""
    capture = own_or_published(capture_id)
    asset, work = made(capture)
    offer, sees_all = quote(asset, work), may_see(capture.owner, owner_only=False)
    orders = services().orders.of(capture.id, "licence")
    bought = [order_json(order) for order in orders if sees_all or order.owner == caller().owner]
    if sees_all:
        bought += map(seen_json, services().chain_events.of(capture.id, "licence"))
    return json_answer({"quote": offer | purchase(offer, request.args.get("holder", "")), "bought": bought})


@captures.post("/<capture_id>/licences")
@needs("capture", "review")
def buy(capture_id: str) -> Response:
    """Have the service's own account buy a licence: on the embedded chain, whose coin is play money."""
    capture = own_or_published(capture_id)
    return order_licence(capture, read_json(Purchase, MAX_BODY_BYTES).holder)


@captures.post("/<capture_id>/moves")
@needs("capture")
def move(capture_id: str) -> Response:
    """Move the work to an account of the owner's own: from then on that account owns it, and we cannot act for it."""
    capture = own(capture_id, owner_only=True)
    made(capture)
    to, wallet = read_json(Move, MAX_BODY_BYTES).to, services().wallets.get(caller().owner)
    if not to and not wallet:
        raise problem("no-wallet", "Say in `to` where it goes, or show first which wallet is yours: POST /v1/wallet.")
    return ordered(capture, "move", {"to": to or (wallet.address if wallet else "")})


def work_json(capture: Capture, work: WorkState) -> dict[str, Any]:
    """A work as its owner sees it. `made_at`: when that was asked for; null where it was made without this service."""
    orders = services().orders
    return quote(asset_of(capture), work) | {
        "token": token(asset_of(capture)),
        "owner": work.owner,
        "counts": work.counts,
        "awaits_parents": work.awaits_parents,
        "is_derivative": any(work.shares_digest),
        "made_at": next((each.created_at for each in orders.of(capture.id, "asset") if each.state == "done"), None),
        "free_uses": free_uses(asset_of(capture), work),
    }


def _terms_read(parent: Capture, licence: int) -> bytes:
    """The terms that a parent's share is of, as they are when the order is given: its owner cannot raise it after."""
    if not licence:
        return made(parent)[1].terms_id
    try:
        return works().licence(licence).terms_id
    except Conflict:
        raise problem("invalid-parent", f"There is no licence {licence:#x} of {parent.id}.", parent=parent.id) from None


def _terms(capture: Capture, stated: dict[str, Any] | None) -> Terms:
    try:
        return offer_of(capture.rights) if stated is None else parse_offer(stated)
    except Rejected as rejected:
        raise problem("invalid-terms", f"{rejected}.") from None


def _no_rejected(capture: Capture) -> None:
    if "rejection" in capture.facts:
        raise problem("no-work", f"This photo was refused: {capture.fact('rejection').reason}.")
