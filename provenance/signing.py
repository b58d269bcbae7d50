"""The signing process, `python -m provenance.signing` or `capture signer`: the only one with the claim signing key.

It does one thing: sign claims of at most 1 MB for programs that it knows by their user id, not too many a second, each
written to its log first. Its words are in provenance/signer.py.
"""

import argparse
import ctypes
import json
import os
import resource
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from pipeline.errors import Conflict, Rejected, Unavailable
from provenance.audit import AuditLog
from provenance.certificates import LeafPolicy
from provenance.desk import Desk
from provenance.keyfiles import Token, read_password
from provenance.keys import KeyFolder
from provenance.signer import MAX_LINE_BYTES

WRONG_SETUP = 78  # EX_CONFIG of sysexits.h: starting again would end the same way
RATE_PER_S = 100  # two photo workers sign about 20 photos a second; a thief of the socket gets no more than this
MAX_CLIENTS = 64  # at once
VISIT_S = 5.0  # each has this long; an honest one needs milliseconds
UPKEEP_S = 60.0
HELP = 'ask {"chain": ""}, or {"sign": "a COSE Sig_structure as hex", "leaf": "serial number"}'
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # prctl(2), Linux


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers on a unix socket: those whose user id is allowed, each for VISIT_S at most."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, desk: Desk, uids: frozenset[int]) -> None:
        self.desk, self._uids = desk, uids
        self._clients = threading.BoundedSemaphore(MAX_CLIENTS)
        # Others than ourselves may connect only when some are allowed, and are asked for their user id then.
        mask = os.umask(0o177 if uids == {os.geteuid()} else 0o111)
        try:
            super().__init__(str(path), _Visit)
        finally:
            os.umask(mask)

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], _: object) -> bool:
        """Whether this peer is answered at all."""
        assert isinstance(request, socket.socket)
        _, uid = peer_of(request)
        if uid not in self._uids:
            _say("warning", f"user {uid} was refused: start with --allow-uid {uid} to let it sign")
            return False
        return self._clients.acquire(blocking=False)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """In the visit's own thread."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._clients.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """One visit's fault is one line in the log, and nobody else's."""
        _say("error", f"a visit ended with {type(sys.exc_info()[1]).__name__}")


class _Visit(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        """One question, one answer."""
        end = time.monotonic() + VISIT_S
        with suppress(OSError):  # who asked has gone, or took too long
            line = _read_line(self.request, end)
            answer = json.dumps(_answer(self.server.desk, line, peer_of(self.request))).encode() + b"\n"
            self.request.settimeout(max(0.1, end - time.monotonic()))
            self.request.sendall(answer)


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """The process id and user id at the other end. Where the system does not say (macOS), the socket's mode guards."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, os.geteuid()
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", told)
    return pid, uid


def _read_line(connection: socket.socket, end: float) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
        connection.settimeout(max(0.001, end - time.monotonic()))
        piece = connection.recv(65_536)
        if not piece:
            break
        line += piece
    return line


def _answer(desk: Desk, line: bytes, peer: tuple[int, int]) -> dict[str, str]:
    try:
        question = json.loads(line)
        if question == {"chain": ""}:
            return desk.chain()
        if not isinstance(question, dict) or set(question) != {"sign", "leaf"}:
            return {"error": HELP}
        return {"signature": desk.sign(bytes.fromhex(question["sign"]), str(question["leaf"]), peer).hex()}
    except (ValueError, TypeError, RecursionError):
        return {"error": HELP}
    except (Rejected, Unavailable, Conflict) as error:
        _say("warning", f"process {peer[0]} of user {peer[1]} got no signature: {error}")
        return {"error": str(error)}


def harden() -> None:
    """Keep the key in this process: no core dump, no other process of this user reads its memory or traces it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
            if libc.prctl(option, value, 0, 0, 0) != 0:
                raise Unavailable(f"the signer: the system refuses to protect its memory (prctl {option})")


def make_room(path: Path) -> None:
    """Remove the socket of a signing process that was killed. Raises Conflict when one answers there."""
    if not path.exists():
        return
    if not path.is_socket():
        raise Conflict(f"{path} is there and no socket: choose another path")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(VISIT_S)
        if connection.connect_ex(str(path)) == 0:
            raise Conflict(f"a signing process already answers at {path}: stop it first")
    path.unlink()


def serve(keys: KeyFolder, path: Path, audit: AuditLog, uids: frozenset[int], rate_per_s: float = RATE_PER_S) -> None:
    """Sign until the process is told to stop. Raises Unavailable and Conflict when it cannot begin."""
    make_room(path)
    desk = Desk(keys, audit, rate_per_s)
    threading.Thread(target=_keep_up, args=(desk,), name="upkeep", daemon=True).start()
    with Server(path, desk, uids) as server:
        try:
            server.serve_forever(poll_interval=0.5)
        finally:
            path.unlink(missing_ok=True)


def _keep_up(desk: Desk) -> None:
    while True:
        time.sleep(UPKEEP_S)
        try:
            desk.upkeep()
        except (OSError, Unavailable, Conflict) as error:
            _say("error", f"certificates and revocation list wait to be renewed: {error}")


def _say(level: str, message: str) -> None:
    with suppress(OSError):  # whoever read this has gone
        sys.stderr.write(f"{level} {message}\n")
        sys.stderr.flush()


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="capture signer", description="Keep the claim signing key and sign claims.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--keys", type=Path, required=True, help="folder of the certificates and keys")
    parser.add_argument("--audit", type=Path, required=True, help="folder of the log")
    parser.add_argument("--leaf-days", type=int, required=True)
    parser.add_argument("--crl-url")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--allow-uid", type=int, action="append", default=[])
    parser.add_argument("--rate", type=float, default=RATE_PER_S)
    return parser.parse_args(words)


def _token() -> Token | None:
    # Not an argument: it may hold a PIN, and everybody may read the arguments of a process.
    uri = os.environ.pop("CAPTURE_SIGNER_URL", "")
    if not uri.startswith("pkcs11:"):
        return None
    from provenance.hsm import Pkcs11Token

    return Pkcs11Token.open(uri)


def main(words: list[str] | None = None) -> int:
    """Run the signing process; its exit status."""
    given = _arguments(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.umask(0o077)
    try:
        harden()
        password = read_password(given.password_file) if given.password_file else None
        policy = LeafPolicy(timedelta(days=given.leaf_days), given.crl_url)
        keys = KeyFolder(given.keys, policy, password, _token())
        serve(keys, given.socket, AuditLog(given.audit), frozenset({os.geteuid(), *given.allow_uid}), given.rate)
    except (Unavailable, Conflict, Rejected, OSError) as error:
        _say("error", str(error))
        return WRONG_SETUP
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
