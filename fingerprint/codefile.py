"""The file of codes that the scan maps into memory: derived from the database, shared by all processes.

`codes-v2` begins with a page that says how many rows there are. After it come blocks of BLOCK_ROWS rows, column after
column, so that a scan reads only what it needs: four words of the PDQ code (scan.arranged), the 64-bit ISCC image code,
a check value, the quality (MISSING where the database has no row of that number) and whether there is an ISCC: 46
bytes a row. A row's place is its number less one.

Rows are written first and counted after, so that nobody sees half a row. The file never shrinks, because cutting it
short kills the processes that have it mapped.
"""

import mmap
import os
import secrets
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fingerprint.codes import ISCC_BYTES, MAX_QUALITY, MIN_QUALITY, PDQ_BYTES
from fingerprint.rows import Row
from fingerprint.scan import BLOCK_ROWS, COLUMNS, Rows, Words, arranged

MISSING = 255
TAIL_ROWS = 1024  # checked when a process first uses the file: where a write that was torn would be
HEADER_BYTES = 4096  # a page: blocks are mapped one by one when they are written

_HEADER = struct.Struct("<QQ")  # how many rows; a number that changes whenever a row may have been replaced
_BLOCK = np.dtype(
    [
        ("words", "<u8", (COLUMNS, BLOCK_ROWS)), ("iscc", "<u8", (BLOCK_ROWS,)), ("check", "<u4", (BLOCK_ROWS,)),
        ("quality", "u1", (BLOCK_ROWS,)), ("has_iscc", "u1", (BLOCK_ROWS,)),
    ]
)  # fmt: skip
# Odd, so that turning over any one bit changes the sum; the values mean nothing.
_MIXERS = np.array([[0x9E3779B97F4A7C15], [0xC2B2AE3D27D4EB4F], [0x165667B19E3779F9], [0xD6E8FEB86659FD93]], np.uint64)
_MIX_ISCC, _MIX_REST = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)

Columns = dict[str, npt.NDArray[Any]]  # those of _BLOCK, for some rows


