"""Time-stamps (RFC 3161): asked of the operator's authority within a short time or not at all, and checked.

The C2PA library asks an authority itself, but waits 30 seconds for it and takes any authority's word (measured). So it
asks a relay of ours on the loopback, for as long as one photo is signed; see docs/why-015-time-stamps.md.
"""

import hmac
import logging
import queue
import secrets
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from cryptography import x509
from rfc3161_client import (
    PKIStatus,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from pipeline.errors import Unavailable
from pipeline.record import Timestamp

TIMEOUT_S = 2.0  # a job waits no longer than this for an authority, which answers within 0.3 s when it is well
MAX_CLOCKS_APART = timedelta(hours=1)  # of the authority's clock and ours; the answer itself is seconds old at most
MAX_REPLY_BYTES = 65_536  # a token with its certificates is 1 to 10 KB
QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"

_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# The DER before a SHA-256 imprint, which has the form of a DigestInfo (RFC 8017, section 9.2, note 1).
_IMPRINT = bytes.fromhex("3031300d060960864801650304020105000420")
_MAX_QUERY_BYTES = 1_000
_POLL_S = 0.005  # how long the relay may take to notice that nobody needs it any more

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Authority:
    """A time-stamping authority. `post` sends it a query and returns its reply, or raises Unavailable.

    `roots`: where its certificate has to lead to. Without any, a reply is checked with the root that it brings along:
    it holds together then, and who made it is for its reader to judge.
    """

    post: Callable[[bytes], bytes]
    roots: tuple[x509.Certificate, ...] = ()
    timeout_s: float = TIMEOUT_S

    def stamp(self, sha256: bytes) -> Timestamp:
        """A time-stamp over this digest, checked: imprint, nonce, signature, purpose, roots.

        Raises Unavailable when there is none within `timeout_s`, or it does not hold.
        """
        nonce = secrets.randbelow(2**62) + 2**62  # eight bytes, and positive
        reply = _decoded(self._ask(_query(sha256, nonce)))
        imprint = reply.tst_info.message_imprint
        if imprint.hash_algorithm != _SHA256:
            raise _useless("it stamped another kind of digest")
        certificates = [x509.load_der_x509_certificate(der) for der in reply.signed_data.certificates]
        brought = tuple(c for c in certificates if c.subject == c.issuer)
        _check(reply, self.roots or brought, sha256, nonce)
        return Timestamp(
            sha256=sha256,
            time=reply.tst_info.gen_time.astimezone(UTC),
            authority=_signer(reply, certificates),
            trusted=bool(self.roots),
            reply=reply.as_bytes(),
        )

    def answer(self, query: bytes) -> bytes:
        """The reply to somebody else's query, who checks imprint and nonce; here it is held against the roots."""
        content = self._ask(query)
        reply = _decoded(content)
        if self.roots:
            _check(reply, self.roots, reply.tst_info.message_imprint.message, None)
        return content

    def _ask(self, query: bytes) -> bytes:
        # In a thread, because nothing else bounds the whole of a name's look-up, a handshake and a reply that drips.
        replies: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                replies.put(self.post(query))
            except Exception as error:
                replies.put(error)

        threading.Thread(target=ask, name="time-stamp", daemon=True).start()
        try:
            reply = replies.get(timeout=self.timeout_s)
        except queue.Empty:
            raise Unavailable(
                f"the time-stamping authority, which did not answer within {self.timeout_s:g} s"
            ) from None
        if isinstance(reply, Unavailable):
            raise Unavailable(f"the time-stamping authority: {reply}") from None
        if isinstance(reply, Exception):
            raise reply
        return reply


@dataclass(slots=True)
class Relay:
    """Where the C2PA library may ask the authority; `problem` is why it got no time-stamp."""

    url: str
    problem: str | None = None


@contextmanager
def relayed(authority: Authority) -> Iterator[Relay]:
    """A relay on the loopback while the block lasts. Only who knows its address, a secret in it, is answered."""
    path = f"/{secrets.token_urlsafe(16)}"
    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        relay = Relay(f"http://127.0.0.1:{server.server_address[1]}{path}")
        server.RequestHandlerClass = _door(authority, relay, path)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="relay", daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()


def _door(authority: Authority, relay: Relay, path: str) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            if not hmac.compare_digest(self.path.encode(), path.encode()):
                return self.send_error(404)
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > _MAX_QUERY_BYTES:
                return self.send_error(413)
            try:
                reply = authority.answer(self.rfile.read(int(length)))
            except Unavailable as unavailable:
                relay.problem = str(unavailable)
                return self.send_error(503)
            self.send_response(200)
            self.send_header("Content-Type", REPLY_TYPE)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)
            return None

        def log_message(self, *_: Any) -> None:
            """What went wrong is told by who asked."""

    return Door


def read_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file. Raises ValueError when there is none."""
    return tuple(x509.load_pem_x509_certificates(pem))


def _query(sha256: bytes, nonce: int) -> bytes:
    """The DER of a TimeStampReq: version 1, imprint, nonce, and the wish for certificates."""
    body = b"\x02\x01\x01" + _IMPRINT + sha256 + b"\x02\x08" + nonce.to_bytes(8, "big") + b"\x01\x01\xff"
    return b"\x30" + bytes([len(body)]) + body


def _decoded(content: bytes) -> TimeStampResponse:
    try:
        reply = decode_timestamp_response(content)
        status = PKIStatus(reply.status)
    except ValueError:
        raise _useless("its answer is no time-stamp") from None
    if status != PKIStatus.GRANTED:
        raise _useless(f"it refused: {ascii('; '.join(reply.status_string))[:200]}")
    # A time that is asked for now is now: one of the clocks is wrong, and which of them nobody here knows.
    if abs(reply.tst_info.gen_time - datetime.now(UTC)) > MAX_CLOCKS_APART:
        raise _useless(f"it says that it is {reply.tst_info.gen_time:%Y-%m-%d %H:%M} UTC; set the wrong clock right")
    return reply


def _check(reply: TimeStampResponse, roots: tuple[x509.Certificate, ...], digest: bytes, nonce: int | None) -> None:
    if not roots:
        raise _useless("its answer brings no root; name the authority's in CAPTURE_TSA_ROOTS")
    try:
        VerifierBuilder(roots=list(roots), nonce=nonce).build().verify(reply, digest)
    except (VerificationError, ValueError) as error:
        raise _useless(f"its time-stamp does not hold ({_first_words(error)})") from None


def _signer(reply: TimeStampResponse, certificates: list[x509.Certificate]) -> str:
    signers = {(signer.issuer, signer.serial_number) for signer in reply.signed_data.signer_infos}
    names = [c.subject.rfc4514_string() for c in certificates if (c.issuer, c.serial_number) in signers]
    return names[0] if names else "unnamed"


def _first_words(error: Exception) -> str:
    return str(error).split(": ErrorStack", 1)[0][:200]


def _useless(why: str) -> Unavailable:
    return Unavailable(f"the time-stamping authority: {why}")
