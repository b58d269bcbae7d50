"""A server that answers as a test says, byte by byte."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def answering(
    answer: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None, asked: list[bytes] | None = None
) -> Iterator[str]:
    """The address of a server that does this with every connection, one after the other. `asked`: what it was sent."""
    heard = [] if asked is None else asked
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while door.fileno() >= 0:
                with contextlib.suppress(OSError):
                    connection, _ = door.accept()
                    with tls.wrap_socket(connection, server_side=True) if tls else connection as line:
                        heard.append(_request(line))
                        answer(line)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"


def _request(line: socket.socket) -> bytes:
    """All of a request: who hangs up on bytes that were not read resets the connection, and the answer may be lost."""
    found = line.recv(65_536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0 and (more := line.recv(65_536)):
        found += more
        missing -= len(more)
    return found
