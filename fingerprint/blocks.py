"""Files of points in the order of their cells: written once, mapped by every process, merged without much memory.

A file is called by the first and the last number in it. It has a header, a table of where each cell begins, and then
22 bytes a point, column by column: code (16), number less the file's first (4), angle (1), size (1).
"""

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprint.features import CELLS, Words

SLICE = 1 << 20  # points merged at a time: 22 MB

_MAGIC = b"capture-points-1"
_HEADER = struct.Struct("<16sQQQQ")  # magic, first and last number, points, witness
_FIRST_COLUMN = 64 + (CELLS + 1) * 4 + 4  # a multiple of eight


@dataclass(frozen=True, eq=False)
class Columns:
    """Points by column. `code`: N x 2 words; `number`: less the block's first; `angle`, `size`: as they are packed."""

    code: Words
    number: npt.NDArray[np.uint32]
    angle: npt.NDArray[np.uint8]
    size: npt.NDArray[np.uint8]

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "Columns":
        """These points only."""
        return Columns(self.code[rows], self.number[rows], self.angle[rows], self.size[rows])


@dataclass(frozen=True, eq=False)
class Block:
    """A mapped file: the points of the numbers `first` to `last`, and where each cell begins among them."""

    first: int
    last: int
    witness: int
    starts: npt.NDArray[np.uint32]
    columns: Columns

    @classmethod
    def open(cls, path: Path) -> "Block":
        """Map the file. Raises FileNotFoundError when it was merged away, ValueError when it is none of ours."""
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        if len(mapped) < _FIRST_COLUMN:
            raise ValueError(f"{path.name} is too short")
        magic, first, last, count, witness = _HEADER.unpack_from(mapped)
        if magic != _MAGIC or len(mapped) != _FIRST_COLUMN + 22 * count:
            raise ValueError(f"{path.name} is no whole file of points")
        starts = np.frombuffer(mapped, "<u4", CELLS + 1, 64)
        return cls(first, last, witness, starts, _mapped_columns(mapped, count))

    def rows(self, cells: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where each of the cells begins, and how many points it has."""
        begin = self.starts[cells].astype(np.int64)
        return begin, self.starts[cells + 1] - begin


def write(
    path: Path, first: int, last: int, witness: int, sources: Sequence[tuple[int, Block]], without: Sequence[int] = ()
) -> None:
    """Merge blocks, each with what its numbers grow by, into one file that is there whole or not at all.

    `without`: numbers whose points are left out.
    """
    lengths = sum(_lengths(block, without) for _, block in sources)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    count = int(starts[-1])
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_HEADER.pack(_MAGIC, first, last, count, witness).ljust(64, b"\0"))
        file.write(starts.astype("<u4").tobytes())
        for at, part in _merged(sources, starts, without):
            for column, offset in zip(_arrays(part), _offsets(count, at), strict=True):
                file.seek(offset)
                file.write(np.ascontiguousarray(column).tobytes())
        file.truncate(_FIRST_COLUMN + 22 * count)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def in_memory(first: int, last: int, cells: npt.NDArray[np.uint16], columns: Columns) -> Block:
    """Points in any order as a block that no file has."""
    order = np.argsort(cells, kind="stable")
    starts = np.searchsorted(cells[order], np.arange(CELLS + 1)).astype(np.uint32)
    return Block(first, last, 0, starts, columns.take(order))


def _lengths(block: Block, without: Sequence[int]) -> npt.NDArray[np.int64]:
    """How many points each cell has, without those of these numbers."""
    lengths = np.diff(block.starts).astype(np.int64)
    for at in range(0, len(block.columns.number) if without else 0, SLICE):
        gone = at + np.flatnonzero(~_kept(block, slice(at, at + SLICE), without))
        lengths -= np.bincount(np.searchsorted(block.starts, gone, "right") - 1, minlength=CELLS)
    return lengths


def _kept(block: Block, rows: slice, without: Sequence[int]) -> npt.NDArray[np.bool_]:
    return ~np.isin(block.columns.number[rows] + np.int64(block.first), np.array(without, np.int64))


def _merged(
    sources: Sequence[tuple[int, Block]], starts: npt.NDArray[np.int64], without: Sequence[int]
) -> Iterator[tuple[int, Columns]]:
    """The points of all blocks by cell, in slices: how many came before, and the slice."""
    for low, high in _slices(starts):
        parts, cells = [], []
        for shift, block in sources:
            rows = slice(int(block.starts[low]), int(block.starts[high]))
            kept = np.flatnonzero(_kept(block, rows, without))
            part = block.columns.take(rows).take(kept)
            parts.append(Columns(part.code, part.number + np.uint32(shift), part.angle, part.size))
            cells.append(np.repeat(np.arange(low, high), np.diff(block.starts[low : high + 1]))[kept])
        order = np.argsort(np.concatenate(cells), kind="stable")
        joined = (np.concatenate(each) for each in zip(*map(_arrays, parts), strict=True))
        yield int(starts[low]), Columns(*joined).take(order)


def _slices(starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of cells with about SLICE points each."""
    cuts = np.searchsorted(starts[:-1], np.arange(SLICE, starts[-1], SLICE))
    yield from pairwise(np.unique(np.concatenate(([0], cuts, [CELLS]))).astype(int).tolist())


def _arrays(columns: Columns) -> Iterable[npt.NDArray[np.generic]]:
    return columns.code, columns.number, columns.angle, columns.size


def _offsets(count: int, at: int) -> tuple[int, int, int, int]:
    """Where the columns' rows from `at` on stand in a file of `count` points."""
    start = _FIRST_COLUMN
    return start + 16 * at, start + 16 * count + 4 * at, start + 20 * count + at, start + 21 * count + at


def _mapped_columns(mapped: mmap.mmap, count: int) -> Columns:
    code, number, angle, size = _offsets(count, 0)
    return Columns(
        np.frombuffer(mapped, "<u8", 2 * count, code).reshape(-1, 2),
        np.frombuffer(mapped, "<u4", count, number),
        np.frombuffer(mapped, "u1", count, angle),
        np.frombuffer(mapped, "u1", count, size),
    )
