"""The real table of fingerprints, in SQLite or PostgreSQL, with each engine of the index over it.

`python -m tests.contracts_of.fingerprint_table ENGINE URL FOLDER COUNT` is another process that registers COUNT photos
one by one and looks for each at once.
"""

import hashlib
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import Connection

from fingerprint.band_index import BandIndex
from fingerprint.index import ScanIndex
from store.bands import PostgresBands
from store.database import Database, now_text
from store.fingerprints import FingerprintRows, in_commit_order
from store.schema import captures, fingerprints
from tests.databases import give_tables

Engine = ScanIndex | BandIndex
ON_SQLITE = ("scan", "bands")
ON_POSTGRES = ("scan-postgres", "postgres")


def code(seed: object) -> bytes:
    """A code that is far from every other."""
    return hashlib.sha256(repr(seed).encode()).digest()


def written_elsewhere(place: int) -> bytes:
    """The code of the photo that the other process registers in this place."""
    return code(("written elsewhere", place))


class Table:
    """One database with fingerprints in it, and the folder of its index."""

    def __init__(self, engine: str, url: str, folder: Path) -> None:
        self.engine, self.url, self.folder = engine, url, folder
        self.database = Database(url)

    @classmethod
    def on_sqlite(cls, engine: str, folder: Path) -> "Table":
        """An empty table in a new file."""
        table = cls(engine, f"sqlite:///{folder / 'capture.db'}", folder / "index")
        give_tables(table.database)
        return table

    def index(self) -> Engine:
        """The engine, as a process has it that has just started."""
        if self.engine == "postgres":
            return BandIndex(PostgresBands(self.database))
        bands_from = 1 if self.engine == "bands" else 10**9
        return ScanIndex(self.folder, FingerprintRows(self.database), bands_from)

    def add(self, pdq: bytes, quality: int = 100, iscc: bytes | None = None, sha256: bytes = b"") -> str:
        """Commit one row and return its capture's id."""
        return self.add_all([(pdq, quality)], iscc, sha256)[0]

    def add_all(self, photos: Sequence[tuple[bytes, int]], iscc: bytes | None = None, sha256: bytes = b"") -> list[str]:
        """Commit rows, code and quality each, and return their captures' ids."""
        ids = [secrets.token_hex(12) for _ in photos]
        with self.adding() as connection:
            for capture_id, (pdq, quality) in zip(ids, photos, strict=True):
                insert(connection, capture_id, pdq, quality, iscc, sha256)
        return ids

    @contextmanager
    def adding(self) -> Iterator[Connection]:
        """A transaction that may insert fingerprints."""
        with self.database.write() as connection:
            in_commit_order(connection)
            yield connection

    def remove(self, capture_id: str) -> None:
        """Delete one row."""
        with self.database.write() as connection:
            connection.execute(fingerprints.delete().where(fingerprints.c.capture_id == capture_id))


def insert(
    connection: Connection,
    capture_id: str,
    pdq: bytes,
    quality: int,
    iscc: bytes | None = None,
    sha256: bytes = b"",
    number: int | None = None,
) -> None:
    """One capture with a fingerprint."""
    digest = sha256 or hashlib.sha256(capture_id.encode()).digest()
    connection.execute(
        captures.insert().values(
            id=capture_id, owner=capture_id, owner_address=bytes(20), sha256=digest, created_at=now_text(),
            request="{}", finished=True,
        )
    )  # fmt: skip
    row = {"capture_id": capture_id, "sha256": digest, "pdq": pdq, "quality": quality, "iscc": iscc}
    connection.execute(fingerprints.insert().values(row if number is None else row | {"number": number}))


def main(engine: str, url: str, folder: str, count: str) -> None:
    table = Table(engine, url, Path(folder))
    index = table.index()
    for place in range(int(count)):
        mine = table.add(written_elsewhere(place))
        found = [each.capture_id for each in index.near(written_elsewhere(place), 0, None)]
        assert found == [mine], f"photo {place} is not seen by its own writer"
        print(mine, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
