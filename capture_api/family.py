"""/v1/captures/{id}/family: what a capture was made from, and what was made from it."""

from typing import Any

from flask import Response, request, url_for

from capture_api.auth import caller, may_see, needs
from capture_api.captures import captures, own
from capture_api.cursor import Cursor
from capture_api.lineage import open_parents_json, parents_json, public_links
from capture_api.problems import Problem, problem
from capture_api.render import json_answer
from capture_api.services import services
from pipeline.kin import asset_of, parents_of, title_of
from pipeline.record import Capture, encode

DEFAULT_LIMIT, MOST = 50, 100  # derivatives in one page


@captures.get("/<capture_id>/family")
@needs("capture", "review")
def family(capture_id: str) -> Response:
    """Declared parents, derivatives that declared this one a page at a time, and parents that nobody declared."""
    capture = _own_or_published(capture_id)
    limit, after = _limit(), Cursor.parse(request.args.get("after") or str(Cursor(0))).after
    sees_all = bool(caller().scopes & {"review", "admin"})
    found = services().lineage.derivatives(capture_id, after, limit + 1, None if sees_all else caller().owner)
    page = found[:limit]
    named = parents_of(capture, services().captures.get)
    seen = [parent for parent in named if parent.request.published or may_see(parent.owner, owner_only=False)]
    open_to_caller = may_see(capture.owner, owner_only=False)
    undeclared = (parents_json if open_to_caller else open_parents_json)(capture)["undeclared_parents"]
    licences = {parent.id: parent.licence for parent in capture.request.parents}
    return json_answer({
        "id": capture.id,
        "parents": [_member(parent) | {"licence": licences[parent.id]} for parent in seen],
        "unpublished_parents": len(named) - len(seen),
        "erased_parents": capture.request.erased_parents,
        "derivatives": [_member(child) for each in page if (child := _there(each.capture_id))],
        "more": len(found) > limit,
        "cursor": str(Cursor(page[-1].number if page else after)),
        "undeclared_parents": undeclared,
    })  # fmt: skip


def _own_or_published(capture_id: str) -> Capture:
    try:
        return own(capture_id)
    except Problem:
        found = _there(capture_id)
        if found is None or not found.request.published:
            raise
        return found


def _there(capture_id: str) -> Capture | None:
    """The capture, unless it was erased a moment ago."""
    try:
        return services().captures.get(capture_id)
    except LookupError:
        return None


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
