"""Servers that are no chain, or a broken one: whatever they answer, it ends as one of our errors."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ledger.chain import Chain
from ledger.rpc import Answer, Refused
from pipeline.errors import Conflict, Unavailable
from tests.chain_fixture import KEY


@contextmanager
def answering(respond: Callable[[bytes], tuple[int, bytes]]) -> Iterator[tuple[Chain, list[str]]]:
    """A client of a web server that answers so; and the methods that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(json.loads(body)["method"])
            status, answer = respond(body)
            if status == 0:
                self.close_connection = True  # hung up without a word
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Chain(f"http://127.0.0.1:{server.server_port}", KEY, None, local=False, timeout_s=5), asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0, b""),
        (503, b"busy"),
        (429, b'{"error": "slow down"}'),
        (200, b"<html>hello</html>"),
        (200, b"[]"),
        (200, b'"text"'),
        (200, b"{}"),
        (200, b'{"jsonrpc": "2.0", "id": 1, "result": null}'),
        (200, b'{"jsonrpc": "2.0", "id": 1, "result": "soon"}'),
        (200, b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit exceeded"}}'),
        (200, b'{"jsonrpc": "2.0", "id": 1, "error": "limit exceeded"}'),
    ],
)
def test_any_other_answer_is_unavailable(status: int, answer: bytes) -> None:
    with answering(lambda body: (status, answer)) as (chain, _):
        with pytest.raises(Unavailable, match="the chain at 127"):
            chain.nonce()
        with pytest.raises(Unavailable, match="the chain at 127"):
            chain.sign_deploy(0)


@pytest.mark.parametrize("status", [0, 503])
def test_nothing_is_sent_twice_behind_our_back(status: int) -> None:
    with answering(lambda body: (status, b"")) as (chain, asked):
        with pytest.raises(Unavailable):
            chain.send(b"\x02")
        assert asked == ["eth_sendRawTransaction"]


def test_a_chain_without_our_kind_of_fees_is_named() -> None:
    with (
        answering(lambda body: (200, b'{"jsonrpc": "2.0", "id": 1, "result": {"number": "0x1"}}')) as (chain, _),
        pytest.raises(Conflict, match="has no EIP-1559 fees"),
    ):
        chain.sign_deploy(0)


def test_what_a_node_says_is_kept_short() -> None:
    words = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"message": "x" * 5000}}).encode()
    with answering(lambda body: (200, words)) as (chain, _):
        with pytest.raises(Refused) as caught:
            chain.nonce()
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("result", ["0x", "0xzz", "12", "-0x1", "0x1\n", "0x123", [], 7, {}])
def test_readings_of_nonsense_are_refused(result: object) -> None:
    answer = Answer("host", "eth_call", {"result": result})
    if result not in ("0x123",):
        with pytest.raises(Refused, match=r"the chain at host refused eth_call: its answer is not hexadecimal"):
            answer.number()
    if result != "0x":
        with pytest.raises(Refused):
            answer.content()
    with pytest.raises(Refused):
        answer.quantity("timestamp")
    assert Answer("host", "eth_call", {"result": "0x"}).content() == b""
