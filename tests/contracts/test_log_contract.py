"""The log contract on a real EVM, against proofs from a brute-force reference and against our own verifier."""

import random

import pytest
from web3 import Web3

from tests.chain_fixture import Node, shared_node
from tests.contracts.brute_force import mth
from tests.contracts.brute_force import node as join
from tests.contracts.held import Held, flipped, offer

__all__ = ["shared_node"]

CODEC = Web3().codec


@pytest.fixture
def held(shared_node: Node) -> Held:
    return Held(shared_node)


def test_a_new_log_is_empty_and_its_writers(held: Held) -> None:
    assert held.number("size") == 0
    assert held.call("root") == mth(0, 0)
    assert held.call("head") == bytes(32) + mth(0, 0) + bytes(32)
    assert held.chain.writer() == held.chain.sender
    assert held.root_at(0) == "RootNotHeld"


def test_every_pair_of_small_sizes(shared_node: Node) -> None:
    for old in range(1, 17):
        held = Held(shared_node)
        held.grow(old)
        for new in range(1, 25):
            size, root, proof = offer(old, new) if new > old else (new, mth(0, new), [])
            assert held.refusal((size, root, proof)) == ("" if new > old else "TreeDidNotGrow")
            if new > old:
                assert held.refusal((size, root, [*proof, bytes(32)])) == "NotAnExtension"
                assert held.refusal((size, root, proof[:-1])) == "NotAnExtension"


def test_random_sizes_and_what_is_wrong_with_them(held: Held) -> None:
    chance = random.Random(9162)  # the same at every run
    held.grow(old := 5)
    for _ in range(60):
        new = old + chance.choice((1, 2, 3, chance.randrange(1, 70)))
        size, root, proof = offer(old, new)
        place = chance.randrange(len(proof))
        wrong = [
            (size, flipped(root, chance), proof),
            (size, mth(0, old), proof),
            (size, root, [*proof[:place], flipped(proof[place], chance), *proof[place + 1 :]]),
            (size, root, proof[:place] + proof[place + 1 :]),
            (size, root, [*proof[:place], chance.randbytes(32), *proof[place:]]),
            (size, root, []),
        ]
        assert {held.refusal(case) for case in wrong} == {"NotAnExtension"}
        assert held.refusal(offer(old - 1, new)) == ("NotAnExtension" if offer(old - 1, new)[2] != proof else "")
        held.append(size, root, proof)
        assert held.refusal((size, root, proof)) == "TreeDidNotGrow"  # a replay
        old = new
    assert (held.number("size"), held.call("root")) == (old, mth(0, old))


def test_only_the_writer_appends(held: Held) -> None:
    stranger = held.node.chain(bytes(31) + b"\x08").sender
    assert held.refusal(offer(0, 3), sender=stranger) == "NotTheWriter"
    held.grow(3)
    assert held.refusal(offer(3, 4), sender=stranger) == "NotTheWriter"
    assert held.refusal(offer(3, 4)) == ""


def test_from_the_empty_tree_any_root_without_a_proof(held: Held) -> None:
    assert held.refusal((5, b"\1" * 32, [])) == ""
    assert held.refusal((5, b"\1" * 32, [bytes(32)])) == "NotAnExtension"
    assert held.refusal((0, mth(0, 0), [])) == "TreeDidNotGrow"
    assert held.refusal((2**64 - 1, b"\1" * 32, [])) == ""


def test_the_largest_sizes(held: Held) -> None:
    """A log of 2^63 leaves that are all alike: every level has one node, so that its proofs can be computed."""
    levels = [bytes(32)]
    for _ in range(63):
        levels.append(join(levels[-1], levels[-1]))
    held.append(2**62, levels[62], [])
    assert held.refusal((2**63, levels[63], [levels[62]])) == ""
    assert held.refusal((2**63, levels[63], [levels[61]])) == "NotAnExtension"
    receipt = held.append(2**62 + 1, join(levels[62], levels[0]), [levels[0]])
    assert int(receipt["gasUsed"], 16) < 100_000


def test_the_event_and_the_head_say_what_was_appended(held: Held) -> None:
    receipt = held.grow(7)
    entry = receipt["logs"][0]
    assert entry["topics"] == [Web3.to_hex(Web3.keccak(text="Appended(uint64,bytes32)")), f"0x{7:064x}"]
    assert entry["data"] == "0x" + mth(0, 7).hex()
    head = held.call("head")
    assert isinstance(head, bytes)
    size, root, time = CODEC.decode(["uint64", "bytes32", "uint64"], head)
    block = held.node.ask("eth_getBlockByHash", receipt["blockHash"], False)["result"]
    assert (size, root, time) == (7, mth(0, 7), int(block["timestamp"], 16))


def test_the_last_256_roots_are_held(held: Held) -> None:
    sizes = [3 * number + 1 for number in range(300)]
    for size in sizes:
        held.grow(size)
    for size in sizes[-256:]:
        assert held.root_at(size) == mth(0, size)
    for size in (*sizes[:-256], 2, sizes[-1] + 1, sizes[-1] - 1, 2**64 - 1):
        assert held.root_at(size) == "RootNotHeld"


def test_what_is_refused_changes_nothing(held: Held) -> None:
    """A transaction that the contract refuses is in a block, costs its sender, and changes nothing."""
    held.grow(5)
    receipt = held.append(*offer(4, 9))
    assert (receipt["status"], receipt["logs"]) == ("0x0", [])
    assert (held.number("size"), held.call("root")) == (5, mth(0, 5))
