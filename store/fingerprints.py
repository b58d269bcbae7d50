"""The rows that the fingerprint index is derived from, in the order in which they were committed."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.database import Database
from store.schema import fingerprints

_ADVISORY_LOCK = 0x6E756D62  # "numb": held by whoever writes a fingerprint, on databases with many writers
IN_LIMIT = 500  # values in one IN clause; SQLite takes 32,766

# Made once: every question to the index asks the first and the last, and making them takes as long as asking.
_NUMBER = fingerprints.c.number
_NEWEST = sa.select(sa.func.max(_NUMBER))
_AFTER = (
    sa.select(_NUMBER, fingerprints.c.pdq, fingerprints.c.quality, fingerprints.c.iscc)
    .where(sa.bindparam("after") < _NUMBER)
    .order_by(_NUMBER)
    .limit(sa.bindparam("most"))
)
_CAPTURE_IDS = sa.select(_NUMBER, fingerprints.c.capture_id).where(_NUMBER.in_(sa.bindparam("numbers", expanding=True)))


def in_commit_order(connection: Connection) -> None:
    """Let no other transaction draw a number before this one ends: call it before a fingerprint is inserted.

    Otherwise a number may become visible after a higher one, and who looks for "all after N" never sees it. SQLite has
    one writer and needs no lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


class Row(NamedTuple):
    """One fingerprint. `number` grows in the order of commit."""

    number: int
    pdq: bytes
    quality: int
    iscc: bytes | None


class FingerprintRows:
    """Reads the table `fingerprints` (port: fingerprint.rows.Rows)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """The highest number, 0 when there is none."""
        with self._database.read() as connection:
            return connection.execute(_NEWEST).scalar() or 0

    def after(self, number: int, limit: int) -> Sequence[Row]:
        """The rows behind this number, in order."""
        with self._database.read() as connection:
            rows = connection.execute(_AFTER, {"after": number, "most": limit})
            return [Row(number, bytes(pdq), quality, iscc) for number, pdq, quality, iscc in rows]

    def capture_ids(self, numbers: Sequence[int]) -> dict[int, str]:
        """Whose fingerprints these are; numbers that are gone are left out."""
        found: dict[int, str] = {}
        with self._database.read() as connection:
            for start in range(0, len(numbers), IN_LIMIT):
                rows = connection.execute(_CAPTURE_IDS, {"numbers": list(numbers[start : start + IN_LIMIT])})
                found |= {row.number: row.capture_id for row in rows}
        return found

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes, oldest first; with `before`, only those with a smaller number."""
        query = sa.select(fingerprints.c.capture_id).where(fingerprints.c.sha256 == sha256)
        if before is not None:
            query = query.where(fingerprints.c.number < before)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(fingerprints.c.number)).scalars())

    def position(self, capture_id: str) -> int:
        """The number of this capture's fingerprint. Raises LookupError."""
        query = sa.select(fingerprints.c.number).where(fingerprints.c.capture_id == capture_id)
        with self._database.read() as connection:
            number = connection.execute(query).scalar()
        if number is None:
            raise LookupError(f"{capture_id} has no fingerprint yet")
        return int(number)
