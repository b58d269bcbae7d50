"""The transparency log in the database: waiting leaves, tiles, checkpoints, and whom an anchor covers."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.errors import Unavailable
from pipeline.record import Anchor, Inclusion
from store.database import Database, now_text
from store.facts import write_fact
from store.schema import captures, checkpoints, facts, log_leaves, log_tiles

HASH_BYTES = 32
MAX_NUMBER = 2**63 - 1  # of a database integer; numbers in a URL may be larger
ANCHOR_BATCH = 500  # facts in one transaction: about 0.3 s, while other writers wait up to 10 s


class LogRecords:
    """The log's tables (ports: ledger.tree.Hashes, ledger.sequence.Records, ledger.anchor.Log)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what is served -----------------------------------------------------------------------------------------

    def tile(self, level: int, number: int, width: int | None = None) -> bytes:
        """A tile's first `width` hashes, or all that it has. Raises LookupError when it has fewer, or none."""
        row = self._one(sa.select(log_tiles.c.hashes), {log_tiles.c.level: level, log_tiles.c.number: number})
        if row is None or (width is not None and not 0 < width * HASH_BYTES <= len(row.hashes)):
            raise LookupError(f"the log has no tile {level}/{number} of width {width or 'any'}")
        return bytes(row.hashes if width is None else row.hashes[: width * HASH_BYTES])

    def newest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest checkpoint; None before the first."""
        row = self._newest()
        return (row.size, bytes(row.root)) if row else None

    def newest_checkpoint(self) -> str:
        """The newest checkpoint as a signed note. Raises LookupError before the first."""
        row = self._newest()
        if row is None:
            raise LookupError("the log has no checkpoint yet: it gets one with its first leaf")
        return str(row.note)

    def checkpoint(self, size: int) -> str:
        """The signed note at this size. Raises LookupError when no checkpoint was made there."""
        return str(self._checkpoint(size).note)

    def root_at(self, size: int) -> bytes:
        """The root that was signed at this size. Raises LookupError when no checkpoint was made there."""
        return bytes(self._checkpoint(size).root)

    # -- sequencing ---------------------------------------------------------------------------------------------

    def waiting(self, limit: int) -> list[tuple[str, bytes]]:
        """Capture ids and leaf digests that have no place yet, in the order in which they came."""
        query = sa.select(log_leaves.c.capture_id, log_leaves.c.digest).where(log_leaves.c.position.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(log_leaves.c.number).limit(limit)).all()
        return [(row.capture_id, bytes(row.digest)) for row in rows]

    def append(
        self, old_size: int, placed: Sequence[tuple[str, Inclusion]], tiles: Mapping[tuple[int, int], bytes],
        root: bytes,
    ) -> None:  # fmt: skip
        """Write positions, tiles, the checkpoint and the `inclusion` facts in one transaction, or nothing of it.

        Raises Unavailable when the log is not at `old_size`, or a leaf has a place already: another was quicker.
        """
        try:
            with self._database.write() as connection:
                _check_size(connection, old_size)
                _place(connection, placed)
                _write_tiles(connection, tiles)
                newest = placed[-1][1]
                connection.execute(
                    checkpoints.insert().values(
                        size=newest.tree_size, root=root, note=newest.checkpoint, created_at=now_text()
                    )
                )
                for capture_id, inclusion in placed:
                    write_fact(connection, capture_id, "inclusion", inclusion)
        except IntegrityError as error:
            # Two sequencers on PostgreSQL: the unique position lets one through.
            raise Unavailable(f"the log's end, which another sequencer moved: {error.orig}") from error

    # -- anchoring ----------------------------------------------------------------------------------------------

    def unanchored(self, tree_size: int) -> list[str]:
        """Captures among the first `tree_size` leaves that have no `anchor` fact, in the log's order."""
        with self._database.read() as connection:
            return _unanchored(connection, tree_size, None)

    def record_anchor(self, anchor: Anchor) -> int:
        """Write the `anchor` fact of every capture that this anchor is the first to cover; how many.

        In transactions of `ANCHOR_BATCH`, so that uploads are not kept waiting. Those that are done do not count
        as unanchored any more: after a crash, the same call again does the rest.
        """
        total = 0
        while True:
            with self._database.write() as connection:
                batch = _unanchored(connection, anchor.tree_size, ANCHOR_BATCH)
                for capture_id in batch:
                    write_fact(connection, capture_id, "anchor", anchor)
            total += len(batch)
            if len(batch) < ANCHOR_BATCH:
                return total

    def _newest(self) -> sa.Row[tuple[object, ...]] | None:
        with self._database.read() as connection:
            return connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()

    def _checkpoint(self, size: int) -> sa.Row[tuple[object, ...]]:
        row = self._one(sa.select(checkpoints), {checkpoints.c.size: size})
        if row is None:
            raise LookupError(f"the log has no checkpoint at size {size}")
        return row

    def _one(
        self, query: sa.Select[tuple[object, ...]], where: Mapping[sa.Column[int], int]
    ) -> sa.Row[tuple[object, ...]] | None:
        if not all(0 <= value <= MAX_NUMBER for value in where.values()):
            return None
        with self._database.read() as connection:
            return connection.execute(query.where(*(column == value for column, value in where.items()))).first()


def _check_size(connection: Connection, old_size: int) -> None:
    size = connection.execute(sa.select(sa.func.max(checkpoints.c.size))).scalar() or 0
    if size != old_size:
        raise Unavailable(f"the log's end: it moved from {old_size} to {size}, another sequencer is at work")


def _place(connection: Connection, placed: Sequence[tuple[str, Inclusion]]) -> None:
    waiting = log_leaves.c.capture_id == sa.bindparam("id_"), log_leaves.c.position.is_(None)
    done = connection.execute(
        log_leaves.update().where(*waiting).values(position=sa.bindparam("position_")),
        [{"id_": capture_id, "position_": inclusion.index} for capture_id, inclusion in placed],
    )
    if done.rowcount != len(placed):
        raise Unavailable(f"{len(placed) - done.rowcount} leaves, which another sequencer placed")


def _write_tiles(connection: Connection, tiles: Mapping[tuple[int, int], bytes]) -> None:
    rows = [{"level": level, "number": number, "hashes": hashes} for (level, number), hashes in tiles.items()]
    # Only the last tile of each level can be there already, as a prefix of its new self.
    same = log_tiles.c.level == sa.bindparam("level_"), log_tiles.c.number == sa.bindparam("number_")
    connection.execute(
        log_tiles.delete().where(*same), [{"level_": level, "number_": number} for level, number in tiles]
    )
    connection.execute(log_tiles.insert(), rows)


def _unanchored(connection: Connection, tree_size: int, limit: int | None) -> list[str]:
    anchored = sa.exists().where(facts.c.capture_id == captures.c.id, facts.c.name == "anchor")
    # The captures that are not finished have an index of their own. Adding nothing keeps SQLite from going through
    # the positions instead, which would read the whole log each time.
    position = log_leaves.c.position + 0
    query = (
        sa.select(log_leaves.c.capture_id)
        .join(captures, captures.c.id == log_leaves.c.capture_id)
        .where(captures.c.finished.is_(False), position < min(tree_size, MAX_NUMBER), ~anchored)
        .order_by(position)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())
