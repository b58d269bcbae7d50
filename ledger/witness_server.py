"""The witness's HTTP door. TLS is for the proxy in front of it."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger.checkpoint import ED25519, MAX_NOTE_CHARS, VerifierKey
from ledger.cosignature import Cosigner
from ledger.witness import Answer, Witness
from pipeline.errors import Conflict, Rejected, Unavailable

MAX_BODY_BYTES = MAX_NOTE_CHARS + 4096  # the note, and 63 lines of proof
MAX_CONNECTIONS = 64
CONNECTION_S = 60  # then it is cut, so that slow clients cannot hold them all
SILENCE_S = 10

log = logging.getLogger(__name__)


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness at this address, a thread a connection, `MAX_CONNECTIONS` at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, witness: Witness, vkey: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.witness, self.vkey = witness, vkey
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Door)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(timeout=1):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(CONNECTION_S, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a connection broke off")


class _Door(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "capture-witness", ""
    timeout = SILENCE_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        known = self.path == "/vkey"
        self._answer(Answer(200, f"{self.server.vkey}\n") if known else Answer(404, "POST to /add-checkpoint\n"))

    def do_POST(self) -> None:
        length = self.headers["Content-Length"] or ""
        if not (length.isascii() and length.isdigit()):
            return self._refuse(411, "say how long the request is: Content-Length")
        if len(length) > 9 or int(length) > MAX_BODY_BYTES:
            return self._refuse(413, f"a request has at most {MAX_BODY_BYTES} bytes")
        body = self.rfile.read(int(length))
        if self.path != "/add-checkpoint":
            return self._answer(Answer(404, "POST to /add-checkpoint\n"))
        try:
            self._answer(self.server.witness.add_checkpoint(body))
        except (Conflict, OSError) as error:
            log.error("nothing is cosigned: %s", error)
            self._answer(Answer(500, "this witness cannot use its memory; its operator must look\n"))

    def _refuse(self, status: int, reason: str) -> None:
        self.close_connection = True  # the body is still on its way
        self._answer(Answer(status, f"{reason}\n"))

    def _answer(self, answer: Answer) -> None:
        content = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type if answer.status == 409 else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: Any) -> None:
        log.info(format, *values)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main(listen: str, home: Path, logs: Sequence[str], name: str | None) -> int:
    """Serve until SIGINT or SIGTERM; the exit status. Raises Rejected and Conflict for what cannot be started with."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    host, port = address(listen)
    keys = log_keys(logs)
    try:
        cosigner = Cosigner.load_or_make(home, name)
        witness = Witness(home, cosigner, keys)
    except OSError as error:
        raise Unavailable(f"the folder {home}, where a witness keeps its memory: {error.strerror}") from None
    try:
        server = WitnessServer(host, port, witness, str(cosigner.vkey))
    except OSError as error:
        raise Unavailable(f"the address {listen}, where nobody else may listen: {error.strerror}") from None
    log.info("%s listens on http://%s", cosigner.vkey, listen)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    return 0


def address(listen: str) -> tuple[str, int]:
    """Host and port of text such as 127.0.0.1:8100 or [::1]:8100. Raises Rejected."""
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise Rejected(f"{listen!r} is no address and port such as 127.0.0.1:8100")
    return host.strip("[]"), int(port)


def log_keys(given: Sequence[str]) -> list[VerifierKey]:
    """Logs' verifier keys: each given as text, or as a file with one a line. Raises Rejected."""
    keys = [VerifierKey.parse(word) for text in given for word in _words(text)]
    for key in keys:
        if key.kind != ED25519:
            raise Rejected(f"{key} is a witness's key: give a log's")
    return keys


def _words(text: str) -> list[str]:
    if "+" in text:
        return [text]
    try:
        return Path(text).read_text().split()
    except (OSError, UnicodeDecodeError):
        raise Rejected(f"{text[:200]!r} is neither a verifier key, name+id+key, nor a file with one") from None
