"""What owners state about rights once their photos are sealed: the newest counts, and every one of them stays.

Each is a leaf of its own, written here together with the row that it is of; the sequencer and the anchorer treat it as
every other. Where it stands in the log, and which block holds it, is read from their tables.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.canonical import canonical_bytes
from pipeline.record import Anchor, Inclusion, Leaf, Rights, RightsStatement, decode, encode
from store.changes import STATED, note_changes
from store.database import Database, as_moment, as_text
from store.erasure import is_erased
from store.facts import as_json
from store.outbox import anchors_of, covering_size
from store.quotas import Charge, spend
from store.schema import captures, checkpoints, facts, log_leaves, rights_statements

MOST_STATEMENTS = 100  # of one photo: a history that still fits on a page

# Made once: every capture is asked for them whenever it is read, and most have none.
_STATEMENTS = (
    sa.select(
        rights_statements,
        log_leaves.c.digest,
        log_leaves.c.position,
        sa.select(sa.func.min(checkpoints.c.size))
        .where(checkpoints.c.size > log_leaves.c.position)
        .scalar_subquery()
        .label("tree_size"),
        covering_size(log_leaves.c.position).label("anchor_size"),
    )
    .join_from(rights_statements, log_leaves, log_leaves.c.number == rights_statements.c.leaf)
    .where(rights_statements.c.capture_id == sa.bindparam("capture_id"))
    .order_by(rights_statements.c.number)
)

Inscribe = Callable[[bytes, datetime], Leaf]


class TooMany(Exception):
    """The photo has as many statements as one may have."""


class RightsStatements:
    """The table `rights_statements`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, capture_id: str, rights: Rights, at: datetime, inscribe: Inscribe, charge: Charge) -> None:
        """Commit that these are the rights from now on. What is stated already is not stated again.

        `inscribe` makes the leaf, of the digest of the one before. Counts as a capture of the key's quota. Raises
        LookupError while the capture is not sealed, TooMany and OverQuota; of an erased one nothing is written.
        """
        with self._database.write() as connection:
            if is_erased(connection, capture_id):  # which locks its row: statements come one after the other
                return
            before = connection.execute(_STATEMENTS, {"capture_id": capture_id}).all()
            present = before[-1].rights if before else _asked(connection, capture_id)
            if present == as_json(rights):
                return
            if len(before) >= MOST_STATEMENTS:
                raise TooMany(f"{capture_id} has {MOST_STATEMENTS} statements about its rights")
            previous = bytes(before[-1].digest) if before else _own_leaf(connection, capture_id)
            spend(connection, charge, 0)
            leaf = inscribe(previous, at)
            number = connection.execute(
                log_leaves.insert().returning(log_leaves.c.number).values(digest=leaf.digest)
            ).scalar_one()
            row = {"capture_id": capture_id, "rights": as_json(rights), "leaf": number, "stated_at": as_text(at)}
            words = canonical_bytes(encode(leaf.statement)).decode()
            connection.execute(rights_statements.insert().values(**row, statement=words))
            note_changes(connection, STATED, as_text(at), captures.c.id == capture_id)


def statements_of(connection: Connection, capture_id: str) -> tuple[RightsStatement, ...]:
    """What was stated about a photo's rights after it was sealed, oldest first."""
    rows = connection.execute(_STATEMENTS, {"capture_id": capture_id}).all()
    anchors = anchors_of(connection, {row.anchor_size for row in rows if row.anchor_size is not None})
    return tuple(_statement(row, anchors) for row in rows)


def _statement(row: sa.Row[Any], anchors: dict[int, Anchor]) -> RightsStatement:
    words = decode(tuple[bytes, ...], json.loads(row.statement))
    return RightsStatement(
        rights=decode(Rights, json.loads(row.rights)),
        stated_at=as_moment(row.stated_at),
        leaf=Leaf(words, bytes(row.digest)),
        inclusion=None if row.position is None else Inclusion(row.position, row.tree_size),
        anchor=anchors.get(row.anchor_size),
    )


def _asked(connection: Connection, capture_id: str) -> str:
    request = connection.execute(sa.select(captures.c.request).where(captures.c.id == capture_id)).scalar_one()
    return canonical_bytes(json.loads(request)["rights"]).decode()


def _own_leaf(connection: Connection, capture_id: str) -> bytes:
    mine = facts.c.capture_id == capture_id, facts.c.name == "leaf"
    value = connection.execute(sa.select(facts.c.value).where(*mine)).scalar()
    if value is None:
        raise LookupError(f"{capture_id} is not sealed yet")
    return decode(Leaf, json.loads(value)).digest
