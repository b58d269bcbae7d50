"""What is still to be told, to whom, and when. Rows come from the list of changes, and go when they were told.

The place up to which a subscription's changes were turned into rows is committed with the rows: none is left out, and
none is made twice. Whoever delivers holds the subscription's lease; a row goes only after the receiver took it, so
that a crash in between sends it again, under the same message id.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.changes import ERASED, Changes, type_of
from store.database import Database, as_moment, as_text, now_text
from store.schema import changes, deliveries, erasures, subscriptions
from store.subscriptions import Subscription, record

LEASE_MS = 60_000  # longer than an attempt can take; renewed with each
BATCH = 500  # changes turned into deliveries in one transaction
PING = "ping"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to be sent. `message_id` stays the same however often it is; `capture_id` None: a test."""

    number: int
    message_id: str
    position: int
    type: str
    capture_id: str | None
    happened_at: datetime
    created_ms: int
    due_ms: int
    attempts: int
    problem: str | None
    failed_at: str | None


class Deliveries:
    """The table `deliveries`, and of `subscriptions` what became of them. Times are milliseconds, Unix."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = Changes(database)

    # -- making -------------------------------------------------------------------------------------------------

    def make(self, now_ms: int) -> None:
        """Turn every change that somebody wants to be told of into deliveries."""
        newest = self._changes.newest()
        behind = subscriptions.c.disabled_at.is_(None), subscriptions.c.position < newest
        place = self._changes.place
        new = sa.exists().where(changes.c.owner == subscriptions.c.owner, place > subscriptions.c.position)
        with self._database.read() as connection:
            waiting = list(connection.execute(sa.select(subscriptions.c.id).where(*behind, new)).scalars())
        for subscription_id in waiting:
            while self._make(subscription_id, now_ms):
                pass

    def _make(self, subscription_id: str, now_ms: int) -> bool:
        with self._database.write() as connection:
            told = _locked(connection, subscription_id)
            if told is None or told.disabled_at:
                return False
            found = self._changes.after(told.position, BATCH, owner=told.owner)
            rows = [
                {"subscription_id": told.id, "message_id": f"msg_{told.id}_{change.position}", "type": change.type,
                 "position": change.position, "capture_id": change.capture_id, "happened_at": as_text(change.at),
                 "created_ms": now_ms, "due_ms": now_ms}
                for change in found if told.wants(change.type)
            ]  # fmt: skip
            if rows:
                connection.execute(deliveries.insert(), rows)
                _leave_out_erased(connection, told)
            if found:
                _set(connection, told.id, position=found[-1].position)
        return len(found) == BATCH

    def ping(self, subscription_id: str, message_id: str, now_ms: int) -> None:
        """Have a test sent, also to one that is failing: now, whatever its pause is."""
        values = {"subscription_id": subscription_id, "message_id": message_id, "type": PING, "position": 0}
        with self._database.write() as connection:
            if _locked(connection, subscription_id):
                _set(connection, subscription_id, due_ms=now_ms)
                connection.execute(
                    deliveries.insert().values(**values, happened_at=now_text(), created_ms=now_ms, due_ms=0)
                )

    # -- delivering ---------------------------------------------------------------------------------------------

    def free(self, holder: str) -> None:
        """Give back what this holder had when it died."""
        with self._database.write() as connection:
            mine = subscriptions.c.lease_holder == holder
            connection.execute(subscriptions.update().where(mine).values(lease_holder=None, lease_until_ms=0))

    def due(self, now_ms: int) -> list[tuple[str, bool]]:
        """The subscriptions that something is to be sent to now, each with whether it has failed of late."""
        waits = sa.exists().where(deliveries.c.subscription_id == subscriptions.c.id, *_sendable(now_ms))
        columns = subscriptions.c.id, subscriptions.c.failures
        free = subscriptions.c.due_ms <= now_ms, subscriptions.c.lease_until_ms <= now_ms
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*columns).where(*free, waits).order_by(subscriptions.c.due_ms))
            return [(row.id, row.failures > 0) for row in rows]

    def take(self, subscription_id: str, holder: str, now_ms: int) -> tuple[Subscription, Delivery] | None:
        """The next message for a subscription, and its lease; None when there is none now, or another sends."""
        held = subscriptions.c.lease_holder == holder
        free = sa.or_(held, subscriptions.c.lease_until_ms <= now_ms)
        mine = subscriptions.c.id == subscription_id, free, subscriptions.c.due_ms <= now_ms
        lease = {"lease_holder": holder, "lease_until_ms": now_ms + LEASE_MS}
        query = sa.select(deliveries).where(deliveries.c.subscription_id == subscription_id, *_sendable(now_ms))
        with self._database.write() as connection:
            if not connection.execute(subscriptions.update().where(*mine).values(lease)).rowcount:
                return None
            told = connection.execute(sa.select(subscriptions).where(subscriptions.c.id == subscription_id)).one()
            row = connection.execute(query.order_by(deliveries.c.due_ms, deliveries.c.number).limit(1)).first()
        return (record(told), _delivery(row)) if row else None

    def release(self, subscription_id: str, holder: str) -> None:
        """Let others send to it."""
        mine = subscriptions.c.id == subscription_id, subscriptions.c.lease_holder == holder
        with self._database.write() as connection:
            connection.execute(subscriptions.update().where(*mine).values(lease_holder=None, lease_until_ms=0))

    def delivered(self, subscription_id: str, number: int) -> None:
        """The receiver took it."""
        with self._database.write() as connection:
            _set(connection, subscription_id, failures=0, failing_since=None, problem=None, delivered_at=now_text())
            connection.execute(deliveries.delete().where(deliveries.c.number == number))

    def failed(
        self, told: Subscription, delivery: Delivery, problem: str, *, retry_ms: int, pause_ms: int, given_up_ms: int,
        disable_before: datetime,
    ) -> None:  # fmt: skip
        """It was not taken: the message is due again at `retry_ms`, the next one to this subscription at `pause_ms`.

        What was made before `given_up_ms` is marked as failed; who has failed since before `disable_before` is
        disabled.
        """
        since = told.failing_since or now_text()
        disabled = {"disabled_at": now_text()} if as_moment(since) < disable_before else {}
        old = deliveries.c.subscription_id == told.id, deliveries.c.created_ms < given_up_ms
        with self._database.write() as connection:
            counted = {"failures": subscriptions.c.failures + 1, "failing_since": since, "problem": problem}
            _set(connection, told.id, due_ms=pause_ms, **counted, **disabled)
            mine = deliveries.update().where(deliveries.c.number == delivery.number)
            connection.execute(mine.values(attempts=delivery.attempts + 1, due_ms=retry_ms, problem=problem))
            given_up = deliveries.update().where(*old, deliveries.c.failed_at.is_(None))
            connection.execute(given_up.values(failed_at=now_text()))

    def end(self, told: Subscription, problem: str) -> None:
        """The receiver said that it is gone for good: a browser's subscription goes, a webhook is disabled."""
        with self._database.write() as connection:
            if _locked(connection, told.id) and told.kind == "push":
                connection.execute(deliveries.delete().where(deliveries.c.subscription_id == told.id))
                connection.execute(subscriptions.delete().where(subscriptions.c.id == told.id))
            else:
                _set(connection, told.id, disabled_at=now_text(), problem=problem)

    # -- showing ------------------------------------------------------------------------------------------------

    def of(self, subscription_id: str, limit: int) -> list[Delivery]:
        """What is not delivered, the oldest first."""
        query = sa.select(deliveries).where(deliveries.c.subscription_id == subscription_id)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query.order_by(deliveries.c.number).limit(limit))]


