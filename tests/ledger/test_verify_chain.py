"""The verifier's chain step against a node that tells the truth, and against nodes that lie in one thing each."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import outside, verify_chain, verify_door
from ledger.checkpoint import parse
from ledger.promise import promise
from ledger.receipt import receipt
from ledger.sequence import sequence
from tests.ledger.log_world import CAPTURED_AT, TERMS, World, anchor_of, digest, signer

ARTIFACT = Path(__file__).parents[2] / "contracts" / "Log.json"
CODE = b"the contract's code"
CONTRACT = "0x" + "ab" * 20
Document = dict[str, Any]


class Node:
    """A JSON-RPC server that answers each method with the value under its name; an Exception breaks the line."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.calls = answers, list[tuple[str, list[Any]]]()
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.calls.append((request["method"], request["params"]))
                answer = node.answers[request["method"]]
                body = answer if isinstance(answer, bytes) else json.dumps({"id": 1, "result": answer}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """An anchored receipt of the photo b"photo" in a log of three."""
    world = World.make(tmp_path_factory.mktemp("log"))
    for name in ("one", "two", "photo"):
        world.seal(name)
    sequence(world.log, world.signer, 3)
    world.log.record_anchor(anchor_of(3))
    return receipt(world.get("photo"), world.log, TERMS)


def honest(document: Document) -> dict[str, Any]:
    """What a node says of the transaction that the receipt names."""
    root = parse(document["checkpoint"]).checkpoint.root
    event = {"address": CONTRACT, "topics": [outside.APPENDED, f"0x{3:064x}"], "data": "0x" + root.hex()}
    other = {"address": CONTRACT, "topics": ["0x" + "11" * 32], "data": "0x"}
    return {
        "eth_chainId": hex(8453),
        "eth_getTransactionReceipt": {"status": "0x1", "blockNumber": hex(1234), "logs": [other, event]},
        "eth_getBlockByNumber": {"number": hex(1234), "timestamp": hex(1795000000)},
        "eth_getCode": "0x" + CODE.hex(),
        "eth_call": f"0x{5:064x}",
    }


@pytest.fixture
def node(document: Document, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(verify_chain, "RUNTIMES_SHA256", (hashlib.sha256(CODE).hexdigest(),))
    running = Node(honest(document))
    yield running
    running.stop()


def chain(document: Document, node: Node | str, contract: str | None = None) -> verify_door.Step:
    rpc = node if isinstance(node, str) else node.url
    steps = verify_door.verify(json.dumps(document).encode(), b"photo", rpc=rpc, contract=contract)
    assert {step.result for step in steps if step.name != "chain"} <= {"passed", "not checked"}
    return next(step for step in steps if step.name == "chain")


def test_an_honest_node_proves_the_anchor(document: Document, node: Node) -> None:
    step = chain(document, node, "0x" + "AB" * 20)
    assert step.result == "passed"
    assert step.sentence == f"the contract {CONTRACT} holds this root since 2026-11-18 11:06:40 UTC"
    assert ("eth_getTransactionReceipt", ["0x" + "cd" * 32]) in node.calls
    assert ("eth_call", [{"to": CONTRACT, "data": outside.SIZE_CALL}, "latest"]) in node.calls


def test_without_a_known_address_the_reader_is_told_to_compare_it(document: Document, node: Node) -> None:
    assert "compare its address" in chain(document, node).sentence


def test_an_anchor_dates_the_promise_when_the_chain_holds_it(document: Document, node: Node) -> None:
    note = promise(signer(), "photo", hashlib.sha256(b"photo").digest(), CAPTURED_AT)
    given: dict[str, Any] = {"key": str(signer().vkey), "promise": note}
    since = "by the anchor, since 2026-11-18 11:06:40 UTC or before"
    *_, asked = verify_door.verify(json.dumps(document).encode(), b"photo", rpc=node.url, **given)
    assert (asked.result, asked.sentence.endswith(since)) == ("passed", True)
    *_, told = verify_door.verify(json.dumps(document).encode(), b"photo", **given)
    assert (told.result, "anchor" in told.sentence) == ("passed", False)


def test_a_local_chain_passes_and_says_that_it_proves_nothing(document: Document, node: Node) -> None:
    local = document | {"anchor": document["anchor"] | {"local": True}}
    step = chain(local, node)
    assert step.result == "passed"
    assert step.sentence.endswith("; local chain: not independent proof")
    node.answers["eth_chainId"] = hex(31337)
    disguised = document | {"anchor": document["anchor"] | {"chain_id": 31337}}
    assert "not independent proof" in chain(disguised, node).sentence


def test_another_contract_than_the_given_one_fails(document: Document, node: Node) -> None:
    step = chain(document, node, "0x" + "12" * 20)
    assert step == ("chain", "failed", "the receipt names another contract than the given one")
    assert node.calls == []


EVENT = ("eth_getTransactionReceipt", "logs", 1)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("eth_chainId",), "0x1", "another chain"),
        (("eth_chainId",), 8453, "answer to eth_chainId has not the form"),
        (("eth_chainId",), "0x", "answer to eth_chainId has not the form"),
        (("eth_getTransactionReceipt",), None, "answer to eth_getTransactionReceipt is no object"),
        (("eth_getTransactionReceipt", "status"), "0x0", "did not succeed"),
        (("eth_getTransactionReceipt", "blockNumber"), "0x1", "another block"),
        (("eth_getTransactionReceipt", "logs"), [], "did not write this size and root"),
        (("eth_getTransactionReceipt", "logs"), 7, "logs is no list"),
        (("eth_getTransactionReceipt", "logs"), [None], "logs is no object"),
        ((*EVENT, "address"), "0x" + "12" * 20, "did not write this size and root"),
        ((*EVENT, "data"), "0x" + digest("another root").hex(), "did not write this size and root"),
        ((*EVENT, "topics"), [outside.APPENDED, f"0x{4:064x}"], "did not write this size and root"),
        ((*EVENT, "topics"), ["0x" + "22" * 32, f"0x{3:064x}"], "did not write this size and root"),
        ((*EVENT, "topics"), [], "did not write this size and root"),
        (("eth_getBlockByNumber",), None, "answer to eth_getBlockByNumber is no object"),
        (("eth_getBlockByNumber", "timestamp"), "0x1", "block's time is not the one"),
        (("eth_getCode",), "0x", "not the known one: its SHA-256 is e3b0c442"),
        (("eth_getCode",), "0x" + (CODE + b"!").hex(), "not the known one"),
        (("eth_getCode",), "0x123", "answer to eth_getCode has not the form"),
        (("eth_call",), f"0x{2:064x}", "has only 2 entries"),
        (("eth_call",), "0x", "answer to eth_call has not the form"),
    ],
)
def test_each_lie_of_a_node_is_named(
    document: Document, node: Node, path: tuple[str | int, ...], value: Any, reason: str
) -> None:
    inner: Any = node.answers
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    step = chain(document, node)
    assert step.result == "failed"
    assert reason in step.sentence


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[1]",
        b'{"error": {"code": -32601, "message": "\x1b[31mno"}}',
        b"[" * 100_000,
        b"\xff",
        b'{"result": ' + b"[" * 501 + b"]" * 501 + b"}",
    ],
)
def test_a_node_without_sense_is_no_proof_either_way(document: Document, node: Node, answer: bytes) -> None:
    node.answers["eth_getTransactionReceipt"] = answer
    step = chain(document, node)
    assert step.result == "not checked"
    assert "eth_getTransactionReceipt" in step.sentence
    assert step.sentence.isascii()
    assert step.sentence.isprintable()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd", "nonsense", "http://[", "http://a b/"])
