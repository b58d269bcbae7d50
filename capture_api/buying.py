"""A copy for a use: free when the terms are, for whoever holds a licence, and else 402 with all that buying one takes.

Public, for published photos. A holder shows the licence by a signature of the holder's account (EIP-191).
"""

import re
import time
from typing import Any

from flask import Blueprint, Response, after_this_request, request, url_for

from capture_api.captures import blob_answer, not_yet, open_or_refuse
from capture_api.json_body import read_json
from capture_api.market import free_uses, made, purchase, quote, works
from capture_api.negotiation import about, base_url, record_of
from capture_api.offering import in_the_way
from capture_api.orders import no_order, order_json, order_licence, order_of
from capture_api.problems import problem
from capture_api.public import published
from capture_api.render import json_answer
from capture_api.strangers import limited
from capture_api.works import MAX_BODY_BYTES, Purchase
from ledger.holder import Held, message, recovered
from ledger.rights import USES
from pipeline.record import Capture
from rights.record import RightsRecord
from rights.uses import is_free

buying = Blueprint("buying", __name__)

CLOCKS_S = 300  # how far the holder's clock may be from ours
_HEADER = re.compile(r'holder="(0x[0-9a-fA-F]{40})"; ?time=(\d{1,12}); ?signature="0x([0-9a-fA-F]{130})"')


@buying.get("/a/<capture_id>/copy")
@limited("lookups")
def copy(capture_id: str) -> Response:
    """The published photo, for a use that its terms or a licence allow."""
    capture, use = published(capture_id), asked_use()
    record = record_of(capture)
    _tell(record)
    sha256 = _file(capture)  # before anybody pays for what cannot be had
    offer = record.licence_on_chain
    if not (is_free(record, use) and (offer is None or not offer.counts)):
        _check_licensed(capture, use)
    return blob_answer(sha256, capture.fact("manifest").signed_media_type)


def _check_licensed(capture: Capture, use: str) -> None:
    """Raise Problem unless the contract, asked now, lets anyone use the work so, or the one whose licence is shown."""
    asset, work = made(capture)
    if free_uses(asset, work, (use,)):
        return
    held = _shown(asset, use)
    if held is None or not works().may(asset, held.holder, use):
        if why_not := in_the_way(work, works().review(asset)):
            raise problem(*why_not)
        raise _payment_required(capture, quote(asset, work), use, held)


def _tell(record: RightsRecord) -> None:
    """Say in the headers of this answer, be it a problem, what the photo's rights are; no cache gives it to others."""

    @after_this_request
    def tell(answer: Response) -> Response:
        answer.headers["Cache-Control"] = "private, no-cache" if answer.status_code < 400 else "no-store"
        answer.vary.add("Capture-Licence")
        return about(record, answer)


def _file(capture: Capture) -> bytes:
    """The digest of the whole photo without the place. Raises Problem when that is not to be had."""
    if "manifest" not in capture.facts:
        raise not_yet(capture, "file")
    found = capture.fact("manifest")
    return open_or_refuse(found.open_file if found.location else None, capture.id)


@buying.post("/a/<capture_id>/licences")
@limited("photos")
def buy(capture_id: str) -> Response:
    """Have a licence bought with the embedded chain's play money."""
    capture = published(capture_id)
    return order_licence(capture, read_json(Purchase, MAX_BODY_BYTES).holder, owner="a stranger")


@buying.get("/a/<capture_id>/orders/<order_id>")
@limited("lookups")
def show_order(capture_id: str, order_id: str) -> Response:
    """How far the purchase of a licence is, for whoever was told the order's id, which nobody can guess."""
    order = order_of(published(capture_id).id, order_id)
    if order.kind != "licence":
        raise no_order(order_id)
    return json_answer(order_json(order))


def asked_use() -> str:
    """What the photo is for. Raises Problem for a use that the terms do not know."""
    use = request.args.get("use", "ai-training")
    if use not in USES:
        raise problem("malformed-request", f"?use= is one of {', '.join(USES)}.")
    return use


def _shown(asset: int, use: str) -> Held | None:
    """Whose signature came with the request; None when none did. Raises Problem for one that does not hold."""
    given = request.headers.get("Capture-Licence")
    if given is None:
        return None
    match = _HEADER.fullmatch(given)
    if match is None:
        raise problem("signature-refused", 'Capture-Licence is holder="0x…"; time=SECONDS; signature="0x…".',
                      reason="malformed")  # fmt: skip
    held = Held(match[1], int(match[2]))
    if abs(held.time - time.time()) > CLOCKS_S:
        raise problem("signature-refused", f"time is {held.time}, which is more than {CLOCKS_S} s from our clock. "
                      "Sign again, with the time of now.", reason="stale")  # fmt: skip
    text = message(base_url(), works().chain_id, works().contract, asset, use, held)
    if recovered(text, bytes.fromhex(match[3])) != held.holder.lower():
        raise problem("signature-refused", "The signature is not the holder's, over the text that the 402 names. This "
                      f"service is {base_url()}: ask, and sign, at that address.", reason="wrong-key")  # fmt: skip
    return held


def _payment_required(capture: Capture, offer: dict[str, Any], use: str, held: Held | None) -> Exception:
    """All that a program needs to buy a licence and to ask again."""
    if not _sells(offer, use):
        return problem("not-allowed", f"Its owner offers no licence for {use}. See {_page(capture)} for whom to ask.")
    holder = held.holder if held else request.args.get("holder", "")
    text = message(base_url(), works().chain_id, works().contract, int(offer["asset"], 16), use, Held("HOLDER", 0))
    return problem(
        "payment-required",
        f"Buy a licence for {use}: send the transaction, with your address in it, and ask again with Capture-Licence.",
        use=use, **offer, **purchase(offer, holder),
        sign={"scheme": "EIP-191", "text": text.replace("time: 0", "time: SECONDS"),
              "header": 'Capture-Licence: holder="0x…"; time=SECONDS; signature="0x…"'},
        play_money=url_for("buying.buy", capture_id=capture.id, _external=True) if offer["chain"]["local"] else None,
    )  # fmt: skip


def _sells(offer: dict[str, Any], use: str) -> bool:
    """Whether a licence under these terms covers the use, and has a price."""
    terms = offer["terms"]
    covered = {"ai-training": terms["ai_training"] == "paid"} | {name: terms[name] for name in USES[:2]}
    return bool(covered[use]) and int(offer["price"]["amount"]) > 0


def _page(capture: Capture) -> str:
    return url_for("public.page", capture_id=capture.id, _external=True)
