"""The monitor at a node that lies about numbers: a line of trouble, in bounded time, and a state that can be kept."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger import monitor
from ledger.monitor import Monitor, State
from ledger.outside import APPENDED, OutsideContract, OutsideLog
from tests.ledger.log_world import signer
from tests.ledger.test_verify_chain import Node


def _node(**answers: Any) -> Node:
    usual = {"eth_chainId": "0x1", "eth_blockNumber": "0x5", "eth_call": "0x" + "0" * 64, "eth_getLogs": []}
    return Node(usual | answers)


def _looked(node: Node, tell: Callable[..., None]) -> State:
    contract = OutsideContract(node.url, "0x" + "ab" * 20)
    state = State("log", contract.address, 1, scanned=1)
    log = OutsideLog("http://127.0.0.1:1", str(signer().vkey))
    assert not Monitor(log, contract, state, tell, lambda: None, 60).look()
    return state


@pytest.mark.parametrize("answers", [
    {"eth_blockNumber": "0x" + "f" * 5_000},
    {"eth_chainId": "0x" + "f" * 5_000},
    {"eth_getLogs": [{"topics": [APPENDED, "0x" + "0" * 65], "data": "0x" + "0" * 64, "blockNumber": "0x2"}]},
    {"eth_getLogs": [{"topics": [APPENDED, "0x" + "0" * 64], "data": "0x" + "0" * 64, "blockNumber": "0x" + "f" * 99}]},
])  # fmt: skip
def test_no_number_of_a_node_ends_the_monitor(answers: dict[str, Any]) -> None:
    node, told = _node(**answers), list[str]()
    try:
        state = _looked(node, lambda event, **fields: told.append(f"{event} {fields}"))
    finally:
        node.stop()
    assert told
    json.dumps(dataclasses.asdict(state))  # it can be kept


def test_a_node_whose_blocks_never_end_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "SCAN_S", 0.5)
    node, told = _node(eth_blockNumber="0x" + "f" * 60), list[str]()
    try:
        state = _looked(node, lambda event, **fields: told.append(f"{event} {fields}"))
    finally:
        node.stop()
    assert any("the next look goes on there" in line for line in told)
    assert state.scanned
    assert state.scanned > 1
