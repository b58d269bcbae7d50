"""What the contract costs is what contracts/gas.json says, to the last unit, and within the promise."""

import json

from ledger.relay import MOST_GAS
from tests.chain_fixture import Node, shared_node
from tests.contracts.gas import BATCH, SNAPSHOT, measure
from tests.contracts.rights_gas import measure_rights

__all__ = ["shared_node"]

RENEW = "when the change is wanted, run `make gas-contract` and commit contracts/gas.json"


def test_the_gas_is_that_of_the_snapshot(shared_node: Node) -> None:
    assert measure(shared_node) | measure_rights(shared_node) == json.loads(SNAPSHOT.read_text()), RENEW


def test_a_batch_of_1000_costs_at_most_100_gas_a_photo() -> None:
    at_large = [
        gas for name, gas in json.loads(SNAPSHOT.read_text()).items() if name.startswith("append 1,000 at 2^20")
    ]
    assert len(at_large) == 4
    assert max(at_large) <= 100_000
    assert max(at_large) / BATCH <= 100


def test_rights_cost_at_most_what_was_promised() -> None:
    gas = {name.removeprefix("rights: "): used for name, used in json.loads(SNAPSHOT.read_text()).items()}
    assert gas["work at depth 20, its owner's first"] <= 110_000
    assert gas["licence, the work's first and its holder's first"] <= 100_000
    assert [gas[f"derive from {count}"] <= most for count, most in ((1, 150_000), (4, 200_000), (16, 350_000))] == [
        True
    ] * 3
    assert max(gas[name] for name in gas if name != "deploy") <= 0.75 * MOST_GAS, "the relay carries every wish"
    assert gas["pay, a work's first"] <= 60_000
    assert gas["claim, made from no other"] <= 95_000
    assert max(used for name, used in gas.items() if "with 64 ancestors" in name) <= 160_000
