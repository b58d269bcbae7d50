"""Files that hold keys: made once and durably, readable by nobody else."""

import contextlib
import stat
from pathlib import Path

from pipeline.durable import sync_folder, write_new
from pipeline.errors import Conflict


def read_private(path: Path) -> str:
    """The text of a key file, stripped. Raises Conflict when other users can read or change it."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Conflict(f"{path} is open to other users: run chmod 600 on it if nobody has read it")
    return path.read_text().strip()


def write_once(path: Path, text: str) -> None:
    """Make a key file (mode 0600) unless it is there; durable on return."""
    temporary = write_new(path, text)
    # A link, because it fails where the file exists: of two first starts at once, both use the same key.
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_folder(path.parent)
