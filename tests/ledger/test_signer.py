"""Who signs: a key in a file, a keystore, or another process that gives signatures and never its key."""

import json
import os
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json
from eth_keys.datatypes import PrivateKey, Signature
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounts import ORDER, read_or_make_key
from ledger.chain import Chain
from ledger.signer import LocalSigner, SocketSigner
from ledger.signing import sign
from pipeline.errors import Conflict, Unavailable
from tests.chain_fixture import KEY, Node, node
from tests.ledger.anchor_world import Anchored
from tests.service import ROOT

__all__ = ["node"]

PATIENCE_S = 120  # a busy machine takes its time; where all is well nobody waits for this

FIELDS = {"chainId": 1, "nonce": 7, "to": "0x" + "11" * 20, "data": "0x1234", "gas": 50_000, "maxFeePerGas": 10**9,
          "maxPriorityFeePerGas": 0}  # fmt: skip


@contextmanager
def running(folder: Path, key_file: Path, **environ: str) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """`capture chain signer` in a process of its own, and its socket."""
    path = folder / "signer.sock"
    command = [sys.executable, "-m", "cli", "chain", "signer", "--socket", str(path)]
    environ = {**os.environ, "CAPTURE_CHAIN_KEY_FILE": str(key_file), **environ}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE_S
    while not answers(path) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield path, process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


def answers(path: Path) -> bool:
    """Whether a signer is behind this socket; one that was killed leaves its socket."""
    with suppress(Unavailable):
        return bool(SocketSigner(path, timeout_s=1).address)
    return False


@contextmanager
def answering(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[SocketSigner]:
    """A signer that answers so."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(answer(self.rfile.readline()))

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield SocketSigner(path, PATIENCE_S)
        server.shutdown()
        thread.join()


def key_file(folder: Path, text: str = KEY.hex()) -> Path:
    """A key file as an operator writes it."""
    file = folder / "writer.key"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_anchoring_with_a_key_in_another_process(node: Node, tmp_path: Path) -> None:
    with running(tmp_path, key_file(tmp_path)) as (path, process):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        signer = SocketSigner(path, PATIENCE_S)
        assert signer.address == LocalSigner(KEY).address
        anchored = Anchored.make(tmp_path / "world", node)
        anchored.grow(2)
        anchored.anchorer(Chain(node.url, signer, None, local=True)).flush()
        anchored.check()
        process.send_signal(signal.SIGKILL)
        process.wait()
        anchored.grow(1)
        with pytest.raises(Unavailable, match=r"the signer at .*signer.sock did not answer"):
            anchored.anchorer(Chain(node.url, signer, None, local=True)).flush()
    with running(tmp_path, key_file(tmp_path)) as (path, process):  # over the socket that the killed one left
        assert process.poll() is None
        anchored.anchorer(Chain(node.url, SocketSigner(path, PATIENCE_S), None, local=True)).flush()
        anchored.check()


def test_a_second_signer_at_the_same_place_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, key_file(tmp_path)) as (path, _):
        with running(tmp_path, key_file(tmp_path)) as (_, second):
            _, said = second.communicate(timeout=PATIENCE_S)
        assert "a signer already answers" in said
        assert "Traceback" not in said
        assert SocketSigner(path, PATIENCE_S).address


@pytest.mark.parametrize(
    "question", [b"", b"{}", b"[]", b"7", b"null", b"\xff", b'{"sign": 7}', b'{"sign": "00"}', b'{"sign": "zz"}']
)
def test_nonsense_is_refused_and_the_signer_lives(tmp_path_factory: pytest.TempPathFactory, question: bytes) -> None:
    from ledger.signer import _answer

    assert _answer(LocalSigner(KEY), question).keys() == {"error"}


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"", Unavailable, "did not answer"),
        (b"hello\n", Unavailable, "did not answer"),
        (b'{"error": "locked"}\n', Unavailable, "locked"),
        (b"[]\n", Unavailable, "refused"),
        (b'{"signature": "00"}\n', Conflict, "no signature of 64 bytes"),
        (b'{"signature": "zz"}\n', Conflict, "no signature of 64 bytes"),
    ],
)
def test_a_strange_signer_is_named(tmp_path: Path, answer: bytes, error: type[Exception], says: str) -> None:
    with answering(tmp_path / "s", lambda question: answer) as signer, pytest.raises(error, match=says):
        signer.sign(bytes(32))


def test_a_signer_that_hangs_is_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(Unavailable, match="did not answer"):
            SocketSigner(tmp_path / "s", timeout_s=0.1).sign(bytes(32))


class High:
    """A key service that gives the high s of each signature, as some do."""

    def __init__(self, key: bytes, claims: str | None = None) -> None:
        self._local = LocalSigner(key)
        self.address = claims or self._local.address

    def sign(self, digest: bytes) -> bytes:
        signature = self._local.sign(digest)
        return signature[:32] + (ORDER - int.from_bytes(signature[32:])).to_bytes(32)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, ORDER - 1), st.integers(0, 2**40), st.booleans())
def test_the_bytes_are_those_that_others_make(key: int, nonce: int, high: bool) -> None:
    secret = key.to_bytes(32)
    fields = FIELDS | {"nonce": nonce}
    ours = sign(fields, "", High(secret) if high else LocalSigner(secret))
    theirs = Account.from_key(secret).sign_transaction({"type": 2, "value": 0, **fields})
    assert (ours.raw, ours.hash) == (bytes(theirs.raw_transaction), "0x" + theirs.hash.hex())


def test_another_keys_signature_is_refused() -> None:
    with pytest.raises(Conflict, match="is not by the key of"):
        sign(FIELDS, "", High(KEY, LocalSigner(bytes(31) + b"\x09").address))
    digest = bytes(31) + b"\1"
    assert Signature(PrivateKey(KEY).sign_msg_hash(digest).to_bytes()).verify_msg_hash(
        digest, PrivateKey(KEY).public_key
    )


# -- keystores ----------------------------------------------------------------------------------------------------


def test_a_keystore_and_its_password(tmp_path: Path) -> None:
    keystore = create_keyfile_json(KEY, b"correct horse", kdf="pbkdf2", iterations=1000)
    file, password = key_file(tmp_path, json.dumps(keystore)), tmp_path / "password"
    with pytest.raises(Conflict, match="set CAPTURE_CHAIN_PASSWORD_FILE"):
        read_or_make_key(file)
    password.write_text("correct horse\n")
    with pytest.raises(Conflict, match="open to other users"):
        read_or_make_key(file, password)
    password.chmod(0o600)
    assert read_or_make_key(file, password) == KEY
    password.write_text("wrong")
    with pytest.raises(Conflict, match="holds another password"):
        read_or_make_key(file, password)


@pytest.mark.parametrize("change", [{"version": 9}, {"crypto": {}}, {"crypto": None}])
def test_a_broken_keystore_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    keystore = create_keyfile_json(KEY, b"x", kdf="pbkdf2", iterations=1000)
    password = tmp_path / "password"
    password.touch(0o600)
    with pytest.raises(Conflict, match="holds no key"):
        read_or_make_key(key_file(tmp_path, json.dumps(keystore | change)), password)
    with pytest.raises(Conflict, match="holds no key"):
        read_or_make_key(key_file(tmp_path, '{"version": 3'), password)
