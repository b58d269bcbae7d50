"""One POST: to the address that was checked, bounded in time, and no further."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import notify.post as module
from notify.address import Target
from notify.post import post
from pipeline.errors import Unavailable
from tests.notify.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _target(port: int, host: str = "hooks.example", scheme: str = "http") -> Target:
    return Target(scheme, host, port, "/hook?a=b", "127.0.0.1")


def test_the_checked_address_is_asked_whatever_the_name_says_by_now(receiver: Receiver) -> None:
    """`hooks.example` leads nowhere: had it been looked up again, there would be no answer."""
    assert post(_target(receiver.port), b"{}", {"webhook-id": "msg_1"}) == 204
    (received,) = receiver.received
    assert (received.path, received.body) == ("/hook?a=b", b"{}")
    assert received.headers["host"] == f"hooks.example:{receiver.port}"
    assert received.headers["webhook-id"] == "msg_1"


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    other = Receiver()
    receiver.status, receiver.headers = 307, {"Location": other.url}
    assert post(_target(receiver.port), b"{}", {}) == 307
    assert not other.received
    other.close()


class _Speaker:
    """A server that speaks what it is told, byte by byte or all at once, to whoever connects."""

    def __init__(self, said: bytes, pause_s: float) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.spoken = 0
        threading.Thread(target=self._speak, args=(said, pause_s), daemon=True).start()

    def _speak(self, said: bytes, pause_s: float) -> None:
        connection, _ = self._socket.accept()
        with connection, self._socket:
            try:
                for at in range(0, len(said), 1 if pause_s else 65536):
                    self.spoken += connection.send(said[at : at + (1 if pause_s else 65536)])
                    time.sleep(pause_s)
            except OSError:
                return


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr(module, "TOTAL_S", 0.6)
    said = b"HTTP/1.1 200 OK\r\nX: " if scheme == "http" else b"\x16\x03\x03\x40\x00"
    speaker = _Speaker(said + b"a" * 2000, 0.05)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no answer within"):
        post(_target(speaker.port, scheme=scheme), b"{}", {})
    assert time.monotonic() - began < 5


def test_a_long_answer_is_not_read() -> None:
    speaker = _Speaker(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"a" * 100_000_000, 0)
    assert post(_target(speaker.port), b"{}", {}) == 200
    assert speaker.spoken < 50_000_000


def test_nobody_there_and_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = int(held.getsockname()[1])
    with pytest.raises(Unavailable, match="the connection failed"):
        post(_target(port), b"{}", {})
    with pytest.raises(Unavailable, match="the connection failed"):
        post(_target(_Speaker(b"SSH-2.0-x\r\n", 0).port), b"{}", {})


def _certificate(folder: Path, name: str) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    made = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_the_certificate_must_be_that_of_the_name(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _certificate(tmp_path, "hooks.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    receiver._server.socket = server.wrap_socket(receiver._server.socket, server_side=True)
    with pytest.raises(Unavailable, match="TLS certificate"):
        post(_target(receiver.port, scheme="https"), b"{}", {})
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(module, "_tls", lambda: trusting)
    assert post(_target(receiver.port, scheme="https"), b"{}", {}) == 204
    with pytest.raises(Unavailable, match="TLS certificate"):
        post(_target(receiver.port, "other.example", "https"), b"{}", {})
    assert len(receiver.received) == 1
