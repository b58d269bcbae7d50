"""Random sizes up to 2^64 - 1, and everything that can be wrong with a proof: `make fuzz-contract` for many more.

Each case is a call to the contract as if it held the case's first tree, so that thousands fit into seconds.
"""

import os
import random

import pytest

from ledger.tree import MAX_SIZE, verify_consistency, verify_inclusion
from pipeline.errors import Rejected
from tests.chain_fixture import Node, shared_node
from tests.contracts.brute_force import SparseLog, consistency_proof, inclusion_proof, leaf, node
from tests.contracts.held import Held, Offer, State, damaged, flipped, holding

__all__ = ["shared_node"]

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))
LARGEST = 2**64 - 1
rounds = pytest.mark.parametrize("seed", range(ROUNDS))
Case = tuple[State | None, Offer]


@pytest.fixture(scope="module")
def held(shared_node: Node) -> Held:
    return Held(shared_node)


def any_size(chance: random.Random) -> int:
    """Every number of bits as often, and every third time next to a power of two."""
    bits = chance.randrange(65)
    near = (1 << bits) + chance.choice((-1, 0, 1)) if chance.random() < 0.33 else chance.getrandbits(64) >> 64 - bits
    return min(max(near, 1), LARGEST)


def two_sizes(chance: random.Random) -> tuple[int, int]:
    """The held and the new size: far apart, or a batch."""
    old = min(any_size(chance), LARGEST - 1)
    new = any_size(chance) if chance.random() < 0.5 else old + chance.randrange(1, 2000)
    return (old, min(new, LARGEST)) if new > old else (new, old) if new < old else (old, old + 1)


def log_around(chance: random.Random, *places: int) -> SparseLog:
    """A log whose leaves at and next to these places differ from all others, and some more."""
    near = [max(place + step, 0) for place in places for step in (-1, 0)]
    return SparseLog([*near, *(chance.randrange(max(places)) for _ in range(4))])


def extension(chance: random.Random) -> tuple[State, Offer]:
    """A held tree and a right offer."""
    old, new = two_sizes(chance)
    log = log_around(chance, old, new)
    return holding(old, log.mth(0, old)), (new, log.mth(0, new), consistency_proof(old, new, log.mth))


