"""Orders at the rights contract: committed here, carried out by the ledger worker, shown to whoever gave them."""

import time
from typing import Any

from flask import Response, url_for

from capture_api.auth import caller, has_caller, may_see, needs
from capture_api.captures import captures, own, wait_s
from capture_api.market import made, terms_now, works
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from ledger.rights import terms_id
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Capture
from pipeline.works import Terms
from rights.offers import from_json, offer_json
from store.chain_events import Seen
from store.orders import Kind, Order

STEP_S = 0.05


def order_work(capture: Capture, terms: Terms) -> Response:
    """Make the photo a work under these terms; again is the same order while they are its terms."""
    order = _added(capture, "asset", {"terms": offer_json(terms)}, "work")
    stand = made(capture)[1].terms_id if order.state == "done" else terms_id(from_json(order.asked["terms"]))
    if stand != terms_id(terms):
        is_made = "It is" if order.state == "done" else "It is being made"
        raise problem("conflict", f"{is_made} a work under other terms, which stay. To offer it under these: "
                      f"PUT /v1/captures/{capture.id}/terms.", order=order_json(order))  # fmt: skip
    return _answered(order)


def order_licence(capture: Capture, holder: str, owner: str = "") -> Response:
    """Buy a licence with the embedded chain's play money; again by the same buyer is the same order while that licence
    lasts. Of two buyers for one holder the contract takes the first, and both are shown that licence."""
    _, work = made(capture)
    if not services().engines.chain_is_local:
        raise problem("not-allowed", "Here licences are bought by a transaction of your own: GET .../licences has it.")
    asked = {"holder": holder, "terms": offer_json(terms_now(work))}
    buyer = owner or caller().owner
    same = f"{holder.lower()} {work.terms_id.hex()} {buyer}"
    order = _added(capture, "licence", asked, same, buyer)
    if order.state == "done" and not _lasts(order):
        services().orders.free(order)
        order = _added(capture, "licence", asked, same, buyer)
    return _answered(order)


def ordered(capture: Capture, kind: Kind, asked: dict[str, Any]) -> Response:
    """Commit the order and answer: 200 when it is done, 202 while it is not, a problem when it was refused."""
    return _answered(_added(capture, kind, asked))


@captures.get("/<capture_id>/orders")
@needs("capture")
def orders(capture_id: str) -> Response:
    """All that was ever wanted of the capture's work, by whomever."""
    found = services().orders.of(own(capture_id, owner_only=True).id)
    return json_answer({"orders": [order_json(order) for order in found]})


@captures.get("/<capture_id>/orders/<order_id>")
@needs("capture", "review")
def show_order(capture_id: str, order_id: str) -> Response:
    """How far an order is, for who gave it and for the capture's owner; of licences also for reviewers."""
    order = order_of(capture_id, order_id)
    whose = services().captures.get(capture_id).owner
    if order.owner != caller().owner and not may_see(whose, owner_only=order.kind != "licence"):
        raise no_order(order_id)
    return json_answer(order_json(order))


def order_of(capture_id: str, order_id: str) -> Order:
    """The order. Raises Problem when the capture has none with this id."""
    try:
        order = services().orders.get(order_id)
    except LookupError:
        raise no_order(order_id) from None
    if order.capture_id != capture_id:
        raise no_order(order_id)
    return order


def no_order(order_id: str) -> Exception:
    """The problem of an order that is not there, or not for whoever asks."""
    return problem("not-found", f"You have no order {order_id[:40]!r} here.")


def order_json(order: Order) -> dict[str, Any]:
    """An order as whoever gave it sees it; strangers, who have no key, have an address of their own for it."""
    door = "captures" if has_caller() else "buying"
    return {
        "id": order.id, "kind": order.kind, "state": order.state, "created_at": order.created_at,
        "transactions": list(order.transactions), "result": order.result, "problem": order.problem,
        "links": {"self": url_for(f"{door}.show_order", capture_id=order.capture_id, order_id=order.id)},
    }  # fmt: skip


def seen_json(seen: Seen) -> dict[str, Any]:
    """What happened on the chain without an order, in the form of one that is done: without an id."""
    return {
        "id": None, "kind": seen.kind, "state": "done", "created_at": seen.seen_at,
        "transactions": [seen.transaction], "result": seen.told, "problem": None, "links": {},
    }  # fmt: skip


def _added(capture: Capture, kind: Kind, asked: dict[str, Any], same: str = "", owner: str = "") -> Order:
    works()
    try:
        return services().orders.add(capture.id, owner or caller().owner, kind, asked, same)
    except LookupError:
        services().captures.get(capture.id)  # raises Erased
        raise


def _answered(order: Order) -> Response:
    end = time.monotonic() + wait_s()
    while order.state == "open" and time.monotonic() < end:
        time.sleep(STEP_S)
        order = _now(order)
    if order.state == "refused":
        why = order.problem or ""
        raise problem("conflict", f"{why[:1].upper()}{why[1:]}.", order=order_json(order))
    return json_answer(order_json(order), 200 if order.state == "done" else 202)


def _now(order: Order) -> Order:
    try:
        return services().orders.get(order.id)
    except LookupError:
        services().captures.get(order.capture_id)  # raises Erased: its orders went with it
        raise


def _lasts(order: Order) -> bool:
    """Whether its holder has the licence that it brought, still and under its terms."""
    try:
        held = works().licence(int((order.result or {})["licence"], 16))
    except Conflict:
        raise Unavailable(
            "the chain, which does not show the licence; it is being given its lost blocks again"
        ) from None
    theirs = held.holder.lower() == order.asked["holder"].lower()
    same_terms = held.terms_id == terms_id(from_json(order.asked["terms"]))
    return theirs and same_terms and (not held.until or held.until > time.time())
