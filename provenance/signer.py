"""How the rest of Capture signs: it asks the signing process, over a unix socket, and never sees a private key.

One JSON object a line goes each way, and the socket closes:

    {"chain": ""}                                      {"chain": "PEM: leaf, then issuing authority", "root": "PEM",
                                                        "crl": "PEM, or nothing"}
    {"sign": "bytes as hex", "leaf": "serial, hex"}    {"signature": "64 bytes as hex"}

and what it will not do is answered by {"error": "why"}. `leaf` names the certificate that the signature is for: after
a rotation the one before it signs for a while still, so that work under way ends well.
"""

import json
import socket
from pathlib import Path

from cryptography import x509

from pipeline.errors import Unavailable
from provenance.certificates import serial_hex
from provenance.keys import Identity

TIMEOUT_S = 10  # a token far away answers in less than a second
MAX_SIGNED_BYTES = 1_000_000  # a claim has 1 to 20 kB
MAX_LINE_BYTES = 2 * MAX_SIGNED_BYTES + 1000
SIGNATURE_BYTES = 64


class SocketKey:
    """The key of one leaf, in the signing process."""

    def __init__(self, path: Path, serial: str, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._serial = serial
        self._timeout_s = timeout_s
        self.fault: Unavailable | None = None

    def sign_es256(self, message: bytes) -> bytes:
        """See provenance.keyfiles.Key."""
        self.fault = None
        try:
            return self._signature(message)
        except Unavailable as fault:
            self.fault = fault
            raise

    def _signature(self, message: bytes) -> bytes:
        answer = ask(self._path, {"sign": message.hex(), "leaf": self._serial}, ("signature",), self._timeout_s)
        try:
            signature = bytes.fromhex(answer["signature"])
        except ValueError:
            signature = b""
        if len(signature) != SIGNATURE_BYTES:
            raise Unavailable(f"the signer at {self._path} gave no signature of {SIGNATURE_BYTES} bytes: replace it")
        return signature


def identity_of(path: Path, timeout_s: float = TIMEOUT_S) -> Identity:
    """Who signs at this socket now. Raises Unavailable when nobody answers, or what is said is no chain."""
    answer = ask(path, {"chain": ""}, ("chain", "root"), timeout_s)
    try:
        leaf = x509.load_pem_x509_certificates(answer["chain"].encode())[0]
        x509.load_pem_x509_certificate(answer["root"].encode())
    except (ValueError, IndexError):
        raise Unavailable(f"the signer at {path} did not tell its certificates: replace it") from None
    key = SocketKey(path, serial_hex(leaf), timeout_s)
    return Identity(answer["root"], answer["chain"], key, answer.get("crl", ""))


def ask(path: Path, question: dict[str, str], wanted: tuple[str, ...], timeout_s: float) -> dict[str, str]:
    """One question and its answer, which holds the strings that are wanted. Raises Unavailable."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline(MAX_LINE_BYTES))
    except (OSError, ValueError) as error:
        raise Unavailable(f"the signer at {path} did not answer: {error or type(error).__name__}") from None
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), str) for name in wanted):
        why = answer.get("error") if isinstance(answer, dict) else None
        raise Unavailable(f"the signer at {path} refused: {str(why or 'it gave no reason')[:200]}")
    return answer
