"""The transparency log in the database: waiting leaves, tiles, checkpoints, and whom an anchor covers."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.canonical import canonical_bytes
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Anchor, encode
from store.changes import FINAL, note_changes
from store.database import Database, now_text
from store.schema import captures, checkpoints, cosignatures, facts, log_leaves, log_tiles, transactions

HASH_BYTES = 32
MAX_NUMBER = 2**63 - 1  # of a database integer; numbers in a URL may be larger
ANCHOR_BATCH = 10_000  # facts in one transaction: about 0.4 s, while other writers wait up to 10 s

# Made once: making them costs more than asking them, and a proof in a large log asks five times.
_TILE = sa.select(log_tiles.c.hashes).where(
    log_tiles.c.level == sa.bindparam("level"), log_tiles.c.number == sa.bindparam("number")
)
_CHECKPOINT = sa.select(checkpoints).where(checkpoints.c.size == sa.bindparam("size"))


class LogRecords:
    """The log's tables (ports: ledger.tree.Hashes, ledger.sequence.Records, ledger.anchor.Log)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what is served -----------------------------------------------------------------------------------------

    def tile(self, level: int, number: int, width: int | None = None) -> bytes:
        """A tile's first `width` hashes, or all that it has. Raises LookupError when it has fewer, or none."""
        row = self._one(_TILE, {"level": level, "number": number})
        if row is None or (width is not None and not 0 < width * HASH_BYTES <= len(row.hashes)):
            raise LookupError(f"the log has no tile {level}/{number} of width {width or 'any'}")
        return bytes(row.hashes if width is None else row.hashes[: width * HASH_BYTES])

    def newest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest checkpoint; None before the first."""
        row = self._newest()
        return (row.size, bytes(row.root)) if row else None

    def newest_checkpoint(self) -> str:
        """The newest checkpoint as a signed note with its cosignatures. Raises LookupError before the first."""
        row = self._newest()
        if row is None:
            raise LookupError("the log has no checkpoint yet: it gets one with its first leaf")
        return self._with_cosignatures(row)

    def witnessed_checkpoint(self) -> str:
        """The newest checkpoint that a witness cosigned. Raises LookupError before the first."""
        size = self.witnessed_size()
        if size is None:
            raise LookupError("no witness has cosigned a checkpoint yet")
        return self.checkpoint(size)

    def witnessed_size(self) -> int | None:
        """The size of the newest checkpoint that a witness cosigned; None before the first."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(cosignatures.c.size))).scalar()

    def checkpoint(self, size: int) -> str:
        """The signed note at this size with its cosignatures. Raises LookupError when no checkpoint was made there."""
        return self._with_cosignatures(self._checkpoint(size))

    def record_cosignature(self, size: int, key_id: str, line: str) -> None:
        """Keep a witness's signature line of the checkpoint at this size; its first one stays."""
        row = {"size": size, "key_id": key_id}
        try:
            with self._database.write() as connection:
                connection.execute(cosignatures.insert().values(**row, line=line))
        except IntegrityError:
            return  # another asked the same witness at the same time, and both lines are true

    def root_at(self, size: int) -> bytes:
        """The root that was signed at this size. Raises LookupError when no checkpoint was made there."""
        return bytes(self._checkpoint(size).root)

    # -- sequencing ---------------------------------------------------------------------------------------------

    def waiting(self, limit: int) -> list[tuple[int, bytes]]:
        """Row numbers and digests of leaves that have no place yet, in the order in which they came."""
        query = sa.select(log_leaves.c.number, log_leaves.c.digest).where(log_leaves.c.position.is_(None))
        with self._database.read() as connection:
            return [(number, digest) for number, digest in connection.execute(query.order_by("number").limit(limit))]

    def append(
        self, old_size: int, numbers: Sequence[int], tiles: Mapping[tuple[int, int], bytes], root: bytes, note: str
    ) -> None:
        """Give these waiting leaves the places from `old_size` on; tiles, checkpoint and `inclusion` facts with them.

        One transaction, or nothing of it. Raises Unavailable when the log is not at `old_size`, or a leaf has a place
        already: another was quicker; Conflict when a leaf that waits has an `inclusion` fact.
        """
        try:
            with self._database.write() as connection:
                _check_size(connection, old_size)
                _place(connection, old_size, numbers)
                _write_tiles(connection, tiles)
                size, now = old_size + len(numbers), now_text()
                connection.execute(checkpoints.insert().values(size=size, root=root, note=note, created_at=now))
                _write_inclusions(connection, old_size, size, now)
        except IntegrityError as error:
            self._explain(error)

    def _explain(self, error: IntegrityError) -> NoReturn:
        waiting = facts.c.capture_id == log_leaves.c.capture_id, log_leaves.c.position.is_(None)
        query = sa.select(facts.c.capture_id, facts.c.value).where(facts.c.name == "inclusion", *waiting)
        with self._database.read() as connection:
            held = connection.execute(query.limit(1)).first()
        if held:
            raise Conflict(f"{held.capture_id} waits for a place in the log, but has one: {held.value}") from error
        # Two sequencers on PostgreSQL: the unique position lets one through.
        raise Unavailable(f"the log's end, which another sequencer moved: {error.orig}") from error

    # -- anchoring ----------------------------------------------------------------------------------------------

    def unanchored(self, tree_size: int, limit: int | None = None) -> list[str]:
        """Captures among the first `tree_size` leaves that have no `anchor` fact, in no particular order."""
        with self._database.read() as connection:
            query = _open(log_leaves.c.capture_id, tree_size).limit(limit)
            return list(connection.execute(query).scalars())

    def record_anchor(self, anchor: Anchor) -> int:
        """Write the `anchor` fact of every capture that this anchor is the first to cover; how many.

        In transactions of `ANCHOR_BATCH`, so that uploads are not kept waiting. Those that are done do not count
        as unanchored any more: after a crash, the same call again does the rest.
        """
        end = min(anchor.tree_size, MAX_NUMBER)
        with self._database.read() as connection:
            first = connection.execute(_open(sa.func.min(log_leaves.c.position + 0), end)).scalar_one()
            since = _anchored_since(connection, anchor)
        value, total = canonical_bytes(encode(anchor)).decode(), 0
        for start in range(end if first is None else first, end, ANCHOR_BATCH):
            with self._database.write() as connection:
                batch = start, min(start + ANCHOR_BATCH, end)
                covered = _unanchored(log_leaves.c.capture_id).where(*_between(*batch))
                name = FINAL if anchor.state == "final" else "anchor"
                note_changes(connection, name, now_text(), captures.c.id.in_(covered))
                total += _write_anchors(connection, *batch, value, since)
        return total

    def _newest(self) -> sa.Row[tuple[object, ...]] | None:
        with self._database.read() as connection:
            return connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()

    def _with_cosignatures(self, row: sa.Row[Any]) -> str:
        query = sa.select(cosignatures.c.line).where(cosignatures.c.size == row.size).order_by(cosignatures.c.key_id)
        with self._database.read() as connection:
            return "".join((row.note, *connection.execute(query).scalars()))

    def _checkpoint(self, size: int) -> sa.Row[tuple[object, ...]]:
        row = self._one(_CHECKPOINT, {"size": size})
        if row is None:
            raise LookupError(f"the log has no checkpoint at size {size}")
        return row

    def _one(self, query: sa.Select[Any], where: Mapping[str, int]) -> sa.Row[Any] | None:
        if not all(0 <= value <= MAX_NUMBER for value in where.values()):
            return None
        with self._database.read() as connection:
            return connection.execute(query, where).first()


