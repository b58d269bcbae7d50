"""Addresses that nobody can be asked at, and answers that never end: a sentence, in bounded time."""

import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.fetch import fetch
from pipeline.errors import Unavailable
from tests.ledger.answering import answering


@pytest.mark.parametrize("url", ["", "http://", "http://[", "ftp://log.example", "file:///etc/hostname", "log.example"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(Unavailable, match="is no address that begins with http"):
        fetch(url)


def _drip(beginning: bytes) -> Callable[[socket.socket], object]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(b"0")
            time.sleep(0.05)

    return answer


def _interim(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@pytest.mark.parametrize("answer", [
    pytest.param(_interim, id="another interim answer, again and again"),
    pytest.param(_drip(b"HTTP/1.1 "), id="a slow status"),
    pytest.param(_drip(b"HTTP/1.1 200 OK\r\nX: "), id="a slow header"),
    pytest.param(_drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), id="a slow length of a chunk"),
    pytest.param(_drip(b"HTTP/1.1 200 OK\r\n\r\n"), id="a slow body without a length"),
])  # fmt: skip
def test_an_answer_that_never_ends_is_cut(answer: Callable[[socket.socket], object]) -> None:
    began = time.monotonic()
    with answering(answer) as url, pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ did not answer"):
        fetch(url, timeout_s=0.5)
    assert time.monotonic() - began < 5


def test_an_answer_in_time_is_whole() -> None:
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as url:
        assert fetch(url).body == b"all of it"


def test_a_handshake_that_never_ends_is_cut() -> None:
    began = time.monotonic()
    with (
        answering(_drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")) as url,
        pytest.raises(Unavailable, match="not answer"),
    ):
        fetch(url.replace("http:", "https:"), timeout_s=0.5)
    assert time.monotonic() - began < 5


def test_an_answer_over_tls_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, pem = ec.generate_private_key(ec.SECP256R1()), tmp_path / "own.pem"
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + made.add_extension(addresses, False).sign(key, SHA256()).public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        connection.unwrap()  # type: ignore[attr-defined]

    with answering(answer, server) as url:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(url.replace("http:", "https:"))
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert fetch(url.replace("http:", "https:")).body == b"all of it"
