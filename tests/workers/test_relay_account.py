"""A service whose relay key is changed: what is open goes on, and nothing of the other account is touched."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from ledger.rights import RIGHTS
from pipeline.errors import Unavailable
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from store.orders import Order
from tests.ledger.rpc_proxy import Altered
from tests.workers.foreign_chain import World, shared_world, world
from workers.watching import Watching

__all__ = ["shared_world", "world"]

WALLET = "0x" + "7A" * 20
ASKED = RIGHTS.call("claimable", 1, 1, COIN, [])[:10]


def _sent(world: World, address: str) -> int:
    """How many transactions of an account the chain has, in blocks or not."""
    return int(world.node.ask("eth_getTransactionCount", address, "pending")["result"], 16)


def _in_a_block(world: World, transaction: str) -> bool:
    return bool(world.node.ask("eth_getTransactionReceipt", transaction)["result"])


def _offer(world: World, preset: str = "cc-by-4.0") -> Order:
    return world.wanted("terms", terms=offer_json(parse_offer({"preset": preset})))


def _told(world: World, after: int) -> list[str]:
    changes = world.services.changes
    changes.newest()
    return [each.name for each in changes.after(after, 99, owner=world.order.owner)]


def _sent_to_a_chain_that_takes_nothing(world: World, order: Order) -> Order:
    world.node.ask("evm_setAutomine", False)
    world.relaying.look([order.id])
    (_,) = world.mempool()
    return world.services.orders.get(order.id)


def _claim(world: World) -> Order:
    """What came for the work is to be paid to its owner's wallet, of which the contract knows."""
    asset = f"{world.work():#x}"
    world.services.wallets.bind(world.order.owner, WALLET)
    for amount in (5, 7):
        world.pay(amount)
        claim = world.wanted("claim", beneficiary=asset, currency=COIN)
        if amount == 5:
            world.relaying.look()
            assert world.services.orders.get(claim.id).state == "done"
    return claim


def _appeal(world: World) -> Order:
    """The work's owner objects to what a reviewer said."""
    reviewer = world.services.works.reviewer()
    world.node.ask("anvil_impersonateAccount", reviewer)
    flag = RIGHTS.call("flag", world.work(), b"copy".ljust(32, b"\0"), bytes(32))
    called = {"from": reviewer, "to": world.services.relay.contract, "data": flag}
    answer = world.node.ask("eth_sendTransaction", called)
    assert "error" not in answer, answer
    return world.wanted("appeal", evidence="07" * 32)


@pytest.mark.parametrize("fate", ["dropped", "in a block", "waiting"])
def test_open_orders_go_on_under_another_account(world: World, fate: str) -> None:
    world.waits()
    old, left, before = world.services.relay.sender, world.relayed(), world.now().transactions
    (waiting,) = world.mempool()
    if fate == "in a block":
        world.node.ask("evm_mine")
    elif fate == "dropped":
        world.node.ask("anvil_dropTransaction", waiting)
    count = _sent(world, old)
    world.paid_by("new.key")
    if fate == "waiting":
        assert "waits for a block" in (world.waits().problem or "")
        assert world.relayed() == [], "nothing is signed that may be in a block in a moment"
        world.node.ask("evm_mine")
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    done = world.now()
    assert (done.state, done.problem) == ("done", None)
    assert _sent(world, old) == count, "nothing of the other account was sent again"
    by_new = world.relayed()
    assert [each.nonce for each in by_new] == list(range(2 if fate == "dropped" else 1)), "the terms are added once"
    assert done.transactions == (*before, *(each.hash for each in by_new))
    for _ in range(2):
        world.relaying.look()
    assert _sent(world, old) == count
    assert left[-1].hash in {each.hash for each in world.services.orders.relayed(left[-1].account, 0)}, "still known"


def test_a_claim_of_the_old_account_that_waits_is_waited_for(world: World) -> None:
    claim = _sent_to_a_chain_that_takes_nothing(world, _claim(world))
    Watching(world.services).look()
    world.services.changes.newest()
    begun = world.services.changes.newest()
    world.paid_by("new.key")
    world.relaying.look()
    waiting = world.services.orders.get(claim.id)
    assert (waiting.state, "waits for a block" in (waiting.problem or "")) == ("open", True)
    world.node.ask("evm_mine")
    world.relaying.look()
    Watching(world.services).look()
    done = world.services.orders.get(claim.id)
    assert (done.state, (done.result or {}).get("amount")) == ("done", "7")
    assert world.node.ask("eth_getBalance", WALLET, "latest")["result"] == hex(5 + 7)
    assert _told(world, begun) == ["claim"]
    assert world.relayed() == []


