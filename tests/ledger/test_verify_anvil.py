"""The whole way with real parts: a log, its contract on a real EVM, a receipt, and the one-file verifier asking it."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from ledger import verify_chain, verify_door
from ledger.receipt import receipt
from ledger.sequence import sequence
from ledger.tree import consistency_proof
from ledger.verify import NotChecked
from pipeline.record import Anchor
from store.log import LogRecords
from tests.ledger.log_world import TERMS, World

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "contracts" / "Log.json"
ANVILS = sorted((ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
Document = dict[str, Any]


class Chain:
    """A fresh anvil, its first account, and the contract."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.account = verify_chain.ask(url, [".*"], "eth_accounts")[0]
        created: str = json.loads(ARTIFACT.read_text())["bytecode"] + abi_encode(["string"], [""]).hex()
        deployed = self.send({"data": created})
        self.contract: str = deployed["contractAddress"]

    def send(self, transaction: dict[str, str]) -> dict[str, Any]:
        sent = verify_chain.ask(
            self.url, ".*", "eth_sendTransaction", {"from": self.account, "gas": "0x989680", **transaction}
        )
        for _ in range(100):
            with contextlib.suppress(ValueError):  # null until it is mined
                mined: dict[str, Any] = verify_chain.ask(self.url, {"status": "0x1"}, "eth_getTransactionReceipt", sent)
                return mined
            time.sleep(0.05)
        raise AssertionError("the transaction failed or was not mined")

    def anchor(self, log: LogRecords, old: int) -> Anchor:
        """Append the log's newest checkpoint to the contract, which holds `old` leaves."""
        newest = log.newest()
        assert newest
        values = [*newest, list(consistency_proof(old, newest[0], log))]
        data = keccak(text="append(uint64,bytes32,bytes32[])")[:4] + abi_encode(
            ["uint64", "bytes32", "bytes32[]"], values
        )
        mined = self.send({"to": self.contract, "data": "0x" + data.hex()})
        block = verify_chain.ask(self.url, {"timestamp": ".*"}, "eth_getBlockByNumber", mined["blockNumber"], False)
        return Anchor(
            chain_id=31337, contract=self.contract, transaction=mined["transactionHash"],
            block=int(mined["blockNumber"], 16), block_time=int(block["timestamp"], 16), tree_size=newest[0],
            state="included", local=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    if not ANVILS:
        pytest.skip("there is no anvil in node_modules: run npm ci")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([ANVILS[0], "--port", str(port), "--silent", "--accounts", "1"])
    try:
        yield Chain(wait_for(f"http://127.0.0.1:{port}"))
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str) -> str:
    for _ in range(100):
        try:
            verify_chain.ask(url, ".*", "eth_chainId")
        except NotChecked:
            time.sleep(0.1)
        else:
            return url
    raise AssertionError("anvil did not start")


@pytest.fixture(scope="module")
def documents(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """Receipts of captures that two transactions anchored: a power of two, then not, over three checkpoints."""
    world = World.make(tmp_path_factory.mktemp("log"))
    anchored = 0
    names: list[str] = []
    for prefix, batches in (("a", [4]), ("b", [1, 2, 300])):
        for count in batches:
            names += world.seal_many(count, f"{prefix}{count}-")
            sequence(world.log, world.signer, 1000)
        anchor = chain.anchor(world.log, anchored)
        world.log.record_anchor(anchor)
        anchored = anchor.tree_size
    return {name: receipt(world.get(name), world.log, TERMS) for name in (names[0], names[4], names[5], names[-1])}


def step(document: Document, name: str, chain: Chain, contract: str | None = None) -> verify_door.Step:
    steps = verify_door.verify(json.dumps(document).encode(), name.encode(), rpc=chain.url, contract=contract)
    return next(step for step in steps if step.name == "chain")


def test_every_receipt_holds_against_the_contract(documents: dict[str, Document], chain: Chain) -> None:
    assert {document["inclusion"]["tree_size"] for document in documents.values()} == {4, 307}
    for name, document in documents.items():
        result = step(document, name, chain, chain.contract)
        assert result.result == "passed", result
        assert result.sentence.endswith("; local chain: not independent proof")


def test_a_changed_chain_value_in_the_receipt_is_named(documents: dict[str, Document], chain: Chain) -> None:
    name, document = next(iter(documents.items()))
    anchor = document["anchor"]
    for field, value, reason in (
        ("chain_id", 1, "another chain"),
        ("contract", "0x" + "12" * 20, "did not write this size and root"),
        ("transaction", "0x" + "12" * 32, "answer to eth_getTransactionReceipt is no object"),
        ("block", anchor["block"] + 1, "another block"),
        ("block_time", anchor["block_time"] + 1, "block's time"),
    ):
        result = step(document | {"anchor": anchor | {field: value}}, name, chain)
        assert (result.result, reason in result.sentence) == ("failed", True), result


def test_another_contract_that_says_the_same_is_unmasked_by_its_code(
    documents: dict[str, Document], chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, document = next(iter(documents.items()))
    monkeypatch.setattr(verify_chain, "RUNTIMES_SHA256", ("00" * 32,))
    result = step(document, name, chain)
    assert result.result == "failed"
    assert json.loads(ARTIFACT.read_text())["runtime_sha256"] in result.sentence
