"""The embedded index: an exact scan over a memory-mapped file of codes that is derived from the database.

Every process keeps up by itself: a query first asks for the newest row's number and appends what is missing. The files
hold nothing that the database does not; they may be deleted at any time.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fingerprint import codefile
from fingerprint.bands import FROM_ROWS, Bands
from fingerprint.codefile import CodeFile
from fingerprint.codes import ISCC_BYTES, ORIENTATIONS, PDQ_BYTES, undoing
from fingerprint.rows import Rows
from fingerprint.scan import Hit, within
from pipeline.ports import Neighbour

BATCH_ROWS = 10_000  # under 1 MB
ASK_NUMBERS = 500  # capture ids a question: every database takes that many parameters


class ScanIndex:
    """The port pipeline.ports.Index over one folder, shared by any number of processes and threads.

    From `bands_from` rows on, codes are looked up by their bands. A fork may carry it: what it holds between calls
    is a mapping that is only read.
    """

    def __init__(self, folder: Path, rows: Rows, bands_from: int = FROM_ROWS) -> None:
        self._path = folder / "codes-v2"
        self._lock = folder / "lock"
        self._rows = rows
        self._opened: CodeFile | None = None
        self._bands = Bands(folder / "bands-v1", bands_from)
        # Fingerprints can be turned back into a rough thumbnail: nobody else on the machine reads them.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def near(self, pdq: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered codes within `radius` bits, nearest first, then oldest. Flat photos (quality < 50) never.

        `pdq`: the photo's codes in ORIENTATIONS, 32 bytes each (codes.pdq_codes gives all eight); with 32 bytes only
        the upright photo is looked for. The codes' negatives are looked for too. A neighbour's orientation is how its
        photo was turned to give this one. `before`: only those committed earlier than this position; None for all.
        """
        check_asked(pdq)
        file = self._caught_up()
        length = _bounded(file.length, before)
        hits = self._bands.within(file, length, pdq, radius)
        if hits is None:
            hits = within(file.words, length, pdq, radius)
        detailed = file.are_detailed(np.array([hit.row for hit in hits], np.int64))
        hits = [hit for hit, keep in zip(hits, detailed.tolist(), strict=True) if keep]
        ids = capture_ids(self._rows, [hit.row + 1 for hit in hits])
        return [neighbour(ids[hit.row + 1], hit) for hit in hits if hit.row + 1 in ids]

    def iscc(self, iscc: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered ISCC image codes (8 bytes) within `radius` bits, nearest first, then oldest. None flat.

        `before`: only those committed earlier than this position; None for all.
        """
        check_iscc(iscc)
        file = self._caught_up()
        found = file.iscc_within(iscc, radius, _bounded(file.length, before))
        ids = capture_ids(self._rows, [row + 1 for _, row in found])
        return [Neighbour(ids[row + 1], distance, "upright") for distance, row in found if row + 1 in ids]

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes, oldest first."""
        return self._rows.same(sha256, before)

    def position(self, capture_id: str) -> int:
        """Where this capture's fingerprint stands in the order of commit. Raises LookupError."""
        return self._rows.position(capture_id)

    def count(self, before: int | None) -> int:
        """How many fingerprints there are, flat ones included, and those deleted a moment ago."""
        file = self._caught_up()
        return file.count(_bounded(file.length, before))

    def rebuild(self) -> None:
        """Derive the file anew. For every start: after a power cut the file may hold anything."""
        with self._locked():
            self._rebuild()

    def forget(self, numbers: Sequence[int]) -> None:
        """Leave nothing in the files of rows that the database has not any more."""
        with self._bands.locked(), self._locked():  # nobody appends what was read before the rows were deleted
            self._path.with_suffix(".new").unlink(missing_ok=True)  # of a rebuilding that was killed
            if self._path.exists():
                with self._path.open("r+b") as file:
                    self._bands.forget(numbers, *codefile.blank(file, numbers))

    def _caught_up(self) -> CodeFile:
        """The file, with every row that the database has by now; made anew when the two cannot be one."""
        file = self._opened
        if file and file.is_current(self._path) and file.length == self._rows.newest():
            return file
        with self._locked():
            if sound := self._sound():
                self._append(sound.length)
            else:
                self._rebuild()
            self._opened = file = CodeFile.open(self._path)
        return file

    def _sound(self) -> CodeFile | None:
        """Under the lock: the file, unless it is damaged or of another database. Checked when it is first used."""
        try:
            file = CodeFile.open(self._path)
        except (FileNotFoundError, ValueError):
            return None
        known = self._opened and self._opened.inode == file.inode
        return file if known or (file.has_whole_tail() and self._is_ours(file)) else None

    def _is_ours(self, file: CodeFile) -> bool:
        """Whether the newest row that the file and the database can both have is one and the same."""
        rows = self._rows.after(min(self._rows.newest(), file.length) - 1, 1)
        return not rows or rows[0].number > file.length or file.agrees_with(rows[0])

    def _append(self, length: int) -> None:
        newest = self._rows.newest()
        with self._path.open("r+b") as file:
            if newest < length:  # the newest were deleted: should their numbers come again, they are other rows
                codefile.forget_after(file, newest)
            self._fill(file, min(newest, length))

    def _rebuild(self) -> None:
        """Under the lock. The same filling as in good times, from an empty file."""
        fresh = self._path.with_suffix(".new")
        fresh.touch(mode=0o600)
        with fresh.open("w+b") as file:
            codefile.create(file)
            self._fill(file, 0)
        fresh.replace(self._path)
        self._path.with_name("codes-v1").unlink(missing_ok=True)  # what earlier versions kept

    def _fill(self, file: BinaryIO, length: int) -> None:
        while rows := self._rows.after(length, BATCH_ROWS):
            length = codefile.append(file, length, rows)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer among all processes and threads; the lock goes with the process that holds it."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def check_asked(pdq: bytes) -> None:
    """Raise ValueError unless these are one to eight PDQ codes."""
    if not pdq or len(pdq) % PDQ_BYTES or len(pdq) > PDQ_BYTES * len(ORIENTATIONS):
        raise ValueError(f"{len(pdq)} bytes are not one to eight PDQ codes of {PDQ_BYTES} bytes")


def check_iscc(iscc: bytes) -> None:
    """Raise ValueError unless this is the body of an ISCC of 64 bits."""
    if len(iscc) != ISCC_BYTES:
        raise ValueError(f"{len(iscc)} bytes are no ISCC of {ISCC_BYTES} bytes")


def neighbour(capture_id: str, hit: Hit) -> Neighbour:
    """The hit as the port tells it."""
    return Neighbour(capture_id, hit.distance, undoing(ORIENTATIONS[hit.code]), hit.negative)


def capture_ids(rows: Rows, numbers: Sequence[int]) -> dict[int, str]:
    """Whose fingerprints these are, asked for in pieces; those that are gone are left out."""
    ids: dict[int, str] = {}
    for start in range(0, len(numbers), ASK_NUMBERS):
        ids.update(rows.capture_ids(numbers[start : start + ASK_NUMBERS]))
    return ids


def _bounded(length: int, before: int | None) -> int:
    """How many rows are asked about."""
    return length if before is None else max(0, min(before - 1, length))
