"""The log contract on a real EVM, against proofs from a brute-force reference and against our own verifier."""

import random
from typing import Any

import pytest
from web3 import Web3

from ledger.chain import ARTIFACT, Chain
from ledger.tree import verify_consistency
from pipeline.errors import Rejected
from tests.chain_fixture import KEY, Node, shared_node
from tests.contracts.brute_force import consistency_proof, mth
from tests.contracts.brute_force import node as join

__all__ = ["shared_node"]

CALLS = Web3().eth.contract(abi=ARTIFACT["abi"])
CODEC = Web3().codec
SELECTORS: dict[str, str] = {
    Web3.to_hex(Web3.keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})")[:4]): e["name"]
    for e in ARTIFACT["abi"]
    if e["type"] == "error"
}
Offer = tuple[int, bytes, list[bytes]]


class Held:
    """A contract of our own, and what calling it would do."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.chain: Chain = node.chain(KEY)
        self.chain.fund_locally()
        signed = self.chain.sign_deploy(self.chain.nonce())
        self._send(signed.raw, signed.hash)
        self.chain.contract = signed.contract

    def call(self, function: str, *values: Any, sender: str | None = None) -> bytes | str:
        """What the call returns, or the name of the error that it ends with. Changes nothing."""
        data = CALLS.encode_abi(function, list(values))
        call = {"from": sender or self.chain.sender, "to": self.chain.contract, "data": data}
        answer = self.node.ask("eth_call", call, "latest")
        if "error" in answer:
            return SELECTORS[str(answer["error"]["data"])[:10]]
        return bytes.fromhex(str(answer["result"])[2:])

    def refusal(self, offer: Offer, sender: str | None = None) -> str:
        """The error with which the contract would refuse this append, "" when it would take it."""
        answer = self.call("append", *offer, sender=sender)
        return answer if isinstance(answer, str) else ""

    def number(self, function: str) -> int:
        """What a view returns, as a number."""
        answer = self.call(function)
        assert isinstance(answer, bytes)
        return int.from_bytes(answer)

    def root_at(self, size: int) -> bytes | str:
        """The view of the last roots."""
        return self.call("rootAt", size)

    def append(self, size: int, root: bytes, proof: list[bytes]) -> dict[str, Any]:
        """Append, in a block; the receipt."""
        signed = self.chain.sign_append(self.chain.nonce(), size, root, proof)
        return self._send(signed.raw, signed.hash)

    def grow(self, size: int) -> dict[str, Any]:
        """Append the reference log of this size."""
        return self.append(*offer(self.number("size"), size))

    def _send(self, raw: bytes, transaction: str) -> dict[str, Any]:
        self.chain.send(raw)
        assert self.chain.wait(transaction, 10)
        receipt: dict[str, Any] = self.node.ask("eth_getTransactionReceipt", transaction)["result"]
        return receipt


@pytest.fixture
def held(shared_node: Node) -> Held:
    return Held(shared_node)


def offer(old: int, new: int) -> Offer:
    """What the writer of the reference log offers."""
    return new, mth(0, new), consistency_proof(old, new)


def flipped(value: bytes, chance: random.Random) -> bytes:
    """The same with one bit turned."""
    return (int.from_bytes(value) ^ 1 << chance.randrange(len(value) * 8)).to_bytes(len(value))


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
    for _ in range(200):
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


def test_it_takes_what_our_own_verifier_takes(held: Held) -> None:
    """The same answer for offers that are right, damaged, or of another size than they say."""
    chance = random.Random(6962)  # the same at every run
    held.grow(old := 11)
    taken = 0
    for _ in range(300):
        new = chance.randrange(12, 90)
        proof = consistency_proof(chance.choice((old, old, old, 10, 12)), new)
        if chance.random() < 0.3 and proof:
            proof[chance.randrange(len(proof))] = chance.choice((mth(0, 8), chance.randbytes(32)))
        said = max(new + chance.choice((0, 0, 0, 1, -1)), old + 1)
        try:
            verify_consistency(old, said, proof, mth(0, old), mth(0, new))
            expected = ""
        except Rejected:
            expected = "NotAnExtension"
        assert held.refusal((said, mth(0, new), proof)) == expected
        taken += not expected
    assert 50 < taken < 250


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
    (entry,) = receipt["logs"]
    assert entry["topics"] == [Web3.to_hex(Web3.keccak(text="Appended(uint64,bytes32)")), f"0x{7:064x}"]
    assert entry["data"] == "0x" + mth(0, 7).hex()
    head = held.call("head")
    assert isinstance(head, bytes)
    size, root, time = CODEC.decode(["uint64", "bytes32", "uint64"], head)
    block = held.node.ask("eth_getBlockByHash", receipt["blockHash"], False)["result"]
    assert (size, root, time) == (7, mth(0, 7), int(block["timestamp"], 16))


def test_the_last_256_roots_are_held(held: Held) -> None:
    sizes = [3 * number + 1 for number in range(300)]
    gas = [int(held.grow(size)["gasUsed"], 16) for size in sizes]
    for size in sizes[-256:]:
        assert held.root_at(size) == mth(0, size)
    for size in (*sizes[:-256], 2, sizes[-1] + 1, sizes[-1] - 1, 2**64 - 1):
        assert held.root_at(size) == "RootNotHeld"
    print(f"\ngas of append: first {gas[0]}, while the ring fills {gas[200]}, full at {sizes[-1]} leaves {gas[-1]}")
    assert max(gas) < 100_000
    assert gas[-1] < 75_000


def test_the_gas_at_a_moderate_size(held: Held) -> None:
    held.grow(9_999)
    gas = int(held.grow(10_500)["gasUsed"], 16)
    print(f"\ngas of append: 9,999 to 10,500 leaves, {len(consistency_proof(9_999, 10_500))} hashes, {gas}")
    assert gas < 100_000
