"""Who signs for the chain: a key of this process, or another program that keeps the key and gets digests only."""

import json
import os
import socket
import socketserver
from pathlib import Path
from typing import Protocol

from eth_keys.datatypes import PrivateKey
from eth_utils.exceptions import ValidationError

from pipeline.errors import Conflict, Unavailable

TIMEOUT_S = 10  # a key service far away answers in less than a second
MAX_LINE_BYTES = 1000
_DIGEST_BYTES, _SIGNATURE_BYTES = 32, 64


class Signer(Protocol):
    """A secp256k1 key that signs digests, as key services (KMS, HSM) do."""

    @property
    def address(self) -> str:
        """The account of the key, with the checksum of EIP-55."""

    def sign(self, digest: bytes) -> bytes:
        """The signature of 32 bytes: r and s, 32 bytes each, s high or low. Raises Unavailable and Conflict."""


class LocalSigner:
    """A key in this process's memory: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = PrivateKey(key)
        self.address: str = self._key.public_key.to_checksum_address()

    def sign(self, digest: bytes) -> bytes:
        """The same signature each time (RFC 6979)."""
        return self._key.sign_msg_hash(digest).to_bytes()[:_SIGNATURE_BYTES]


class SocketSigner:
    """A program behind a unix socket that has the key. One JSON object a line goes each way, and the socket closes:

    `{"address": ""}` is answered by `{"address": "0x…"}`, `{"sign": "32 bytes as hex"}` by `{"signature": "64 bytes as
    hex"}`, and what it will not do by `{"error": "why"}`. Whoever may open the socket may sign: its mode is the guard.
    """

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._address: str | None = None

    @property
    def address(self) -> str:
        """The account, asked once."""
        if self._address is None:
            self._address = self._ask("address", "")
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """The other program's signature, which the caller checks against `address`."""
        answer = self._ask("sign", digest.hex())
        try:
            signature = bytes.fromhex(answer)
        except ValueError:
            signature = b""
        if len(signature) != _SIGNATURE_BYTES:
            raise Conflict(f"the signer at {self._path} gave no signature of {_SIGNATURE_BYTES} bytes: replace it")
        return signature

    def _ask(self, question: str, value: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._timeout_s)
                connection.connect(str(self._path))
                connection.sendall(json.dumps({question: value}).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    answer = json.loads(lines.readline(MAX_LINE_BYTES))
        except (OSError, ValueError) as error:
            raise Unavailable(f"the signer at {self._path} did not answer: {error or type(error).__name__}") from None
        given = answer.get({"sign": "signature"}.get(question, question)) if isinstance(answer, dict) else None
        if not isinstance(given, str):
            raise Unavailable(f"the signer at {self._path} refused {question}: {str(answer)[:200]}")
        return given


def serve(key: bytes, path: Path) -> None:
    """Sign for whoever may open this socket (mode 0600), until interrupted.

    Raises Conflict when something is at the path that is no socket, or a signer already answers there.
    """
    _make_room(path)
    signer = LocalSigner(key)

    class Answering(socketserver.StreamRequestHandler):
        timeout = TIMEOUT_S

        def handle(self) -> None:
            try:
                line = self.rfile.readline(MAX_LINE_BYTES)
                self.wfile.write(json.dumps(_answer(signer, line)).encode() + b"\n")
            except OSError:
                return  # who asked has gone

    mask = os.umask(0o177)
    try:
        server = socketserver.ThreadingUnixStreamServer(str(path), Answering)
    finally:
        os.umask(mask)
    server.daemon_threads = True
    with server:
        try:
            server.serve_forever(poll_interval=0.1)
        finally:
            path.unlink(missing_ok=True)


def _answer(signer: Signer, line: bytes) -> dict[str, str]:
    try:
        question = json.loads(line)
        if "address" in question:
            return {"address": signer.address}
        digest = bytes.fromhex(question["sign"])
        if len(digest) != _DIGEST_BYTES:
            raise ValueError
        return {"signature": signer.sign(digest).hex()}
    except (ValueError, KeyError, TypeError, ValidationError):
        return {"error": 'ask {"address": ""}, or {"sign": "32 bytes as hex"}'}


def _make_room(path: Path) -> None:
    """Remove the socket of a signer that was killed."""
    if not path.exists():
        return
    if not path.is_socket():
        raise Conflict(f"{path} is there and no socket: choose another path")
    with socket.socket(socket.AF_UNIX) as connection:
        if connection.connect_ex(str(path)) == 0:
            raise Conflict(f"a signer already answers at {path}: stop it first")
    path.unlink()
