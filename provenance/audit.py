"""The signing process's log: one line for each signature, written and synced before the signature is given out.

Each line is a JSON object whose `previous` is the SHA-256 of the line before, in this file or the one before it, so
that nothing can be taken out or changed later without breaking the chain from there on. The last lines can be cut off
while nothing is written, and whoever may write here can write it all anew: keep a copy elsewhere. Lines are only ever
added: one that a power cut left half written is ended, and counts as any other.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.durable import sync_folder
from pipeline.errors import Conflict, Unavailable

FILE = "audit.jsonl"
MAX_FILE_BYTES = 16_000_000  # 50,000 signatures; then a new file is begun, and the old ones are kept
START = "0" * 64  # what the very first line comes after
_TAIL_BYTES = 65_536  # a line is shorter


class AuditLog:
    """The log in one folder, to be written by one process at a time. Raises Conflict when another has it."""

    def __init__(self, folder: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Conflict(f"another signing process writes {folder}: stop it first") from None
        self._file = self._open()
        self._previous, self._torn = self._end(), False

    def add(self, event: str, **more: str | int) -> None:
        """Write and sync a line. Raises Unavailable when the disk refuses: then nothing may be signed."""
        try:
            if self._torn:
                self._previous, self._torn = self._end(), False
            if os.fstat(self._file).st_size >= self._max_bytes:
                self._begin_next()
            moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = json.dumps({"time": moment, "event": event, **more, "previous": self._previous}).encode()
            _write(self._file, line + b"\n")
            self._previous = _digest(line)
        except OSError as error:
            self._torn = True  # half a line may be there
            raise Unavailable(f"the signer: its audit log cannot be written ({error.strerror})") from None

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._file)
        os.close(self._lock)

    def _open(self) -> int:
        descriptor = os.open(self._folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _begin_next(self) -> None:
        """Raises OSError when the disk has no room for another file; then the next line tries again."""
        number, current = len(files(self._folder)), self._folder / FILE
        if current.exists() and current.stat().st_size:  # else the last try got as far as this
            current.rename(self._folder / f"audit-{number:06}.jsonl")
        full, self._file = self._file, self._open()
        os.close(full)

    def _end(self) -> str:
        """The digest of the last line, which is ended first when a crash cut it."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        if tail and not tail.endswith(b"\n"):
            _write(self._file, b"\n")
            tail += b"\n"
        if tail:
            return _digest(tail[:-1].rpartition(b"\n")[2])
        older = files(self._folder)[:-1]
        return _digest(older[-1].read_bytes()[:-1].rpartition(b"\n")[2]) if older else START


def files(folder: Path) -> list[Path]:
    """The log's files, oldest first."""
    return [*sorted(folder.glob("audit-??????.jsonl")), folder / FILE]


def check(folder: Path) -> int:
    """How many signatures the log tells of. Raises Conflict, naming file and line, where the chain is broken."""
    count, previous = 0, START
    for file, number, line in _lines(folder):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None  # cut by a crash: the next line stands for it
        if isinstance(entry, dict):
            if entry.get("previous") != previous:
                raise Conflict(f"{file.name}, line {number}: the line before it was changed, removed or added")
            count += entry.get("event") == "sign"
        previous = _digest(line)
    return count


def _lines(folder: Path) -> Iterator[tuple[Path, int, bytes]]:
    for file in files(folder):
        if file.exists():
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    yield file, number, line.removesuffix(b"\n")


def _write(descriptor: int, content: bytes) -> None:
    if os.write(descriptor, content) != len(content):
        raise OSError(28, "No space left on device")
    os.fsync(descriptor)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
