"""What one order meets lets that order wait; only what no order can be sent under stops all of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.asking import OtherShares
from ledger.endpoints import WrongChain
from ledger.rights import RIGHTS
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from store.orders import Order
from tests.ledger.rpc_proxy import Altered
from tests.photos import jpeg
from tests.workers.foreign_chain import World, shared_world

__all__ = ["shared_world"]

STRANGER = "0x" + "5e" * 20
MINED_S = 20.0
ASKED = RIGHTS.call("claimable", 1, 1, COIN, [])[:10]


@pytest.fixture
def proxy(shared_world: World) -> Iterator[Altered]:
    """Between the service and its chain."""
    between = Altered(lambda: shared_world.node.port, lambda call, answer: answer)
    shared_world.through(between.url)
    yield between
    between.close()


def _nonsense(call: Any, answer: Any) -> Any:
    """As when a node is wrong about what was asked: the contract refuses what nobody wanted."""
    if call["method"] != "eth_call" or not call["params"][0]["data"].startswith(ASKED):
        return answer
    refusal = "0x" + RIGHTS.selector("error", "NotAStatement").hex()
    error = {"code": 3, "message": "execution reverted", "data": refusal}
    return {"jsonrpc": "2.0", "id": call["id"], "error": error}


def _without_fees(call: Any, answer: Any) -> Any:
    """As on a chain from before EIP-1559."""
    if call["method"] == "eth_getBlockByNumber":
        del answer["result"]["baseFeePerGas"]
    return answer


def _offer(world: World, preset: str) -> Order:
    return world.wanted("terms", terms=offer_json(parse_offer({"preset": preset})))


def test_an_order_that_the_contract_answers_nonsense_to_waits_alone(shared_world: World, proxy: Altered) -> None:
    look, get = shared_world.relaying.look, shared_world.services.orders.get
    odd = shared_world.wanted("claim", beneficiary=f"{shared_world.work():#x}", currency=COIN)
    offer = _offer(shared_world, "cc-by-4.0")
    proxy.alter = _nonsense
    look()
    assert (get(odd.id).state, get(odd.id).problem) == ("open", "NotAStatement(): a person has to look")
    assert get(offer.id).state == "done"
    proxy.alter = None
    look()
    assert get(odd.id).state == "done"


def _sent(world: World, by: str, function: str, *values: Any, value: int = 0) -> None:
    """A transaction of somebody's own, in a block."""
    world.node.ask("anvil_setBalance", by, hex(10**18))
    world.node.ask("anvil_impersonateAccount", by)
    to, data = world.services.relay.contract, RIGHTS.call(function, *values)
    answer = world.node.ask("eth_sendTransaction", {"from": by, "to": to, "data": data, "value": hex(value)})
    assert world.services.relay.wait([answer["result"]], MINED_S)


def _strangers_work(world: World) -> tuple[str, int]:
    """A second photo and its work, which earned something and went to a stranger."""
    world.service.start()
    capture = world.service.register(jpeg(7901)).json
    world.service.stop()
    wish = {"terms": offer_json(parse_offer({"preset": "cc0"}))}
    order = world.services.orders.add(capture["id"], world.order.owner, "asset", wish)
    world.relaying.look()
    result = world.services.orders.get(order.id).result or {}
    asset = int(result["asset"], 16)
    _sent(world, STRANGER, "pay", asset, COIN, 9, value=9)
    _sent(world, result["owner"], "transferFrom", result["owner"], STRANGER, asset)
    return capture["id"], asset


def test_a_claim_that_a_derivation_overtakes_is_made_with_the_new_list(shared_world: World, proxy: Altered) -> None:
    world, parent = shared_world, shared_world.work()
    works, get, (capture, asset) = world.services.works, world.services.orders.get, _strangers_work(world)
    asked = {"beneficiary": f"{asset:#x}", "currency": COIN}
    claim, read = world.services.orders.add(capture, world.order.owner, "claim", asked), works.work(parent)
    assert read is not None

    def overtaken(call: Any, answer: Any) -> Any:
        if call["method"] == "eth_call" and call["params"][0]["data"].startswith(ASKED):
            proxy.alter = None
            _sent(world, STRANGER, "derive", asset, [parent], 0, [0], [read.terms_id], [[]], 0, b"")
        return answer

    proxy.alter = overtaken
    world.relaying.look()
    assert (get(claim.id).state, "a list of shares is another by now" in str(get(claim.id).problem)) == ("open", True)
    with pytest.raises(OtherShares):
        works.claimable(asset, asset, [])
    world.relaying.look()
    assert (get(claim.id).state, (get(claim.id).result or {})["amount"]) == ("done", "9")


def test_a_chain_on_which_nothing_can_be_paid_stops_all(shared_world: World, proxy: Altered) -> None:
    offer = _offer(shared_world, "cc-by-nc-4.0")
    proxy.alter = _without_fees
    with pytest.raises(WrongChain, match="has no EIP-1559 fees"):
        shared_world.relaying.look()
    held = shared_world.services.orders.get(offer.id)
    assert (held.state, held.problem) == ("open", None), "no order's owner is told what is none of its own"
