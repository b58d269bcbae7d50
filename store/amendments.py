"""What was asked for a photo, changed before it is signed; and the hold that keeps workers from taking it up."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.record import Request, decode
from store.captures import RING_AGAIN_MS, now_ms
from store.changes import STATED, note_changes
from store.database import Database, as_moment, now_text
from store.erasure import is_erased
from store.facts import as_json
from store.lineage import lock_parents, relink
from store.schema import captures, facts

MOST_HELD_S = 3600  # from the upload on: the log's promise of 24 hours must be kept whatever a client does


class TooLate(Exception):
    """The stage that reads what was asked has run."""


class AtWork(TooLate):
    """A worker is at it: in a moment it is too late, or, where that worker only looked, it is not."""


class Amendments:
    """Changes of what was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def amend(self, capture_id: str, change: Callable[[Request], Request], hold_s: int | None = 0) -> None:
        """Let a capture ask for something else, and end its hold, or begin a new one; None leaves the hold as it is.

        Raises TooLate, AtWork, and ParentErased for a parent that is named and no longer there.

        The row is locked: a worker takes the capture before this, and it is too late; or after, and reads what is new.
        Of one that was erased meanwhile nothing is changed. Whoever follows it is told of other rights.
        """
        mine = captures.c.id == capture_id
        with self._database.write() as connection:
            asked = connection.execute(sa.select(captures.c.request).where(mine)).scalar_one()
            wanted = change(decode(Request, json.loads(asked))).parents
            lock_parents(connection, [parent.id for parent in wanted])  # before their child
            if is_erased(connection, capture_id):
                return
            row = connection.execute(sa.select(captures).where(mine)).one()
            _check_in_time(connection, row)
            before = decode(Request, json.loads(row.request))
            after = change(before)
            if after.parents != before.parents:
                relink(connection, capture_id, after.parents)
            connection.execute(captures.update().where(mine).values(request=as_json(after), **_held(row, hold_s)))
            if after.rights != before.rights:
                note_changes(connection, STATED, now_text(), mine)


def _check_in_time(connection: Connection, row: Row[Any]) -> None:
    signed = facts.c.capture_id == row.id, facts.c.name.in_(("manifest", "rejection"))
    if connection.execute(sa.select(facts.c.number).where(*signed)).first():
        raise TooLate("it is signed, or was refused")
    if row.lease_token is not None and row.lease_until_ms > now_ms():
        raise AtWork("a worker has it now")


def _held(row: Row[Any], hold_s: int | None) -> dict[str, Any]:
    if hold_s is not None:
        until_ms = _until_ms(row.created_at, hold_s)
    else:
        until_ms = row.lease_until_ms if row.lease_token is None and row.lease_until_ms > now_ms() else 0
    # Without a token: a worker that was slow beyond its lease cannot write what it read before this.
    return {"lease_token": None, "lease_until_ms": until_ms, "ring_at_ms": until_ms or now_ms() + RING_AGAIN_MS}


def _until_ms(created_at: str, hold_s: int) -> int:
    latest = as_moment(created_at) + timedelta(seconds=MOST_HELD_S)
    until_ms = min(now_ms() + hold_s * 1000, int(latest.timestamp() * 1000))
    return until_ms if until_ms > now_ms() else 0
