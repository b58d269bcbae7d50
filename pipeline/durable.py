"""Files that are there whole after a power loss, or not at all."""

import os
import secrets
from pathlib import Path


def write_durably(file: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Put a file in its place in one step; durable on return."""
    temporary = write_new(file, content, mode)
    try:
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def write_new(file: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """A durable file beside `file` that holds this content, to be linked or moved there.

    The mode is set when the file is made: a key is never readable, not even for a moment.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(out.fileno(), mode)  # whatever the umask took away
            out.write(content.encode() if isinstance(content, str) else content)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
