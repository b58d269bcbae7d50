"""The witness's door: real sockets, rude clients, and `capture witness` as a process that is killed."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import witness_server
from ledger.cosigning import ask
from ledger.fetch import fetch
from ledger.tree import root
from pipeline.errors import Rejected
from tests.ledger.log_world import signer
from tests.ledger.test_tree import STORED
from tests.ledger.test_witness import FORKED, request
from tests.ledger.witness_world import Process, cosigner, witness
from tests.service import ROOT


def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    with witness(tmp_path, "w1") as one:
        connection = http.client.HTTPConnection(one.url.removeprefix("http://"), timeout=5)
        sockets = []
        for old, new in ((0, 3), (3, 7), (3, 7)):
            connection.request("POST", "/add-checkpoint", request(old, new))
            answer = connection.getresponse()
            answer.read()
            sockets.append(connection.sock)
        assert answer.status == 409
        assert answer.headers["Content-Type"] == "text/x.tlog.size"
        assert len(set(sockets)) == 1
        connection.close()


def test_other_paths_methods_and_lengths(tmp_path: Path) -> None:
    with witness(tmp_path, "w1") as one:
        assert fetch(f"{one.url}/vkey").body.decode() == f"{cosigner('w1').vkey}\n"
        assert fetch(f"{one.url}/").status == 404
        assert fetch(f"{one.url}/add-checkpoints", b"x").status == 404
        assert fetch(f"{one.url}/add-checkpoint", b"x" * 270_000).status == 413
        connection = http.client.HTTPConnection(one.url.removeprefix("http://"), timeout=5)
        for length, status in (("", 411), ("-1", 411), ("\u0661", 411), ("9" * 30, 413)):
            connection.putrequest("POST", "/add-checkpoint")
            connection.putheader("Content-Length", length.encode())
            connection.endheaders()
            assert connection.getresponse().status == status
            connection.close()
        connection.request("DELETE", "/add-checkpoint")
        assert connection.getresponse().status == 501
        connection.close()


def test_slow_clients_are_cut_and_too_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_server, "CONNECTION_S", 0.5)
    monkeypatch.setattr(witness_server, "MAX_CONNECTIONS", 4)
    with witness(tmp_path, "w1") as one:
        host, port = one.url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), 5) for _ in range(4)]
        for connection in slow:
            connection.send(b"POST /add-checkpoint HTTP/1.1\r\nX: ")
        assert fetch(f"{one.url}/add-checkpoint", request(0, 3)).status == 200  # when the first ones were cut
        for connection in slow:
            assert connection.recv(100) == b""
            connection.close()


def test_a_memory_that_cannot_be_used_is_no_traceback(tmp_path: Path) -> None:
    with witness(tmp_path, "w1") as one:
        assert fetch(f"{one.url}/add-checkpoint", request(0, 3)).status == 200
        for file in (tmp_path / "checkpoints").iterdir():
            file.write_bytes(b"")
        answer = fetch(f"{one.url}/add-checkpoint", request(3, 4))
        assert (answer.status, answer.body) == (500, b"this witness cannot use its memory; its operator must look\n")


@pytest.mark.parametrize("listen", ["8100", ":8100", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"])
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(Rejected, match="no address and port"):
        witness_server.address(listen)


def test_addresses_and_keys(tmp_path: Path) -> None:
    assert witness_server.address("[::1]:81") == ("::1", 81)
    vkey = str(signer().vkey)
    (tmp_path / "logs").write_text(f"{vkey}\n{vkey}\n")
    assert [str(key) for key in witness_server.log_keys([vkey, str(tmp_path / "logs")])] == [vkey] * 3
    with pytest.raises(Rejected, match="is a witness's key"):
        witness_server.log_keys([str(cosigner("w1").vkey)])


def test_the_command_remembers_over_kills_and_refuses_a_fork(tmp_path: Path) -> None:
    log = signer()
    process = Process(tmp_path / "w", str(log.vkey))
    one = process.start()
    try:
        ask(one, log.sign(6, root(6, STORED)), 0, STORED)
        process.stop(signal.SIGKILL)
        again = process.start()
        assert str(again.key) == str(one.key)
        with pytest.raises(Rejected, match="422"):
            ask(again, log.sign(9, root(9, FORKED)), 0, FORKED)
        ask(again, log.sign(9, root(9, STORED)), 0, STORED)
    finally:
        assert process.stop() == 0
    assert "Traceback" not in (tmp_path / "w.log").read_text()
    assert oct((tmp_path / "w/witness.skey").stat().st_mode)[-3:] == "600"


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "file").write_text("here is no folder")
        for options, says in (
            (["--log", "nonsense"], "neither a verifier key, name+id+key, nor a file"),
            (["--log", "non+sense"], "Error: a verifier key is name+id+key"),
            (["--log", "x" * 5000], "neither a verifier key"),
            (["--log", str(tmp_path / "binary")], "neither a verifier key"),
            (["--log", str(signer().vkey), "--home", str(tmp_path / "file/w")], "where a witness keeps its memory"),
            (["--log", str(signer().vkey), "--listen", "8100"], "no address and port such as"),
            (["--log", str(signer().vkey), "--listen", f"127.0.0.1:{port}"], "nobody else may listen"),
        ):
            run = subprocess.run([sys.executable, "-m", "cli", "witness", "--home", str(tmp_path / "w"), *options],
                                 cwd=ROOT, env=environ, capture_output=True, text=True, timeout=20)  # fmt: skip
            assert run.returncode == 1
            assert says in run.stderr
            assert "Traceback" not in run.stderr
