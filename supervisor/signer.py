"""The embedded signing process: its socket, and the command that starts it."""

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pipeline.errors import Unavailable
from settings import Settings
from supervisor.valkey import socket_path
from wiring import Services


def path_of(home: Path) -> Path:
    """Where the signing process of this home listens; the same at every start."""
    return socket_path(home, "signer.sock")


def command(settings: Settings, socket: Path, uids: Iterable[int] = (), rate: float | None = None) -> list[str]:
    """What to run for a signing process that answers at this socket. It reads no CAPTURE_ variable but the token's."""
    life = Services(settings).leaf_policy().life
    optional = {
        "--crl-url": Services(settings).leaf_policy().crl_url,
        "--password-file": settings.signer_password_file,
        "--rate": rate,
    }
    return [
        sys.executable, "-m", "provenance.signing", "--socket", str(socket), "--keys", str(settings.claim_keys),
        "--audit", str(settings.audit), "--leaf-days", str(life // timedelta(days=1)),
        *(word for name, value in optional.items() if value is not None for word in (name, str(value))),
        *(word for uid in uids for word in ("--allow-uid", str(uid))),
    ]  # fmt: skip


def make_folder(socket: Path) -> None:
    """Make the socket's folder, for nobody else. Raises Unavailable when it is somebody else's."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if socket.parent.stat().st_uid != os.geteuid():
        raise Unavailable(f"{socket.parent} belongs to another user: set CAPTURE_HOME to a shorter path")


def answers(services: Services) -> bool:
    """Whether the signing process answers."""
    try:
        services.check_signer()
    except Unavailable:
        return False
    return True
