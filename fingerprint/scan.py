"""The exact Hamming scan: every stored code against a photo's codes in all orientations, and against their negatives.

A code is 16 x 16 bits b[i, j], the signs of DCT coefficients. Mirroring a picture turns over the odd columns, flipping
it the odd rows, transposing it swaps b[i, j] with b[j, i], its negative turns over all. The 128 sums b[i, j] + b[j, i]
(mod 2) hardly notice any of this: where i and j are both even or both odd they stay what they are (the word `same`),
elsewhere they stay, or all turn over at once (the word `opposite`). One wrong bit of a code changes one sum at most:
whose sums are further away than the radius is further away itself. Two popcounts a row thus rule out sixteen codes at
once, and who is left is measured. Turned pictures are sampled anew, so that their codes keep these rules but for a few
bits; by as many as these are (`slack`, from the codes that are asked about) the sieve is wider, and stays exact.

No approximate index: those miss 12 to 28 % of copies. Measured in docs/why-006-the-index.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.codes import PDQ_BITS, PDQ_BYTES

BLOCK_ROWS = 32_768  # 256 KB a column: a column and its differences stay in the second-level cache
MEASURED_ROWS = 4_096  # rows whose distances to all codes are computed in one go
SUMS_UP_TO = 36  # bits of radius: wider, the sums of unrelated photos (61 bits apart, ± 5) would pass as well
SUMS_SLACK = 16  # bits; at radius 31 a sieve this wide lets 0.4 % of unrelated photos through, and one of 20, 2 %
HALVES_SLACK = 24  # bits; unrelated photos stand at 115 ± 5 there
COLUMNS = 4
ALL = np.uint64(2**64 - 1)

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Hit:
    """The row (from 0), its distance in bits, the nearest of the codes asked about, and if that code's negative."""

    row: int
    distance: int
    code: int
    negative: bool = False


class Sieve(NamedTuple):
    """What some of the codes asked about have in common: one word a column, and how far the codes are from them."""

    centre: Words
    slack: int


def _places() -> list[int]:
    """Where a code's bits go: words `upper`, `lower`, `even_odd`, `odd_even`; each pair are transposes."""
    upper: list[tuple[int, int]] = []
    lower: list[tuple[int, int]] = []
    for parity in (0, 1):
        along = range(parity, 16, 2)
        above = [(i, j) for i in along for j in along if i < j]
        diagonal = [(i, i) for i in along]  # has no partner across: each half is the other's
        upper += above + diagonal[:4]
        lower += [(j, i) for i, j in above] + diagonal[4:]
    even_odd = [(i, j) for i in range(0, 16, 2) for j in range(1, 16, 2)]
    return [16 * i + j for i, j in (*upper, *lower, *even_odd, *((j, i) for i, j in even_odd))]


PLACES = np.array(_places())


def arranged(codes: bytes) -> Words:
    """PDQ codes, 32 bytes each, as four columns of words: the sums `same` and `opposite`, and one half of each."""
    bits = np.unpackbits(np.frombuffer(codes, dtype=np.uint8).reshape(-1, PDQ_BYTES), axis=1)
    upper, lower, even_odd, odd_even = np.packbits(bits.take(PLACES, axis=1), axis=1).view("<u8").T
    return np.stack([upper ^ lower, even_odd ^ odd_even, upper, even_odd])


def halves(words: Words) -> list[Words]:
    """The code itself, four columns of words, from columns as `arranged` gives them."""
    same, opposite, upper, even_odd = words
    return [upper, upper ^ same, even_odd, even_odd ^ opposite]


def in_blocks(words: Words) -> Words:
    """Columns as from `arranged` laid out as the scan wants them: blocks of four columns of BLOCK_ROWS each."""
    padding = -words.shape[1] % BLOCK_ROWS
    padded = np.pad(words, ((0, 0), (0, padding)))
    return np.ascontiguousarray(padded.reshape(COLUMNS, -1, BLOCK_ROWS).transpose(1, 0, 2))


