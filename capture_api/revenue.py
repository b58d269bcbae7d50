"""/v1/captures/{id}/revenue and …/claims: what a work earned, also in the works made from it, and its way out."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from capture_api.auth import caller, needs
from capture_api.body import CAPTURE_ID
from capture_api.captures import captures, own
from capture_api.cursor import Cursor
from capture_api.json_body import read_json
from capture_api.market import ADDRESS, asset_of, known, made, shares_of, terms_named, works
from capture_api.orders import order_json, ordered, seen_json
from capture_api.problems import Problem
from capture_api.render import json_answer
from capture_api.services import services
from capture_api.works import MAX_BODY_BYTES
from ledger.asking import OtherShares, WorkState
from pipeline.errors import Conflict
from pipeline.kin import title_of
from pipeline.record import Capture, encode
from pipeline.works import COIN
from rights.offers import from_json
from store.orders import Kind
from store.shares import Descendant

MOST_PAYMENTS = 200
MOST_CLAIMS = 100
MOST_CURRENCIES = 20  # that others paid in: each is a question to the chain for the work and for each of its ancestors
MOST_OFFERS = 20  # of those that others bought under, the newest: each may be a question to the chain
OFFERS: tuple[Kind, ...] = ("asset", "terms")
MOST_DERIVATIVES = 50  # in one page: each takes two or three questions to the chain


class Claim(BaseModel):
    """For which work (a capture's id; this one when left out), and in which currency."""

    model_config = ConfigDict(extra="forbid", strict=True)

    beneficiary: str | None = Field(default=None, pattern=CAPTURE_ID, max_length=64)
    currency: str | None = Field(default=None, pattern=ADDRESS)


@captures.get("/<capture_id>/revenue")
@needs("capture")
def revenue(capture_id: str) -> Response:
    """What the work earned, what of it waits for whom, and what waits for it in works that were made from it."""
    capture = own(capture_id, owner_only=True)
    asset, work = made(capture)
    found = services().work_shares.descendants(asset, _before(), MOST_DERIVATIVES + 1)
    page = found[:MOST_DERIVATIVES]
    shares = shares_of(capture, work)
    return json_answer({
        "asset": f"{asset:#x}",
        "currencies": [_revenue(asset, shares, currency) for currency in _currencies(capture, work)],
        "payments": _payments(asset),
        "claims": [
            *map(order_json, services().orders.of(capture.id, "claim")[-MOST_CLAIMS:]),
            *map(seen_json, services().chain_events.of(capture.id, "claim")[-MOST_CLAIMS:]),
        ],
        "from_derivatives": [row for each in page if (row := _from_derivative(each, asset))],
        "more": len(found) > len(page),
        "cursor": str(Cursor(page[-1].number)) if page else None,
    })  # fmt: skip


@captures.post("/<capture_id>/claims")
@needs("capture")
def claim(capture_id: str) -> Response:
    """Pay what the work earned for a work to whoever owns that one now. Anyone may ask for any work."""
    asked = read_json(Claim, MAX_BODY_BYTES)
    capture = _earner(capture_id, asked.beneficiary)
    made(capture)
    beneficiary = asset_of(known(asked.beneficiary)) if asked.beneficiary else asset_of(capture)
    wanted = {"beneficiary": f"{beneficiary:#x}", "currency": (asked.currency or COIN).lower()}
    return ordered(capture, "claim", wanted)


def _earner(capture_id: str, beneficiary: str | None) -> Capture:
    """The work that earned it: one that the caller may know of, or that passes on a share to a work of the caller's."""
    try:
        return known(capture_id)
    except Problem:
        found = _passing_on_to(capture_id, beneficiary) if beneficiary else None
        if found is None:
            raise
        return found


def _passing_on_to(capture_id: str, beneficiary: str) -> Capture | None:
    """The work, when one of the caller's own gets a share of it."""
    try:
        found, mine = services().captures.get(capture_id), services().captures.get(beneficiary)
    except LookupError:
        return None
    if mine.owner != caller().owner or "inclusion" not in mine.facts:
        return None
    return found if services().work_shares.shares_in([found.id], asset_of(mine)) else None


def _from_derivative(each: Descendant, asset: int) -> dict[str, Any] | None:
    """What waits for a work in one that was made from it; None when that was erased a moment ago.

    Of a work that is neither published nor the caller's own there is no more than it takes to claim.
    """
    try:
        earner = services().captures.get(each.capture_id)
    except LookupError:
        return None
    shown = earner.request.published or earner.owner == caller().owner
    return {
        "id": earner.id,
        "asset": f"{asset_of(earner):#x}",
        "title": title_of(earner) if shown else None,
        "share_ppm": each.share.ppm,
        "currencies": _waiting(earner, asset),
    }


def _waiting(earner: Capture, asset: int) -> list[dict[str, Any]]:
    """What a work earned for another and did not pay out; nothing while the chain does not show the work so."""
    try:
        earning, work = made(earner)
        shares = shares_of(earner, work)
        found = [(each, works().claimable(earning, asset, shares, each)) for each in _currencies(earner, work)]
    except (Conflict, OtherShares, Problem):
        return []
    return [{"currency": _named(currency), "claimable": str(amount)} for currency, amount in found]


def _currencies(capture: Capture, work: WorkState) -> list[str]:
    """Those that a work may have earned in: the coin, those of its prices, now and before, and what it was paid in.

    Its owner can have set a price, and another one later, without us: then the licences that were sold name its terms.

    Not what anybody only asked for, or everybody could make this as long as they like.
    """
    offers = (order for kind in OFFERS for order in services().orders.of(capture.id, kind))
    asked = {from_json(order.asked["terms"]).currency for order in offers}
    paid = [seen.told["currency"] for seen in services().chain_events.of(capture.id, "payment")]
    bought = [seen.told["terms_id"] for seen in services().chain_events.of(capture.id, "licence")]
    offered = [work.terms_id, *map(bytes.fromhex, [*dict.fromkeys(bought)][-MOST_OFFERS:])]
    priced = {terms_named(each).currency for each in offered}
    return sorted({COIN, *priced, *asked, *[*dict.fromkeys(paid)][:MOST_CURRENCIES]})


def _revenue(asset: int, shares: list[int], currency: str) -> dict[str, Any]:
    ancestors = [share >> 80 << 80 for share in shares]
    waiting = {f"{each:#x}": str(works().claimable(asset, each, shares, currency)) for each in (asset, *ancestors)}
    return {
        "currency": _named(currency),
        "received": str(works().received(asset, currency)),
        "claimable": waiting,
    }


def _payments(asset: int) -> list[dict[str, Any]] | None:
    """The newest payments, for a plot; null when the chain's node gives no old events."""
    found = works().payments(asset, MOST_PAYMENTS)
    if found is None:
        return None
    return [
        {"at": encode(datetime.fromtimestamp(each.at, UTC)), "amount": str(each.amount),
         "currency": _named(each.currency)}
        for each in found
    ]  # fmt: skip


def _named(currency: str) -> str | None:
    return None if currency == COIN else currency


def _before() -> int | None:
    given = request.args.get("after")
    return Cursor.parse(given).after if given else None
