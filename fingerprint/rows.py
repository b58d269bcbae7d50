"""What the index needs of the database: the table of fingerprints that it is derived from."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Row(Protocol):
    """One fingerprint: its number in the order of commit (from 1), 32 bytes of PDQ, 0 to 100, 8 bytes of ISCC."""

    @property
    def number(self) -> int: ...

    @property
    def pdq(self) -> bytes: ...

    @property
    def quality(self) -> int: ...

    @property
    def iscc(self) -> bytes | None: ...


class Rows(Protocol):
    """The table of fingerprints. Each call sees all that was committed before it. Raises Unavailable.

    Numbers grow in the order of commit: once a number is visible, no lower one appears later. (SQLite with one writer
    gives that; elsewhere the writer must take a lock before it draws a number.)
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


class Candidate(Protocol):
    """A row that shares a band with a code that is asked about."""

    @property
    def number(self) -> int: ...

    @property
    def capture_id(self) -> str: ...

    @property
    def pdq(self) -> bytes: ...


class BandRows(Rows, Protocol):
    """The table, in a database that keeps an index of bands itself (fingerprint/bands.py says what they are)."""

    def prepare(self, bands: Sequence[Sequence[int]]) -> None:
        """Make the index of bands if it is not there. `bands`: for each band the places of its bits in a code."""

    def sharing(self, keys: Sequence[int], before: int | None) -> Sequence[Candidate]:
        """Rows with any of these keys, of photos that are not flat, with numbers below `before`; lowest first."""

    def isccs_within(self, iscc: bytes, radius: int, before: int | None) -> Sequence[tuple[str, int]]:
        """Captures and the distances of their ISCCs, nearest first, then lowest number; flat photos are left out."""

    def count(self, before: int | None) -> int:
        """How many rows there are with numbers below `before`."""
