"""What changed: an owner's captures in the order of their last change, and event streams that can be resumed."""

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_with_context

from capture_api.auth import caller, needs
from capture_api.captures import captures, own
from capture_api.cursor import Cursor
from capture_api.problems import problem
from capture_api.render import capture_json, fact_json, json_answer
from capture_api.services import services, watch
from pipeline.errors import Erased
from pipeline.record import Capture, encode
from store.changes import STATED, STATUS_OF, WORKS, Change

feed = Blueprint("feed", __name__, url_prefix="/v1")

DEFAULT_LIMIT, MOST = 50, 100  # captures in one page: each is asked for by itself
STREAM_S = 300  # an event stream holds a thread: the client comes back after this
KEEP_ALIVE_S = 10  # phones' networks drop a silent connection
BATCH = 100  # changes read at once


@captures.get("")
@needs("capture")
def changed() -> Response:
    """The caller's captures behind a cursor, the one that changed last at the end.

    A walk through pages ends where the list ended when it began, whatever is written meanwhile: that comes with the
    next walk.
    """
    limit, cursor, changes = _limit(), Cursor.parse(request.args.get("since") or str(Cursor(0))), services().changes
    newest = changes.newest()
    until = newest if cursor.until is None else min(cursor.until, newest)
    found = changes.captures_after(caller().owner, cursor.after, until, limit + 1)
    more = len(found) > limit
    next_ = Cursor(found[limit - 1][0], until) if more else Cursor(max(until, cursor.after))
    shown = [_shown(capture_id) for _, capture_id in found[:limit]]
    return json_answer({"captures": shown, "cursor": str(next_), "more": more})


@captures.get("/<capture_id>/events")
@needs("capture", "review")
def events(capture_id: str) -> Response:
    """The capture's facts as server-sent events; after a Last-Event-ID those behind it."""
    last = _last_event()
    own(capture_id)
    return _stream(_events_of(capture_id, last.after if last else 0))


@feed.get("/events")
@needs("capture")
def all_events() -> Response:
    """The facts of all of the caller's captures as server-sent events, from now or a Last-Event-ID on."""
    newest, last = services().changes.newest(), _last_event()
    return _stream(_events_for(caller().owner, last.after if last else newest))


def _shown(capture_id: str) -> object:
    try:
        return capture_json(services().captures.get(capture_id))
    except Erased:
        return {"id": capture_id, "status": "erased"}


def _stream(told: Iterator[str]) -> Response:
    # The stream outlives the request, but needs its caller: facts are told as the caller may see them.
    answer = Response(stream_with_context(told), mimetype="text/event-stream")
    answer.headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return answer


def _events_of(capture_id: str, after: int) -> Iterator[str]:
    services().changes.newest()
    for told in _ticks():
        try:
            capture = services().captures.get(capture_id)
        except Erased:
            yield _event(after, "end", {"status": "erased"})
            return
        # Read after the capture: when that is finished, all its changes are among them, and have their places.
        if capture.finished:
            services().changes.newest()
        for change in services().changes.after(after, BATCH, capture_id=capture_id):
            after = change.position
            yield told(_fact_event(change))
        if capture.finished:
            yield _event(after, "end", {"status": capture.status})
            return
        yield told("")


def _events_for(owner: str, after: int) -> Iterator[str]:
    yield _event(after, "ready", {})  # from here on the client has an id to come back with
    for told in _ticks():
        while found := services().changes.after(after, BATCH, owner=owner):
            for change in found:
                after = change.position
                yield told(_fact_event(change, of_many=True))
        yield told("")


class _Voice:
    """Speaks when there is something to say, and from time to time when there is not."""

    def __init__(self) -> None:
        self._spoke = time.monotonic()

    def __call__(self, text: str) -> str:
        now = time.monotonic()
        if not text and now < self._spoke + KEEP_ALIVE_S:
            return ""
        self._spoke = now
        return text or ": keep-alive\n\n"


def _ticks() -> Iterator[_Voice]:
    voice = _Voice()
    for _ in watch().changes(STREAM_S):
        yield voice


def _fact_event(change: Change, of_many: bool = False) -> str:
    """A change as an event; nothing for one that is not so any more."""
    which = {"id": change.capture_id} if of_many else {}
    if change.name == STATED:
        return _event(change.position, "rights", which | {"at": encode(change.at)})
    if change.name in WORKS:
        return _event(change.position, "order", which | {"name": change.name, "at": encode(change.at)})
    if change.fact is None:
        return _event(change.position, "erased", which | {"status": "erased"})
    try:
        capture = services().captures.get(change.capture_id)
    except Erased:
        return ""  # which is told behind this
    if change.fact not in capture.facts:
        return ""  # the chain took the block back
    return _event(change.position, "fact", which | _fact(capture, change.fact))


def _fact(capture: Capture, name: str) -> dict[str, object]:
    at_ms = round((capture.fact_times[name] - capture.created_at).total_seconds() * 1000)
    status = STATUS_OF.get(name, capture.status)  # a time-stamp comes whenever it comes
    return {"name": name, "status": status, "at_ms": at_ms, "value": fact_json(capture.facts[name], capture.id)}


def _event(position: int, kind: str, value: object) -> str:
    return f"id: {Cursor(position)}\nevent: {kind}\ndata: {json.dumps(value)}\n\n"


def _last_event() -> Cursor | None:
    given = request.headers.get("Last-Event-ID") or request.args.get("since")
    return Cursor.parse(given) if given else None


def _limit() -> int:
    given = request.args.get("limit") or str(DEFAULT_LIMIT)
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given)):
        raise problem("malformed-request", f"limit is a whole number from 1 on; {MOST} are the most there are.")
    return min(int(given), MOST)
