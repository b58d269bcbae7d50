"""A wish that stays out of blocks on a chain of others is signed again for higher fees, and carried out once."""

from contextlib import suppress

from ledger.signing import nonce_of
from pipeline.errors import Unavailable
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from tests.workers.foreign_chain import World, world

__all__ = ["world"]


def test_higher_fees_bring_it_into_a_block(world: World) -> None:
    first = world.waits()
    assert len(first.transactions) == 2, "the wait is over: it is signed for more"
    (cheap,) = world.mempool()
    assert cheap == first.transactions[0]
    second = world.waits()
    (dear,) = world.mempool()
    assert dear == second.transactions[1], "it took the other's place"
    world.node.ask("evm_setAutomine", True)
    for _ in range(6):
        world.node.ask("evm_mine")
        if world.now().state != "open":
            break
        with suppress(Unavailable):
            world.relaying.look()
    done = world.now()
    assert (done.state, done.problem) == ("done", None)
    sent = world.relayed()
    assert [each.nonce for each in sent] == list(range(sent[0].nonce, sent[0].nonce + len(sent)))
    assert all(nonce_of(each.raw) == each.nonce for each in sent)
    relay = world.services.relay
    assert relay.nonce() == sent[-1].nonce + 1, "no place was used twice, and none is open"
    held = relay.works.work(int(done.result["asset"], 16)) if done.result else None
    assert held is not None


def test_the_one_that_was_replaced_may_be_the_one_that_gets_in(world: World) -> None:
    world.waits()
    raw = world.relayed()[-1]
    (cheap,) = world.mempool()
    assert raw.replaced == (cheap,), "the dearer one is kept before it is sent"
    world.node.ask("evm_mine")  # and a block takes the first one meanwhile
    assert world.node.ask("eth_getTransactionReceipt", cheap)["result"] is not None
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    assert world.now().state == "done"
    assert world.node.ask("eth_getTransactionReceipt", raw.hash)["result"] is None, "it was never sent"


def test_replacements_do_not_count_as_tries(world: World) -> None:
    for _ in range(12):  # raised by an eighth each time, until it is four times what the market asks
        world.waits()
    order = world.now()
    assert len(order.transactions) > 8
    assert world.services.orders.count_sent(order) == 1
    world.node.ask("evm_setAutomine", True)
    world.node.ask("evm_mine")
    world.relaying.look()
    assert world.now().state == "done"


def test_an_offer_that_a_later_one_overtook_is_not_made(world: World) -> None:
    orders, mine = world.services.orders, world.order
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    older, newer = (
        orders.add(mine.capture_id, mine.owner, "terms", {"terms": offer_json(parse_offer({"preset": preset}))})
        for preset in ("cc-by-4.0", "cc-by-nc-4.0")
    )
    world.relaying.look([newer.id])  # as when the chain was away for the older one's turn
    world.relaying.look()
    ended = orders.get(older.id)
    assert (ended.state, ended.problem, ended.transactions) == ("refused", "a later offer took its place", ())
    made = orders.get(newer.id)
    assert made.state == "done" and made.result
    asset = int((orders.get(mine.id).result or {})["asset"], 16)
    work = world.services.relay.works.work(asset)
    assert work and work.terms_id.hex() == made.result["terms_id"]


def test_a_transaction_of_another_program_with_the_same_key_stops_nothing(world: World) -> None:
    world.waits()
    (ours,) = world.mempool()
    world.node.ask("anvil_dropTransaction", ours)
    relay = world.services.relay
    foreign = {"from": relay.sender, "to": relay.sender, "nonce": hex(relay.nonce()), "gasPrice": hex(10**10)}
    world.node.ask("anvil_impersonateAccount", relay.sender)
    world.node.ask("evm_setAutomine", True)
    assert "result" in world.node.ask("eth_sendTransaction", foreign)
    for _ in range(4):
        with suppress(Unavailable):
            world.relaying.look()
    assert world.now().state == "done", world.now().problem


def test_one_order_that_meets_a_fault_of_ours_keeps_no_other_waiting(world: World) -> None:
    world.node.ask("evm_setAutomine", True)
    orders, mine = world.services.orders, world.order
    broken = orders.add(mine.capture_id, mine.owner, "appeal", {"evidence": "no hex"})
    world.services.wallets.unbind(mine.owner)
    for _ in range(4):
        world.relaying.look()
    assert world.now().state == "done"
    assert (orders.get(broken.id).state, "operator" in (orders.get(broken.id).problem or "")) == ("open", True)
    assets = world.now().result or {}
    world.pay(5)
    claim = orders.add(mine.capture_id, mine.owner, "claim", {"beneficiary": assets["asset"], "currency": COIN})
    world.relaying.look()
    refused = orders.get(claim.id)
    assert (refused.state, "no wallet yet" in (refused.problem or "")) == ("refused", True)
    world.services.wallets.bind(mine.owner, wallet := "0x" + "7A" * 20)
    paid = orders.add(mine.capture_id, mine.owner, "claim", {"beneficiary": assets["asset"], "currency": COIN})
    world.relaying.look()
    assert (orders.get(paid.id).result or {})["to"].lower() == wallet.lower()
    assert world.node.ask("eth_getBalance", wallet, "latest")["result"] == "0x5"
