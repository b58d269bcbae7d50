"""The exact scan against brute force, and the rules that make it quick."""

import random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.codes import ORIENTATIONS
from fingerprint.scan import BLOCK_ROWS, SUMS_UP_TO, Hit, Sifter, arranged, halves, in_blocks, within

ALL_BITS = 2**256 - 1
RADII = [0, 31, SUMS_UP_TO, SUMS_UP_TO + 1, 60, 80]


def by_brute_force(codes: list[int], asked: list[int], radius: int) -> list[Hit]:
    hits = []
    for row, code in enumerate(codes):
        measured = [((code ^ each).bit_count(), False, k) for k, each in enumerate(asked)]
        distance, negative, place = min(measured + [(256 - bits, True, k) for bits, _, k in measured])
        if distance <= radius:
            hits.append(Hit(row, distance, place, negative))
    return sorted(hits, key=lambda hit: (hit.distance, hit.row))


def as_bytes(codes: list[int]) -> bytes:
    return b"".join(code.to_bytes(32) for code in codes)


def scanned(codes: list[int], asked: list[int], radius: int) -> list[Hit]:
    return within(in_blocks(arranged(as_bytes(codes))), len(codes), as_bytes(asked), radius)


@settings(max_examples=150, deadline=None)
@given(
    # Few distinct codes, a few bits apart: the distribution that approximate indexes lose copies on.
    st.lists(st.integers(0, 2**6 - 1).map(lambda k: (0xF0F1 << 200) ^ k ^ (k << 120)), min_size=1, max_size=60),
    st.lists(st.integers(0, ALL_BITS) | st.sampled_from([0xF0F1 << 200, ALL_BITS]), min_size=1, max_size=8),
    st.integers(0, 256),
)
def test_equals_brute_force_on_skewed_codes(codes: list[int], asked: list[int], radius: int) -> None:
    assert scanned(codes, asked, radius) == by_brute_force(codes, asked, radius)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, ALL_BITS), st.sets(st.integers(0, 255), max_size=90), st.integers(0, 90), st.booleans())
