"""One HTTP request to an address that the operator configured: bounded in time and bytes, and never sent elsewhere."""

import http.client
import io
import socket
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from email.message import Message
from functools import cache
from typing import IO, Any
from urllib.parse import unquote_to_bytes, urlsplit

from pipeline.errors import Unavailable

CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was answered, whatever the status."""

    status: int
    media_type: str
    body: bytes


class _Lines(io.RawIOBase):
    """What comes over a connection before the time `end`: a socket's own timeout begins anew with every byte."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection, self._end = connection, end
        self._lines = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(_left(self._end))
        return self._lines.readinto(buffer)

    def close(self) -> None:
        self._lines.close()
        super().close()


class _Plain(http.client.HTTPConnection):
    """A connection for one request. Its `timeout` is for everything together, the proxy's answer too."""

    _end: float

    def connect(self) -> None:
        self._end = time.monotonic() + (self.timeout or 0)
        self._create_connection = self._connected
        super().connect()
        self.sock.settimeout(_left(self._end))  # a handshake has it as a whole

    def _connected(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """Try a host's addresses one after the other, in the time for all of them."""
        error = OSError("it has no address")
        for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                return socket.create_connection((str(found[4][0]), address[1]), _left(self._end))
            except OSError as failed:
                error = failed
        raise error

    def send(self, data: Any) -> None:
        if self.sock:
            self.sock.settimeout(_left(self._end))
        super().send(data)

    def response_class(  # type: ignore[override]
        self, connection: socket.socket, *given: Any, **more: Any
    ) -> http.client.HTTPResponse:
        """What the library reads an answer with."""
        answer = http.client.HTTPResponse(connection, *given, **more)
        answer.fp.close()
        answer.fp = io.BufferedReader(_Lines(connection, self._end))
        return answer


class _Tls(http.client.HTTPSConnection, _Plain):
    """The same over TLS."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever answers may not choose whom we ask next."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Tls, req, context=_trusting(ssl.get_default_verify_paths()))


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Asks over the environment's proxies, which are read once."""
    return urllib.request.build_opener(_NoRedirects, _Http, _Https)


@cache  # reading the roots takes 20 ms, and a page may wait for it
def _trusting(_roots: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def fetch(
    url: str, body: bytes | None = None, *, timeout_s: float = 10, max_bytes: int = 1_000_000, media_type: str = ""
) -> Fetched:
    """GET, or POST `body`, and read the whole answer within `timeout_s`. User and password in `url` are sent as Basic.

    Raises Unavailable when there is none, or it is longer than `max_bytes`. Of the URL it shows the host alone. The
    system looks up names in its own time.
    """
    try:
        scheme, netloc, *_ = urlsplit(url)
    except ValueError:
        scheme, netloc = "", ""
    user, _, host = netloc.rpartition("@")
    if not host or scheme not in ("http", "https"):
        raise Unavailable("what was given is no address that begins with http:// or https:// and goes on with a host")
    headers = {"Content-Type": media_type} if media_type else {}
    if user:
        said = unquote_to_bytes(user if ":" in user else f"{user}:")
        headers["Authorization"] = f"Basic {b64encode(said).decode()}"
    request = urllib.request.Request(url.replace(netloc, host, 1), body, headers)  # noqa: S310
    try:
        try:
            answer = _opener().open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Fetched(answer.status, answer.headers.get_content_type(), _read(answer, max_bytes))
    except http.client.InvalidURL:  # its words hold the path
        raise Unavailable(f"the address at {host} is malformed: no spaces, and a port is a number") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"{host} did not answer: {str(error)[:200]}") from error


def _read(answer: IO[bytes], max_bytes: int) -> bytes:
    content = b""
    while chunk := answer.read1(CHUNK_BYTES):  # type: ignore[attr-defined]
        content += chunk
        if len(content) > max_bytes:
            raise ValueError(f"the answer is longer than {max_bytes} bytes")
    if answer.length:  # type: ignore[attr-defined]
        raise ValueError("the answer stopped before its end")
    return content


def _left(end: float) -> float:
    """How many seconds are left. Raises TimeoutError when none are: a socket takes 0 for another way to read."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer took too long")
    return left
