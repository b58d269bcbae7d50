"""A licence is paid once, wherever the buyer's program was ended, and whatever the service answers then."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger.asking import nodes
from ledger.endpoints import Endpoints
from ledger.signer import LocalSigner
from tests.capture_api.test_works import ask, bought, made, registered
from tests.service import ROOT, Running

PRICE = 5000
KEY = "4c" * 32


@pytest.fixture
def chain(service: Running, tmp_path: Path) -> Iterator[Endpoints]:
    """The service's chain, whose blocks come at once again afterwards, and a buyer in this folder with some coin."""
    (tmp_path / "buyer.key").write_text(KEY)
    (tmp_path / "buyer.key").chmod(0o600)
    found = nodes(_rpc(service))
    found.ask("anvil_setBalance", _buyer(), hex(10**18))
    yield found
    found.ask("evm_setAutomine", True)
    found.ask("evm_mine")


def _rpc(service: Running) -> str:
    return str(json.loads((service.home / "run/engines.json").read_text())["chain_url"])


def _buyer() -> str:
    return LocalSigner(bytes.fromhex(KEY)).address


def _for_sale(service: Running, seed: int) -> tuple[str, str]:
    """A work, and its page."""
    capture = registered(service, seed)
    made(service, capture, {"preset": "commercial", "fee": str(PRICE)})
    return capture, f"{service.base}/a/{capture}"


def _received(service: Running, capture: str) -> str:
    return str(ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]["received"])


def _started(page: str, folder: Path, rpc: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "cli",
        "licence",
        "buy",
        page,
        "--key-file",
        str(folder / "buyer.key"),
        "--rpc",
        rpc,
    ]
    command += ["--use", "commercial", "--at-most", str(PRICE), "-o", str(folder / "copy.jpg")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)


def _until_sent(run: "subprocess.Popen[str]") -> None:
    assert run.stderr
    while not (line := run.stderr.readline()).startswith("sent 0x"):
        assert line, run.wait()


@pytest.mark.parametrize("seed", [7301, 7302])
def test_a_run_that_is_killed_after_it_sent_is_gone_on_with(
    service: Running, chain: Endpoints, tmp_path: Path, seed: int
) -> None:
    capture, page = _for_sale(service, seed)
    before = chain.ask("eth_getTransactionCount", _buyer(), "latest").number()
    chain.ask("evm_setAutomine", False)
    with _started(page, tmp_path, _rpc(service)) as first:
        _until_sent(first)
        first.send_signal(signal.SIGKILL)
    (kept,) = tmp_path.glob("buyer.key.*.sent")
    assert kept.stat().st_mode & 0o777 == 0o600
    if seed == 7302:
        chain.ask("anvil_dropAllTransactions")  # and the node forgot it too
    with _started(page, tmp_path, _rpc(service)) as second:
        assert second.stderr and "an earlier run sent" in second.stderr.readline()
        time.sleep(1)
        chain.ask("evm_setAutomine", True)
        chain.ask("evm_mine")
        assert second.wait(60) == 0, second.stderr.read()
    assert (tmp_path / "copy.jpg").stat().st_size > 1000
    assert _received(service, capture) == str(PRICE), "paid once"
    assert chain.ask("eth_getTransactionCount", _buyer(), "latest").number() == before + 1, "by one transaction"
    assert not kept.exists()


def test_what_the_contract_undoes_is_said_and_bought_at_the_next_run(
    service: Running, chain: Endpoints, tmp_path: Path
) -> None:
    capture, page = _for_sale(service, 7303)
    chain.ask("evm_setAutomine", False)
    with _started(page, tmp_path, _rpc(service)) as run:
        _until_sent(run)
        run.send_signal(signal.SIGSTOP)
        # The price changes before the purchase gets into a block: the contract takes nothing at another price.
        chain.ask("anvil_dropAllTransactions")
        chain.ask("evm_setAutomine", True)
        changed = {"terms": {"preset": "commercial", "fee": str(PRICE - 1)}}
        assert ask(service, "PUT", f"/v1/captures/{capture}/terms", changed).json["state"] == "done"
        run.send_signal(signal.SIGCONT)
        assert run.wait(60) == 1
        assert run.stderr and "the price was not paid" in run.stderr.read()
    again = bought(service, page, tmp_path, "--use", "commercial", "--at-most", str(PRICE), "--rpc", _rpc(service))
    assert again.returncode == 0, again.stderr
    assert _received(service, capture) == str(PRICE - 1)


class _Grudging(BaseHTTPRequestHandler):
    """A service that is asked too often, and one that never sees the licence."""

    refusals = 0
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if type(self).refusals:
            type(self).refusals -= 1
            self._answer(429, b'{"detail": "Ask again later."}')
        else:
            self._answer(200, b"the photo")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_service_that_wants_to_be_asked_less_often_gets_its_time(service: Running, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Grudging)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Grudging.refusals = 2
    begun = time.monotonic()
    run = bought(service, f"http://127.0.0.1:{server.server_port}/a/x", tmp_path)
    server.shutdown()
    server.server_close()
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "copy.jpg").read_bytes() == b"the photo"
    assert run.stderr.count("wants to be asked again in 1 s") == 2
    assert (time.monotonic() - begun >= 2, _Grudging.asked) == (True, 3)
