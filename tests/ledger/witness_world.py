"""Witnesses on real sockets for tests: ours in a thread, and one that answers whatever it is told to."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import cosigning
from ledger.checkpoint import VerifierKey
from ledger.cosignature import Cosigner
from ledger.fetch import fetch
from ledger.witness import Witness
from ledger.witness_server import WitnessServer
from pipeline.errors import Unavailable
from tests.ledger.log_world import digest, signer
from tests.service import ROOT, free_port


def cosigner(name: str) -> Cosigner:
    """A cosigner whose key is known."""
    return Cosigner(f"witness.example/{name}", Ed25519PrivateKey.from_private_bytes(digest(f"key of {name}")))


@contextmanager
def witness(folder: Path, name: str, logs: list[VerifierKey] | None = None) -> Iterator[cosigning.Witness]:
    """A witness of ours that serves while the block lasts, as its clients know it."""
    own = cosigner(name)
    server = WitnessServer(
        "127.0.0.1", 0, Witness(folder, own, [signer().vkey] if logs is None else logs), str(own.vkey)
    )
    with running(server) as url:
        yield cosigning.Witness.parse(url, str(own.vkey))


class Liar:
    """A witness that answers `status`, `media_type` and `body`, whatever it is asked."""

    def __init__(self) -> None:
        self.status, self.media_type, self.body = 200, "text/plain", b""
        self.asked: list[bytes] = []
        self.location = ""


@contextmanager
def liar(name: str) -> Iterator[tuple[Liar, cosigning.Witness]]:
    """A liar that serves while the block lasts, under a key of its own."""
    told = Liar()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(told.status)
            self.send_header("Content-Type", told.media_type)
            if told.location:
                self.send_header("Location", told.location)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Door)) as url:
        yield told, cosigning.Witness.parse(url, str(cosigner(name).vkey))


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """A server's address, while it serves in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Process:
    """`capture witness` in a process of its own."""

    def __init__(self, home: Path, log_vkey: str) -> None:
        self.home, self.log_vkey, self.port = home, log_vkey, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> cosigning.Witness:
        """Start it; how it is asked, once it answers."""
        command = [sys.executable, "-m", "cli", "witness", "--listen", f"127.0.0.1:{self.port}",
                   "--home", str(self.home), "--log", self.log_vkey]  # fmt: skip
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        url, end = f"http://127.0.0.1:{self.port}", time.monotonic() + 20
        while True:
            try:
                return cosigning.Witness.parse(url, fetch(f"{url}/vkey").body.decode())
            except Unavailable:
                assert time.monotonic() < end
                assert self.process.poll() is None
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(10)
