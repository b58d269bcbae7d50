"""Where the log is anchored: known without web3, and also while the chain is down."""

from pathlib import Path

import pytest
from web3 import Web3

from ledger.accounts import checksummed, first_contract, owner_address, owner_key
from ledger.place import log_place
from tests.chain_fixture import Node, shared_node

__all__ = ["shared_node"]

KEY = bytes(31) + b"\7"


def test_the_first_contract_is_where_web3_would_put_it(shared_node: Node) -> None:
    assert first_contract(KEY) == shared_node.chain(KEY).contract


def test_addresses_are_written_as_eip_55_says(tmp_path: Path) -> None:
    for owner in ("ada", "bob", "eve"):
        address = owner_address(tmp_path / "seed", owner)
        assert checksummed(address) == Web3.to_checksum_address(address)
        account = Web3().eth.account.from_key(owner_key(tmp_path / "seed", owner))
        assert checksummed(address) == account.address


def test_a_chain_that_was_heard_once_may_be_silent(shared_node: Node, tmp_path: Path) -> None:
    memory = tmp_path / "run" / "chain-id"
    first = log_place("log.example", "0xab", shared_node.url, True, memory)
    chain_id = shared_node.chain(KEY).chain_id
    assert first == {"origin": "log.example", "chain_id": chain_id, "contract": "0xab", "local": True}
    assert memory.stat().st_mode & 0o077 == 0 and shared_node.url not in memory.read_text()
    name = memory.read_text().split()[0]
    memory.write_text(f"{name} 4711\n")  # what is remembered is not asked again
    assert log_place("log.example", "0xab", shared_node.url, False, memory)["chain_id"] == 4711


@pytest.mark.parametrize("left", ["", "x", "0 1 2", "abc 31337"])
def test_a_damaged_memory_is_asked_anew(shared_node: Node, tmp_path: Path, left: str) -> None:
    memory = tmp_path / "chain-id"
    memory.write_text(left)
    assert log_place("o", "0xab", shared_node.url, True, memory)["chain_id"] != 1
    assert memory.read_text() != left


def test_of_a_chain_that_never_answered_only_the_log_is_named(tmp_path: Path) -> None:
    memory = tmp_path / "chain-id"
    assert log_place("log.example", "0xab", "http://127.0.0.1:9/", True, memory) == {"origin": "log.example"}
    assert not memory.exists()
