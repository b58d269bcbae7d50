"""More who send at once than the service has room for: they are told so, and probes go on being answered."""

import socket
import time
from contextlib import ExitStack

from settings import MAX_AT_ONCE
from tests.service import Running


def test_one_more_than_there_is_room_for_is_told_so_at_once(service: Running) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_AT_ONCE):
            stack.enter_context(_slow_phone(service))
        end = time.monotonic() + 20
        while (answer := service.ask("GET", "/v1/captures", timeout=10)).status != 503:
            assert time.monotonic() < end, "all of them are inside"
            stack.enter_context(_slow_phone(service))  # our own question may have had the last place
        assert answer.headers["Retry-After"] == "5" and answer.json["detail"].startswith("Too many requests")
        began = time.monotonic()
        assert service.ask("GET", "/healthz", key=None).status == 200
        assert time.monotonic() - began < 2
    end = time.monotonic() + 20
    while service.ask("GET", "/v1/captures").status != 200:
        assert time.monotonic() < end, "there is room again when they are gone"
        time.sleep(0.1)


def _slow_phone(service: Running) -> socket.socket:
    """A connection on which a photo was promised, and its first byte came."""
    phone = socket.create_connection(("127.0.0.1", service.port), 20)
    phone.sendall(f"POST /v1/captures HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {service.key}\r\n"
                  "Content-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n\xff".encode("latin-1"))  # fmt: skip
    return phone
