"""Which captures were made from which: written with the registration, or with what a work says on the chain, and gone
with the erasure of either."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.parents import Parent
from pipeline.record import Request, decode
from store.database import Database
from store.facts import as_json
from store.schema import captures, erasures, lineage, published_manifests


class ParentErased(Exception):
    """A parent was erased between the look at it and the commit."""


@dataclass(frozen=True, slots=True)
class Derivative:
    """A capture that names another as its parent, here or on the chain. `number`: its place among those, behind which
    a page goes on."""

    number: int
    capture_id: str


# Made once: the page of every photo asks.
_PARENTS = (
    sa.select(lineage.c.parent_id).where(lineage.c.child_id == sa.bindparam("child_id")).order_by(lineage.c.number)
)
_DERIVATIVES = (
    sa.select(lineage.c.number, lineage.c.child_id)
    .join(captures, captures.c.id == lineage.c.child_id)
    .where(lineage.c.parent_id == sa.bindparam("parent_id"), lineage.c.number > sa.bindparam("after"))
    .order_by(lineage.c.number)
    .limit(sa.bindparam("limit"))
)
_SEEN = _DERIVATIVES.where(
    sa.or_(
        captures.c.owner == sa.bindparam("seen_by"),
        sa.exists().where(published_manifests.c.capture_id == lineage.c.child_id),
    )
)


class Lineage:
    """Reads the table `lineage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def parents(self, child_id: str) -> list[str]:
        """The captures that this one was made from: those that its upload named, and those named on the chain."""
        with self._database.read() as connection:
            return list(connection.execute(_PARENTS, {"child_id": child_id}).scalars())

    def derivatives(self, parent_id: str, after: int, limit: int, seen_by: str | None) -> list[Derivative]:
        """The captures made from this one behind a place, oldest first: those that are published and signed, and
        those of the owner `seen_by`; None sees all."""
        query, which = _DERIVATIVES, {"parent_id": parent_id, "after": after, "limit": limit}
        if seen_by is not None:
            query, which = _SEEN, which | {"seen_by": seen_by}
        with self._database.read() as connection:
            rows = connection.execute(query, which)
            return [Derivative(row.number, row.child_id) for row in rows]


def link(connection: Connection, child_id: str, parents: Sequence[Parent]) -> None:
    """Write down what a capture was made from. Raises ParentErased, before anything is committed."""
    if not parents:
        return
    ids = [parent.id for parent in parents]
    if still_there(connection, ids) < set(ids):
        raise ParentErased("a parent was erased a moment ago")
    connection.execute(lineage.insert(), [{"child_id": child_id, "parent_id": parent} for parent in ids])


def lock_parents(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Keep these from being erased until the transaction ends; those that are still there.

    Parents come before what was made from them, also where an erasure locks both, and of several the oldest first: so
    nobody waits in a circle.
    """
    mine = sa.select(captures.c.id).where(captures.c.id.in_(ids)).order_by(captures.c.number)
    return set(connection.execute(mine.with_for_update(read=True)).scalars().all())


def still_there(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these captures that nobody had erased; until this transaction ends, nobody has.

    An erasure comes before this, and is seen, or after it, and finds what this transaction wrote.
    """
    found = lock_parents(connection, ids)
    gone = sa.select(erasures.c.capture_id).where(erasures.c.capture_id.in_(ids))
    return found - set(connection.execute(gone).scalars())


def add_links(connection: Connection, child_id: str, parent_ids: Collection[str]) -> None:
    """Write down that a capture was made from these too. They are `still_there`."""
    held = sa.select(lineage.c.parent_id).where(lineage.c.child_id == child_id)
    known = set(connection.execute(held).scalars())
    if new := sorted(set(parent_ids) - known):
        connection.execute(lineage.insert(), [{"child_id": child_id, "parent_id": parent} for parent in new])


def relink(connection: Connection, child_id: str, parents: Sequence[Parent]) -> None:
    """Write down that a capture was made from these and no others; `lock_parents` came before. Raises ParentErased."""
    connection.execute(lineage.delete().where(lineage.c.child_id == child_id))
    link(connection, child_id, parents)


def unlink(connection: Connection, capture_id: str) -> None:
    """Take an erased capture out of what others were made from, and forget what it was made from itself."""
    children = sa.select(lineage.c.child_id).where(lineage.c.parent_id == capture_id)
    held = sa.select(captures.c.id, captures.c.request).where(captures.c.id.in_(children))
    for child in connection.execute(held.order_by(captures.c.number).with_for_update()).all():
        fewer = as_json(_without(decode(Request, json.loads(child.request)), capture_id))
        connection.execute(captures.update().where(captures.c.id == child.id).values(request=fewer))
    both = sa.or_(lineage.c.parent_id == capture_id, lineage.c.child_id == capture_id)
    connection.execute(lineage.delete().where(both))


def _without(asked: Request, parent_id: str) -> Request:
    left = tuple(parent for parent in asked.parents if parent.id != parent_id)
    gone = len(asked.parents) - len(left)
    return replace(asked, parents=left, erased_parents=asked.erased_parents + gone)