def test_a_node_out_of_reach_is_not_checked(document: Document, url: str) -> None:
    step = chain(document, url)
    assert step.result == "not checked"
    assert "did not answer eth_chainId" in step.sentence


def test_without_an_anchor_no_node_is_asked(document: Document, node: Node) -> None:
    step = chain(document | {"anchor": None}, node)
    assert (step.result, node.calls) == ("not checked", [])
    assert "no anchor yet" in step.sentence


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.from_regex(r"0x[0-9a-f]{0,4}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.data(), json_values)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_answer_raises_or_passes(document: Document, node: Node, data: st.DataObject, value: Any) -> None:
    node.answers = honest(document)
    method = data.draw(st.sampled_from(sorted(node.answers)))
    if node.answers[method] != value and not (method == "eth_call" and isinstance(value, str)):
        node.answers[method] = value
        assert chain(document, node).result != "passed"


# -- the contract that is shipped -------------------------------------------------------------------------------------


def test_the_constants_are_those_of_the_shipped_contract() -> None:
    artifact = json.loads(ARTIFACT.read_text())
    assert artifact["runtime_sha256"] == verify_chain.RUNTIMES_SHA256[0]
    signatures = {
        f"{item['name']}({','.join(part['type'] for part in item['inputs'])})"
        for item in artifact["abi"]
        if item["type"] in ("event", "function")
    }
    assert {"Appended(uint64,bytes32)", "size()"} <= signatures
    (event,) = (item for item in artifact["abi"] if item["type"] == "event" and item["name"] == "Appended")
    assert [part["indexed"] for part in event["inputs"]] == [True, False]


def test_the_digests_of_the_names_are_right() -> None:
    assert "0x" + keccak(text="Appended(uint64,bytes32)").hex() == outside.APPENDED
    assert "0x" + keccak(text="size()")[:4].hex() == outside.SIZE_CALL
