"""/v1/captures/{id}/family: what a capture was made from, and what was made from it."""

from typing import Any

from flask import Response, request, url_for

from capture_api.ancestry import Ancestry, standing
from capture_api.auth import caller, may_see, needs
from capture_api.captures import captures, own_or_published
from capture_api.cursor import Cursor
from capture_api.lineage import open_parents_json, parents_json, public_links
from capture_api.problems import problem
from capture_api.relatives import Relatives
from capture_api.render import json_answer
from capture_api.services import services
from pipeline.kin import asset_of, title_of
from pipeline.record import Capture, encode

DEFAULT_LIMIT, MOST = 50, 100  # derivatives in one page


@captures.get("/<capture_id>/family")
@needs("capture", "review")
def family(capture_id: str) -> Response:
    """Parents and their shares, derivatives a page at a time, and parents that nobody named."""
    capture = own_or_published(capture_id)
    limit, after = _limit(), Cursor.parse(request.args.get("after") or str(Cursor(0))).after
    sees_all = bool(caller().scopes & {"review", "admin"})
    found = services().lineage.derivatives(capture_id, after, limit + 1, None if sees_all else caller().owner)
    page = found[:limit]
    open_to_caller = may_see(capture.owner, owner_only=False)
    undeclared = (parents_json if open_to_caller else open_parents_json)(capture)["undeclared_parents"]
    return json_answer({
        "id": capture.id,
        **_line(capture),
        "erased_parents": capture.request.erased_parents,
        "derivatives": _derivatives(capture, _there([each.capture_id for each in page])),
        "more": len(found) > limit,
        "cursor": str(Cursor(page[-1].number if page else after)),
        "undeclared_parents": undeclared,
    })  # fmt: skip


def _line(capture: Capture) -> dict[str, Any]:
    """What it was made from: its parents, and the further ancestors that it passes on a share to."""
    lookup, ancestry = Relatives.of(capture), Ancestry.of(capture)
    named = ancestry.parents(capture, lookup)
    seen = [parent for parent in named if _visible(parent)]
    licences = _licences(capture, bool(ancestry.shares))
    return {
        "parents": [_member(each) | {"licence": licences.get(each.id)} | ancestry.standing(each) for each in seen],
        "unpublished_parents": len(named) - len(seen),
        "ancestors": ancestry.others(seen, _visible, lookup),
    }


def _derivatives(capture: Capture, children: list[Capture]) -> list[dict[str, Any]]:
    logged = "inclusion" in capture.facts and children
    held = services().work_shares.shares_in([child.id for child in children], asset_of(capture)) if logged else {}
    return [_member(child) | standing(held.get(child.id)) for child in children]


def _licences(capture: Capture, on_chain: bool) -> dict[str, str | None]:
    """By which licence each parent was used, as the upload or the statement on the chain named it."""
    found = {parent.id: parent.licence for parent in capture.request.parents}
    done = [order for order in services().orders.of(capture.id, "derive") if order.state == "done"] if on_chain else []
    said = {int(each["asset"], 16): int(each["licence"]) for order in done for each in order.asked["parents"]}
    for asset, capture_id in services().work_shares.captures_of(said).items():
        if said[asset]:
            found[capture_id] = f"0x{said[asset]:064x}"
    return found


def _visible(capture: Capture) -> bool:
    return capture.request.published or may_see(capture.owner, owner_only=False)


def _there(ids: list[str]) -> list[Capture]:
    """The captures, without those that were erased a moment ago."""
    found = services().captures.those(ids)
    return [found[each] for each in ids if each in found]


def _member(capture: Capture) -> dict[str, Any]:
    """A member of the family: `asset` is its work's token, once it is logged."""
    mine = {"self": url_for("captures.show", capture_id=capture.id)} if may_see(capture.owner, False) else {}
    public = public_links(capture) if capture.request.published else {}
    return {
        "id": capture.id,
        "title": title_of(capture),
        "status": capture.status,
        "created_at": encode(capture.created_at),
        "asset": f"0x{asset_of(capture):064x}" if "inclusion" in capture.facts else None,
        "links": mine | public,
    }


def _limit() -> int:
    text = request.args.get("limit") or str(DEFAULT_LIMIT)
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise problem("malformed-request", f"limit is a whole number from 1 to {MOST}.")
    return int(text)
