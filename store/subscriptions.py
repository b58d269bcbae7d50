"""Who wants to be told of an owner's captures: webhooks, and browsers that take push messages."""

import secrets
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.database import Database, now_text
from store.schema import deliveries, subscriptions

Kind = Literal["webhook", "push"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One that is told. `events`: types, or `*`. `secret` is sealed. Moments are RFC 3339 texts or None.

    `failures`: attempts in a row that failed; `problem`: why the last one did.
    """

    id: str
    kind: Kind
    owner: str
    url: str
    events: tuple[str, ...]
    secret: bytes
    position: int
    created_at: str
    failures: int = 0
    failing_since: str | None = None
    problem: str | None = None
    delivered_at: str | None = None
    disabled_at: str | None = None

    @property
    def state(self) -> str:
        """`disabled` after days of failures, `failing`, or `active`."""
        return "disabled" if self.disabled_at else "failing" if self.failures else "active"

    def wants(self, type_: str) -> bool:
        """Whether it is told of this type of event."""
        return "*" in self.events or type_ in self.events


class Subscriptions:
    """The table `subscriptions`, as its owners see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, subscription_id: str, kind: Kind, owner: str, key_id: str, url: str, events: tuple[str, ...],
        secret: bytes, position: int,
    ) -> Subscription:  # fmt: skip
        """Tell `url` of what happens behind `position`. A browser that subscribes again takes its own old place."""
        with self._database.write() as connection:
            if kind == "push":
                same = subscriptions.c.owner == owner, subscriptions.c.kind == kind, subscriptions.c.url == url
                _delete(connection, *same)
            connection.execute(
                subscriptions.insert().values(
                    id=subscription_id, kind=kind, owner=owner, key_id=key_id, url=url, events=" ".join(events),
                    secret=secret, position=position, created_at=now_text(),
                )
            )  # fmt: skip
        return self.get(subscription_id, owner, kind)

    def get(self, subscription_id: str, owner: str, kind: Kind) -> Subscription:
        """An owner's own. Raises LookupError."""
        for found in self.of(owner, kind):
            if found.id == subscription_id:
                return found
        raise LookupError(f"no {kind} {subscription_id}")

    def of(self, owner: str, kind: Kind) -> list[Subscription]:
        """All of an owner, oldest first."""
        mine = subscriptions.c.owner == owner, subscriptions.c.kind == kind
        query = sa.select(subscriptions).where(*mine).order_by(subscriptions.c.created_at, subscriptions.c.id)
        with self._database.read() as connection:
            return [record(row) for row in connection.execute(query)]

    def remove(self, subscription_id: str, owner: str, kind: Kind) -> bool:
        """Tell it nothing more; False when this owner has none of this id."""
        mine = subscriptions.c.owner == owner, subscriptions.c.kind == kind
        with self._database.write() as connection:
            return _delete(connection, subscriptions.c.id == subscription_id, *mine)

    def replay(self, subscription_id: str, position: int) -> None:
        """Tell everything behind `position` once more, under the same message ids; one that was disabled is not."""
        again = {"position": position, "failures": 0, "failing_since": None, "disabled_at": None, "due_ms": 0}
        with self._database.write() as connection:
            mine = connection.execute(subscriptions.update().where(subscriptions.c.id == subscription_id).values(again))
            if mine.rowcount:
                old = deliveries.c.subscription_id == subscription_id, deliveries.c.position > position
                connection.execute(deliveries.delete().where(*old))


def end_subscriptions(connection: Connection, key_id: str) -> None:
    """In the transaction that revokes a key: whom it had told is told nothing more."""
    _delete(connection, subscriptions.c.key_id == key_id)


def new_id(prefix: str) -> str:
    """An id that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(10)}"


def record(row: sa.Row[tuple[object, ...]]) -> Subscription:
    """A row of the table."""
    values = {name: getattr(row, name) for name in Subscription.__slots__}
    return Subscription(**{**values, "events": tuple(row.events.split()), "secret": bytes(row.secret)})


def _delete(connection: Connection, *which: sa.ColumnElement[bool]) -> bool:
    ids = list(connection.execute(sa.select(subscriptions.c.id).where(*which)).scalars())
    # The subscription's row first: who notes something of a delivery has it locked.
    connection.execute(sa.select(subscriptions.c.id).where(subscriptions.c.id.in_(ids)).with_for_update())
    connection.execute(deliveries.delete().where(deliveries.c.subscription_id.in_(ids)))
    connection.execute(subscriptions.delete().where(subscriptions.c.id.in_(ids)))
    return bool(ids)
