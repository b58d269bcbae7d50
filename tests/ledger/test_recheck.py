"""Included, not yet final: found wherever the chain moved it, never paid for too much, and seen by those who wait."""

import contextlib
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from ledger.anchor import Anchorer
from ledger.chain import Chain
from ledger.deploy import deploy
from ledger.signing import MAX_TIMES_MARKET
from pipeline.errors import Unavailable
from store.outbox import Transaction
from supervisor import anvil
from tests.chain_fixture import KEY
from tests.ledger.anchor_world import Anchored, Crash, crash_at
from tests.ledger.fault_world import FINAL_DEPTH, PublicNode
from tests.ledger.rpc_proxy import Proxy


class Public(Anchored):
    """A world whose log is anchored on a chain that is not ours."""

    contract: str

    def start(self, **settings: Any) -> Anchorer:
        """An anchorer as a process that starts makes it."""
        return self.anchorer(self.node.chain(contract=self.contract, local=False), **settings)

    def appends(self) -> list[Transaction]:
        """What was signed for the log, the oldest first."""
        return [one for one in self.sent() if one.size]

    def move(self) -> None:
        """The last two blocks are others now, and hold the same appends."""
        raws = ["0x" + one.raw.hex() for one in self.appends()[-2:]]
        answer = self.node.ask("anvil_reorg", 2, [[raws[0], 0], [raws[1], 1]])
        assert "error" not in answer, answer

    def check_final(self, leaves: int) -> None:
        """The outbox knows the block of every append, and after some more blocks all are final."""
        included = [one for one in self.appends() if one.state == "included"]
        assert included[-1].size == leaves
        for one in included:
            assert one.block_hash == self.node.ask("eth_getTransactionReceipt", one.hash)["result"]["blockHash"]
        self.node.ask("anvil_mine", hex(FINAL_DEPTH + 2))
        anchorer = self.start()
        for _ in range(20):  # a slow machine notes them over several rounds
            anchor = anchorer.flush()
            assert anchor and anchor.tree_size == leaves
            if anchor.state == "final":
                break
        assert anchor and anchor.state == "final"
        assert len(self.written()) == leaves


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Public]:
    try:
        anvil.anvil_binary()
    except Unavailable as missing:
        pytest.skip(str(missing))
    node = PublicNode(tmp_path / "chain").start()
    try:
        node.chain().fund_locally()
        made = Public.make(tmp_path / "world", node)
        assert isinstance(made, Public)
        made.contract = deploy(node.url, KEY)
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            node.stop()


@pytest.mark.parametrize("step", ["before mark_included", "after mark_included"])
def test_a_search_that_broke_off_is_made_again(public: Public, step: str) -> None:
    anchorer = public.start()
    for count in (2, 3):
        public.grow(count)
        anchorer.flush()
    public.move()
    with pytest.raises(Crash):
        public.start(fault=crash_at(step)).flush()
    public.start().flush()
    public.check_final(5)


def test_what_moved_while_the_next_was_on_its_way_is_found(public: Public) -> None:
    moves = [public.move]

    def fault(step: str) -> None:
        if step == "after send" and len(public.appends()) == 2 and moves:
            moves.pop()()

    anchorer = public.start(fault=fault)
    for count in (2, 3):
        public.grow(count)
        anchorer.flush()
    assert not moves
    anchorer.flush()
    public.check_final(5)


def test_a_mark_that_came_too_late_is_put_right(public: Public) -> None:
    """Of an anchorer that was slow beyond its lease, after the one that took over had looked."""
    anchorer = public.start()
    public.grow(1)
    anchorer.flush()
    anchorer.flush()
    (append,) = public.appends()
    assert append.block
    assert append.block_time
    public.outbox.mark_included(append.hash, append.block, "0x" + 64 * "e", append.block_time, append.gas)
    public.node.ask("anvil_mine", hex(FINAL_DEPTH + 2))
    anchorer.flush()
    anchor = anchorer.flush()
    assert anchor
    assert anchor.state == "final"


def test_a_node_that_fails_now_and_then_does_not_keep_a_search_from_ending(public: Public) -> None:
    chain = partial(Chain, key=KEY, contract=public.contract, local=False, confirmations=1000)
    anchorer = public.anchorer(chain(public.node.url))
    for _ in range(20):
        public.grow(1)
        anchorer.flush()
    public.grow(1)
    proxy = Proxy(lambda: public.node.port)
    try:
        started = public.anchorer(chain(proxy.url))
        for _ in range(6):  # 20 transactions are two questions each
            proxy.plan(*[None] * 25, "502")
            with contextlib.suppress(Unavailable):
                started.flush()
    finally:
        proxy.close()
    assert [(one.size, one.state) for one in public.appends()[-2:]] == [(20, "included"), (21, "included")]


def test_a_chain_that_stands_still_does_not_raise_the_fees_for_ever(public: Public) -> None:
    public.node.ask("evm_setAutomine", False)
    public.grow(1)
    for _ in range(30):
        with pytest.raises(Unavailable):
            public.start(wait_s=0.01, replace_after_s=0.0).flush()
    fees = [TypedTransaction.from_bytes(HexBytes(one.raw)).as_dict() for one in public.appends()]
    for name in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert all(after[name] * 8 >= before[name] * 9 for before, after in itertools.pairwise(fees))
        assert 2 * fees[0][name] < fees[-1][name] <= MAX_TIMES_MARKET * fees[0][name]
    public.node.ask("evm_setAutomine", True)
    public.node.ask("evm_mine")
    public.start().flush()
    public.check_final(1)


def test_those_who_wait_see_that_an_anchor_became_final(public: Public) -> None:
    public.grow(4)
    seen = [public.world.captures.newest_fact()]
    public.start().flush()
    seen.append(public.world.captures.newest_fact())
    public.check_final(4)
    seen.append(public.world.captures.newest_fact())
    assert len(set(seen)) == 3
