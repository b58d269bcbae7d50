"""The exact scan against brute force."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.scan import BLOCK_ROWS, Hit, as_words, within


def by_brute_force(codes: list[int], asked: list[int], radius: int) -> list[Hit]:
    hits = []
    for row, code in enumerate(codes):
        distance, place = min(((code ^ each).bit_count(), k) for k, each in enumerate(asked))
        if distance <= radius:
            hits.append(Hit(row, distance, place))
    return sorted(hits, key=lambda hit: (hit.distance, hit.row))


def rows_of(codes: list[int]) -> bytes:
    return b"".join(code.to_bytes(32, "big") + struct.pack("<Q", 2**64 - 1) for code in codes)


def asked_of(codes: list[int]) -> bytes:
    return b"".join(code.to_bytes(32, "big") for code in codes)


@settings(max_examples=200, deadline=None)
@given(
    # Few distinct codes, a few bits apart: the distribution that approximate indexes lose copies on.
    st.lists(st.integers(0, 2**6 - 1).map(lambda k: (0xF0F1 << 200) ^ k ^ (k << 120)), min_size=1, max_size=60),
    st.lists(st.integers(0, 2**256 - 1) | st.just(0xF0F1 << 200), min_size=1, max_size=8),
    st.integers(0, 256),
)
def test_equals_brute_force_on_skewed_codes(codes: list[int], asked: list[int], radius: int) -> None:
    assert within(as_words(rows_of(codes), 5), asked_of(asked), radius) == by_brute_force(codes, asked, radius)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**256 - 1), st.sets(st.integers(0, 255), max_size=60), st.integers(0, 60))
def test_the_radius_is_inclusive_whichever_bits_differ(code: int, flipped: set[int], radius: int) -> None:
    other = code
    for bit in flipped:
        other ^= 1 << bit
    found = within(as_words(rows_of([code]), 5), asked_of([other]), radius)
    assert found == ([Hit(0, len(flipped), 0)] if len(flipped) <= radius else [])


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS])
def test_planted_copies_are_found_in_every_block(count: int) -> None:
    random = np.random.default_rng(count)
    codes = [int.from_bytes(random.bytes(32)) for _ in range(count)]
    asked = [int.from_bytes(random.bytes(32)) for _ in range(8)]
    for k, place in enumerate(range(0, count, max(1, count // 20))):
        codes[place] = asked[k % 8] ^ ((1 << (k * 2)) - 1)  # k * 2 bits away
    found = within(as_words(rows_of(codes), 5), asked_of(asked), 31)
    assert found == by_brute_force(codes, asked, 31)
    assert len(found) >= min(count, 16)


def test_of_equal_codes_the_first_asked_counts() -> None:
    assert within(as_words(rows_of([7]), 5), asked_of([7, 7, 7]), 31) == [Hit(0, 0, 0)]
    assert within(as_words(rows_of([7]), 5), asked_of([6, 7, 7]), 31) == [Hit(0, 0, 1)]
