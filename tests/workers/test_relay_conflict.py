"""What one order meets lets that order wait; only what no order can be sent under stops all of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.endpoints import WrongChain
from ledger.rights import RIGHTS
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from store.orders import Order
from tests.ledger.rpc_proxy import Altered
from tests.workers.foreign_chain import World, shared_world

__all__ = ["shared_world"]

ASKED = RIGHTS.call("claimable", 1, 1, COIN, [])[:10]


@pytest.fixture
def proxy(shared_world: World) -> Iterator[Altered]:
    """Between the service and its chain."""
    between = Altered(lambda: shared_world.node.port, lambda call, answer: answer)
    shared_world.through(between.url)
    yield between
    between.close()


def _shares_differ(call: Any, answer: Any) -> Any:
    """As when a node gives the list of another work's shares: the contract refuses it."""
    if call["method"] != "eth_call" or not call["params"][0]["data"].startswith(ASKED):
        return answer
    refusal = "0x" + RIGHTS.selector("error", "WrongShares").hex()
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
    proxy.alter = _shares_differ
    look()
    assert (get(odd.id).state, get(odd.id).problem) == ("open", "WrongShares(): a person has to look")
    assert get(offer.id).state == "done"
    proxy.alter = None
    look()
    assert get(odd.id).state == "done"


def test_a_chain_on_which_nothing_can_be_paid_stops_all(shared_world: World, proxy: Altered) -> None:
    offer = _offer(shared_world, "cc-by-nc-4.0")
    proxy.alter = _without_fees
    with pytest.raises(WrongChain, match="has no EIP-1559 fees"):
        shared_world.relaying.look()
    held = shared_world.services.orders.get(offer.id)
    assert (held.state, held.problem) == ("open", None), "no order's owner is told what is none of its own"
