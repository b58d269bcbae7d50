"""Another chain than the embedded one: deploy with the command, then register; nothing is called local."""

import base64
import io
import json
import secrets
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from PIL import Image

from fingerprint.hashes import iscc_image_code
from ledger.accounts import read_or_make_key
from ledger.chain import Chain
from supervisor import anvil
from tests.photos import jpeg
from tests.service import Running, free_port

CHAIN_ID = 424242


@pytest.fixture
def chain_url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = anvil.arguments(tmp_path / "state.json", port)
    command[command.index("--chain-id") + 1] = str(CHAIN_ID)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 10
    while not anvil.ready(url):
        assert time.monotonic() < end
        time.sleep(0.02)
    yield url
    process.kill()
    process.wait()


def _fund(url: str, address: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance", "params": [address, hex(10**18)]}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert "error" not in json.loads(answer.read())


def _told(url: str, contract: str, function: str, *texts: str) -> Any:
    """What the contract answers to a call that takes texts and returns JSON as a text."""
    call = keccak(f"{function}({','.join('string' for _ in texts)})".encode())[:4]
    for text in texts:  # one at most: an offset, a length and the padded bytes
        call += (32).to_bytes(32) + len(text).to_bytes(32) + text.encode().ljust(-(-len(text) // 32) * 32, b"\0")
    asked = [{"to": contract, "data": "0x" + call.hex()}, "latest"]
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": asked}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        result = bytes.fromhex(json.loads(answer.read())["result"][2:])
    return json.loads(result[64 : 64 + int.from_bytes(result[32:64])])


def _recovered_through_the_chain(url: str, contract: str, photo: bytes) -> list[str]:
    """Federated lookup (C2PA 2.2) by somebody who knows the contract, the photo and nothing else: manifest ids."""
    with Image.open(io.BytesIO(photo)) as image:
        image.thumbnail((512, 512))
        value = base64.b64encode(iscc_image_code(image.convert("RGB")).encode()).decode()
    (way,) = _told(url, contract, "describe")
    query = way["querySmartContract"]
    question = json.dumps({"softBindingValue": value})
    told = _told(url, query["smartContractAddress"], query["byBindingFunctionName"], question)
    (endpoint,) = told["endpoints"]
    asked = urllib.parse.urlencode({"alg": "io.iscc.v0", "value": value})
    with urllib.request.urlopen(f"{endpoint}/matches/byBinding?{asked}", timeout=5) as answer:
        return [match["manifestId"] for match in json.loads(answer.read())["matches"]]


def test_deploy_register_verify(chain_url: str, tmp_path: Path) -> None:
    key_file = tmp_path / "writer.key"
    key_file.write_text(secrets.token_hex(32))
    key_file.chmod(0o600)
    settings = {"CAPTURE_CHAIN_URL": chain_url, "CAPTURE_CHAIN_KEY_FILE": str(key_file)}
    without = Running(tmp_path / "data", **settings)

    refused = without.command("chain", "deploy")
    assert "send some of its coin" in refused.stderr, refused.stderr
    assert "chain deploy" in without.command("up").stderr

    _fund(chain_url, Chain(chain_url, read_or_make_key(key_file), None, local=False).sender)
    running = Running(tmp_path / "data", **settings)
    deployed = running.command("chain", "deploy", "--endpoint", f"{running.base}/v1")
    assert deployed.returncode == 0, deployed.stderr
    contract = deployed.stdout.strip()

    running.environ["CAPTURE_CHAIN_CONTRACT"] = contract
    running.start()
    try:
        assert "chain" not in running.processes()
        photo = jpeg(4000)
        capture = running.register(photo).json
        assert capture["anchor"]["chain_id"] == CHAIN_ID
        assert capture["anchor"]["contract"] == contract
        assert capture["anchor"]["local"] is False
        assert "note" not in capture["anchor"]
        assert _recovered_through_the_chain(chain_url, contract, photo) == [capture["manifest"]["label"]]
        (tmp_path / "photo.jpg").write_bytes(photo)
        receipt = running.ask("GET", capture["links"]["receipt"]).body
        (tmp_path / "receipt.json").write_bytes(receipt)
        paths = [str(tmp_path / "receipt.json"), str(tmp_path / "photo.jpg")]
        told = running.command("verify", *paths, "--rpc", chain_url, "--contract", contract)
        assert told.returncode == 0, told.stdout
        assert told.stdout.count("passed") == 8
        assert "local chain" not in told.stdout
    finally:
        running.stop()