def _sendable(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    # A test goes out also to one that is disabled: that is how its owner finds out that it is well again.
    enabled = sa.or_(subscriptions.c.disabled_at.is_(None), deliveries.c.type == PING)
    here = sa.exists().where(subscriptions.c.id == deliveries.c.subscription_id, enabled).correlate(deliveries)
    return deliveries.c.failed_at.is_(None), deliveries.c.due_ms <= now_ms, here


def _locked(connection: Connection, subscription_id: str) -> Subscription | None:
    query = sa.select(subscriptions).where(subscriptions.c.id == subscription_id).with_for_update()
    row = connection.execute(query).first()
    return record(row) if row else None


def _leave_out_erased(connection: Connection, told: Subscription) -> None:
    # Erased since the changes were read, which is seen now; who erases from here on waits for us, and finds the rows.
    gone = deliveries.c.capture_id.in_(sa.select(erasures.c.capture_id)), deliveries.c.type != type_of(ERASED)
    new = deliveries.c.subscription_id == told.id, deliveries.c.position > told.position
    connection.execute(deliveries.delete().where(*new, *gone))


def _set(connection: Connection, subscription_id: str, **values: object) -> None:
    connection.execute(subscriptions.update().where(subscriptions.c.id == subscription_id).values(values))


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__slots__}
    return Delivery(**{**values, "happened_at": as_moment(row.happened_at)})