@rounds
def test_the_state_that_we_set_is_the_one_that_the_contract_reads(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    for size in (1, LARGEST, any_size(chance)):
        root = chance.randbytes(32)
        asked = [held.asking(*view, state=holding(size, root)) for view in (("size",), ("root",), ("rootAt", size))]
        assert held.calls(asked) == [size.to_bytes(32), root, root]


@rounds
def test_every_extension_is_taken_and_what_is_damaged_is_not(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    right = [extension(chance) for _ in range(1000)]
    assert set(held.refusals(right)) == {""}
    wrong: list[Case] = []
    for state, (new, root, proof) in right[:500]:
        wrong.append((state, (new, root, chance.choice(damaged(proof, chance)))))
        wrong.append((state, (new, flipped(root, chance), proof)))
    assert set(held.refusals(wrong)) == {"NotAnExtension"}


@rounds
def test_a_fork_is_refused_with_its_own_right_proof(held: Held, seed: int) -> None:
    """The writer's own attack: a log of which one old leaf is another, consistent in itself. A new leaf may be any."""
    chance = random.Random(seed)
    cases: list[Case] = []
    for _ in range(200):
        old, new = two_sizes(chance)
        log = log_around(chance, old, new)
        state = holding(old, log.mth(0, old))
        for changed in (chance.randrange(old), old - 1, 0, chance.randrange(old, new)):
            fork = SparseLog(log.different ^ {changed})
            cases.append((state, (new, fork.mth(0, new), consistency_proof(old, new, fork.mth))))
    assert held.refusals(cases) == ["NotAnExtension", "NotAnExtension", "NotAnExtension", ""] * 200


@rounds
def test_no_hash_of_a_proof_can_be_touched(held: Held, seed: int) -> None:
    chance = random.Random(~seed)
    for _ in range(5):
        state, (new, root, proof) = extension(chance)
        wrong = [(state, (new, root, other)) for other in damaged(proof, chance)]
        assert set(held.refusals(wrong)) == {"NotAnExtension"}


def test_no_bit_of_a_proof_or_root_can_be_touched(held: Held) -> None:
    log = SparseLog(range(0, 30, 3))
    root, proof = log.mth(0, 29), consistency_proof(13, 29, log.mth)
    whole = b"".join([root, *proof])
    cases: list[Case] = []
    for bit in range(8 * len(whole)):
        other = (int.from_bytes(whole) ^ 1 << bit).to_bytes(len(whole))
        parts = [other[at : at + 32] for at in range(0, len(other), 32)]
        cases.append((holding(13, log.mth(0, 13)), (29, parts[0], parts[1:])))
    assert len(cases) > 1000
    assert set(held.refusals(cases)) == {"NotAnExtension"}


@rounds
def test_it_takes_what_our_own_verifier_takes(held: Held, seed: int) -> None:
    """Offers of another size than they say, or from another tree than the held one: the same answer."""
    chance = random.Random(seed)
    cases: list[Case] = []
    expected = []
    for _ in range(300):
        old, new, other = sorted(chance.sample(range(1, chance.choice((12, 300, MAX_SIZE))), 3))
        log = log_around(chance, old, new, other)
        proof = consistency_proof(chance.choice((old, old, new)), other, log.mth)
        said = chance.choice((other, other, other - 1, new, min(other + chance.randrange(1, other), MAX_SIZE)))
        roots = log.mth(0, old), log.mth(0, chance.choice((other, other, said)))
        cases.append((holding(old, roots[0]), (max(said, old + 1), roots[1], proof)))
        try:
            verify_consistency(old, max(said, old + 1), proof, *roots)
            expected.append("")
        except Rejected:
            expected.append("NotAnExtension")
    assert held.refusals(cases) == expected
    assert 50 < expected.count("") < 250


@rounds
def test_a_root_is_not_taken_at_another_size_than_its_own(held: Held, seed: int) -> None:
    """A proof that is cut short or too long, and the root to which it then leads."""
    chance = random.Random(seed)
    cases: list[Case] = []
    for _ in range(200):
        old, new, other = sorted(chance.sample(range(1, 1 << chance.randrange(4, 63)), 3))
        log = log_around(chance, old, other)
        state = holding(old, log.mth(0, old))
        for told, true in ((other, new), (new, other), (2 * other, other)):
            if told.bit_length() != true.bit_length():  # else the proof may be the same
                cases.append((state, (told, log.mth(0, true), consistency_proof(old, true, log.mth))))
        cases.append((state, (other, log.mth(0, old), [])))
    assert len(cases) > 400
    assert set(held.refusals(cases)) == {"NotAnExtension"}


@rounds
def test_inclusion_is_not_proved_at_another_size_than_the_roots(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    asked = []
    for _ in range(200):
        size = chance.randrange(2, 1 << chance.randrange(2, 62))
        index = chance.randrange(size)
        log = log_around(chance, index + 1, size)
        for told in (2 * size, max(index + 1, size // 2)):
            if told.bit_length() != size.bit_length():
                state, proof = holding(told, log.mth(0, size)), inclusion_proof(index, size, log.mth)
                asked.append(held.asking("verifyInclusion", log.mth(index, index + 1), index, told, proof, state=state))
    assert len(asked) > 200
    assert set(held.calls(asked)) == {_word(0)}


@rounds
def test_replays_and_smaller_trees(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    cases: list[Case] = []
    for _ in range(100):
        old, new = two_sizes(chance)
        log = log_around(chance, old, new)
        again = (new, log.mth(0, new), consistency_proof(old, new, log.mth))
        cases.append((holding(new, again[1]), again))
        cases.append((holding(new, again[1]), (new, again[1], [])))
        cases.append((holding(new, again[1]), (old, log.mth(0, old), [])))
        cases.append((holding(new, again[1]), (0, log.mth(0, 0), [])))
    assert set(held.refusals(cases)) == {"TreeDidNotGrow"}


def test_the_limits_of_64_bits(held: Held) -> None:
    for old in (1, 2**32, 2**63 - 1, 2**63, 2**63 + 1, LARGEST - 2, LARGEST - 1):
        log = SparseLog([0, old - 1, old, LARGEST - 1])
        state = holding(old, log.mth(0, old))
        proof = consistency_proof(old, LARGEST, log.mth)
        assert held.refusals([(state, (LARGEST, log.mth(0, LARGEST), proof))]) == [""]
        assert held.refusals([(state, (LARGEST, log.mth(0, LARGEST), proof[:-1]))]) == ["NotAnExtension"]
        full = holding(LARGEST, log.mth(0, LARGEST))
        assert held.refusals([(full, (old, log.mth(0, old), proof))]) == ["TreeDidNotGrow"]


@rounds
def test_inclusion_is_what_our_own_verifier_says(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    asked, expected = [], []
    for _ in range(200):
        size = min(any_size(chance), MAX_SIZE)
        index = chance.choice((0, size - 1, chance.randrange(size)))
        log = log_around(chance, index + 1, size)
        proof, root, state = inclusion_proof(index, size, log.mth), log.mth(0, size), holding(size, log.mth(0, size))
        digest = log.mth(index, index + 1)
        for case in (
            (digest, index, proof),
            (digest, index, chance.choice(damaged(proof, chance))),
            (flipped(digest, chance), index, proof),
            (digest, chance.choice((index ^ 1, size, index + size, LARGEST)) % 2**64, proof),
            (root, 0, []),
        ):
            asked.append(held.asking("verifyInclusion", case[0], case[1], size, case[2], state=state))
            expected.append(_included(*case, size, root))
    answers = held.calls(asked)
    assert [answer == (1).to_bytes(32) for answer in answers] == expected
    assert {answer for answer in answers if answer != (1).to_bytes(32)} == {bytes(32)}
    assert 200 <= expected.count(True) < 300  # a root is itself a leaf in a tree of one


def _included(digest: bytes, index: int, proof: list[bytes], size: int, root: bytes) -> bool:
    try:
        verify_inclusion(digest, index, size, proof, root)
    except Rejected:
        return False
    return True


@rounds
def test_no_hash_of_an_inclusion_proof_can_be_touched(held: Held, seed: int) -> None:
    chance = random.Random(seed)
    for size in (2, 7, 2**20 + 77, 2**63, LARGEST):
        index = chance.randrange(size)
        log = log_around(chance, index + 1, size)
        state, proof = holding(size, log.mth(0, size)), inclusion_proof(index, size, log.mth)
        digest = log.mth(index, index + 1)
        assert held.calls([held.asking("verifyInclusion", digest, index, size, proof, state=state)]) == [_word(1)]
        wrong = damaged(proof, chance)
        asked = [held.asking("verifyInclusion", digest, index, size, other, state=state) for other in wrong]
        assert set(held.calls(asked)) == {_word(0)}


def test_a_proof_that_begins_below_where_it_must(held: Held) -> None:
    """One level lower down the old tree's right edge, and one hash longer: without the check of the length it held."""
    log = SparseLog(range(8))
    left, fifth, sixth, any_hash = log.mth(0, 4), leaf(4), leaf(5), b"\1" * 32
    state = holding(6, node(left, node(fifth, sixth)))
    forged = node(left, node(fifth, node(sixth, any_hash)))
    assert held.refusals([(state, (7, forged, [sixth, any_hash, fifth, left]))]) == ["NotAnExtension"]
    # A log of two, whose second leaf is an inner node in truth.
    state, below = holding(2, node(left, node(fifth, sixth))), [fifth, left]
    assert held.calls([held.asking("verifyInclusion", sixth, 1, 2, below, state=state)]) == [_word(0)]


def test_an_inner_node_is_no_leaf(held: Held) -> None:
    log = SparseLog(range(16))
    state = holding(16, log.mth(0, 16))
    for index in range(16):
        proof = inclusion_proof(index, 16, log.mth)
        low = index // 4 * 4
        asked = [
            held.asking("verifyInclusion", leaf(index), index, 16, proof, state=state),
            held.asking("verifyInclusion", log.mth(low, low + 4), index, 16, proof[2:], state=state),
            held.asking("verifyInclusion", log.mth(low, low + 4), index // 4, 16, proof[2:], state=state),
        ]
        assert held.calls(asked) == [_word(1), _word(0), _word(0)]


def _word(value: int) -> bytes:
    return value.to_bytes(32)
