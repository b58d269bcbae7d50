"""The embedded index: an exact scan over a memory-mapped file of codes that is derived from the database.

Every process keeps up by itself: a query first asks for the newest row's number and appends what is missing. The file
holds nothing that the database does not; it may be deleted at any time.

The file `codes-v1` has 40 bytes a row, and the row's place is its number less one: the PDQ code (32), then
little-endian a check value (3), the quality (1; 255 where the database has no row of that number) and how many rows
there are up to and including this one (4). It only ever grows; what would shrink it writes a new file and renames it,
because cutting a file short kills the processes that have it mapped.
"""

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from fingerprint.codes import ORIENTATIONS, PDQ_BYTES, undoing
from pipeline.ports import Neighbour

MIN_QUALITY = 50  # PDQ's authors discard below it: flat pictures share codes, one such code took 6 % of an index
BATCH_ROWS = 10_000  # 400 KB
TAIL_ROWS = 1024  # checked when an index is first used: where a write that was torn would be
ASK_NUMBERS = 500  # capture ids a question: every database takes that many parameters

_ROW = struct.Struct("<32s3sBI")
_MISSING = 255


class Row(Protocol):
    """One fingerprint of the database: its number in the order of commit (from 1), 32 bytes of PDQ, and 0 to 100."""

    @property
    def number(self) -> int: ...

    @property
    def pdq(self) -> bytes: ...

    @property
    def quality(self) -> int: ...