def within(blocks: Words, rows: int, codes: bytes, radius: int, first: int = 0) -> list[Hit]:
    """The rows within `radius` bits of a code or of its negative, nearest first, then lowest row; one hit a row.

    The rows from `first` up to `rows` of `blocks` (any number x COLUMNS x BLOCK_ROWS) are looked at; `codes` is 32
    bytes for each code, eight at most. Of equally near codes the first counts, negatives last.
    """
    asked = arranged(codes)
    sift = Sifter(asked, radius)
    passed = np.zeros(rows, np.bool_)
    for block in range(first // BLOCK_ROWS, -(-rows // BLOCK_ROWS)):
        start, stop = max(first, block * BLOCK_ROWS), min(rows, (block + 1) * BLOCK_ROWS)
        here = slice(start - block * BLOCK_ROWS, stop - block * BLOCK_ROWS)
        sift(blocks[block][:, here], passed[start:stop])
    found = np.flatnonzero(passed)
    words = blocks[found // BLOCK_ROWS, :, found % BLOCK_ROWS].T
    return best_first(measured(words, found, asked, radius))


def best_first(hits: Iterable[Hit]) -> list[Hit]:
    """Nearest first, then lowest row; each row once."""
    return sorted({hit.row: hit for hit in hits}.values(), key=lambda hit: (hit.distance, hit.row))


class Sifter:
    """Finds the rows that may be near a code, in room that is taken once: numpy would ask for it at every step."""

    def __init__(self, asked: Words, radius: int) -> None:
        self._by_sums = radius <= SUMS_UP_TO
        self._sieves = sieves(self._columns(asked), SUMS_SLACK if self._by_sums else HALVES_SLACK)
        self._most = [min(radius + sieve.slack, PDQ_BITS - 1) for sieve in self._sieves]
        self._words = np.empty(BLOCK_ROWS, np.uint64)
        self._bits = [np.empty(BLOCK_ROWS, np.uint8) for _ in range(3)]

    @property
    def sieves(self) -> int:
        """How many there are: what a scan costs."""
        return len(self._sieves)

    def __call__(self, words: Words, passed: npt.NDArray[np.bool_]) -> None:
        """Say for each row if it passes any sieve. `words` as from `arranged`, at most BLOCK_ROWS rows."""
        columns = self._columns(words)
        for place, (sieve, most) in enumerate(zip(self._sieves, self._most, strict=True)):
            if place:
                passed |= self._distance(columns, sieve) <= most
            else:
                np.less_equal(self._distance(columns, sieve), most, out=passed)

    def _columns(self, words: Words) -> list[Words]:
        return [words[0], words[1]] if self._by_sums else halves(words)

    def _distance(self, columns: list[Words], sieve: Sieve) -> Bits:
        """At most the distance to whichever of the sieve's codes is nearest, but for the slack."""
        size = len(columns[0])
        words = self._words[:size]
        total, bits, turned = (each[:size] for each in self._bits)
        for place, (column, centre) in enumerate(zip(columns, sieve.centre, strict=True)):
            here = bits if place else total
            np.bitwise_count(np.bitwise_xor(column, centre, words), here)
            if place or not self._by_sums:  # only `same` is never turned over as a whole
                np.minimum(here, np.subtract(64, here, turned), out=here)
            if place:
                np.add(total, bits, total)
        return total


def sieves(columns: list[Words], max_slack: int) -> list[Sieve]:
    """Few sieves that let through every code asked about: for sums one will do for most photos, at worst one a code."""
    asked = np.stack(columns)
    found = []
    while asked.shape[1]:
        centre = _centre(asked)
        if _slack(asked, centre).min() > max_slack:
            centre = asked[:, :1]  # these codes have nothing in common: the first alone
        slack = _slack(asked, centre)
        mine = slack <= max_slack
        found.append(Sieve(centre[:, 0], int(slack[mine].max())))
        asked = asked[:, ~mine]
    return found


def measured(words: Words, rows: Rows, asked: Words, radius: int) -> Iterator[Hit]:
    """The hits among these words, which are of these rows: the distance of each to each code, bit for bit."""
    asked_halves = halves(asked[:, :, None])
    for start in range(0, len(rows), MEASURED_ROWS):
        some = halves(words[:, start : start + MEASURED_ROWS])
        distances = np.zeros((asked.shape[1], len(some[0])), np.uint16)
        for column, code in zip(some, asked_halves, strict=True):
            distances += np.bitwise_count(column ^ code)
        near = (distances.min(axis=0) <= radius) | (distances.max(axis=0) >= PDQ_BITS - radius)
        for place in np.flatnonzero(near).tolist():
            bits = distances[:, place].tolist()
            bits += [PDQ_BITS - each for each in bits]
            code = bits.index(min(bits))  # of equals the first
            yield Hit(int(rows[start + place]), bits[code], code % asked.shape[1], code >= asked.shape[1])


def _centre(columns: Words) -> Words:
    """What most of the codes have, bit by bit; words turned over where that brings them to the first code's."""
    turned = np.bitwise_count(columns ^ columns[:, :1]) > 32
    aligned = np.ascontiguousarray(columns ^ np.where(turned, ALL, np.uint64(0)))
    bits = np.unpackbits(aligned.view(np.uint8).reshape(*aligned.shape, 8), axis=2)
    most = bits.sum(axis=1) * 2 > columns.shape[1]
    return np.packbits(most, axis=1).view(np.uint64)


def _slack(columns: Words, centre: Words) -> npt.NDArray[np.int64]:
    """By how much the distance to the centre, as the sifter counts it, may exceed that to the code itself."""
    bits = np.bitwise_count(columns ^ centre).astype(np.int64)
    folded = np.minimum(bits, 64 - bits)
    if len(columns) == 2:
        folded[0] = bits[0]
    return np.asarray(folded.sum(axis=0))
