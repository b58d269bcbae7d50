"""Gas that the relay pays: on chains that count data as gas too, and never for the code of others that burns it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.relay import MOST_GAS, Relay
from ledger.signer import LocalSigner
from pipeline.errors import Rejected
from tests.chain_fixture import KEY, Node, shared_node
from tests.contracts.market import COIN, MILLION, Market, in_order
from tests.contracts.rights_gas import dearest
from tests.ledger.rpc_proxy import Altered

__all__ = ["shared_node"]

GAS_OF_A_BYTE = 200  # as a rollup estimates while publishing its data is dear
BURNS = "0x62030d405b600190038060045700"  # counts down from 200,000, at 26 gas each: five million, then all is well


def _data_is_gas(call: Any, answer: Any) -> Any:
    if call["method"] == "eth_estimateGas" and "result" in answer:
        data = len(call["params"][0]["data"]) // 2 - 1
        answer["result"] = hex(int(answer["result"], 16) + GAS_OF_A_BYTE * data)
    return answer


@dataclass
class Rollup:
    """A rights contract on a chain that counts data as gas, and our account there."""

    market: Market
    relay: Relay


@pytest.fixture(scope="module")
def rollup(shared_node: Node) -> Iterator[Rollup]:
    market = Market(shared_node)
    proxy = Altered(lambda: shared_node.port, _data_is_gas)
    sender = LocalSigner(KEY).address
    for method, *values in (("anvil_setBalance", hex(10**20)), ("anvil_impersonateAccount",)):
        shared_node.ask(method, sender, *values)
    yield Rollup(market, Relay(proxy.url, KEY, market.contract.address, local=False))
    proxy.close()


def test_the_dearest_family_is_carried_where_its_data_alone_take_more(rollup: Rollup) -> None:
    market, relay = rollup.market, rollup.relay
    terms = market.terms(share=MILLION // 100)
    works = [market.statement(relay.sender) for _ in range(45 + 3 + 16 + 1)]
    market.grow()
    for work in works:
        market.register(work, terms)
    for number, line in enumerate(lines := works[45:48]):
        market.derive(line, in_order(works[15 * number : 15 * number + 15]))
    signed = relay.sign_wish("derive", *dearest(market, lines, works[48:]))
    assert signed.gas > MOST_GAS
    relay.send(signed.raw)
    found = relay.wait([signed.hash], 10)
    assert found and found.gas < MOST_GAS
    (derived,) = [event for event in relay.events(signed.hash) if event.name == "Derived"]
    assert len(derived.values["shares"]) == 64


def test_code_of_others_that_burns_gas_is_not_paid_for_there_either(rollup: Rollup) -> None:
    market, relay = rollup.market, rollup.relay
    wallet = market.person()
    work = market.work(wallet, market.terms())
    market.does(market.reviewer, "pay", work.id, COIN, 5, value=5)
    assert relay.sign_wish("claim", work.id, work.id, COIN, []).gas < MOST_GAS
    market.node.ask("anvil_setCode", wallet, BURNS)
    with pytest.raises(Rejected, match="running it takes more than 3,000,000 gas"):
        relay.sign_wish("claim", work.id, work.id, COIN, [])
