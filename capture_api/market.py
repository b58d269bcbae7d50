"""Photos as works: how they stand on the chain now, and what the contract offers for them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from capture_api.auth import caller
from capture_api.problems import problem
from capture_api.services import services
from ledger.asking import Works, WorkState
from ledger.rights import RIGHTS, USES
from pipeline.errors import Conflict, Unavailable
from pipeline.parents import asset_id
from pipeline.record import Capture
from pipeline.works import COIN, Terms
from rights.offers import offer_json
from rights.uses import gives_away

ADDRESS = r"^0x[0-9a-fA-F]{40}$"
HOLDER_AT = 80  # in the transaction's data: 4 bytes of the function, 32 each of work and terms, 12 of padding
NOBODY = "0x" + "00" * 20  # in the holder's place, until the buyer is known


def made(capture: Capture) -> tuple[int, WorkState]:
    """The capture's work and how it stands. Raises Problem when there is none."""
    if "inclusion" in capture.facts and (work := works().work(asset := asset_of(capture))):
        return asset, work
    wanted = [order.state for order in services().orders.of(capture.id, "asset")]
    if "done" in wanted:
        raise Unavailable("the chain, which does not show the work; it is being given its lost blocks again")
    if "open" in wanted:
        raise problem("not-there-yet", "It is being made a work on the chain. Ask again soon.")
    raise problem("no-work", f"Its owner can make it one: POST /v1/captures/{capture.id}/asset.")


def token(asset: int) -> str:
    """The work's name among all chains' tokens."""
    return f"eip155:{works().chain_id}/erc721:{works().contract}/{asset}"  # CAIP-19


def works() -> Works:
    """The rights contract. Raises Problem where there is none."""
    if not services().has_rights:
        raise problem("no-work", "This service has no rights contract. Its operator can name one: "
                      "CAPTURE_RIGHTS_CONTRACT.")  # fmt: skip
    return services().works


def quote(asset: int, work: WorkState) -> dict[str, Any]:
    """What a licence costs now, for a program that buys it by itself."""
    terms = terms_now(work)
    return {
        "asset": f"{asset:#x}",
        "terms_id": work.terms_id.hex(),
        "terms": offer_json(terms),
        "chain": {"id": works().chain_id, "contract": works().contract, "local": services().engines.chain_is_local},
        "price": {"amount": str(terms.fee), "currency": None if terms.currency == COIN else terms.currency},
    }


def purchase(offer: dict[str, Any], holder: str = "") -> dict[str, Any]:
    """What buys a licence under a quote: the transaction, null when the terms give nothing that one could be for, and
    what the contract must first be allowed to take where the price is in a token."""
    terms, price = offer["terms"], offer["price"]
    if not (terms["commercial"] or terms["derivatives"] or terms["ai_training"] != "denied"):
        return {"transaction": None, "approve": None}
    taker = holder if re.fullmatch(ADDRESS, holder) else NOBODY
    data = RIGHTS.call("license", int(offer["asset"], 16), bytes.fromhex(offer["terms_id"]), taker)
    value = "0" if price["currency"] else price["amount"]
    return {
        "transaction": {"to": works().contract, "value": value, "data": data, "holder_at_byte": HOLDER_AT},
        "approve": price if price["currency"] else None,
    }


def free_uses(asset: int, work: WorkState, uses: Sequence[str] = USES) -> list[str]:
    """Those that the terms give away. Not asked of the contract for somebody: anyone can buy anybody a licence."""
    terms = terms_now(work)
    given = [use for use in uses if gives_away(terms, use)]
    if not given or not work.counts or work.awaits_parents or works().review(asset).barred:
        return []
    return given


def terms_now(work: WorkState) -> Terms:
    """The terms that it is offered under. Raises Unavailable for a node that does not show them."""
    return terms_named(work.terms_id)


def terms_named(terms_id: bytes) -> Terms:
    """What terms on the chain say. Raises Unavailable for a node that does not show them."""
    with suppress(Conflict):
        if terms := works().terms(terms_id):
            return terms
    raise Unavailable(f"the chain, which does not show the terms that {terms_id.hex()} stands for")


def asset_of(capture: Capture) -> int:
    """The id of the capture's work, made or not. Raises Problem while it has no place in the log."""
    if "inclusion" not in capture.facts:
        raise problem("not-there-yet", f"{capture.id} has no place in the log yet. Ask again soon.")
    return asset_id(capture.fact("asset").sha256, capture.fact("inclusion").index)


def shares_of(capture: Capture, work: WorkState) -> list[int]:
    """The list of the work's ancestors' shares, as the contract takes it; empty for a work made from no other."""
    if not any(work.shares_digest):
        return []
    if found := [share.word for share in services().work_shares.of(capture.id)]:
        return found
    raise problem("not-there-yet", "What it was made from was said elsewhere, and its list of shares is not here.")


def known(capture_id: str) -> Capture:
    """A capture that the caller may know of: the caller's own, or a published one."""
    try:
        capture = services().captures.get(capture_id)
    except LookupError:
        capture = None
    if capture is None or not (capture.request.published or capture.owner == caller().owner):
        raise problem("not-found", f"There is no published capture {capture_id[:40]!r}, and none of yours.")
    return capture
