"""What was asked for a photo, changed before it is signed; and the hold that keeps workers from taking it up."""

import json
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from pipeline.record import Request, decode
from store.captures import RING_AGAIN_MS, now_ms
from store.database import Database, as_moment
from store.erasure import is_erased
from store.facts import as_json
from store.lineage import relink
from store.schema import captures, facts

MOST_HELD_S = 3600  # from the upload on: the log's promise of 24 hours must be kept whatever a client does


class TooLate(Exception):
    """The stage that reads what was asked has run, or a worker is at it."""


class Amendments:
    """Changes of what was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def amend(self, capture_id: str, change: Callable[[Request], Request], hold_s: int = 0) -> None:
        """Let a capture ask for something else, and end its hold, or begin a new one.

        Raises TooLate, and ParentErased for a parent that is named and no longer there.

        The row is locked: a worker takes the capture before this, and it is too late; or after, and reads what is new.
        Of one that was erased meanwhile nothing is changed.
        """
        mine = captures.c.id == capture_id
        with self._database.write() as connection:
            if is_erased(connection, capture_id):
                return
            row = connection.execute(sa.select(captures).where(mine)).one()
            signed = sa.select(facts.c.number).where(
                facts.c.capture_id == capture_id, facts.c.name.in_(("manifest", "rejection"))
            )
            at_work = row.lease_token is not None and row.lease_until_ms > now_ms()
            if at_work or connection.execute(signed).first():
                raise TooLate("a worker has it now" if at_work else "it is signed, or was refused")
            until_ms = _until_ms(row.created_at, hold_s)
            # Without a token: a worker that was slow beyond its lease cannot write what it read before this.
            held = {"lease_token": None, "lease_until_ms": until_ms, "ring_at_ms": until_ms or now_ms() + RING_AGAIN_MS}
            asked = decode(Request, json.loads(row.request))
            new = change(asked)
            if new.parents != asked.parents:
                relink(connection, capture_id, new.parents)
            connection.execute(captures.update().where(mine).values(request=as_json(new), **held))


def _until_ms(created_at: str, hold_s: int) -> int:
    latest = as_moment(created_at) + timedelta(seconds=MOST_HELD_S)
    until_ms = min(now_ms() + hold_s * 1000, int(latest.timestamp() * 1000))
    return until_ms if until_ms > now_ms() else 0
