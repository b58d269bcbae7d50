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
from typing import Any, ClassVar

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


class _Script(BaseHTTPRequestHandler):
    """A service that answers what the test wrote down: status and body, in this order."""

    answers: ClassVar[list[tuple[int, bytes]]] = []

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = type(self).answers.pop(0)
        self.send_response(status)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def script() -> Iterator[str]:
    """Where that service is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Script) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_service_that_wants_to_be_asked_less_often_gets_its_time(
    service: Running, script: str, tmp_path: Path
) -> None:
    _Script.answers = [(429, b"{}"), (429, b"{}"), (200, b"the photo")]
    begun = time.monotonic()
    run = bought(service, f"{script}/a/x", tmp_path)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "copy.jpg").read_bytes() == b"the photo"
    assert run.stderr.count("wants to be asked again in 1 s") == 2
    assert time.monotonic() - begun >= 2


def test_what_to_do_is_said_when_the_file_does_not_come_after_the_purchase(
    service: Running, script: str, tmp_path: Path
) -> None:
    _, page = _for_sale(service, 7304)
    offer = service.ask("GET", f"{page.removeprefix(service.base)}/copy?use=commercial", key=None).json
    priced = json.dumps(offer | {"play_money": f"{script}/buy"}).encode()
    _Script.answers = [
        (402, priced), (402, priced), (200, b"{}"), (402, priced), (429, b"{}"), (404, b'{"detail": "It is gone."}'),
    ]  # fmt: skip
    run = bought(service, f"{script}/a/x", tmp_path, "--use", "commercial", "--at-most", str(PRICE))
    assert (run.returncode, _Script.answers) == (1, [])
    for words in ("It is gone.", "The licence is bought", "run the same command again later, it pays nothing twice"):
        assert words in run.stderr
