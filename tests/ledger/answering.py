"""A server that answers as a test says, byte by byte."""

import contextlib
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
                        heard.append(line.recv(65_536))
                        answer(line)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"
