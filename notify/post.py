"""One POST to an address that was checked: there and nowhere else, within a time, with an answer that is not read."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import cache

from notify.address import Target
from pipeline.errors import Unavailable

CONNECT_S = 5.0
TOTAL_S = 10.0  # however the receiver spends it: a name, a handshake, or headers byte by byte


class _Pinned(http.client.HTTPConnection):
    """Connects to the address that was checked; the certificate is that of the name."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_S)
        self._target = target

    def connect(self) -> None:
        self.sock = socket.create_connection((self._target.address, self._target.port), CONNECT_S)
        if self._target.scheme == "https":
            # In two steps, so that a handshake that drips can be cut off.
            secured = _tls().wrap_socket(self.sock, server_hostname=self._target.host, do_handshake_on_connect=False)
            self.sock = secured
            secured.do_handshake()
        self.sock.settimeout(TOTAL_S)


def post(target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    """POST a body; the answer's status. Redirects are not followed, and the answer's body is not read.

    Raises Unavailable when there is no answer within `TOTAL_S`.
    """
    connection = _Pinned(target)
    late = threading.Event()
    end = threading.Timer(TOTAL_S, _cut, (connection, late))
    end.daemon = True
    end.start()
    try:
        connection.request("POST", target.path, body, {"Host": target.authority, "User-Agent": "Capture", **headers})
        status = connection.getresponse().status
        if late.is_set():  # what was cut off in its headers looks as if they had ended
            raise TimeoutError
        return status
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(_reason(error, late.is_set())) from error
    finally:
        end.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself


def _reason(error: Exception, late: bool) -> str:
    """In words of our own: the library's may tell what is at an address."""
    if late or isinstance(error, TimeoutError):
        return f"no answer within {TOTAL_S:.0f} s"
    if isinstance(error, ssl.SSLError):
        return "its TLS certificate was not accepted"
    return "the connection failed"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