def _check_size(connection: Connection, old_size: int) -> None:
    size = connection.execute(sa.select(sa.func.max(checkpoints.c.size))).scalar() or 0
    if size != old_size:
        raise Unavailable(f"the log's end: it moved from {old_size} to {size}, another sequencer is at work")


def _place(connection: Connection, start: int, numbers: Sequence[int]) -> None:
    number = log_leaves.c.number
    waiting = number.between(sa.bindparam("first"), sa.bindparam("last")), log_leaves.c.position.is_(None)
    done = connection.execute(
        log_leaves.update().where(*waiting).values(position=number + sa.bindparam("shift")), _runs(start, numbers)
    )
    if done.rowcount != len(numbers):
        raise Unavailable(f"{len(numbers) - done.rowcount} leaves, which another sequencer placed")


def _runs(start: int, numbers: Sequence[int]) -> list[dict[str, int]]:
    """Row numbers that follow each other, as one update: nearly always all of them."""
    runs: list[dict[str, int]] = []
    for position, number in enumerate(numbers, start):
        if runs and number == runs[-1]["last"] + 1:
            runs[-1]["last"] = number
        else:
            runs.append({"first": number, "last": number, "shift": position - number})
    return runs


def _write_inclusions(connection: Connection, start: int, size: int, now: str) -> None:
    # The canonical JSON of pipeline.record.Inclusion, made by the database: 10,000 at once, and none of them in Python.
    position = sa.cast(log_leaves.c.position, sa.String)
    value = sa.literal('{"index":') + position + sa.literal(f',"tree_size":{size}}}')
    of_captures = *_between(start, size), log_leaves.c.capture_id.is_not(None)  # statements' places are asked for
    placed = sa.select(log_leaves.c.capture_id, *_fact("inclusion", value, now)).where(*of_captures)
    note_changes(connection, "inclusion", now, captures.c.id.in_(placed.with_only_columns(log_leaves.c.capture_id)))
    _write_facts(connection, placed)


