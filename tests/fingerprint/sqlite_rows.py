"""A real table of fingerprints in SQLite for the index's contract, and a program that adds rows to it.

`python -m tests.fingerprint.sqlite_rows DATABASE FOLDER COUNT` adds COUNT rows one by one and asks for each at once.
"""

import hashlib
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fingerprint.index import ScanIndex

_TABLE = """
create table if not exists fingerprints (
    number integer primary key, capture_id text not null unique, sha256 blob not null, pdq blob not null,
    quality integer not null)
"""


class StoredRow(NamedTuple):
    """fingerprint.index.Row."""

    number: int
    pdq: bytes
    quality: int


class SqliteRows:
    """fingerprint.index.Rows over a SQLite file; a connection a call, so that threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._do("pragma journal_mode=wal")
        self._do(_TABLE)

    def _do(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        try:
            return list(connection.execute(sql, values))
        finally:
            connection.close()

    def add(self, pdq: bytes, quality: int = 100, sha256: bytes = b"", number: int | None = None) -> str:
        """Commit one row and return its capture's id."""
        digest = hashlib.sha256(pdq).digest()
        rows = self._do(
            "insert into fingerprints (number, capture_id, sha256, pdq, quality) "
            "values (?, 'c' || hex(randomblob(12)), ?, ?, ?) returning capture_id",
            number, sha256 or digest, pdq, quality,
        )  # fmt: skip
        return str(rows[0][0])

    def remove(self, capture_id: str) -> None:
        """Delete one row."""
        self._do("delete from fingerprints where capture_id = ?", capture_id)

    def newest(self) -> int:
        return int(str(self._do("select coalesce(max(number), 0) from fingerprints")[0][0]))

    def after(self, number: int, limit: int) -> Sequence[StoredRow]:
        found = self._do(
            "select number, pdq, quality from fingerprints where number > ? order by number limit ?", number, limit
        )
        return [StoredRow(*row) for row in found]  # type: ignore[arg-type]

    def capture_ids(self, numbers: Sequence[int]) -> Mapping[int, str]:
        assert len(numbers) <= 500
        marks = ",".join("?" * len(numbers))
        found = self._do(f"select number, capture_id from fingerprints where number in ({marks})", *numbers)
        return dict(found)  # type: ignore[arg-type]

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        found = self._do(
            "select capture_id from fingerprints where sha256 = ? and number < ? order by number",
            sha256, 2**62 if before is None else before,
        )  # fmt: skip
        return [str(row[0]) for row in found]

    def position(self, capture_id: str) -> int:
        found = self._do("select number from fingerprints where capture_id = ?", capture_id)
        if not found:
            raise LookupError(f"{capture_id} has no fingerprint yet")
        return int(str(found[0][0]))


def main(database: str, folder: str, count: str) -> None:
    rows = SqliteRows(Path(database))
    index = ScanIndex(Path(folder), rows)
    for k in range(int(count)):
        code = hashlib.sha256(b"written elsewhere" + bytes([k % 256, k // 256])).digest()
        mine = rows.add(code)
        found = [each.capture_id for each in index.near(code, 0, None)]
        assert found == [mine], f"row {k} is not seen by its own writer"
        sys.stdout.write(f"{mine} {code.hex()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
