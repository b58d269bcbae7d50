"""A real log, a real database and a real chain for the tests of the anchorer; and a way to crash it at each step."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ledger.anchor import Anchorer
from ledger.chain import Chain
from ledger.sequence import sequence
from pipeline.record import Anchor
from store.outbox import Outbox, Transaction
from store.schema import captures, facts
from tests.chain_fixture import KEY, Node
from tests.ledger.log_world import World

STEPS = [
    f"{when} {step}"
    for step in ("store", "send", "mark_sent", "mark_included", "record")
    for when in ("before", "after")
]


class Crash(BaseException):
    """The process dies here: nothing of ours catches this."""


def crash_at(step: str, times: int = 1) -> Callable[[str], None]:
    """A fault that crashes when it comes to this step for the `times`th time."""
    left = [times]

    def fault(reached: str) -> None:
        left[0] -= reached == step
        if reached == step and left[0] == 0:
            raise Crash(step)

    return fault


@dataclass
class Anchored:
    """A world whose log is anchored on a chain."""

    world: World
    node: Node
    outbox: Outbox

    @classmethod
    def make(cls, folder: Path, node: Node) -> "Anchored":
        """An empty one."""
        world = World.make(folder)
        return cls(world, node, Outbox(world.database))

    def anchorer(
        self, chain: Chain | None = None, fault: Callable[[str], None] = lambda step: None, holder: str = "test",
        wait_s: float | None = None, **settings: Any,
    ) -> Anchorer:  # fmt: skip
        """A new anchorer, as a process that starts makes it."""
        return Anchorer(chain or self.node.chain(), self.outbox, self.world.log, holder, fault, wait_s, **settings)

    def grow(self, count: int) -> list[str]:
        """Seal captures and give them their places; their ids."""
        newest = self.world.log.newest()
        names = self.world.seal_many(count, f"c{newest[0] if newest else 0}-")
        assert sequence(self.world.log, self.world.signer, 100_000) >= count
        return names

    def sent(self) -> list[Transaction]:
        """All that was ever signed."""
        chain = self.node.chain()
        return self.outbox.open(chain.chain_id, chain.sender, 0)

    def anchors(self) -> dict[str, Anchor]:
        """The anchor that every capture shows that has one: a fact, or what may still be taken back."""
        with self.world.database.read() as connection:
            shown = {name: self.world.get(name) for name in connection.execute(sa.select(captures.c.id)).scalars()}
        return {name: capture.fact("anchor") for name, capture in shown.items() if "anchor" in capture.facts}

    def written(self) -> set[str]:
        """The captures whose `anchor` is a fact."""
        with self.world.database.read() as connection:
            query = sa.select(facts.c.capture_id).where(facts.c.name == "anchor")
            return set(connection.execute(query).scalars())

    def check(self) -> None:
        """The whole invariant: every capture has its anchor, and everything that an anchor says is on the chain."""
        newest = self.world.log.newest()
        head = self.node.chain().head()
        assert newest and head
        assert (head.size, head.root) == newest
        anchors = self.anchors()
        assert len(anchors) == newest[0]
        assert self.written() == set(anchors)
        for name, anchor in anchors.items():
            receipt = self.node.ask("eth_getTransactionReceipt", anchor.transaction)["result"]
            assert receipt is not None, f"the chain does not know {anchor.transaction}"
            assert (receipt["status"], int(receipt["blockNumber"], 16)) == ("0x1", anchor.block)
            block = self.node.ask("eth_getBlockByHash", receipt["blockHash"], False)["result"]
            assert int(block["timestamp"], 16) == anchor.block_time
            event, _commit = receipt["logs"]
            assert int(event["topics"][1], 16) == anchor.tree_size
            assert event["data"] == "0x" + self.world.log.root_at(anchor.tree_size).hex()
            assert event["address"] == anchor.contract.lower()
            assert self.world.get(name).fact("inclusion").index < anchor.tree_size
        sent = self.sent()
        assert [transaction.nonce for transaction in sent] == list(range(len(sent)))
        assert {transaction.state for transaction in sent} == {"included"}
        assert self.node.chain().nonce() == len(sent)


def main(folder: str, url: str, step: str) -> None:
    """Anchor in a process of its own, and be killed for good at a step."""
    import os
    import signal

    world = World.make(Path(folder))

    def fault(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    Anchorer(Chain(url, KEY, None, local=True), Outbox(world.database), world.log, fault=fault).flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
