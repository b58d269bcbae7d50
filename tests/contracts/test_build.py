"""The checked-in artifact is what the compiler makes of the source, and what verifiers know."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from web3 import Web3

from ledger import outside, verify_chain
from tests.chain_fixture import node_js
from tests.service import ROOT

FOLDER = ROOT / "contracts"


@pytest.mark.parametrize(
    "artifact",
    [
        FOLDER / "Log.json",
        FOLDER / "Rights.json",
        *(ROOT / f"tests/contracts/{name}.json" for name in ("Token", "Coin")),
    ],
    ids=lambda artifact: artifact.stem,
)
def test_compiling_again_gives_the_same_artifact(artifact: Path) -> None:
    node = node_js()
    if node is None:
        pytest.skip("there is no node on this machine: the contract cannot be compiled again")
    if not (ROOT / "node_modules" / "solc").exists():
        pytest.skip("there is no solc in node_modules: `make setup` brings it")
    run = subprocess.run(
        [node, FOLDER / "build.mjs", "--print", artifact.stem], capture_output=True, text=True, check=True
    )
    assert run.stdout == artifact.read_text()


@pytest.mark.parametrize("source", ["Log.sol", "rights/Rights.sol"])
def test_the_artifact_names_its_compiler_and_no_machine(source: str) -> None:
    text = (FOLDER / f"{Path(source).stem}.json").read_text()
    artifact = json.loads(text)
    pragma = (FOLDER / source).read_text().split("pragma solidity ")[1].split(";")[0]
    assert artifact["compiler"].startswith(f"{pragma}+commit.")
    assert artifact["settings"]["metadata"] == {"appendCBOR": False, "bytecodeHash": "none"}
    assert str(ROOT) not in text
    assert "node_modules" not in text
    assert "\\" not in text


@pytest.mark.parametrize("name", ["Log", "Rights"])
def test_the_digest_is_that_of_the_code(name: str) -> None:
    artifact = json.loads((FOLDER / f"{name}.json").read_text())
    code = bytes.fromhex(artifact["runtime"][2:])
    assert artifact["runtime_sha256"] == hashlib.sha256(code).hexdigest()
    assert artifact["bytecode"].endswith(artifact["runtime"][2:])


def test_the_verifier_knows_this_contract() -> None:
    artifact = json.loads((FOLDER / "Log.json").read_text())
    event = next(entry for entry in artifact["abi"] if entry["type"] == "event")
    text = f"{event['name']}({','.join(field['type'] for field in event['inputs'])})"
    assert Web3.to_hex(Web3.keccak(text=text)) == outside.APPENDED
    assert [field["indexed"] for field in event["inputs"]] == [True, False]
    assert Web3.to_hex(Web3.keccak(text="size()")[:4]) == outside.SIZE_CALL
    assert artifact["runtime_sha256"] == verify_chain.RUNTIMES_SHA256[0]
