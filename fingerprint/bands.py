"""Multi-index hashing: exact up to 31 bits without looking at every code; for collections that outgrow the scan.

A code is cut into 16 bands of 16 bits. Of two codes that differ in 31 bits or fewer, some band differs in one bit or
none (Norouzi, Punjani, Fleet: Fast Search in Hamming Space with Multi-Index Hashing, 2012). A band's key is the lesser
of its bits and of their complement: turned pictures and negatives turn over whole bands (scan.py), so that sixteen
codes ask for little more than two.

`bands-v1` is one file for all processes, made from the file of codes: a page that says which rows of which codes, for
each band where each key's rows begin, and the rows: 64 bytes a code and 2 MB. Rows that are younger are scanned.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.codefile import CodeFile, detailed
from fingerprint.scan import (
    BLOCK_ROWS,
    PLACES,
    Hit,
    Rows,
    Sifter,
    Words,
    arranged,
    best_first,
    halves,
    measured,
    within,
)

BANDS = 16
BAND_BITS = 16
MAX_RADIUS = 2 * BANDS - 1
KEYS = 2 ** (BAND_BITS - 1)  # of one band
FROM_ROWS = 5_000_000  # below it the scan is as quick
FEW = 10_000  # rows to look up, which is quick however many there are
SCAN_COSTS = 16  # a row that is looked up costs as much as this many that are scanned (measured)
BAND_PLACES: list[list[int]] = PLACES.reshape(BANDS, BAND_BITS).tolist()

_PAGE = 4096
_HEADER = struct.Struct("<QQQ")  # the code file's version; rows looked at; rows kept: those that are not flat
_ONE_BIT = np.array([0, *(1 << bit for bit in range(BAND_BITS))], np.uint16)


def asked_keys(codes: bytes) -> npt.NDArray[np.int64]:
    """The keys of all bands of these codes (32 bytes each) and of all bands that differ from them in one bit."""
    words = arranged(codes)
    bands = np.stack([_band(words, band) for band in range(BANDS)])
    keys = _keys(bands[:, :, None] ^ _ONE_BIT).astype(np.int64)
    return np.unique(keys + np.arange(BANDS)[:, None, None] * KEYS)


class Table(NamedTuple):
    """The file as it is mapped: where in `members` each key's rows begin, and the rows."""

    version: int
    rows: int
    begins: npt.NDArray[np.int64]
    members: npt.NDArray[np.uint32]

    def sharing(self, keys: Rows, at_most: int) -> Rows | None:
        """The rows that have any of these keys, some more than once; None when there are more than `at_most`."""
        begins = self.begins[keys]
        sizes = self.begins[keys + 1] - begins
        total = int(sizes.sum())
        if total > at_most:
            return None
        steps = np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
        return self.members[steps + np.arange(total)].astype(np.int64)


