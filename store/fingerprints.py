"""The rows that the fingerprint index is derived from, in the order in which they were committed."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from store.database import Database
from store.schema import fingerprints

IN_LIMIT = 500  # values in one IN clause; SQLite takes 32,766


class Row(NamedTuple):
    """One fingerprint. `number` grows in the order of commit."""

    number: int
    pdq: bytes
    quality: int


class FingerprintRows:
    """Reads the table `fingerprints` (port: fingerprint.index.Rows)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """The highest number, 0 when there is none."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(fingerprints.c.number))).scalar() or 0

    def after(self, number: int, limit: int) -> Sequence[Row]:
        """The rows behind this number, in order."""
        query = sa.select(fingerprints.c.number, fingerprints.c.pdq, fingerprints.c.quality)
        query = query.where(fingerprints.c.number > number).order_by(fingerprints.c.number).limit(limit)
        with self._database.read() as connection:
            return [Row(row.number, bytes(row.pdq), row.quality) for row in connection.execute(query)]

    def capture_ids(self, numbers: Sequence[int]) -> dict[int, str]:
        """Whose fingerprints these are; numbers that are gone are left out."""
        found: dict[int, str] = {}
        with self._database.read() as connection:
            for start in range(0, len(numbers), IN_LIMIT):
                wanted = fingerprints.c.number.in_(list(numbers[start : start + IN_LIMIT]))
                rows = connection.execute(sa.select(fingerprints.c.number, fingerprints.c.capture_id).where(wanted))
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
