"""RFC 9162 sections 2.1.1, 2.1.3.1 and 2.1.4.1 as they are written: slow, and independent of our tree."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

Mth = Callable[[int, int], bytes]


def leaf(number: int) -> bytes:
    """The digest of the leaf with this number."""
    return hashlib.sha256(b"\0" + number.to_bytes(8)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The digest of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << (width - 1).bit_length() - 1


@lru_cache(maxsize=200_000)
def mth(low: int, high: int) -> bytes:
    """MTH(D[low:high])."""
    if high == low:
        return hashlib.sha256(b"").digest()
    if high - low == 1:
        return leaf(low)
    middle = low + split(high - low)
    return node(mth(low, middle), mth(middle, high))


def consistency_proof(old: int, new: int, mth: Mth = mth) -> list[bytes]:
    """PROOF(old, D[new]); empty from the empty tree."""
    return _subproof(old, 0, new, True, mth) if old else []


def inclusion_proof(index: int, size: int, mth: Mth = mth) -> list[bytes]:
    """PATH(index, D[size])."""
    return _path(index, 0, size, mth)


class SparseLog:
    """A log of up to 2^64 leaves that are all alike but some: what is large is then computed once for its width."""

    def __init__(self, different: Iterable[int], leaf: Callable[[int], bytes] = leaf) -> None:
        self.different = frozenset(different)
        self._sorted, self._leaf = sorted(self.different), leaf

    def mth(self, low: int, high: int) -> bytes:
        """MTH(D[low:high])."""
        place = bisect_left(self._sorted, low)
        if place == len(self._sorted) or self._sorted[place] >= high:
            return _alike(high - low)
        if high - low == 1:
            return self._leaf(low)
        middle = low + split(high - low)
        return node(self.mth(low, middle), self.mth(middle, high))


@cache
def _alike(width: int) -> bytes:
    if width < 2:
        return hashlib.sha256(b"\0" if width else b"").digest()
    return node(_alike(split(width)), _alike(width - split(width)))


def _subproof(old: int, low: int, high: int, whole: bool, mth: Mth) -> list[bytes]:
    if low + old == high:
        return [] if whole else [mth(low, high)]
    middle = low + split(high - low)
    if low + old <= middle:
        return [*_subproof(old, low, middle, whole, mth), mth(middle, high)]
    return [*_subproof(old - (middle - low), middle, high, False, mth), mth(low, middle)]


def _path(index: int, low: int, high: int, mth: Mth) -> list[bytes]:
    if high - low == 1:
        return []
    middle = low + split(high - low)
    if index < middle:
        return [*_path(index, low, middle, mth), mth(middle, high)]
    return [*_path(index, middle, high, mth), mth(low, middle)]
