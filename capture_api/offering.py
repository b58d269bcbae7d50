"""What a contract offers for a photo, as the public record has it: what the chain says, and what stands in the way."""

import logging
from collections.abc import Mapping
from typing import Any

from capture_api.market import asset_of, token, works
from capture_api.services import services
from ledger.asking import ReviewState, WorkState
from ledger.rights import terms_id
from ledger.standing import Standing
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Capture
from pipeline.works import COIN, Terms
from rights.legal import licence_of, licence_title, text_url
from rights.offers import PRESETS, from_json, offer_json
from rights.record import ChainLicence

log = logging.getLogger(__name__)

UNREACHABLE = "The chain cannot be asked now: these are the terms that were put there last from here."
CONTRADICTS = "The chain says nothing sound of the work: these are the terms that were put there last from here."
LOST = "The chain does not show the work; it is being given its lost blocks again."


def offered(capture: Capture, base: str) -> ChainLicence | None:
    """What the contract offers for a capture; None when nobody here made it a work.

    A chain that cannot be asked gives nothing away: then the terms count that this service put there last, and nothing
    is for sale. Captures that are no works cost the chain nothing. `base`: the service's address.
    """
    orders = services().orders.standing(capture.id) if services().has_rights else []
    if not any(order.kind == "asset" for order in orders):
        return None
    asset, why_not = asset_of(capture), LOST
    try:
        if standing := services().standings.of(asset, tuple(order.id for order in orders)):
            blocked = in_the_way(standing.work, standing.review)
            return _offer(capture, base, asset, standing.terms, blocked[1] if blocked else None, standing)
    except (Unavailable, Conflict) as unknown:
        log.warning("how the work of %s stands is not known: %s", capture.id, unknown)
        why_not = UNREACHABLE if isinstance(unknown, Unavailable) else CONTRADICTS
    asked: Mapping[str, Any] = [order for order in orders if order.kind in ("asset", "terms")][-1].asked
    # In the owner's own wallet it may be offered under other terms by now, which only the chain knows.
    closed = any(order.kind == "move" or order.asked.get("upheld") for order in orders)
    return _offer(capture, base, asset, from_json(asked["terms"]), why_not, closed=closed)


def in_the_way(work: WorkState, review: ReviewState) -> tuple[str, str] | None:
    """Why the contract would sell nothing now, whatever the terms say: the kind of problem, and the reason in words."""
    reasons = (
        (not work.counts, "no-work",
         "An earlier statement about the same file turned up: this work is no longer the first of its file."),
        (review.barred, "not-allowed", "An objection to it was upheld: it is licensed no more."),
        (review.in_review, "not-allowed",
         "It is under review: somebody objects to it, and nothing is sold until that is decided."),
        (work.awaits_parents, "not-there-yet", "It waits for its owner to say on the chain what it was made from."),
    )  # fmt: skip
    return next(((kind, words) for holds, kind, words in reasons if holds), None)


def _offer(
    capture: Capture,
    base: str,
    asset: int,
    terms: Terms,
    why_not: str | None,
    standing: Standing | None = None,
    closed: bool = False,
) -> ChainLicence:
    shown, name = offer_json(terms), licence_of(terms)
    try:
        chain_id, name_on_chains = works().chain_id, token(asset)
    except (Unavailable, Conflict):
        chain_id, name_on_chains = None, None
    return ChainLicence(
        chain_id=chain_id,
        contract=works().contract,
        local=services().engines.chain_is_local,
        asset=f"{asset:#x}",
        token=name_on_chains,
        terms_id=(standing.work.terms_id if standing else terms_id(terms)).hex(),
        terms=shown,
        title=PRESETS[name].title if name else licence_title(name),
        licence=name,
        licence_title=licence_title(name),
        text_url=text_url(name, base),
        price=terms.fee,
        currency=None if terms.currency == COIN else terms.currency,
        copy=f"{base}/a/{capture.id}/copy",
        on_sale=terms.fee > 0 and why_not is None,
        why_not=why_not,
        counts=standing.work.counts if standing else True,
        barred=standing.review.barred if standing else closed,
        awaits_parents=standing.work.awaits_parents if standing else False,
        is_known=standing is not None,
    )
