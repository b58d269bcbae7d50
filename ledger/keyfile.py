"""Files that hold keys: made once and durably, readable by nobody else."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from pipeline.errors import Conflict


def read_private(path: Path) -> str:
    """The text of a key file, stripped. Raises Conflict when other users can read or change it."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Conflict(f"{path} is open to other users: run chmod 600 on it if nobody has read it")
    return path.read_text().strip()


def write_once(path: Path, text: str) -> None:
    """Make a key file (mode 0600) unless it is there; durable on return."""
    temporary = write_new(path, text, 0o600)
    # A link, because it fails where the file exists: of two first starts at once, both use the same key.
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def write_new(path: Path, text: str, mode: int) -> Path:
    """A durable file beside `path` that holds this text, to be linked or moved there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
