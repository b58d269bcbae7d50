"""/v1/catalogue: which published photos may be used for something, free or for a price. Public."""

import json
import re
from typing import Any

from flask import Blueprint, Response, request, url_for

from capture_api.body import CAPTURE_ID
from capture_api.buying import asked_use
from capture_api.negotiation import record_of
from capture_api.offering import UNREACHABLE
from capture_api.problems import problem
from capture_api.services import services
from capture_api.strangers import limited
from pipeline.errors import Unavailable
from rights.record import RightsRecord
from rights.uses import is_free, is_sold

catalogue = Blueprint("catalogue", __name__)

MOST_LISTED = 100
LONGEST_ID = 64


@catalogue.get("/v1/catalogue")
@limited("lookups")
def show() -> Response:
    """Photos and what the use costs, one JSON object a line; `Link: rel="next"` leads to more."""
    use, after, limit = asked_use(), _after(), _limit()
    capture_ids, further = services().catalogue.page(after, use, limit)
    rows = [row for capture_id in capture_ids if (row := _row(capture_id, use))]
    answer = Response("".join(json.dumps(row) + "\n" for row in rows), mimetype="application/jsonl")
    if further:
        more = url_for("catalogue.show", use=use, after=further, limit=limit)
        answer.headers["Link"] = f'<{more}>; rel="next"'
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _row(capture_id: str, use: str) -> dict[str, Any] | None:
    """A photo that may be used so; None when it may not, is not public, or cannot be had.

    Raises Unavailable when the chain does not answer: a page without its works would look complete.
    """
    try:
        capture = services().captures.get(capture_id)
    except LookupError:
        return None
    made = capture.facts.get("manifest")
    if not capture.request.published or made is None or made.location is None or made.open_file is None:
        return None
    record = record_of(capture)
    offer = record.licence_on_chain
    if offer and offer.why_not == UNREACHABLE:
        raise Unavailable("the chain, without which the catalogue does not know what is for sale")
    if offer and not offer.is_known:
        return {"id": record.id, "page": record.page, "use": use, "unknown": offer.why_not}
    free = is_free(record, use)
    return _shown(record, use, free) if free or is_sold(record, use) else None


def _shown(record: RightsRecord, use: str, free: bool) -> dict[str, Any]:
    offer = record.licence_on_chain if record.licence_on_chain and record.licence_on_chain.counts else None
    price = {"amount": str(offer.price), "currency": offer.currency} if offer and not free else None
    chain = {"id": offer.chain_id, "contract": offer.contract, "local": offer.local} if offer else None
    return {
        "id": record.id, "page": record.page, "copy": f"{record.page}/copy?use={use}", "use": use, "free": free,
        "sha256": record.sha256.hex(), "media_type": record.media_type, "creator": record.creator,
        "credit": record.credit, "copyright_notice": record.copyright_notice, "licence_url": record.licence_url,
        "ai_training": record.ai_training, "price": price, "asset": offer and offer.asset,
        "token": offer and offer.token, "terms_id": offer and offer.terms_id, "chain": chain,
    }  # fmt: skip


def _after() -> str:
    text = request.args.get("after", "")
    if text and (len(text) > LONGEST_ID or not re.fullmatch(CAPTURE_ID, text)):
        raise problem("malformed-request", "after is where the page before ended, as its Link says.")
    return text


def _limit() -> int:
    text = request.args.get("limit", str(MOST_LISTED))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST_LISTED):
        raise problem("malformed-request", f"limit is a whole number from 1 to {MOST_LISTED}.")
    return int(text)