class Bands:
    """Which rows of the file of codes have which bands. `from_rows`: as many codes as make it worth while."""

    def __init__(self, path: Path, from_rows: int) -> None:
        self._path = path
        self._from_rows = from_rows
        self._table: Table | None = None

    def within(self, file: CodeFile, rows: int, codes: bytes, radius: int) -> list[Hit] | None:
        """What scan.within answers, or None where a scan is quicker: few codes, a wide radius, crowded bands."""
        if rows < self._from_rows or radius > MAX_RADIUS or not (table := self._current(file)):
            return None
        candidates = table.sharing(asked_keys(codes), max(rows // SCAN_COSTS, FEW))
        if candidates is None:
            return None
        older = _near(file, candidates[candidates < rows], codes, radius)
        younger = within(file.words, rows, codes, radius, first=table.rows)
        return best_first(older + younger)

    @contextmanager
    def locked(self, wait: bool = True) -> Iterator[None]:
        """One writer among all processes. Raises BlockingIOError when there is another and nobody is to wait."""
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(descriptor)

    def forget(self, numbers: Sequence[int], version: int, new_version: int) -> None:
        """Under the lock: take the rows of these numbers out, a code can be read off the keys under which it stands.

        The file of codes changes its version, so that every process lets go of the table that it has mapped.
        """
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)  # of a making that was killed
        table = _opened(self._path)
        if table and table.version == version:
            _write_without(fresh, table, np.array(numbers, np.uint32) - 1, new_version)
            fresh.replace(self._path)
        else:
            self._path.unlink(missing_ok=True)  # it is of an older file, and would be made anew

    def _current(self, file: CodeFile) -> Table | None:
        """The table of this file, made anew when a fifth of its rows is not in it; None while another makes it."""
        if not _covers(self._table, file):
            self._table = _opened(self._path)
        if not _covers(self._table, file):
            self._make(file)
        return self._table if self._table and self._table.version == file.version else None

    def _make(self, file: CodeFile) -> None:
        try:
            with self.locked(wait=False):
                fresh = self._path.with_suffix(".new")
                fresh.touch(mode=0o600)
                _write(fresh, file, file.version, file.length)
                self._table = _opened(fresh.replace(self._path))
        except BlockingIOError:
            pass  # another makes it; until then the scan answers


def _covers(table: Table | None, file: CodeFile) -> bool:
    return table is not None and table.version == file.version and table.rows >= file.length * 4 // 5


def _opened(path: Path) -> Table | None:
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except FileNotFoundError:
        return None
    version, rows, kept = _HEADER.unpack_from(mapped)
    begins = np.ndarray(BANDS * KEYS + 1, np.int64, mapped, _PAGE)
    return Table(version, rows, begins, np.ndarray(BANDS * kept, np.uint32, mapped, _PAGE + begins.nbytes))


def _write(path: Path, file: CodeFile, version: int, length: int) -> None:
    """Sort the rows by their keys, band by band: about 30 s for ten million rows."""
    kept = np.flatnonzero(detailed(np.concatenate([part["quality"] for part in file.columns(0, length)])))
    kept = kept.astype(np.uint32)
    begins = np.zeros(BANDS * KEYS + 1, np.int64)
    with path.open("wb") as out:
        out.seek(_PAGE + begins.nbytes)
        for band in range(BANDS):
            keys = np.concatenate([_keys(_band(part["words"], band)) for part in file.columns(0, length)])[kept]
            out.write(kept[np.argsort(keys, kind="stable")].tobytes())
            begins[band * KEYS + 1 : (band + 1) * KEYS + 1] = np.bincount(keys, minlength=KEYS)
        out.seek(0)
        out.write(_HEADER.pack(version, length, len(kept)).ljust(_PAGE, b"\0") + np.cumsum(begins).tobytes())


def _write_without(path: Path, table: Table, rows: npt.NDArray[np.uint32], version: int) -> None:
    """Write the table as of another version, without these rows. Those that are flat are not in it anyway."""
    size = max(1, len(table.members) // BANDS)
    bands = [table.members[start : start + size] for start in range(0, len(table.members), size)]
    gone = [start * size + np.flatnonzero(np.isin(band, rows)) for start, band in enumerate(bands)]
    begins = table.begins - np.searchsorted(np.concatenate([*gone, np.zeros(0, np.int64)]), table.begins)
    path.touch(mode=0o600)
    with path.open("wb") as out:
        header = _HEADER.pack(version, table.rows, int(begins[-1]) // BANDS)
        out.write(header.ljust(_PAGE, b"\0") + begins.tobytes())
        for band in bands:
            out.write(band[~np.isin(band, rows)].tobytes())


def _near(file: CodeFile, candidates: Rows, codes: bytes, radius: int) -> list[Hit]:
    asked = arranged(codes)
    sift, passed = Sifter(asked, radius), np.empty(len(candidates), np.bool_)
    sums = file.gathered(candidates, 2)
    for start in range(0, len(candidates), BLOCK_ROWS):
        sift(sums[:, start : start + BLOCK_ROWS], passed[start : start + BLOCK_ROWS])
    rows = candidates[passed]
    return list(measured(file.gathered(rows), rows, asked, radius))


def _band(words: Words, band: int) -> npt.NDArray[np.uint16]:
    """One band of the codes in columns as scan.arranged gives them."""
    column, place = divmod(band, 64 // BAND_BITS)
    return np.ascontiguousarray(halves(words)[column]).view(">u2").reshape(-1, 64 // BAND_BITS)[:, place]


def _keys(bands: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    return np.minimum(bands, ~bands)
