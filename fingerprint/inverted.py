"""The inverted file: which registered photos have points that look like these?

The database is the truth, and the newest photos are read from it straight away: every process sees a photo the moment
it is committed. Whole blocks of 1,024 numbers are also kept as files that never change; eight become one of the next
size. All processes map the same files, so the machine holds one copy. A file may be deleted at any time: until it is
derived again, queries read its photos from the database.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fingerprint.blocks import Block, Columns, in_memory, write
from fingerprint.features import CELLS, POINT, Keypoints, Points, nearest_cells

BLOCK = 1024  # numbers in the smallest file; reading as many photos from the database takes 5 ms
FAN = 8  # files that become one of the next size
LEVELS = 5  # the largest has 4 million numbers
PROBES = 4  # cells looked into for each point: 70 % of true pairs are in one of them; 8 find 78 % in twice the time
MAX_DISTANCE = 36  # of 128 bits: of different points one pair in 100,000 is that near
# One texture that repeats, registered often, fills a few cells: 200 such photos made 19 million hits. Of a cell that
# is so full the oldest points are compared, and of a point that resembles so many the first pairs count.
FULLEST, FULLEST_TIMES = 64, 64  # points of a cell, and times the mean of the cells; of real photos 1 % are beyond
MOST_HITS = 1000  # of one point asked about
CHUNK = 1 << 16  # pairs compared at a time: they stay in the processor's cache

_NAME = re.compile(r"(\d{12})-(\d{12})")  # of a file: its first and its last number


class Rows(Protocol):
    """The table that the files are derived from. Numbers grow in the order of commit. Raises Unavailable."""

    def newest(self) -> int:
        """The highest number there is; 0 when there is none."""

    def between(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Number and packed points of the photos with these numbers, both ends included, lowest first."""


class Hits(NamedTuple):
    """Pairs of a point asked about and a registered one that looks like it: five equally long arrays."""

    asked: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    distance: npt.NDArray[np.uint8]
    angle: npt.NDArray[np.uint8]  # the registered point's, as it is packed
    size: npt.NDArray[np.uint8]

    def only(self, kept: npt.NDArray[np.bool_]) -> "Hits":
        """These pairs of them."""
        return Hits(self.asked[kept], self.number[kept], self.distance[kept], self.angle[kept], self.size[kept])