def _asks_what_is_there(call: Any) -> bool:
    return bool(call["method"] == "eth_call" and call["params"][0]["data"].startswith(ASKED))


def _signs_anew(call: Any) -> bool:
    return bool(call["method"] == "eth_estimateGas")


@pytest.fixture
def proxy(shared_world: World) -> Iterator[Altered]:
    """Between the service and its chain."""
    node = shared_world.node
    between = Altered(lambda: node.port, lambda call, answer: answer)
    shared_world.through(between.url)
    yield between
    shared_world.through(node.url)
    between.close()
    node.ask("evm_setAutomine", True)


@pytest.mark.parametrize(
    ("wanted", "until", "brought"),
    [(_claim, _asks_what_is_there, {"amount": "7"}), (_appeal, _signs_anew, {})],
)
def test_what_no_node_knew_for_a_while_was_carried_out_all_the_same(
    shared_world: World, proxy: Altered, wanted: Callable[[World], Order], until: Callable[[Any], bool],
    brought: dict[str, Any],
) -> None:  # fmt: skip
    world, unknown = shared_world, True
    order = _sent_to_a_chain_that_takes_nothing(world, wanted(world))
    world.node.ask("evm_mine")

    def behind(call: Any, answer: Any) -> Any:
        """As a node that is some blocks behind the others, until it is asked for what comes next."""
        nonlocal unknown
        unknown = unknown and not until(call)
        if unknown and call["params"][:1] == [order.transactions[0]]:
            answer["result"] = None
        return answer

    proxy.alter = behind
    world.paid_by(f"of {order.kind}.key")
    world.relaying.look([order.id])
    done = world.services.orders.get(order.id)
    assert (done.state, done.problem, unknown) == ("done", None, False)
    assert done.result and done.result.items() >= brought.items()
    assert world.relayed() == [], "nothing was sent for it anew"


def test_what_was_given_up_on_stays_so_when_its_account_comes_back(world: World) -> None:
    world.waits()
    (waiting,) = world.mempool()
    world.node.ask("anvil_dropTransaction", waiting)
    old, begun = world.services.relay.sender, world.services.relay.nonce()
    world.paid_by("new.key")
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    done = world.now()
    assert done.state == "done"
    world.paid_by("relay.key")
    assert world.services.relay.sender == old
    world.relaying.look()
    assert (_sent(world, old), world.now()) == (begun, done)
    offer = _offer(world)
    world.relaying.look()
    assert world.services.orders.get(offer.id).state == "done"
    assert [each.nonce for each in world.relayed()] == [begun, begun + 1], "its place is taken by what comes next"
    assert not _in_a_block(world, waiting)


def test_behind_a_place_that_stays_empty_all_is_signed_anew(world: World) -> None:
    world.waits()
    (ours,) = world.mempool()
    world.node.ask("anvil_dropTransaction", ours)
    relay = world.services.relay
    begun = relay.nonce()
    other = {"from": relay.sender, "to": relay.sender, "nonce": hex(begun), "gasPrice": hex(10**10)}
    world.node.ask("anvil_impersonateAccount", relay.sender)
    world.node.ask("evm_setAutomine", True)
    assert "result" in world.node.ask("eth_sendTransaction", other)  # of another program with our key
    for _ in range(4):
        with suppress(Unavailable):
            world.relaying.look()
    assert world.now().state == "done"
    assert relay.nonce() == begun + 3
    behind = [each.hash for each in world.relayed() if each.nonce > begun]
    world.node.ask("anvil_reorg", 3, [])
    assert relay.nonce() == begun
    world.relaying.look()
    assert world.now().state == "done"
    assert relay.nonce() == begun + 2
    assert relay.works.work(int((world.now().result or {})["asset"], 16)) is not None
    assert not any(_in_a_block(world, each) for each in (ours, *behind))


def test_a_chain_that_lost_its_newest_blocks_gets_what_the_account_of_today_sent(world: World) -> None:
    asset, old = world.work(), world.services.relay.sender
    world.paid_by("new.key")
    offer = _offer(world)
    world.relaying.look()
    assert world.services.orders.get(offer.id).state == "done"
    lost, count = world.relayed(), _sent(world, old)
    assert len(lost) == 2 and len(lost) <= count
    world.node.ask("anvil_reorg", 2, [])
    assert _sent(world, world.services.relay.sender) == 0
    world.relaying.look()
    assert all(_in_a_block(world, each.hash) for each in lost)
    assert _sent(world, old) == count
    work = world.services.works.work(asset)
    assert work and work.terms_id.hex() == (world.services.orders.get(offer.id).result or {})["terms_id"]
