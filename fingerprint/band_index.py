"""The second engine of the index: the database itself finds codes by their bands (bands.py). For many machines.

Nothing is kept on this machine, and nothing has to catch up: a fingerprint is found once it is committed and never
again once it is deleted. Up to 31 bits the database reads a few thousand rows; a wider radius reads all of them.
"""

from collections.abc import Iterator, Sequence

from fingerprint.bands import BAND_PLACES, MAX_RADIUS, asked_keys
from fingerprint.codes import MIN_QUALITY
from fingerprint.index import BATCH_ROWS, capture_ids, check_asked, check_iscc, neighbour
from fingerprint.rows import BandRows
from fingerprint.scan import Hit, arranged, in_blocks, within
from pipeline.ports import Neighbour


class BandIndex:
    """The port pipeline.ports.Index over a table that has an index of bands. Threads and processes may share it."""

    def __init__(self, rows: BandRows) -> None:
        self._rows = rows
        self._prepared = False

    def near(self, pdq: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered codes within `radius` bits, nearest first, then oldest. Flat photos (quality < 50) never.

        As fingerprint.index.ScanIndex.near.
        """
        check_asked(pdq)
        if radius > MAX_RADIUS:
            found = sorted(self._all_within(pdq, radius, before), key=lambda one: (one[1].distance, one[0]))
            ids = capture_ids(self._rows, [number for number, _ in found])
            return [neighbour(ids[number], hit) for number, hit in found if number in ids]
        self._prepare()
        rows = self._rows.sharing(asked_keys(pdq).tolist(), before)
        return [neighbour(rows[hit.row].capture_id, hit) for hit in _within([row.pdq for row in rows], pdq, radius)]

    def iscc(self, iscc: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered ISCC image codes (8 bytes) within `radius` bits, nearest first, then oldest. None flat."""
        check_iscc(iscc)
        return [Neighbour(found, bits, "upright") for found, bits in self._rows.isccs_within(iscc, radius, before)]

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes, oldest first."""
        return self._rows.same(sha256, before)

    def position(self, capture_id: str) -> int:
        """Where this capture's fingerprint stands in the order of commit. Raises LookupError."""
        return self._rows.position(capture_id)

    def count(self, before: int | None) -> int:
        """How many fingerprints there are, flat ones included."""
        return self._rows.count(before)

    def rebuild(self) -> None:
        """Make the database's index of bands if it is not there: the database keeps it whole by itself."""
        self._prepare()

    def forget(self, numbers: Sequence[int]) -> None:
        """Nothing is kept here of what the database deleted."""

    def _prepare(self) -> None:
        if not self._prepared:
            self._rows.prepare(BAND_PLACES)
            self._prepared = True

    def _all_within(self, pdq: bytes, radius: int, before: int | None) -> Iterator[tuple[int, Hit]]:
        """Number and hit of every row that is near, by reading them all."""
        number = 0
        while rows := self._rows.after(number, BATCH_ROWS):
            number = rows[-1].number
            asked = [row for row in rows if row.quality >= MIN_QUALITY and (before is None or row.number < before)]
            for hit in _within([row.pdq for row in asked], pdq, radius):
                yield asked[hit.row].number, hit
            if before is not None and number >= before:
                return


def _within(codes: Sequence[bytes], pdq: bytes, radius: int) -> Iterator[Hit]:
    """Hits among any number of codes, nearest first, then in their order."""
    return iter(within(in_blocks(arranged(b"".join(codes))), len(codes), pdq, radius))