@dataclass(frozen=True, eq=False)
class Probes:
    """Points that are looked for and the cells in which their like may stand: pairs of both, by cell."""

    points: Points
    cells: npt.NDArray[np.int64]
    asked: npt.NDArray[np.int64]

    @classmethod
    def of(cls, keypoints: Keypoints) -> "Probes":
        """The keypoints with the PROBES nearest cells of each."""
        cells = nearest_cells(keypoints.descriptors, PROBES)
        near = cells.ravel().astype(np.int64)
        order = np.argsort(near, kind="stable")
        return cls(keypoints.points(cells=cells[:, 0]), near[order], order // PROBES)


class InvertedFile:
    """The points of all captures, in one folder for any number of processes. Holds no file open between calls."""

    def __init__(self, folder: Path, rows: Rows) -> None:
        self._folder = folder / "points-v1"
        self._rows = rows
        self._checked = False
        # Points tell much about a photo: nobody else on the machine reads them.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def search(self, probes: Probes, before: int | None) -> Hits:
        """Registered points in a probed cell within MAX_DISTANCE bits; with `before`, of smaller numbers only.

        All of them, but for cells and points that are so common that they say nothing: bounded work, oldest first.
        """
        last = self._rows.newest() if before is None else before - 1
        counts = np.zeros(len(probes.points), np.int64)
        found = [hits for block in self._blocks(last) for hits in _compared(block, probes, counts)]
        hits = Hits(*map(np.concatenate, zip(_NOTHING, *found, strict=True)))
        return hits if before is None else hits.only(hits.number < before)

    def seal(self) -> int:
        """Derive the files that are missing; how many were made. For one process, every now and then.

        The first time, files of another database are removed: they would propose the wrong photos, which harms
        nobody, and miss the right ones.
        """
        if not self._checked:
            self.check()
            self._checked = True
        self._tidy()
        made, newest = 0, self._rows.newest()
        held = self._held()
        for first in range(1, newest - BLOCK + 2, BLOCK):
            if not any(begin <= first <= last for begin, last in held):
                self._write(first, first + BLOCK - 1, [(0, self._read(first, first + BLOCK - 1))])
                made += 1
        for size in (BLOCK * FAN**level for level in range(1, LEVELS)):
            made += sum(self._merge(first, size) for first in range(1, newest - size + 2, size))
        return made

    def forget(self, numbers: Sequence[int]) -> None:
        """Leave nothing in the files of photos that the database has not any more. For the process that seals.

        Files that held their points are written anew: 0.4 s for 8,192 photos (docs/why-011).
        """
        self._tidy()
        for first, last in self._held():
            if gone := [number for number in numbers if first <= number <= last]:
                self._write_without(first, last, gone)

    def _write_without(self, first: int, last: int, gone: Sequence[int]) -> None:
        path = self._path(first, last)
        try:
            self._write(first, last, [(0, Block.open(path))], gone)
        except ValueError:
            path.unlink()  # damaged: it is derived anew

    def _tidy(self) -> None:
        """Remove what a killed merge left: files without an end, and files whose photos a longer one has."""
        for path in self._folder.glob("*.new"):
            path.unlink()
        covered = 0
        for first, last in sorted(self._held(), key=lambda each: (each[0], -each[1])):
            if last <= covered:
                self._path(first, last).unlink()
            covered = max(covered, last)

    def check(self) -> None:
        """Remove the files that are damaged or of another database. A backup may have been put back."""
        newest = self._rows.newest()
        for path in (self._path(*each) for each in self._held()):
            try:
                block = Block.open(path)
                sound = block.last <= newest and block.witness == self._witness(block.first, block.last)
            except ValueError:
                sound = False
            if not sound:
                path.unlink()

    def _blocks(self, last: int) -> Iterator[Block]:
        """Blocks with all numbers up to `last`, some files perhaps beyond it; what no file has, from the database."""
        first, held = 1, dict(self._held())
        while first <= last:
            if first in held:
                try:
                    yield Block.open(self._path(first, held[first]))
                    first = held[first] + 1
                    continue
                except (FileNotFoundError, ValueError):  # merged meanwhile into one that begins no later, or damaged
                    held = {begin: end for begin, end in self._held() if begin >= first}
            end = min([last, first + BLOCK * FAN - 1, *(begin - 1 for begin in held if begin > first)])
            yield self._read(first, end)
            first = end + 1

    def _read(self, first: int, last: int) -> Block:
        rows = list(self._rows.between(first, last))
        points = np.frombuffer(b"".join(packed for _, packed in rows), POINT)
        lengths = [len(packed) // POINT.itemsize for _, packed in rows]
        numbers = np.repeat(np.array([number - first for number, _ in rows], np.uint32), lengths)
        return in_memory(first, last, points["cell"], Columns(points["code"], numbers, points["angle"], points["size"]))

    def _held(self) -> list[tuple[int, int]]:
        """First and last number of each file; of two that begin alike the longer one counts."""
        names = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted((int(name[1]), int(name[2])) for name in names if name)

    def _merge(self, first: int, size: int) -> bool:
        parts = [(begin, begin + size // FAN - 1) for begin in range(first, first + size, size // FAN)]
        paths = [self._path(*part) for part in parts]
        if not all(path.exists() for path in paths):
            return False
        self._write(first, first + size - 1, [(block.first - first, block) for block in map(Block.open, paths)])
        for path in paths:
            path.unlink()
        return True

    def _write(self, first: int, last: int, sources: list[tuple[int, Block]], without: Sequence[int] = ()) -> None:
        write(self._path(first, last), first, last, self._witness(first, last), sources, without)

    def _witness(self, first: int, last: int) -> int:
        """A number that another database would not have: a checksum of what stands at both ends of the range."""
        ends = (row for end in (first, last) for row in self._rows.between(end, end))
        return zlib.crc32(b"".join(packed for _, packed in ends))

    def _path(self, first: int, last: int) -> Path:
        return self._folder / f"{first:012d}-{last:012d}"


_NOTHING = Hits(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.uint8)
)  # fmt: skip


def _compared(block: Block, probes: Probes, counts: npt.NDArray[np.int64]) -> Iterator[Hits]:
    """The pairs of the block that are near enough, in chunks of cells. `counts`: of each point so far, kept up."""
    begin, lengths = block.rows(probes.cells)
    lengths = np.minimum(lengths, FULLEST + FULLEST_TIMES * len(block.columns.code) // CELLS)
    ends = np.cumsum(lengths)
    cuts = np.searchsorted(ends, np.arange(CHUNK, ends[-1] if len(ends) else 0, CHUNK)) + 1
    for low, high in pairwise(np.unique(np.concatenate(([0], cuts, [len(ends)]))).astype(int).tolist()):
        some = lengths[low:high]
        steps = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        rows = np.repeat(begin[low:high], some) + steps
        yield _near(block, probes, rows, np.repeat(probes.asked[low:high], some), counts)


def _near(
    block: Block,
    probes: Probes,
    rows: npt.NDArray[np.int64],
    asked: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> Hits:
    # take is six times quicker than indexing, and this is where the time goes.
    bits = np.bitwise_count(block.columns.code.take(rows, axis=0) ^ probes.points.codes.take(asked, axis=0))
    distance = bits[:, 0] + bits[:, 1]
    kept = np.flatnonzero(distance <= MAX_DISTANCE)
    kept = kept[counts[asked[kept]] < MOST_HITS]
    counts += np.bincount(asked[kept], minlength=len(counts))
    found = block.columns.take(rows[kept])
    return Hits(asked[kept], found.number.astype(np.int64) + block.first, distance[kept], found.angle, found.size)
