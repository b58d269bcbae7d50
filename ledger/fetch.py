"""One HTTP request to an address that the operator configured: bounded in time and bytes, and never sent elsewhere."""

import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from functools import partial
from typing import IO, Any
from urllib.parse import urlsplit

from pipeline.errors import Unavailable

CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was answered, whatever the status."""

    status: int
    media_type: str
    body: bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever answers may not choose whom we ask next."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


class _Plain(http.client.HTTPConnection):
    """A connection that is cut at the time `end`, when `lines` has not been closed before."""

    lines: contextlib.ExitStack
    end: float

    def connect(self) -> None:
        super().connect()
        self.lines.enter_context(_cut_at(self.sock, self.end))


class _Tls(http.client.HTTPSConnection, _Plain):
    """The same; the handshake counts too."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, lines: contextlib.ExitStack, end: float) -> None:
        super().__init__()
        self._made = partial(_made, _Plain, lines, end)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, lines: contextlib.ExitStack, end: float) -> None:
        super().__init__()
        self._made = partial(_made, _Tls, lines, end)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made, req)


def _made(kind: type[_Plain], lines: contextlib.ExitStack, end: float, *given: Any, **more: Any) -> _Plain:
    connection = kind(*given, **more)
    connection.lines, connection.end = lines, end
    return connection


@contextlib.contextmanager
def _cut_at(connection: socket.socket, end: float) -> Iterator[None]:
    """Cut a connection at this time, whatever is being read from it: a socket's timeout begins anew with every byte,
    and headers that never end are read without asking us."""
    with connection.dup() as twin:  # TLS takes the first one over
        timer = threading.Timer(max(end - time.monotonic(), 0), _cut, (twin,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def fetch(
    url: str, body: bytes | None = None, *, timeout_s: float = 10, max_bytes: int = 1_000_000, media_type: str = ""
) -> Fetched:
    """GET, or POST `body`, and read the whole answer within `timeout_s`.

    Raises Unavailable when there is none, or it is longer than `max_bytes`.
    """
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    if not host or not url.startswith(("http://", "https://")):
        raise Unavailable(f"{url[:80]!r} is no address that begins with http:// or https://")
    end = time.monotonic() + timeout_s
    request = urllib.request.Request(url, body, {"Content-Type": media_type} if media_type else {})  # noqa: S310
    try:
        with contextlib.ExitStack() as lines:
            opener = urllib.request.build_opener(_NoRedirects, _Http(lines, end), _Https(lines, end))
            try:
                answer = opener.open(request, timeout=timeout_s)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return Fetched(answer.status, answer.headers.get_content_type(), _read(answer, end, max_bytes))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"{host} did not answer: {str(error)[:200]}") from error


def _read(answer: IO[bytes], end: float, max_bytes: int) -> bytes:
    content = b""
    while chunk := answer.read1(CHUNK_BYTES):  # type: ignore[attr-defined]
        content += chunk
        if len(content) > max_bytes:
            raise ValueError(f"the answer is longer than {max_bytes} bytes")
    if time.monotonic() >= end:  # cut, perhaps: what was read may be a part
        raise TimeoutError("the answer took too long")
    return content
