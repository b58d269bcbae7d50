"""RFC 9162 sections 2.1.1 and 2.1.4.1 as they are written, over all leaves: slow, and independent of our tree."""

import hashlib
from functools import lru_cache


def leaf(number: int) -> bytes:
    """The digest of the leaf with this number."""
    return hashlib.sha256(b"\0" + number.to_bytes(8)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The digest of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    power = 1
    while power * 2 < width:
        power *= 2
    return power


@lru_cache(maxsize=200_000)
def mth(low: int, high: int) -> bytes:
    """MTH(D[low:high])."""
    if high == low:
        return hashlib.sha256(b"").digest()
    if high - low == 1:
        return leaf(low)
    middle = low + split(high - low)
    return node(mth(low, middle), mth(middle, high))


def consistency_proof(old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]); empty from the empty tree."""
    return _subproof(old, 0, new, True) if old else []


def _subproof(old: int, low: int, high: int, whole: bool) -> list[bytes]:
    if low + old == high:
        return [] if whole else [mth(low, high)]
    middle = low + split(high - low)
    if low + old <= middle:
        return [*_subproof(old, low, middle, whole), mth(middle, high)]
    return [*_subproof(old - (middle - low), middle, high, False), mth(low, middle)]