def test_the_radius_is_inclusive_whichever_bits_differ(
    code: int, differing: set[int], radius: int, negative: bool
) -> None:
    other = code ^ sum(1 << bit for bit in differing) ^ (ALL_BITS if negative else 0)
    expected = [Hit(0, len(differing), 0, negative)] if len(differing) <= radius else []
    assert scanned([code], [other], radius) == expected


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("count", [1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_planted_copies_are_found_in_every_block(count: int, radius: int) -> None:
    chance = random.Random(count)
    codes = [chance.getrandbits(256) for _ in range(count)]
    asked = [chance.getrandbits(256) for _ in range(8)]
    for k, place in enumerate({*range(0, count, max(1, count // 40)), count - 1}):
        codes[place] = asked[k % 8] ^ sum(1 << bit for bit in chance.sample(range(256), k * 2))
        codes[place] ^= ALL_BITS * (k % 3 == 0)
    found = scanned(codes, asked, radius)
    assert found == by_brute_force(codes, asked, radius)
    assert len(found) >= min(count, 1 + radius // 2)


def test_of_equal_codes_the_first_asked_counts_and_negatives_last() -> None:
    assert scanned([7], [7, 7, 7], 31) == [Hit(0, 0, 0)]
    assert scanned([7], [6, 7, 7], 31) == [Hit(0, 0, 1)]
    half = (1 << 128) - 1  # as far from zeroes as from their negative
    assert scanned([half], [0], 128) == [Hit(0, 128, 0)]
    assert scanned([0], [ALL_BITS, 0], 31) == [Hit(0, 0, 1)]
    assert scanned([0], [ALL_BITS, 1], 31) == [Hit(0, 0, 0, True)]


# Why two popcounts a row are enough


def turned(code: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    """What a code of 16 x 16 bits becomes, by rule, when its picture is turned."""
    rows, columns = np.indices((16, 16))
    odd_rows, odd_columns = (rows % 2).astype(np.uint8), (columns % 2).astype(np.uint8)
    by_name = {
        "upright": code,
        "mirrored": code ^ odd_columns,
        "flipped": code ^ odd_rows,
        "rotated_180": code ^ odd_rows ^ odd_columns,
        "transposed": code.T,
        "rotated_90": (code ^ odd_rows).T,
        "rotated_270": (code ^ odd_columns).T,
        "transversed": (code ^ odd_rows ^ odd_columns).T,
    }
    return by_name[name]


def codes_by_rule(seed: int) -> list[bytes]:
    upright = np.random.default_rng(seed).integers(0, 2, (16, 16), np.uint8)
    return [np.packbits(turned(upright, name)).tobytes() for name in ORIENTATIONS]


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_the_same_or_all_turned_over_in_every_orientation_and_negative(seed: int) -> None:
    codes = codes_by_rule(seed)
    same, opposite, *_ = arranged(b"".join(codes + [bytes(255 - byte for byte in code) for code in codes]))
    assert len(set(same.tolist())) == 1
    assert len({min(word, 2**64 - 1 - word) for word in opposite.tolist()}) == 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, ALL_BITS), st.integers(0, 255))
def test_one_wrong_bit_changes_one_sum_at_most(code: int, bit: int) -> None:
    same, opposite, *_ = arranged(as_bytes([code, code ^ (1 << bit)])).tolist()
    assert (same[0] ^ same[1]).bit_count() + (opposite[0] ^ opposite[1]).bit_count() <= 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, ALL_BITS), st.integers(0, ALL_BITS))
def test_arranging_keeps_distances(one: int, other: int) -> None:
    columns = halves(arranged(as_bytes([one, other])))
    assert sum(int(np.bitwise_count(each[0] ^ each[1])) for each in columns) == (one ^ other).bit_count()


def test_one_sieve_for_a_photo_that_is_turned_and_one_a_code_for_what_has_nothing_in_common() -> None:
    chance = random.Random(1)
    for codes in (codes_by_rule(1), codes_by_rule(2)):
        noisy = [(int.from_bytes(code) ^ (1 << chance.randrange(256))).to_bytes(32) for code in codes]
        assert Sifter(arranged(b"".join(noisy)), 31).sieves == 1
        assert Sifter(arranged(b"".join(noisy)), 60).sieves == 4
    assert Sifter(arranged(chance.randbytes(256)), 31).sieves == 8


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("seed", range(5))
def test_pictures_that_are_sampled_anew_are_missed_by_no_sieve(seed: int, radius: int) -> None:
    """The codes asked about keep the rules but for a few bits, and each has copies as far off as may be."""
    chance = random.Random(seed)
    asked = [disturbed(int.from_bytes(code), chance.randrange(9), chance) for code in codes_by_rule(seed)]
    stored = [disturbed(code, radius, chance) ^ (ALL_BITS * (k % 2)) for code in asked for k in range(40)]
    found = scanned(stored, asked, radius)
    assert found == by_brute_force(stored, asked, radius)
    assert len(found) == len(stored)


def disturbed(code: int, bits: int, chance: random.Random) -> int:
    """The code with as many bits turned over."""
    return code ^ sum(1 << bit for bit in chance.sample(range(256), bits))


def test_a_photo_that_is_turned_by_rule_is_found_whichever_way() -> None:
    codes = codes_by_rule(3)
    chance = random.Random(3)
    stored = [int.from_bytes(code) ^ sum(1 << bit for bit in chance.sample(range(256), 31)) for code in codes]
    asked = [int.from_bytes(code) for code in codes]
    for radius in RADII:
        found = scanned(stored + [code ^ ALL_BITS for code in stored], asked, radius)
        assert len(found) == (16 if radius >= 31 else 0)
        assert all(hit.code == hit.row % 8 and hit.negative == (hit.row >= 8) for hit in found)
