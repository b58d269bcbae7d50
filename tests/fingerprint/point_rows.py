"""A real table of points in SQLite, points to put into it, and a program that adds photos and seals after each.

`python -m tests.fingerprint.point_rows DATABASE FOLDER COUNT` adds COUNT photos.
"""

import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fingerprint import inverted
from fingerprint.features import CELLS, POINT, Points, Words, distances, pack, unpack
from fingerprint.inverted import MAX_DISTANCE, PROBES, Hits, InvertedFile, Probes

SMALL_BLOCK, SMALL_FAN = 4, 2
WORDS = np.random.default_rng(0).integers(0, 2**64, (12, 2), np.uint64)  # what the points look like
PLACES = np.array([0, 1, 255, 256, 30_000, 65_000, CELLS - 1])
Found = list[tuple[int, ...]]


class Rows:
    """fingerprint.inverted.Rows in a SQLite file; a connection a call, for threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._do("pragma journal_mode=wal")
        self._do("create table if not exists points (number integer primary key, points blob not null)")

    def _do(self, sql: str, *values: object) -> list[tuple[int, bytes]]:
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        try:
            return list(connection.execute(sql, values))
        finally:
            connection.close()

    def add(self, points: bytes, number: int | None = None) -> None:
        self._do("insert into points values (?, ?)", number, points)

    def remove(self, number: int) -> None:
        self._do("delete from points where number = ?", number)

    def newest(self) -> int:
        return int(self._do("select coalesce(max(number), 0), x'' from points")[0][0])

    def between(self, first: int, last: int) -> Sequence[tuple[int, bytes]]:
        return self._do("select number, points from points where number between ? and ? order by 1", first, last)


def some_points(seed: int, count: int = 30) -> Points:
    """Points that resemble those of other seeds, each with up to 40 bits of noise."""
    random = np.random.default_rng(seed)
    flipped = np.zeros((count, 128), np.uint8)
    for row in flipped:
        row[random.choice(128, random.integers(0, 40), replace=False)] = 1
    noise = np.packbits(flipped, axis=1).view(np.uint64)
    codes: Words = np.bitwise_xor(WORDS[random.integers(0, len(WORDS), count)], noise)
    return Points(
        random.random((count, 2), np.float32),
        np.exp2(-random.uniform(1, 8, count)).astype(np.float32),
        random.uniform(0, 360, count).astype(np.float32),
        codes,
        random.choice(PLACES, count).astype(np.uint16),
    )


def question(seed: int = 999, count: int = 25) -> Probes:
    points = some_points(seed, count)
    random = np.random.default_rng(seed)
    cells = np.concatenate([random.choice(PLACES, PROBES, replace=False) for _ in range(count)])
    order = np.argsort(cells, kind="stable")
    return Probes(points, cells[order].astype(np.int64), order // PROBES)


def brute_force(rows: Rows, probes: Probes, before: int | None = None) -> Found:
    """The promise of `search`, word by word."""
    probed = set(zip(probes.asked.tolist(), probes.cells.tolist(), strict=True))
    found = []
    for number, packed in rows.between(1, rows.newest()):
        if before is not None and number >= before:
            continue
        points, stored = unpack(packed), np.frombuffer(packed, POINT)
        apart = distances(probes.points.codes, points.codes)
        for i, j in np.argwhere(apart <= MAX_DISTANCE).tolist():
            if (i, int(stored["cell"][j])) in probed:
                found.append((i, number, int(apart[i, j]), int(stored["angle"][j]), int(stored["size"][j])))
    return sorted(found)


def as_found(hits: Hits) -> Found:
    return sorted(zip(*(column.tolist() for column in hits), strict=True))


def main(database: str, folder: str, count: str) -> None:
    """The other process: adds photos and seals after each."""
    inverted.BLOCK, inverted.FAN = SMALL_BLOCK, SMALL_FAN
    rows = Rows(Path(database))
    sealing = InvertedFile(Path(folder), rows)
    for seed in range(int(count)):
        rows.add(pack(some_points(1000 + seed)))
        sealing.seal()
        sys.stdout.write(f"{seed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
