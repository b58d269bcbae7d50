"""Addresses that nobody can be asked at, and answers that never end: a sentence, in bounded time."""

import os
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.fetch import fetch
from pipeline.errors import Unavailable
from tests.ledger.answering import answering
from tests.service import free_port


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://[",
        "ftp://ada:secret@log.example",
        "file:///etc/secret",
        "secret",
        "https://ada:s[ecret@log/",
    ],
)
def test_what_is_no_address_is_said_and_not_shown(url: str) -> None:
    with pytest.raises(Unavailable, match="is no address that begins with http") as caught:
        fetch(url)
    assert "ecret" not in str(caught.value)


@contextmanager
def _deaf(address: str, port: int) -> Iterator[None]:
    """Somebody who takes no calls: those that wait already fill the line."""
    with socket.create_server((address, port), backlog=0), ExitStack() as lines:
        for _ in range(3):
            line = lines.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex((address, port))
        yield


def test_the_addresses_of_a_host_have_one_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    port, hosts = free_port(), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    real = socket.getaddrinfo

    def looked_up(host: str, *more: Any, **named: Any) -> Any:
        return [found for each in (hosts if host == "many.example" else [host]) for found in real(each, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    began = time.monotonic()
    with ExitStack() as deaf:
        for host in hosts:
            deaf.enter_context(_deaf(host, port))
        with pytest.raises(Unavailable, match=r"many\.example:"):
            fetch(f"http://many.example:{port}/", timeout_s=1)
    assert time.monotonic() - began < 1.8
    with answering(lambda line: line.sendall(b"HTTP/1.1 200 OK\r\n\r\nhere")) as url:
        hosts.insert(0, "127.0.0.9")  # where nobody is
        assert fetch(url.replace("127.0.0.1", "many.example")).body == b"here"


def test_half_an_answer_is_none() -> None:
    with (
        answering(lambda line: line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as url,
        pytest.raises(Unavailable, match="stopped before its end"),
    ):
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


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A server's key and its certificate, in one file."""
    key, pem = ec.generate_private_key(ec.SECP256R1()), tmp_path / "own.pem"
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(secret + made.add_extension(addresses, False).sign(key, SHA256()).public_bytes(Encoding.PEM))
    return pem


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """A server with that certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    return server


def test_an_answer_over_tls_is_read(certificate: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        connection.unwrap()  # type: ignore[attr-defined]

    with answering(answer, tls) as url:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(url.replace("http:", "https:"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(url.replace("http:", "https:")).body == b"all of it"


def test_an_answer_over_tls_that_never_ends_is_cut(
    certificate: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    began = time.monotonic()
    with (
        answering(_drip(b"HTTP/1.1 200 OK\r\n\r\n"), tls) as url,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ did not answer"),
    ):
        fetch(url.replace("http:", "https:"), timeout_s=0.5)
    assert time.monotonic() - began < 5


def test_each_of_those_that_ask_at_once_has_its_own_time() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        time.sleep(0.4)
        connection.sendall(b"late")

    with answering(answer) as url, ThreadPoolExecutor(2) as threads:
        patient, hasty = (threads.submit(fetch, url, timeout_s=timeout_s) for timeout_s in (5, 0.2))
        with pytest.raises(Unavailable, match="did not answer"):
            hasty.result()
        assert patient.result().body == b"late"


def test_whom_we_ask_names_nobody_else() -> None:
    with answering(lambda line: line.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")) as url:
        assert fetch(url).status == 302


def test_an_answer_has_a_length() -> None:
    with answering(lambda line: line.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"0" * 2_000)) as url:
        with pytest.raises(Unavailable, match="longer than 1999 bytes"):
            fetch(url, max_bytes=1_999)
        assert len(fetch(url, max_bytes=2_000).body) == 2_000


@pytest.mark.parametrize(("user", "said"), [("ada:hunter%402", b"ada:hunter@2"), ("token", b"token:")])
def test_user_and_password_are_sent_and_never_shown(user: str, said: bytes) -> None:
    asked: list[bytes] = []

    def answer(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\nwelcome")

    with answering(answer, asked=asked) as url:
        assert fetch(url.replace("http://", f"HTTP://{user}@")).body == b"welcome"
    headers = dict(line.split(": ", 1) for line in asked[0].decode().split("\r\n")[1:] if line)
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == said
    assert headers["Host"] in url
    for bad in (f"127.0.0.1:{free_port()}/hunter2", "127.0.0.1:1/hunter2 hunter2", "127.0.0.1:x/hunter2"):
        with pytest.raises(Unavailable) as caught:
            fetch(f"http://ada:hunter2@{bad}", timeout_s=1)
        assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_environments_proxy_is_asked_and_its_answer_ends_too(scheme: str) -> None:
    asked: list[bytes] = []
    script = f"from ledger.fetch import fetch; fetch('{scheme}://node.example:8545/path', timeout_s=1)"
    with answering(_drip(b"HTTP/1.1 200 OK\r\nX: "), asked=asked) as url:
        environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        asking = subprocess.run(
            [sys.executable, "-c", script], env=environ | {f"{scheme}_proxy": url}, capture_output=True, timeout=30
        )
    assert b"Unavailable: node.example:8545 did not answer" in asking.stderr
    line = {"http": b"GET http://node.example:8545/path HTTP", "https": b"CONNECT node.example:8545 HTTP"}
    assert asked[0].startswith(line[scheme])