@dataclass(frozen=True)
class CodeFile:
    """The file as it is mapped now. It grows under the hands of others: ask for `length` once and look no further."""

    inode: int
    size: int
    blocks: npt.NDArray[Any]
    _mapped: mmap.mmap

    @classmethod
    def open(cls, path: Path) -> "CodeFile":
        """Map the file. Raises FileNotFoundError, and ValueError when it has not the rows that it says."""
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            mapped = mmap.mmap(file.fileno(), found.st_size, prot=mmap.PROT_READ)
        blocks = max(0, found.st_size - HEADER_BYTES) // _BLOCK.itemsize
        if found.st_size < HEADER_BYTES or _HEADER.unpack_from(mapped)[0] > blocks * BLOCK_ROWS:
            raise ValueError(f"{path} is too short for its rows")
        return cls(found.st_ino, found.st_size, np.ndarray(blocks, _BLOCK, mapped, HEADER_BYTES), mapped)

    def is_current(self, path: Path) -> bool:
        """Whether this path is still this file, and not cut."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return found.st_ino == self.inode and found.st_size >= self.size

    @property
    def length(self) -> int:
        """How many rows there are by now, as far as they are mapped."""
        return min(int(_HEADER.unpack_from(self._mapped)[0]), len(self.blocks) * BLOCK_ROWS)

    @property
    def version(self) -> int:
        """As long as this number stays, rows are added and none is replaced."""
        return int(_HEADER.unpack_from(self._mapped)[1])

    @property
    def words(self) -> Words:
        """The codes as scan.within wants them."""
        words: Words = self.blocks["words"]
        return words

    def gathered(self, rows: Rows, columns: int = COLUMNS) -> Words:
        """The first columns of the codes of these rows."""
        # By their places in the whole file: three times as quick as by block, column and place.
        block, place = np.divmod(rows, BLOCK_ROWS)
        places = block * (_BLOCK.itemsize // 8) + place
        whole = np.ndarray(self.blocks.nbytes // 8, "<u8", self._mapped, HEADER_BYTES)
        return np.stack([whole[places + column * BLOCK_ROWS] for column in range(columns)])

    def count(self, length: int) -> int:
        """How many of the first `length` rows the database had when they were derived."""
        missing = (np.count_nonzero(part["quality"] == MISSING) for part in self.columns(0, length))
        return length - int(sum(missing))

    def are_detailed(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these rows are photos that are not flat; no other may be found."""
        return detailed(self.blocks["quality"][rows // BLOCK_ROWS, rows % BLOCK_ROWS])

    def columns(self, start: int, stop: int) -> Iterator[Columns]:
        """The rows from `start` to `stop`, block by block."""
        for block, first, last in _pieces(start, stop):
            yield {name: self.blocks[name][block][..., first:last] for name in _names()}

    def iscc_within(self, code: bytes, radius: int, length: int) -> list[tuple[int, int]]:
        """Distance and row of those of the first `length` rows whose ISCC is within `radius` bits, nearest first."""
        asked, found = np.frombuffer(code, "<u8")[0], []
        for start, part in zip(range(0, length, BLOCK_ROWS), self.columns(0, length), strict=True):
            distances = np.bitwise_count(part["iscc"] ^ asked)
            near = (distances <= radius) & (part["has_iscc"] == 1) & detailed(part["quality"])
            found += [(int(distances[k]), start + k) for k in np.flatnonzero(near).tolist()]
        return sorted(found)

    def has_whole_tail(self) -> bool:
        """Whether the last rows are as they were written."""
        length = self.length
        return all(np.array_equal(part["check"], _checks(part)) for part in self.columns(length - TAIL_ROWS, length))

    def agrees_with(self, row: Row) -> bool:
        """Whether a row of the database is the one that the file has under its number."""
        words = self.words[(row.number - 1) // BLOCK_ROWS, :, (row.number - 1) % BLOCK_ROWS]
        return np.array_equal(words, arranged(row.pdq)[:, 0])


def create(file: BinaryIO) -> None:
    """Make an empty file one without rows."""
    file.write(_HEADER.pack(0, secrets.randbits(64)).ljust(HEADER_BYTES, b"\0"))
    file.flush()


def forget_after(file: BinaryIO, length: int) -> None:
    """Count only the first `length` rows."""
    os.pwrite(file.fileno(), _HEADER.pack(length, secrets.randbits(64)), 0)


def blank(file: BinaryIO, numbers: Iterable[int]) -> tuple[int, int]:
    """Write over the rows of these numbers, on the disk as well, as if the database had never had them.

    Also those that are not counted any more: the file keeps what stood behind its end. The old and the new version.
    """
    blocks = (file.seek(0, os.SEEK_END) - HEADER_BYTES) // _BLOCK.itemsize
    nothing = _blank(1)
    nothing["check"] = _checks(nothing)
    for number in numbers:
        block, place = divmod(number - 1, BLOCK_ROWS)
        if block < blocks:
            _write(file, block, place, place + 1, nothing)
    length, old = _HEADER.unpack(os.pread(file.fileno(), _HEADER.size, 0))
    new = secrets.randbits(64)
    os.pwrite(file.fileno(), _HEADER.pack(length, new), 0)
    os.fsync(file.fileno())
    return old, new


def append(file: BinaryIO, length: int, rows: Sequence[Row]) -> int:
    """Write these rows behind the first `length`, and blanks for the numbers between; how many rows there are then."""
    given = _given(rows)
    places = np.array([row.number - 1 for row in rows])
    stop = rows[-1].number
    _extend(file, -(-stop // BLOCK_ROWS))
    for block, first, last in _pieces(length, stop):
        offset = block * BLOCK_ROWS
        here = (places >= offset + first) & (places < offset + last)
        columns = _blank(last - first)
        for name in given:
            columns[name][..., places[here] - offset - first] = given[name][..., here]
        columns["check"] = _checks(columns)
        _write(file, block, first, last, columns)
    os.pwrite(file.fileno(), struct.pack("<Q", stop), 0)
    return stop


def _given(rows: Sequence[Row]) -> Columns:
    for row in rows:
        if len(row.pdq) != PDQ_BYTES or not 0 <= row.quality <= MAX_QUALITY:
            raise ValueError(f"row {row.number}: {len(row.pdq)} bytes of quality {row.quality} are no PDQ code")
        if row.iscc is not None and len(row.iscc) != ISCC_BYTES:
            raise ValueError(f"row {row.number}: {len(row.iscc)} bytes are no ISCC image code")
    isccs = b"".join(row.iscc or bytes(ISCC_BYTES) for row in rows)
    return {
        "words": arranged(b"".join(row.pdq for row in rows)),
        "iscc": np.frombuffer(isccs, "<u8"),
        "quality": np.array([row.quality for row in rows], np.uint8),
        "has_iscc": np.array([bool(row.iscc) for row in rows], np.uint8),
    }


def _blank(size: int) -> Columns:
    columns = {name: np.zeros((*_BLOCK[name].shape[:-1], size), _BLOCK[name].base) for name in _names()}
    columns["quality"][:] = MISSING
    return columns


def _checks(columns: Columns) -> npt.NDArray[np.uint32]:
    """Four bytes a row that a row of zeroes, or one that was written in part, does not have."""
    mixed = (columns["words"] * _MIXERS).sum(axis=0, dtype=np.uint64) + columns["iscc"] * _MIX_ISCC
    mixed += (columns["quality"].astype(np.uint64) + columns["has_iscc"] * np.uint64(256) + np.uint64(1)) * _MIX_REST
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _MIX_REST
    return np.asarray(mixed >> np.uint64(32), np.uint32)


def _write(file: BinaryIO, block: int, first: int, last: int, columns: Columns) -> None:
    place = HEADER_BYTES + block * _BLOCK.itemsize
    mapped = mmap.mmap(file.fileno(), _BLOCK.itemsize, offset=place)
    target = np.ndarray((), _BLOCK, mapped)
    for name in _names():
        target[name][..., first:last] = columns[name]


def _extend(file: BinaryIO, blocks: int) -> None:
    """Written, not just made longer: on a full disk this fails, where a mapping would kill the process."""
    size = file.seek(0, os.SEEK_END)
    target = HEADER_BYTES + blocks * _BLOCK.itemsize
    while size < target:
        size += file.write(bytes(min(target - size, _BLOCK.itemsize)))
    file.flush()


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The blocks that hold these rows, and which of their rows (from, to)."""
    for block in range(max(start, 0) // BLOCK_ROWS, -(-stop // BLOCK_ROWS)):
        offset = block * BLOCK_ROWS
        yield block, max(start - offset, 0), min(stop - offset, BLOCK_ROWS)


def detailed(quality: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of these qualities are of photos that are there, and not flat."""
    return (quality >= MIN_QUALITY) & (quality <= MAX_QUALITY)


def _names() -> tuple[str, ...]:
    return _BLOCK.names or ()
