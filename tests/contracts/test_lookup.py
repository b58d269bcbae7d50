"""What other systems read: ERC-7053's Commit event, and the description for C2PA's federated lookup."""

import base64
import hashlib
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from web3 import Web3

from ledger.deploy import deploy
from pipeline.errors import Conflict, Rejected
from tests.chain_fixture import KEY, Node, shared_node
from tests.contracts.brute_force import leaf, mth
from tests.contracts.held import Held

__all__ = ["shared_node"]

ENDPOINT = "https://photos.example/soft-bindings/v1?a=b&c=%20'~"
COMMIT = Web3.to_hex(Web3.keccak(text="Commit(address,string,string)"))


def cid(content: bytes) -> str:
    """CIDv1 of these bytes: raw, SHA-256, in base32."""
    binary = bytes([0x01, 0x55, 0x12, 32]) + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


def commit(receipt: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Recorder, topic of the CID, and the data of the one Commit event."""
    (entry,) = [entry for entry in receipt["logs"] if entry["topics"][0] == COMMIT]
    (text,) = Web3().codec.decode(["string"], bytes.fromhex(entry["data"][2:]))
    return entry["topics"][1][-40:], entry["topics"][2], json.loads(text)


def test_the_commit_names_the_trees_top_node_by_its_content(shared_node: Node) -> None:
    held = Held(shared_node)
    for size in (1, 2, 9, 10, 100, 257):
        recorder, topic, told = commit(held.grow(size))
        top = b"\0" + (0).to_bytes(8) if size == 1 else b"\1" + _children(size)
        assert told == {"assetCid": cid(top), "treeSize": size}
        assert topic == Web3.to_hex(Web3.keccak(text=cid(top)))
        assert recorder == held.chain.sender[2:].lower()


def _children(size: int) -> bytes:
    middle = 1 << (size - 1).bit_length() - 1
    return mth(0, middle) + mth(middle, size)


@pytest.mark.parametrize("root", [bytes(32), b"\xff" * 32, bytes(range(32)), bytes(31) + b"\1", b"\x80" + bytes(31)])
def test_every_bit_of_the_root_is_in_the_cid(shared_node: Node, root: bytes) -> None:
    told = commit(Held(shared_node).append(2**64 - 1, root, []))[2]
    assert told["treeSize"] == 2**64 - 1
    assert told["assetCid"].startswith("bafkrei")
    assert base64.b32decode(told["assetCid"][1:].upper() + "======") == b"\x01\x55\x12\x20" + root


def test_every_letter_of_base32_is_right_in_every_place(shared_node: Node) -> None:
    held = Held(shared_node)
    receipts = [held.append(1, leaf(0), [])]
    receipts += [held.grow(size) for size in range(2, 40)]
    letters = [set[str]() for _ in range(52)]
    for size, receipt in enumerate(receipts, 1):
        told = commit(receipt)[2]["assetCid"]
        assert base64.b32decode(told[1:].upper() + "======")[4:] == mth(0, size)
        for seen, letter in zip(letters, told[7:], strict=True):
            seen.add(letter)
    assert min(map(len, letters[1:-1])) > 15  # the first and the last letter have fewer bits


def test_the_description_is_what_the_specification_shows(shared_node: Node) -> None:
    """The example in section 2.2.1 of C2PA's federated lookup 2.2, with the values of this contract."""
    held = Held(shared_node)
    (method,) = json.loads(held.text("describe"))
    assert set(method) == {"resolutionMethod", "querySmartContract"}
    assert method["resolutionMethod"] == "smartContract"
    query = method["querySmartContract"]
    assert query["smartContractAddress"] == held.chain.contract.lower()
    assert query["byBindingFunctionName"] == "byBinding"
    for schema, names in (("byBindingInputSchema", {"softBindingValue"}), ("byBindingOutputSchema", {"endpoints"})):
        jsonschema.Draft202012Validator.check_schema(query[schema])
        assert set(query[schema]["properties"]) == set(query[schema]["required"]) == names


@pytest.mark.parametrize(("endpoint", "expected"), [("", []), (ENDPOINT, [ENDPOINT])])
def test_a_reader_who_knows_only_the_description_finds_the_service(
    shared_node: Node, endpoint: str, expected: list[str]
) -> None:
    held = Held(shared_node, endpoint)
    query = json.loads(held.text("describe"))[0]["querySmartContract"]
    held.chain.contract = Web3.to_checksum_address(query["smartContractAddress"])
    question = {"softBindingValue": base64.b64encode(b"a watermark").decode()}
    jsonschema.validate(question, query["byBindingInputSchema"])
    answer = json.loads(held.text(query["byBindingFunctionName"], json.dumps(question)))
    jsonschema.validate(answer, query["byBindingOutputSchema"])
    assert answer == {"endpoints": expected}


def test_the_endpoint_does_not_change_the_code(shared_node: Node) -> None:
    plain, told = Held(shared_node), Held(shared_node, ENDPOINT)
    codes = {shared_node.ask("eth_getCode", held.chain.contract, "latest")["result"] for held in (plain, told)}
    assert len(codes) == 1


@pytest.mark.parametrize(
    "wrong", ['https://a.example/"', "https://a.example/\\", "https://a example", "https://ä.example"]
)
def test_what_json_would_have_to_escape_is_no_endpoint(shared_node: Node, wrong: str) -> None:
    with pytest.raises(Conflict, match="NotAUri"):
        Held(shared_node, wrong)
    with pytest.raises(Rejected, match="begins with https://"):
        deploy(shared_node.url, KEY, endpoint=wrong)


def test_deploy_takes_an_endpoint(shared_node: Node) -> None:
    held = Held(shared_node)
    held.chain.contract = deploy(shared_node.url, KEY, endpoint=ENDPOINT)
    assert json.loads(held.text("byBinding", "{}")) == {"endpoints": [ENDPOINT]}
