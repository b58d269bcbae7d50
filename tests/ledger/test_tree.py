"""The Merkle tree against a brute-force reference, known answers, and every kind of damage."""

import hashlib
import json
import random
import time
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    TILE_BYTES,
    TILE_WIDTH,
    Tiles,
    Tree,
    append_tiles,
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)
from pipeline.errors import Conflict, Rejected

FOLDER = Path(__file__).parent.parent / "golden"
KNOWN: dict[str, Any] = json.loads((FOLDER / "ledger_rfc6962.json").read_text())
GOLDEN: dict[str, Any] = json.loads((FOLDER / "ledger.json").read_text())["tree"]
ALL_SIZES = range(301)


class Stored:
    """Tiles in a dict."""

    def __init__(self) -> None:
        self.tiles: Tiles = {}
        self.reads = 0

    def tile(self, level: int, number: int) -> bytes:
        self.reads += 1
        return self.tiles[level, number]

    def append(self, size: int, leaves: Sequence[bytes]) -> Tiles:
        new = append_tiles(size, leaves, self)
        self.tiles |= new
        return new


def leaves_of(count: int, seed: str = "") -> list[bytes]:
    return [hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(count)]


def grown(count: int) -> Stored:
    stored = Stored()
    stored.append(0, leaves_of(count))
    return stored


LEAVES = leaves_of(700)
STORED = grown(700)
_KNOWN_MTH: dict[tuple[int, int], bytes] = {}


def mth(low: int, high: int) -> bytes:
    """RFC 9162 section 2.1.1, word by word, over LEAVES."""
    if high == low:
        return hashlib.sha256(b"").digest()
    if (low, high) not in _KNOWN_MTH:
        if high - low == 1:
            _KNOWN_MTH[low, high] = LEAVES[low]
        else:
            middle = low + max(1 << n for n in range(20) if 1 << n < high - low)
            _KNOWN_MTH[low, high] = hashlib.sha256(b"\1" + mth(low, middle) + mth(middle, high)).digest()
    return _KNOWN_MTH[low, high]


def test_every_root_up_to_300_is_the_reference() -> None:
    assert [root(size, STORED) for size in ALL_SIZES] == [mth(0, size) for size in ALL_SIZES]


def test_every_inclusion_proof_up_to_300_verifies_against_the_reference() -> None:
    for size in ALL_SIZES:
        tree, top = Tree(size, STORED), mth(0, size)
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, tree.inclusion_proof(index), top)


def test_every_consistency_proof_up_to_300_verifies_against_the_reference() -> None:
    for new in ALL_SIZES:
        tree, top = Tree(new, STORED), mth(0, new)
        for old in range(new + 1):
            verify_consistency(old, new, tree.consistency_proof(old), mth(0, old), top)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_tiles_do_not_depend_on_how_the_leaves_were_batched(batches: list[int]) -> None:
    leaves, stored, size = leaves_of(sum(batches)), Stored(), 0
    for count in batches:
        stored.append(size, leaves[size : size + count])
        size += count
    assert stored.tiles == grown(size).tiles


