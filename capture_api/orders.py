"""Orders at the rights contract: committed here, carried out by the ledger worker, shown to whoever gave them."""

import time
from typing import Any

from flask import Response, url_for

from capture_api.auth import caller
from capture_api.captures import wait_s
from capture_api.market import made, terms_now, works
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from pipeline.record import Capture
from rights.offers import offer_json
from store.chain_events import Seen
from store.orders import Kind, Order

STEP_S = 0.05


def order_licence(capture: Capture, holder: str, owner: str = "") -> Response:
    """Buy a licence with the embedded chain's play money; again by the same buyer is the same order while the terms
    stay. Of two buyers for one holder the contract takes the first, and both are shown that licence."""
    _, work = made(capture)
    if not services().engines.chain_is_local:
        raise problem("not-allowed", "Here licences are bought by a transaction of your own: GET .../licences has it.")
    asked = {"holder": holder, "terms": offer_json(terms_now(work))}
    buyer = owner or caller().owner
    return ordered(capture, "licence", asked, f"{holder.lower()} {work.terms_id.hex()} {buyer}", buyer)


def order_json(order: Order) -> dict[str, Any]:
    """An order as whoever gave it sees it."""
    return {
        "id": order.id, "kind": order.kind, "state": order.state, "created_at": order.created_at,
        "transactions": list(order.transactions), "result": order.result, "problem": order.problem,
        "links": {"self": url_for("captures.show_order", capture_id=order.capture_id, order_id=order.id)},
    }  # fmt: skip


def seen_json(seen: Seen) -> dict[str, Any]:
    """What happened on the chain without an order, in the form of one that is done: without an id."""
    return {
        "id": None, "kind": seen.kind, "state": "done", "created_at": seen.seen_at,
        "transactions": [seen.transaction], "result": seen.told, "problem": None, "links": {},
    }  # fmt: skip


def ordered(capture: Capture, kind: Kind, asked: dict[str, Any], same: str = "", owner: str = "") -> Response:
    """Commit the order and answer: 200 when it is done, 202 while it is not, a problem when it was refused."""
    works()
    order = services().orders.add(capture.id, owner or caller().owner, kind, asked, same)
    end = time.monotonic() + wait_s()
    while order.state == "open" and time.monotonic() < end:
        time.sleep(STEP_S)
        order = services().orders.get(order.id)
    if order.state == "refused":
        raise problem(
            "conflict", f"{(order.problem or '')[:1].upper()}{(order.problem or '')[1:]}.", order=order_json(order)
        )
    return json_answer(order_json(order), 200 if order.state == "done" else 202)
