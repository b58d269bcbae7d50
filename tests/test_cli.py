"""The command's own work: whose key verifies, and what is said when the service has no receipt or no sense."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from ledger.checkpoint import CheckpointSigner
from ledger.receipt import receipt
from ledger.sequence import sequence
from tests.ledger.log_world import TERMS, World, picture, signer
from tests.service import free_port

PHOTO = picture("JPEG")


class Door:
    """An HTTP server where the service should be: it answers everything with one status and body."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(door.status)
                self.end_headers()
                self.wfile.write(door.body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.server.shutdown()
    door.server.server_close()
    door.thread.join()


def run(folder: Path, *arguments: str, port: int) -> Result:
    """A command of the service whose home is `folder`/home; a traceback fails the test."""
    (folder / "photo.jpg").write_bytes(PHOTO)
    environ = {"CAPTURE_HOME": str(folder / "home"), "CAPTURE_LISTEN": f"127.0.0.1:{port}"}
    result = CliRunner().invoke(main, arguments, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


# -- register ---------------------------------------------------------------------------------------------------------


def test_a_receipt_that_is_not_there_yet_is_asked_for_later(tmp_path: Path, door: Door) -> None:
    door.status, links = 202, {"self": "/v1/captures/c1"}
    door.body = json.dumps({"id": "c1", "status": "sealed", "verdict": None, "links": links}).encode()
    arguments = ["register", str(tmp_path / "photo.jpg"), "--receipt", str(tmp_path / "r.json")]
    result = run(tmp_path, *arguments, port=door.server.server_port)
    assert result.exit_code == 1
    assert "c1  sealed" in result.output
    assert "ask later with GET /v1/captures/c1/receipt" in result.output
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"<html>Bad Gateway</html>", "the service answered 502"), (b"", "answered 502"), (b"[]", "answered 502"),
     (b"\xff", "answered 502"), (b'{"detail": 7}', "answered 502"), (b'{"detail": "disk full"}', "disk full")],
)  # fmt: skip
def test_an_error_without_sense_is_one_sentence(tmp_path: Path, door: Door, body: bytes, said: str) -> None:
    door.status, door.body = 502, body
    result = run(tmp_path, "register", str(tmp_path / "photo.jpg"), port=door.server.server_port)
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.count("\n") == 1


def test_without_a_service_the_reader_is_told_to_start_it(tmp_path: Path) -> None:
    result = run(tmp_path, "register", str(tmp_path / "photo.jpg"), port=free_port())
    assert result.exit_code == 1
    assert "start it with `capture up`" in result.output


# -- verify -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A receipt of another log than the one of this home, that log's key, and the photo."""
    CheckpointSigner.load_or_make(tmp_path / "home" / "keys" / "log", "ours.example")
    world = World.make(tmp_path)
    name = world.seal("photo", PHOTO)
    sequence(world.log, world.signer, 1)
    (tmp_path / "receipt.json").write_text(json.dumps(receipt(world.get(name), world.log, TERMS)))
    (tmp_path / "log.vkey").write_text(str(signer().vkey))
    return tmp_path


@pytest.mark.parametrize("spelling", ["--key={}", "--key {}", "--ke={}", "--k {}"])
def test_the_readers_key_counts_however_it_is_given(foreign: Path, spelling: str) -> None:
    given = spelling.format(foreign / "log.vkey").split(" ")
    result = run(foreign, "verify", str(foreign / "receipt.json"), str(foreign / "photo.jpg"), *given, port=1)
    assert "passed       signature    the key of" in result.output
    assert result.exit_code == 0


def test_without_a_key_ours_is_used(foreign: Path) -> None:
    result = run(foreign, "verify", str(foreign / "receipt.json"), str(foreign / "photo.jpg"), port=1)
    assert "failed       signature    the log's key did not sign it" in result.output
    assert result.exit_code == 1


def test_the_help_is_the_verifiers(foreign: Path) -> None:
    result = run(foreign, "verify", "--help", port=1)
    assert (result.exit_code, "Exit codes:" in result.output) == (0, True)
