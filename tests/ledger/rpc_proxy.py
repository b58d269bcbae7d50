"""A proxy between us and a real node that does what networks, proxies and nodes under load do."""

import http.client
import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from eth_utils.crypto import keccak

CLIENT_TIMEOUT_S = 0.15
SEND = "eth_sendRawTransaction"
LIES = {
    "already known": "already known",
    "nonce too low": "nonce too low: next nonce 7, tx nonce 6",
    "underpriced": "replacement transaction underpriced",
}
# What may befall any question, and what only a transaction that is sent. "after": the node has had it.
ANY = ("hang", "hang after", "cut", "cut after", "502", "502 after", "nonsense", "rate limit")
SENDING = ("swallow", *(f"{lie} after" for lie in LIES), *LIES)


class Proxy:
    """Hands JSON-RPC on to a node, but for the faults that were planned. `counts`: which befell how often."""

    def __init__(self, upstream_port: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self._upstream_port = upstream_port
        self._plan: list[str] = []
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def plan(self, *faults: str | None) -> None:
        """What befalls the next questions, in this order: None is no fault. A fault of sending waits for one."""
        with self._lock:
            self._plan = [fault or "" for fault in faults]

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _take(self, method: str) -> str:
        with self._lock:
            if not self._plan or (self._plan[0] in SENDING and method != SEND):
                return ""
            fault = self._plan.pop(0)
            self.counts[fault] += bool(fault)
            return fault

    def _forward(self, body: bytes) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream_port(), timeout=5)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def _answer(self, body: bytes, call: Any, fault: str) -> tuple[int, bytes]:
        kind, happened = fault.removesuffix(" after"), fault.endswith(" after") or not fault
        answer = self._forward(body) if happened else b""
        if kind == "hang":
            time.sleep(CLIENT_TIMEOUT_S * 2)
        if kind == "swallow":
            digest = "0x" + keccak(bytes.fromhex(call["params"][0][2:])).hex()
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": digest}).encode()
        if kind in LIES:
            return 200, _error(call, -32000, LIES[kind])
        if kind == "rate limit":
            return 200, _error(call, -32005, "limit exceeded")
        return {"nonsense": (200, b"<html>"), "502": (502, b"bad gateway"), "cut": (0, b"")}.get(kind, (200, answer))

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    call = json.loads(body)
                    status, answer = proxy._answer(body, call, proxy._take(call["method"]))
                except (OSError, ValueError):
                    status, answer = 0, b""  # the node is gone, or who asked was killed while asking
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None: ...

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    return  # who asked has gone

        return Handler


class Altered(Proxy):
    """Hands on what `alter` makes of each answer: it gets the call and the node's answer to it."""

    def __init__(self, upstream_port: Callable[[], int], alter: Callable[[Any, Any], Any]) -> None:
        self.alter: Callable[[Any, Any], Any] | None = alter
        super().__init__(upstream_port)

    def _answer(self, body: bytes, call: Any, fault: str) -> tuple[int, bytes]:
        status, answer = super()._answer(body, call, fault)
        return status, json.dumps(self.alter(call, json.loads(answer))).encode() if self.alter else answer


def _error(call: Any, code: int, words: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": words}}).encode()
