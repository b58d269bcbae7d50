"""Included and final are two things: what a chain may take back is shown, and becomes a fact when it no longer may."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.budget import GAS_OF_AN_APPEND, pause_s
from ledger.chain import Chain
from ledger.deploy import deploy
from ledger.signing import nonce_of
from pipeline.errors import Conflict, Unavailable
from store.schema import transactions
from tests.chain_fixture import KEY
from tests.ledger.anchor_world import Anchored
from tests.ledger.fault_world import FINAL_DEPTH, PublicNode

GWEI = 10**9


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PublicNode]:
    (tmp_path / "chain").mkdir()
    started = PublicNode(tmp_path / "chain").start()
    started.funded()
    yield started
    started.stop()


@pytest.fixture
def anchored(tmp_path: Path, node: PublicNode) -> Anchored:
    return Anchored.make(tmp_path / "world", node)


@pytest.fixture
def chain(node: PublicNode) -> Chain:
    contract = deploy(node.url, KEY)
    node.ask("anvil_mine", hex(10))
    return node.chain(contract=contract, local=False)


def depth(chain: Chain, confirmations: int | None = None, max_fee_wei: int | None = None) -> Chain:
    """The same chain, with other settings."""
    url = f"http://{chain.host}"
    return Chain(url, KEY, chain.contract, False, confirmations=confirmations, max_fee_wei=max_fee_wei)


def test_an_anchor_is_included_then_final(anchored: Anchored, chain: Chain) -> None:
    name = anchored.grow(3)[0]
    anchor = anchored.anchorer(chain).flush()
    assert anchor
    assert anchor.state == "included"
    assert anchored.world.get(name).status == "anchored"
    assert anchored.world.get(name).fact("anchor") == anchor
    assert anchored.written() == set()
    anchored.node.ask("anvil_mine", hex(FINAL_DEPTH - 1))
    assert anchored.anchorer(chain).flush() == anchor
    anchored.node.ask("evm_mine")
    final = anchored.anchorer(chain).flush()
    assert final
    assert final.state == "final"
    assert (final.transaction, final.block) == (anchor.transaction, anchor.block)
    assert anchored.written() == set(anchored.anchors())
    assert anchored.world.get(name).fact("anchor") == final


def test_the_chain_is_asked_for_a_number_of_blocks_where_that_is_set(anchored: Anchored, chain: Chain) -> None:
    anchored.grow(1)
    anchorer = anchored.anchorer(depth(chain, confirmations=3))
    states = []
    for _ in range(3):
        anchor = anchorer.flush()
        assert anchor
        states.append(anchor.state)
        anchored.node.ask("evm_mine")
    assert states == ["included", "included", "final"]


def test_each_capture_keeps_the_first_anchor_that_covers_it(anchored: Anchored, chain: Chain) -> None:
    batches = []
    for count in (2, 1, 3):
        names = anchored.grow(count)
        anchor = anchored.anchorer(chain).flush()
        assert anchor
        batches.append((names, anchor.transaction))
    anchored.node.ask("anvil_mine", hex(FINAL_DEPTH + 1))
    for _ in range(2):
        anchored.anchorer(chain).flush()
    for names, transaction in batches:
        assert {anchored.anchors()[name].transaction for name in names} == {transaction}


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
def test_what_a_reorganisation_took_comes_back(anchored: Anchored, chain: Chain, blocks: int) -> None:
    names, before = [], []
    for _ in range(3):
        names += anchored.grow(2)
        anchored.anchorer(chain).flush()
        before = [transaction.raw for transaction in anchored.sent()]
    anchored.node.ask("anvil_reorg", blocks, [])
    anchored.anchorer(chain).flush()
    shown = anchored.anchors()
    assert len(shown) == 6
    for anchor in shown.values():
        found = chain.inclusion(anchor.transaction)
        assert found
        assert (found.block, found.block_time) == (anchor.block, anchor.block_time)
    assert [transaction.raw for transaction in anchored.sent()] == before


def test_while_a_block_is_lost_the_capture_is_not_called_anchored(anchored: Anchored, chain: Chain) -> None:
    name = anchored.grow(1)[0]
    anchored.anchorer(chain).flush()
    anchored.node.ask("evm_setAutomine", False)
    anchored.node.ask("anvil_reorg", 3, [])
    with pytest.raises(Unavailable, match="into no block yet"):
        anchored.anchorer(chain, wait_s=0.1).flush()
    assert anchored.world.get(name).status == "logged"
    anchored.node.ask("evm_mine")
    anchored.anchorer(chain).flush()
    assert anchored.world.get(name).status == "anchored"


def test_what_became_final_at_once_keeps_no_append_waiting(
    anchored: Anchored, node: PublicNode, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        anchored.grow(1)
        anchored.anchorer(depth(chain, confirmations=50)).flush()
    node.ask("anvil_mine", hex(50))
    anchored.grow(1)
    monkeypatch.setattr("ledger.anchor.RECORD_S", 0, raising=False)
    anchorer = anchored.anchorer(depth(chain, confirmations=50))
    anchor = anchorer.flush()
    assert anchor
    assert (anchor.tree_size, anchor.state) == (7, "included")
    assert len(anchored.written()) < 6, "the rest is noted by and by"
    for _ in range(4):
        anchorer.flush()
    assert len(anchored.written()) == 6


def test_a_chain_that_was_reset_is_not_written_to(anchored: Anchored, chain: Chain) -> None:
    anchored.grow(2)
    anchored.anchorer(chain).flush()
    anchored.node.ask("anvil_mine", hex(FINAL_DEPTH + 2))
    anchored.anchorer(chain).flush()
    before = anchored.sent()
    resets: tuple[Callable[[], object], ...] = (
        lambda: anchored.node.ask("anvil_reorg", FINAL_DEPTH + 4, []),
        lambda: anchored.node.ask("anvil_reset"),
    )
    for reset in resets:
        reset()
        anchored.grow(1)
        with pytest.raises(Conflict, match=r"which was final and held 2 leaves: it was reset to an older state"):
            anchored.anchorer(chain).flush()
    assert anchored.sent() == before


def test_a_chain_without_final_blocks_asks_for_a_number(anchored: Anchored, chain: Chain) -> None:
    class Without(Chain):
        """A chain from before the merge."""

    old = Without(f"http://{chain.host}", KEY, chain.contract, False)
    real = old._ask
    old._ask = lambda method, *params: real(method, *("0xffffff" if p == "finalized" else p for p in params))
    with pytest.raises(Conflict, match="set CAPTURE_CHAIN_CONFIRMATIONS"):
        old.final_block()


# -- replacement --------------------------------------------------------------------------------------------------


def fees(anchored: Anchored, hash: str) -> tuple[int, int]:
    """Greatest fee and tip of a transaction that the node knows."""
    found = anchored.node.ask("eth_getTransactionByHash", hash)["result"]
    return int(found["maxFeePerGas"], 16), int(found["maxPriorityFeePerGas"], 16)


def test_what_stays_out_of_blocks_is_replaced_for_higher_fees(anchored: Anchored, chain: Chain) -> None:
    names = anchored.grow(2)
    anchored.node.ask("evm_setAutomine", False)
    paid = []
    for _ in range(3):
        with pytest.raises(Unavailable, match="into no block yet"):
            anchored.anchorer(chain, wait_s=0.05, replace_after_s=0).flush()
        paid.append(fees(anchored, anchored.sent()[-1].hash))
    sent = anchored.sent()
    assert len(sent) == 4
    assert len({transaction.nonce for transaction in sent}) == len({nonce_of(t.raw) for t in sent}) == 1
    for old, new in itertools.pairwise(paid):
        assert all(8 * after >= 9 * before for before, after in zip(old, new, strict=True)), "an eighth more, or more"
    anchored.node.ask("evm_mine")
    anchor = anchored.anchorer(chain).flush()
    assert anchor
    assert {transaction.state for transaction in anchored.sent()} == {"included", "replaced"}
    assert anchored.anchors() == dict.fromkeys(names, anchor)


def test_whichever_is_included_counts(anchored: Anchored, chain: Chain) -> None:
    """The first one, which had been replaced, is what a miner took after all; later a reorganisation takes another."""
    anchored.grow(2)
    anchored.node.ask("evm_setAutomine", False)
    with pytest.raises(Unavailable):
        anchored.anchorer(chain, wait_s=0.05, replace_after_s=0).flush()
    first, second = anchored.sent()
    anchored.node.ask("anvil_dropAllTransactions")
    chain.send(first.raw)
    anchored.node.ask("evm_mine")
    anchor = anchored.anchorer(chain).flush()
    assert anchor
    assert anchor.transaction == first.hash
    assert [transaction.state for transaction in anchored.sent()] == ["included", "replaced"]
    anchored.node.ask("anvil_reorg", 1, [])
    anchored.node.ask("anvil_dropAllTransactions")
    chain.send(second.raw)
    anchored.node.ask("evm_mine")
    again = anchored.anchorer(chain).flush()
    assert again
    assert again.transaction == second.hash
    assert [transaction.state for transaction in anchored.sent()] == ["replaced", "included"]
    assert len({anchor.transaction for anchor in anchored.anchors().values()}) == 1


def test_no_more_is_paid_than_the_operator_allows(anchored: Anchored, chain: Chain) -> None:
    base = int(anchored.node.ask("eth_getBlockByNumber", "latest", False)["result"]["baseFeePerGas"], 16)
    limit = 2 * base + 2 * GWEI
    capped = depth(chain, max_fee_wei=limit)
    anchored.grow(1)
    anchored.node.ask("evm_setAutomine", False)
    for _ in range(8):
        with pytest.raises(Unavailable, match="into no block yet"):
            anchored.anchorer(capped, wait_s=0.02, replace_after_s=0).flush()
    assert all(fees(anchored, t.hash)[0] <= limit for t in anchored.sent()[-1:])
    assert len(anchored.sent()) < 8
    anchored.node.ask("evm_mine")
    assert anchored.anchorer(capped).flush()


# -- the budget ---------------------------------------------------------------------------------------------------


def test_the_budget_stretches_the_window(anchored: Anchored, chain: Chain) -> None:
    daily_gas = 4 * GAS_OF_AN_APPEND
    appends = 0
    for _ in range(6):
        anchored.grow(1)
        before = chain.nonce()
        anchored.anchorer(chain, daily_gas=daily_gas).flush()  # nothing fails
        appends += chain.nonce() - before
    assert 1 <= appends < 4
    open_ = [name for name in anchored.world.log.unanchored(100) if name not in anchored.anchors()]
    assert open_, "they wait, in the log"
    with anchored.world.database.write() as connection:
        connection.execute(transactions.update().values(created_at="2020-01-01T00:00:00.000000Z"))
    anchored.anchorer(chain, daily_gas=daily_gas).flush()
    assert len(anchored.anchors()) == 6, "one append carries all that waited"


def test_a_day_never_costs_more_than_the_budget() -> None:
    """Photos come all day long: simulated by the second, with what each append may use at most."""
    for appends in (3, 10, 100):
        daily_gas = appends * GAS_OF_AN_APPEND
        spent: list[int] = []
        for second in range(0, 2 * 86_400, 10):
            used = GAS_OF_AN_APPEND * sum(1 for at in spent if at > second - 86_400)
            since = second - spent[-1] if spent else 86_400
            if since >= pause_s(daily_gas, used):
                spent.append(second)
        last_day = sum(1 for at in spent if at > 86_400)
        assert max(sum(1 for at in spent if start < at <= start + 86_400) for start in spent) <= appends
        assert last_day >= appends // 2
        gaps = [after - before for before, after in itertools.pairwise(spent)]
        assert max(gaps) <= 86_400 * 2 / appends + 10, "a rush ends in no long silence"