class Rows(Protocol):
    """The table that the index is derived from. Each call sees all that was committed before it.

    Numbers grow in the order of commit: once a number is visible, no lower one appears later. (SQLite with one writer
    gives that; elsewhere the writer must take a lock before it draws a number.) Raises Unavailable.
    """

    def newest(self) -> int:
        """The highest number there is; 0 when there are no rows."""

    def after(self, number: int, limit: int) -> Sequence[Row]:
        """The first `limit` rows with numbers above `number`, lowest first; empty when there are none."""

    def capture_ids(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """The capture of each of these numbers (at most 500); those that are gone are left out."""

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes with numbers below `before` (None: all), lowest number first."""

    def position(self, capture_id: str) -> int:
        """The number of this capture's row. Raises LookupError when it has none."""


class ScanIndex:
    """The port pipeline.ports.Index over one folder, shared by any number of processes and threads.

    Holds no file open between calls, so it may be carried through a fork.
    """

    def __init__(self, folder: Path, rows: Rows) -> None:
        self._file = folder / "codes-v1"
        self._lock = folder / "lock"
        self._rows = rows
        self._tail_checked = False
        # Fingerprints can be turned back into a rough thumbnail: nobody else on the machine reads them.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def near(self, pdq: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered codes within `radius` bits, nearest first, then oldest. Flat photos (quality < 50) never.

        `pdq`: the photo's codes in ORIENTATIONS, 32 bytes each (codes.pdq_codes gives all eight); with 32 bytes only
        the upright photo is looked for. A neighbour's orientation is how its photo was turned to give this one.
        `before`: only those committed earlier than this position; None for all.
        """
        if not pdq or len(pdq) % PDQ_BYTES or len(pdq) > PDQ_BYTES * len(ORIENTATIONS):
            raise ValueError(f"{len(pdq)} bytes are not one to eight PDQ codes of {PDQ_BYTES} bytes")
        self._catch_up()
        found = self._scan(pdq, radius, before)
        ids = self._capture_ids([number for number, _, _ in found])
        return [
            Neighbour(ids[number], distance, undoing(ORIENTATIONS[code]))
            for number, distance, code in found
            if number in ids
        ]

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes, oldest first."""
        return self._rows.same(sha256, before)

    def position(self, capture_id: str) -> int:
        """Where this capture's fingerprint stands in the order of commit. Raises LookupError."""
        return self._rows.position(capture_id)

    def count(self, before: int | None) -> int:
        """How many fingerprints there are, flat ones included."""
        self._catch_up()
        with self._file.open("rb") as file:
            return _total(file, _last(file, before))

    def rebuild(self) -> None:
        """Derive the file anew. For every start: after a power cut the file may hold anything."""
        with self._locked():
            self._rebuild()

    def _capture_ids(self, numbers: Sequence[int]) -> dict[int, str]:
        ids: dict[int, str] = {}
        for start in range(0, len(numbers), ASK_NUMBERS):
            ids.update(self._rows.capture_ids(numbers[start : start + ASK_NUMBERS]))
        return ids

    def _scan(self, codes: bytes, radius: int, before: int | None) -> list[tuple[int, int, int]]:
        """Number, distance and place of the code asked about, for each row near it that is not flat."""
        # numpy is imported by the first query, not with this file: processes that only count stay small.
        from fingerprint.scan import as_words, within

        with self._file.open("rb") as file:
            last = _last(file, before)
            if last < 1:
                return []
            with mmap.mmap(file.fileno(), last * _ROW.size, prot=mmap.PROT_READ) as mapped:
                rows = as_words(mapped, _ROW.size // 8)
                hits = [hit for hit in within(rows, codes, radius) if MIN_QUALITY <= _quality(mapped, hit.row) <= 100]
                del rows  # the mapping cannot be closed while an array looks at it
        return [(hit.row + 1, hit.distance, hit.code) for hit in hits]

    def _catch_up(self) -> None:
        """Append the rows that the database has and the file has not; start anew when the two cannot be one."""
        if self._tail_checked and self._is_current():
            return
        with self._locked():
            if self._is_sound():
                self._append()
            else:
                self._rebuild()
        self._tail_checked = True

    def _is_current(self) -> bool:
        newest = self._rows.newest()
        try:
            return self._file.stat().st_size == newest * _ROW.size
        except FileNotFoundError:
            return False

    def _is_sound(self) -> bool:
        """Under the lock: the file is not longer than the database, and its last rows are as they were written."""
        try:
            with self._file.open("rb") as file:
                length = _length(file)
                # Asked after the length: the table only grows, so a file that is longer belongs to another database.
                return length <= self._rows.newest() and _has_whole_tail(file, length)
        except FileNotFoundError:
            return False

    def _append(self) -> None:
        with self._file.open("r+b") as file:
            self._fill(file)

    def _rebuild(self) -> None:
        """Under the lock. The same filling as in good times, from an empty file."""
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        with fresh.open("w+b") as file:
            self._fill(file)
        fresh.replace(self._file)

    def _fill(self, file: BinaryIO) -> None:
        length = _length(file)
        total = _total(file, length)
        # A row that a killed process left unfinished does not count in the length: it is overwritten.
        file.seek(length * _ROW.size)
        while rows := self._rows.after(length, BATCH_ROWS):
            for packed in _packed(rows, length, total):
                file.write(packed)
            length, total = rows[-1].number, total + len(rows)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer among all processes and threads; the lock goes with the process that holds it."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _length(file: BinaryIO) -> int:
    """Whole rows in the file. What another process is just writing counts row by row as it gets there."""
    return os.fstat(file.fileno()).st_size // _ROW.size


def _last(file: BinaryIO, before: int | None) -> int:
    """The number of the last row that is asked about."""
    length = _length(file)
    return length if before is None else min(before - 1, length)


def _total(file: BinaryIO, last: int) -> int:
    """How many of the first `last` rows the database has."""
    if last < 1:
        return 0
    total: int = _ROW.unpack(os.pread(file.fileno(), _ROW.size, (last - 1) * _ROW.size))[3]
    return total


def _has_whole_tail(file: BinaryIO, length: int) -> bool:
    start = max(0, length - TAIL_ROWS)
    tail = os.pread(file.fileno(), (length - start) * _ROW.size, start * _ROW.size)
    return all(_is_whole(tail[at : at + _ROW.size]) for at in range(0, len(tail), _ROW.size))


def _quality(rows: mmap.mmap, row: int) -> int:
    return rows[row * _ROW.size + PDQ_BYTES + 3]


def _packed(rows: Sequence[Row], length: int, total: int) -> Iterator[bytes]:
    """The rows as the file has them, in pieces of bounded size, with the numbers that are missing between them."""
    for row in rows:
        while length < row.number - 1:
            gap = min(row.number - 1 - length, BATCH_ROWS)
            yield _pack(bytes(PDQ_BYTES), _MISSING, total) * gap
            length += gap
        total += 1
        length += 1
        yield _pack(row.pdq, row.quality, total)


def _pack(pdq: bytes, quality: int, total: int) -> bytes:
    if len(pdq) != PDQ_BYTES or not (0 <= quality <= 100 or quality == _MISSING):
        raise ValueError(f"{len(pdq)} bytes of quality {quality} are no PDQ code")
    return _ROW.pack(pdq, _check(pdq, quality, total), quality, total)


def _check(pdq: bytes, quality: int, total: int) -> bytes:
    """Three bytes that a row of zeroes, or one that was written in part, does not have."""
    return zlib.crc32(pdq + bytes([quality]) + total.to_bytes(4, "little")).to_bytes(4, "little")[:3]


def _is_whole(packed: bytes) -> bool:
    pdq, check, quality, total = _ROW.unpack(packed)
    return bool(check == _check(pdq, quality, total))
