"""What happened to captures, in the order of commit: the one list that event streams, lists and webhooks read.

A row is written in the transaction of the fact or the erasure, so that none can be missing. On SQLite, with its one
writer, numbers are in the order of commit. On PostgreSQL a lower number may commit after a higher one: there a change
has no place until it is committed, and places are given to what is, by one at a time (docs/why-019-being-told.md).
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.record import FACT_TYPES, FACTS
from store.database import Database, as_moment, as_text, now_text
from store.schema import captures, changes, erasures

# Beside the facts' names: a block that may still be taken back holds the capture's leaf; the anchor was written as
# one that no chain takes back; the owner had the capture erased.
INCLUDED, FINAL, ERASED = "included", "final", "erased"
STATUS_OF = {name: status for name, _, status in FACTS} | {
    "rejection": "rejected", INCLUDED: "anchored", FINAL: "anchored", ERASED: "erased",
}  # fmt: skip
# What an order at the rights contract brought, when it is done (store/orders.py): no fact of the photo.
ORDERED = {
    "asset": "work", "terms": "offer", "derive": "derivation", "licence": "licence", "claim": "claim", "move": "move",
    "flag": "review", "appeal": "review", "resolve": "review",
}  # fmt: skip
DERIVED = "derived"  # another's work says on the chain that it was made from this one
REFUSED = "order-refused"  # an order at the rights contract cannot be carried out
STATED = "rights"  # its owner stated something else about the rights
PAYMENT = "payment"  # somebody paid a work on the chain, for something else than a licence
WORKS = (*dict.fromkeys(ORDERED.values()), DERIVED, REFUSED, PAYMENT)  # what happened to a work, not to its photo
_PLACING_LOCK = 0x706C6163  # "plac"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `position` is its place, the same for ever; `fact`: the name of the fact that tells it, or None."""

    position: int
    capture_id: str
    name: str
    at: datetime

    @property
    def fact(self) -> str | None:
        """The name of the fact that this is about; None for an erasure, a statement, what happened to a work."""
        if self.name in (*WORKS, STATED):
            return None
        return {INCLUDED: "anchor", FINAL: "anchor", ERASED: None}.get(self.name, self.name)

    @property
    def type(self) -> str:
        """What webhooks call it."""
        return type_of(self.name)


def type_of(name: str) -> str:
    """The event type of a change: `capture.` and the status that it leads to, or the name of what has none."""
    return f"capture.{FINAL if name == FINAL else STATUS_OF.get(name, name)}"


STATUS_OF_TYPE = {type_of(name): status for name, status in STATUS_OF.items()}  # what has none changes none
EVENT_TYPES = tuple(dict.fromkeys(type_of(name) for name in (*FACT_TYPES, FINAL, ERASED, STATED, *WORKS)))


class Changes:
    """Reads the table `changes`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # The column that holds a change's place, on this database.
        self.place = changes.c.number if database.url.startswith("sqlite") else changes.c.position

    def newest(self) -> int:
        """The place of the last change of all; whatever was committed before this call has its place now."""
        self._give_places()
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(self.place))).scalar() or 0)

    def after(
        self, position: int, limit: int, *, owner: str | None = None, capture_id: str | None = None
    ) -> list[Change]:
        """The next changes behind a place, of one owner or one capture. Ask `newest` first for what is new."""
        mine = changes.c.owner == owner if owner else changes.c.capture_id == capture_id
        columns = self.place.label("place"), changes.c.capture_id, changes.c.name, changes.c.created_at
        query = sa.select(*columns).where(mine, self.place > position).order_by(self.place).limit(limit)
        with self._database.read() as connection:
            return [Change(row[0], row[1], row[2], as_moment(row[3])) for row in connection.execute(query)]

    def captures_after(self, owner: str, position: int, until: int, limit: int) -> list[tuple[int, str]]:
        """An owner's captures whose last change is behind `position` and not behind `until`: its place, and their id.

        A capture that changes meanwhile is behind `until`, where the next walk finds it.
        """
        later = changes.alias()
        place = later.c.number if self.place is changes.c.number else later.c.position
        changed_again = sa.exists().where(later.c.capture_id == changes.c.capture_id, place > self.place)
        query = sa.select(self.place, changes.c.capture_id).where(
            changes.c.owner == owner, self.place > position, self.place <= until, ~changed_again
        )
        with self._database.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query.order_by(self.place).limit(limit))]

    def before(self, moment: datetime, owner: str) -> int:
        """The place behind which everything is that happened to this owner's captures since a moment."""
        since = changes.c.owner == owner, changes.c.created_at >= as_text(moment)
        with self._database.read() as connection:
            first = connection.execute(sa.select(sa.func.min(self.place)).where(*since)).scalar()
        return self.newest() if first is None else int(first) - 1

    def _give_places(self) -> None:
        """Give every committed change its place: drawn under a lock that is held until it is visible to all."""
        if self.place is changes.c.number:
            return
        waiting = changes.c.position.is_(None)
        with self._database.read() as connection:
            if connection.execute(sa.select(changes.c.number).where(waiting).limit(1)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACING_LOCK)))
            connection.execute(_PLACE)


# The places come from the sequence of the numbers, so that none is ever given twice, whatever was deleted.
_PLACE = sa.text(
    "update changes set position = placed.position from (select number,"
    " nextval(pg_get_serial_sequence('changes', 'number')) as position from"
    " (select number from changes where position is null order by number) as waiting) as placed"
    " where changes.number = placed.number"
)


def note_changes(connection: Connection, name: str, moment: str, which: sa.ColumnElement[bool]) -> None:
    """Note in the caller's transaction that this happened to the captures of which `which` is true.

    What is written for erased ones, as their tombstones are, nobody is told.
    """
    erased = sa.exists().where(erasures.c.capture_id == captures.c.id)
    rows = sa.select(captures.c.id, captures.c.owner, sa.literal(name), sa.literal(moment)).where(which, ~erased)
    _insert(connection, rows)


def note_erasure(connection: Connection, capture_id: str) -> None:
    """All that is left to tell of a capture: that it was erased."""
    connection.execute(changes.delete().where(changes.c.capture_id == capture_id))
    row = sa.select(captures.c.id, captures.c.owner, sa.literal(ERASED), sa.literal(now_text()))
    _insert(connection, row.where(captures.c.id == capture_id))


def _insert(connection: Connection, rows: sa.Select[tuple[str, str, str, str]]) -> None:
    connection.execute(changes.insert().from_select(["capture_id", "owner", "name", "created_at"], rows))
