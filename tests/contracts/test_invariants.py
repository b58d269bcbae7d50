"""Random transactions by three accounts, right and wrong, next to a model: the log only ever grows, and equals it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from web3 import Web3

from tests.chain_fixture import KEY, Node, shared_node
from tests.contracts.brute_force import SparseLog, consistency_proof
from tests.contracts.held import Held, Offer, damaged
from tests.contracts.test_fuzz import LARGEST, rounds

__all__ = ["shared_node"]

KEYS = (KEY, bytes(31) + b"\x08", bytes(31) + b"\x09")
ACCOUNTS = [str(Web3().eth.account.from_key(key).address) for key in KEYS]
NOBODY = "0x" + "00" * 20
APPENDED = Web3.to_hex(Web3.keccak(text="Appended(uint64,bytes32)"))
STEPS = 150


@dataclass
class Model:
    """What the contract should hold: every tree it took, and who may write, as places in KEYS."""

    log: SparseLog
    trees: list[tuple[int, bytes]] = field(default_factory=list)
    writer: int = 0
    pending: int | None = None

    @property
    def size(self) -> int:
        """Leaves of the newest tree."""
        return self.trees[-1][0] if self.trees else 0

    def offer(self, new: int, log: SparseLog | None = None) -> Offer:
        """A larger tree of this log, or of another, with that log's own proof."""
        mth = (log or self.log).mth
        return new, mth(0, new), consistency_proof(self.size, new, mth)


@pytest.fixture
def held(shared_node: Node) -> Held:
    for key in KEYS:
        shared_node.chain(key).fund_locally()
    return Held(shared_node)


@pytest.mark.parametrize("before", [0, 230])  # trees, so that some of the last 256 are lost on the way
@rounds
def test_the_head_only_grows_and_is_the_models(held: Held, seed: int, before: int) -> None:
    chance = random.Random(seed)
    model = Model(SparseLog([*range(0, 4000, 61), *(chance.getrandbits(chance.randrange(64)) for _ in range(40))]))
    for size in range(1, before + 1):
        held.append(*model.offer(size))
        model.trees.append((size, model.log.mth(0, size)))
    taken = 0
    for function, values, sender, right in steps(model, chance):
        receipt = held.transact(function, *values, key=KEYS[sender])
        assert receipt["status"] == ("0x1" if right else "0x0"), (function, values, sender)
        taken += right
        check(held, model)
    assert STEPS // 4 < taken < STEPS * 3 // 4
    check_history(held, model)


def steps(model: Model, chance: random.Random) -> Iterator[tuple[str, tuple[object, ...], int, bool]]:
    """Function, values, sender, and whether the contract must take it; the model has done it already."""
    for _ in range(STEPS):
        sender = chance.choice((model.writer, model.writer, chance.randrange(3)))
        move = chance.random()
        if move < 0.1:
            to, right = chance.choice((None, 0, 1, 2)), sender == model.writer
            model.pending = to if right else model.pending
            yield "offerWriter", (NOBODY if to is None else ACCOUNTS[to],), sender, right
        elif move < 0.25:
            right = sender == model.pending
            model.writer, model.pending = (sender, None) if right else (model.writer, model.pending)
            yield "acceptWriter", (), sender, right
        else:
            values, right = any_offer(model, chance)
            right = right and sender == model.writer
            if right:
                model.trees.append(values[:2])
            yield "append", values, sender, right


def any_offer(model: Model, chance: random.Random) -> tuple[Offer, bool]:
    """A right offer, or one of the ways to be wrong."""
    new = min(model.size + chance.choice((1, 2, 100, 1000, model.size // 3 + 1)), LARGEST)
    right = model.offer(new)
    wrong: list[Offer] = [(*right[:2], other) for other in damaged(right[2], chance)]
    if model.trees:
        size, root = chance.choice(model.trees)  # a replay, or back to an older tree
        wrong += [(size, root, []), (size, root, right[2])] * 3
        fork = SparseLog(model.log.different ^ {chance.randrange(model.size)})  # one old leaf is another
        wrong += [model.offer(new, fork), (new, fork.mth(0, new), right[2])] * 3
    return (right, True) if chance.random() < 0.6 else (chance.choice(wrong), False)


def check(held: Held, model: Model) -> None:
    """Everything that the views say is what the model says."""
    kept, lost = model.trees[-256:], model.trees[:-256]
    views = [("size",), ("root",), ("writer",), ("pendingWriter",)]
    asked = [held.asking(*view) for view in views]
    asked += [held.asking("rootAt", size) for size, _ in [*kept[-3:], *kept[:3], *lost[-2:]]]
    size, root, writer, pending, *roots = held.calls(asked)
    assert size == model.size.to_bytes(32)
    assert root == (model.trees[-1][1] if model.trees else model.log.mth(0, 0))
    assert writer == _word(ACCOUNTS[model.writer])
    assert pending == _word(NOBODY if model.pending is None else ACCOUNTS[model.pending])
    assert roots == [root for _, root in [*kept[-3:], *kept[:3]]] + ["RootNotHeld"] * len(lost[-2:])


def check_history(held: Held, model: Model) -> None:
    """The events are the model's trees in their order, each larger than the one before, all of one log."""
    asked = {"address": held.chain.contract, "topics": [APPENDED], "fromBlock": "0x0", "toBlock": "latest"}
    events = held.node.ask("eth_getLogs", asked)["result"]
    told = [(int(event["topics"][1], 16), bytes.fromhex(event["data"][2:])) for event in events]
    assert told == model.trees
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(told))
    assert all(root == model.log.mth(0, size) for size, root in told)


def _word(account: str) -> bytes:
    return bytes.fromhex(account[2:]).rjust(32, b"\0")