def _anchored_since(connection: Connection, anchor: Anchor) -> str:
    """When its block was seen: what was shown before the fact, and must not jump when the block becomes final."""
    mine = transactions.c.hash == anchor.transaction
    return connection.execute(sa.select(transactions.c.included_at).where(mine)).scalar() or now_text()


def _write_anchors(connection: Connection, start: int, end: int, value: str, since: str) -> int:
    """The `anchor` fact of the leaves from `start` to before `end` that have none; how many. They are finished then."""
    fact = _fact("anchor", sa.literal(value), since)
    written = _write_facts(connection, _unanchored(log_leaves.c.capture_id, *fact).where(*_between(start, end)))
    here = sa.select(log_leaves.c.capture_id).where(*_between(start, end))
    connection.execute(
        captures.update().where(captures.c.finished.is_(False), captures.c.id.in_(here)).values(finished=True)
    )
    return written


def _write_facts(connection: Connection, rows: sa.Select[Any]) -> int:
    # In the order of the index that they go into, so that each of its pages is found once.
    ordered = rows.order_by(log_leaves.c.capture_id)
    insert = facts.insert().from_select(["capture_id", "name", "value", "created_at"], ordered)
    return int(connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount)


def _fact(name: str, value: sa.ColumnElement[str], now: str) -> tuple[sa.ColumnElement[str], ...]:
    return sa.literal(name), value, sa.literal(now)


def _between(start: int, end: int) -> tuple[sa.ColumnElement[bool], ...]:
    return log_leaves.c.position >= start, log_leaves.c.position < end


def _write_tiles(connection: Connection, tiles: Mapping[tuple[int, int], bytes]) -> None:
    rows = [{"level": level, "number": number, "hashes": hashes} for (level, number), hashes in tiles.items()]
    # Only the last tile of each level can be there already, as a prefix of its new self.
    same = log_tiles.c.level == sa.bindparam("level_"), log_tiles.c.number == sa.bindparam("number_")
    connection.execute(
        log_tiles.delete().where(*same), [{"level_": level, "number_": number} for level, number in tiles]
    )
    connection.execute(log_tiles.insert(), rows)


def _unanchored(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    anchored = sa.exists().where(facts.c.capture_id == captures.c.id, facts.c.name == "anchor")
    return (
        sa.select(*columns)
        .join_from(log_leaves, captures, captures.c.id == log_leaves.c.capture_id)
        .where(captures.c.finished.is_(False), ~anchored)
    )


def _open(column: sa.ColumnElement[Any], tree_size: int) -> sa.Select[Any]:
    # The captures that are not finished have an index of their own. Adding nothing keeps SQLite from going through
    # the positions instead, which would read the whole log each time.
    return _unanchored(column).where(log_leaves.c.position + 0 < min(tree_size, MAX_NUMBER))
