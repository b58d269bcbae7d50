"""A service whose relay key is changed: what is open goes on, and nothing of the other account is touched."""

import pytest

from rights.offers import offer_json, parse_offer
from tests.workers.foreign_chain import World, world

__all__ = ["world"]


def _sent(world: World, address: str) -> int:
    """How many transactions of an account the chain has, in blocks or not."""
    return int(world.node.ask("eth_getTransactionCount", address, "pending")["result"], 16)


@pytest.mark.parametrize("in_a_block", [False, True])
def test_open_orders_go_on_under_another_account(world: World, in_a_block: bool) -> None:
    world.waits()
    old, left, before = world.services.relay.sender, world.relayed(), world.now().transactions
    (waiting,) = world.mempool()
    if in_a_block:
        world.node.ask("evm_mine")
    else:
        world.node.ask("anvil_dropTransaction", waiting)
    count = _sent(world, old)
    world.paid_by("new.key")
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    done = world.now()
    assert (done.state, done.problem) == ("done", None)
    assert _sent(world, old) == count, "nothing of the other account was sent again"
    by_new = world.relayed()
    assert [each.nonce for each in by_new] == list(range(1 if in_a_block else 2)), "the terms are added once"
    assert done.transactions == (*before, *(each.hash for each in by_new))
    for _ in range(2):
        world.relaying.look()
    assert _sent(world, old) == count
    assert left[-1].hash in {each.hash for each in world.services.orders.relayed(left[-1].account, 0)}, "still known"


def test_a_chain_that_lost_its_newest_blocks_gets_what_the_account_of_today_sent(world: World) -> None:
    asset, old = world.work(), world.services.relay.sender
    world.paid_by("new.key")
    offer = world.wanted("terms", terms=offer_json(parse_offer({"preset": "cc-by-4.0"})))
    world.relaying.look()
    assert world.services.orders.get(offer.id).state == "done"
    lost, count = world.relayed(), _sent(world, old)
    assert len(lost) == 2 and len(lost) <= count
    world.node.ask("anvil_reorg", 2, [])
    assert _sent(world, world.services.relay.sender) == 0
    world.relaying.look()
    assert all(world.node.ask("eth_getTransactionReceipt", each.hash)["result"] for each in lost)
    assert _sent(world, old) == count
    work = world.services.works.work(asset)
    assert work and work.terms_id.hex() == (world.services.orders.get(offer.id).result or {})["terms_id"]
