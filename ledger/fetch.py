"""One HTTP request to an address that the operator configured: bounded in time and bytes, and never sent elsewhere."""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO
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


_OPENER = urllib.request.build_opener(_NoRedirects)


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
        try:
            answer = _OPENER.open(request, timeout=timeout_s)
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
        if time.monotonic() > end:
            raise TimeoutError("the answer took too long")
    return content