def test_tiles_have_the_geometry_of_the_specification() -> None:
    # The example of C2SP tlog-tiles: 273 full tiles and one of 112; one full and one of 17; one of 1.
    tiles = append_tiles(0, leaves_of(70_000), Stored())
    widths = {level: [len(tiles[key]) // 32 for key in sorted(tiles) if key[0] == level] for level in range(4)}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1], 3: []}
    assert tiles[1, 0][:32] == root(256, grown(256))


def test_an_append_writes_only_what_changes() -> None:
    stored = grown(255)
    assert set(stored.append(255, LEAVES[255:256])) == {(0, 0), (1, 0)}
    assert set(stored.append(256, LEAVES[256:257])) == {(0, 1)}
    assert append_tiles(257, [], stored) == {}


def test_a_proof_reads_few_tiles_however_large_the_tree() -> None:
    stored = grown(70_000)
    stored.reads = 0
    proof = inclusion_proof(12_345, 70_000, stored)
    assert len(proof) == 17
    assert stored.reads <= 6


def test_older_sizes_can_be_proved_from_newer_tiles() -> None:
    stored = grown(300)
    before = root(200, stored)
    stored.append(300, LEAVES[300:600])
    assert root(200, stored) == before == mth(0, 200)
    verify_consistency(200, 600, consistency_proof(200, 600, stored), before, mth(0, 600))


def test_missing_and_short_tiles_are_a_conflict() -> None:
    stored = grown(600)
    stored.tiles[0, 2] = stored.tiles[0, 2][:-32]
    with pytest.raises(Conflict, match="tile 0/2 holds 87 of 88"):
        root(600, stored)
    with pytest.raises(Conflict, match="restore"):
        append_tiles(600, LEAVES[600:], stored)
    del stored.tiles[1, 0]
    with pytest.raises(Conflict, match="tile 1/0 holds 0 of 2"):
        root(600, stored)


def test_questions_about_leaves_that_are_not_there_are_refused() -> None:
    for index in (-1, 5, MAX_SIZE):
        with pytest.raises(Rejected, match="no leaf"):
            inclusion_proof(index, 5, STORED)
    for old in (-1, 6):
        with pytest.raises(Rejected, match="does not extend"):
            consistency_proof(old, 5, STORED)
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(Rejected, match="no tree size"):
            root(size, STORED)


# -- known answers ----------------------------------------------------------------------------------------------------


def known_leaves() -> Stored:
    stored = Stored()
    inputs = [bytes.fromhex(text) for text in KNOWN["inputs"]]
    stored.append(0, [hashlib.sha256(b"\0" + text).digest() for text in inputs])
    return stored


def test_known_roots() -> None:
    assert root(0, known_leaves()).hex() == KNOWN["empty_root"] == EMPTY_ROOT.hex()
    assert [root(size, known_leaves()).hex() for size in range(1, 9)] == KNOWN["roots"]


@pytest.mark.parametrize("case", KNOWN["inclusion"], ids=str)
def test_known_inclusion_proofs(case: dict[str, Any]) -> None:
    proof = inclusion_proof(case["index"], case["size"], known_leaves())
    assert [digest.hex() for digest in proof] == case["proof"]


@pytest.mark.parametrize("case", KNOWN["consistency"], ids=str)
def test_known_consistency_proofs(case: dict[str, Any]) -> None:
    proof = consistency_proof(case["old"], case["new"], known_leaves())
    assert [digest.hex() for digest in proof] == case["proof"]


def test_golden_proofs_have_not_changed() -> None:
    stored = grown(GOLDEN["size"])
    assert {str(size): root(size, stored).hex() for size in map(int, GOLDEN["roots"])} == GOLDEN["roots"]
    for case in GOLDEN["inclusion"]:
        assert [d.hex() for d in inclusion_proof(case["index"], case["size"], stored)] == case["proof"]
    for case in GOLDEN["consistency"]:
        assert [d.hex() for d in consistency_proof(case["old"], case["new"], stored)] == case["proof"]


# -- damage -----------------------------------------------------------------------------------------------------------

sizes = st.integers(1, 700)


def flip(digest: bytes, bit: int) -> bytes:
    return (int.from_bytes(digest, "big") ^ 1 << bit).to_bytes(32, "big")


@given(sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_any_flipped_bit_fails_an_inclusion_proof(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    digests = [LEAVES[index], *inclusion_proof(index, size, STORED), mth(0, size)]
    which = data.draw(st.integers(0, len(digests) - 1))
    digests[which] = flip(digests[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Rejected, match="leads to the root"):
        verify_inclusion(digests[0], index, size, digests[1:-1], digests[-1])


@given(sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_any_flipped_bit_fails_a_consistency_proof(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    digests = [mth(0, old), *consistency_proof(old, new, STORED), mth(0, new)]
    which = data.draw(st.integers(0, len(digests) - 1))
    digests[which] = flip(digests[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Rejected, match="root"):
        verify_consistency(old, new, digests[1:-1], digests[0], digests[-1])


def test_every_single_bit_of_all_proofs_in_a_small_tree_counts() -> None:
    size, top = 11, mth(0, 11)
    for index in range(size):
        digests = [LEAVES[index], *inclusion_proof(index, size, STORED), top]
        for which, bit in product(range(len(digests)), range(256)):
            wrong = [*digests[:which], flip(digests[which], bit), *digests[which + 1 :]]
            with pytest.raises(Rejected):
                verify_inclusion(wrong[0], index, size, wrong[1:-1], wrong[-1])
    for old in range(1, size):
        digests = [mth(0, old), *consistency_proof(old, size, STORED), top]
        for which, bit in product(range(len(digests)), range(256)):
            wrong = [*digests[:which], flip(digests[which], bit), *digests[which + 1 :]]
            with pytest.raises(Rejected):
                verify_consistency(old, size, wrong[1:-1], wrong[0], wrong[-1])


@given(sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_proofs_of_the_wrong_length_or_place_fail(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, top = list(inclusion_proof(index, size, STORED)), mth(0, size)
    wrong: list[list[bytes]] = [[*proof, top], [top, *proof]]
    wrong += [proof[:-1], proof[1:]] if proof else []
    for other in wrong:
        with pytest.raises(Rejected):
            verify_inclusion(LEAVES[index], index, size, other, top)
    elsewhere = data.draw(st.integers(0, size).filter(lambda place: place != index))
    with pytest.raises(Rejected):
        verify_inclusion(LEAVES[index], elsewhere, size, proof, top)


@given(sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_a_rewritten_history_has_no_consistency_proof(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    leaves = list(LEAVES[:new])
    place = data.draw(st.integers(0, old - 1))
    leaves[place] = flip(leaves[place], 0)
    forged = Stored()
    forged.append(0, leaves)
    with pytest.raises(Rejected, match="root"):
        verify_consistency(old, new, consistency_proof(old, new, forged), mth(0, old), root(new, forged))


@pytest.mark.parametrize(
    ("old", "new", "proof", "old_root", "new_root", "reason"),
    [
        (2, 1, [], mth(0, 2), mth(0, 1), "does not extend"),
        (-1, 1, [], mth(0, 1), mth(0, 1), "does not extend"),
        (1, MAX_SIZE + 1, [], mth(0, 1), mth(0, 1), "does not extend"),
        (0, 3, [], bytes(32), mth(0, 3), "root of the empty tree"),
        (0, 3, [bytes(32)], EMPTY_ROOT, mth(0, 3), "is empty"),
        (3, 3, [bytes(32)], mth(0, 3), mth(0, 3), "is empty"),
        (3, 3, [], mth(0, 3), mth(0, 4), "two roots"),
        (3, 5, [], mth(0, 3), mth(0, 5), "is empty"),
        (4, 5, [], mth(0, 4), mth(0, 5), "fewer"),
        (4, 5, [bytes(32)] * 2, mth(0, 4), mth(0, 5), "more"),
        (3, 5, [bytes(31)], mth(0, 3), mth(0, 5), "32 bytes, not 31"),
    ],
)
def test_impossible_consistency_claims_are_named(
    old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes, reason: str
) -> None:
    with pytest.raises(Rejected, match=reason):
        verify_consistency(old, new, proof, old_root, new_root)


@pytest.mark.parametrize(
    ("index", "size", "proof", "reason"),
    [(0, 0, [], "no leaf"), (3, 3, [], "no leaf"), (-1, 3, [], "no leaf"), (0, MAX_SIZE + 1, [], "no leaf"),
     (0, 3, [b""], "32 bytes, not 0"), (0, 3, [], "fewer"), (0, 1, [bytes(32)], "more")],
)  # fmt: skip
def test_impossible_inclusion_claims_are_named(index: int, size: int, proof: list[bytes], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        verify_inclusion(LEAVES[0], index, size, proof, mth(0, 3))


# -- size and speed ---------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_tree() -> None:
    stored = grown(200_000)
    tree = Tree(200_000, stored)
    for index in random.Random(7).sample(range(200_000), 600):
        tree.inclusion_proof(index)
    assert len(tree._tiles) <= 128


def test_leaves_are_appended_by_the_ten_thousand() -> None:
    """Not a benchmark: an order of magnitude below what was measured, so that a quadratic step is seen."""
    leaves, stored, size = leaves_of(50_000), Stored(), 0
    start = time.perf_counter()
    for low, high in pairwise(range(0, 50_001, 10_000)):
        stored.append(size, leaves[low:high])
        size = high
    root(size, stored)
    assert time.perf_counter() - start < 10
    assert TILE_BYTES == TILE_WIDTH * 32
