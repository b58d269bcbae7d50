"""Bytes by their SHA-256, on a local folder or any S3, through obstore. Create-only: what is stored never changes."""

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from pipeline.errors import Rejected, Unavailable
from pipeline.ports import Received

CHUNK_BYTES = 64 * 1024  # 256 KiB chunks cost twice the memory at 150 slow uploads, and are no faster (measured)


class BlobStore:
    """A content-addressed store (port: pipeline.ports.Blobs). Durable when a call returns."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._store: Any
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(str(self._folder))
        else:
            self._store = from_url(url)

    def receive(self, chunks: Iterable[bytes], max_bytes: int) -> Received:
        """Store a stream while digesting it; when `chunks` raises, nothing is kept."""
        with self.incoming(max_bytes) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.keep()

    @contextmanager
    def incoming(self, max_bytes: int) -> Iterator["Incoming"]:
        """A place to write to, which exists under its digest only after `keep`, and not at all otherwise."""
        with _unavailable():
            incoming = Incoming(self._store, self._folder, max_bytes)
            try:
                yield incoming
            finally:
                incoming.discard()

    def put(self, content: bytes) -> Received:
        """Store these bytes."""
        return self.receive([content], len(content))

    def put_file(self, path: Path) -> Received:
        """Store a file's bytes."""
        with path.open("rb") as source:
            return self.receive(iter(lambda: source.read(CHUNK_BYTES), b""), path.stat().st_size)

    def size(self, sha256: bytes) -> int:
        """Bytes stored under this digest. Raises LookupError when there are none."""
        with _unavailable():
            return int(self._head(_key(sha256))["size"])

    def has(self, sha256: bytes) -> bool:
        """Whether there are bytes under this digest."""
        try:
            self.size(sha256)
        except LookupError:
            return False
        return True

    def remove(self, sha256: bytes) -> None:
        """Remove the bytes under this digest for good; those that are gone are fine.

        Only under a lock that keeps everybody from committing to them (store/erasure.py).
        """
        with _unavailable(), suppress(FileNotFoundError):
            obstore.delete(self._store, _key(sha256))
            if self._folder:
                _sync((self._folder / _key(sha256)).parent)

    def digests(self, first_byte: int, older_than_s: int) -> list[bytes]:
        """The digests that begin with this byte and whose bytes were written longer ago than this."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        with _unavailable():
            pages = obstore.list(self._store, prefix=f"sha256/{first_byte:02x}")
            old = [item["path"] for page in pages for item in page if item["last_modified"] < limit]
        return [bytes.fromhex(path.rpartition("/")[2]) for path in old]

    def read(self, sha256: bytes, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in chunks. Raises LookupError (at once) when there are none."""
        with _unavailable():
            size = int(self._head(_key(sha256))["size"])
        return self._chunks(_key(sha256), start, size if end is None else end)

    @contextmanager
    def local(self, sha256: bytes) -> Iterator[Path]:
        """The bytes as a file to read, never to write, while the block lasts."""
        with self._as_file(_key(sha256)) as path:
            yield path

    @contextmanager
    def borrowed(self, name: str) -> Iterator[Path]:
        """The bytes that another process lent, as a file to read. Raises LookupError when it took them back."""
        if not re.fullmatch(r"incoming/[0-9a-f]{32}", name):
            raise LookupError("no such loan")
        with self._as_file(name) as path:
            yield path

    @contextmanager
    def _as_file(self, key: str) -> Iterator[Path]:
        # What the block raises is not the store's: only the steps before it are guarded.
        with ExitStack() as stack:
            with _unavailable():
                size = int(self._head(key)["size"])
                path = self._folder / key if self._folder else self._copied(key, size, stack)
            yield path

    def _copied(self, key: str, size: int, stack: ExitStack) -> Path:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="capture-", ignore_cleanup_errors=True))
        path = Path(folder) / "blob"
        with path.open("wb") as copy:
            copy.writelines(self._chunks(key, 0, size))
        return path

    def discard_stale(self, older_than_s: int) -> int:
        """Remove what uploads left that were cut off by a crash longer ago than this; how many."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        with _unavailable():
            if self._folder:
                return _discard_files(self._folder / "incoming", limit)
            stale = [
                item["path"]
                for page in obstore.list(self._store, prefix="incoming")
                for item in page
                if item["last_modified"] < limit
            ]
            if stale:
                obstore.delete(self._store, stale)
        return len(stale)

    def check(self) -> None:
        """Raise Unavailable when the store cannot be written to."""
        with self.incoming(8) as probe:
            probe.write(b"readyz")

    def _head(self, key: str) -> Any:
        try:
            return obstore.head(self._store, key)
        except FileNotFoundError:
            raise LookupError(f"no blob {key}") from None

    def _chunks(self, key: str, start: int, end: int) -> Iterator[bytes]:
        step = 16 * CHUNK_BYTES
        for position in range(start, end, step):
            with _unavailable():
                yield bytes(obstore.get_range(self._store, key, start=position, end=min(position + step, end)))


class Incoming:
    """Bytes on their way in: digested as they come, refused beyond `max_bytes`."""

    def __init__(self, store: Any, folder: Path | None, max_bytes: int) -> None:
        self._store, self._folder, self._max_bytes = store, folder, max_bytes
        self._path = f"incoming/{secrets.token_hex(16)}"
        # S3 takes parts of 5 MiB or more; a local file has no such need, and 200 slow uploads share the memory.
        self._writer = obstore.open_writer(store, self._path, buffer_size=CHUNK_BYTES if folder else 5 << 20)
        self._sha256, self._size, self._open = hashlib.sha256(), 0, True

    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises Rejected beyond the limit."""
        self._size += len(chunk)
        if self._size > self._max_bytes:
            raise Rejected(f"the upload is over {self._max_bytes} bytes")
        self._sha256.update(chunk)
        self._writer.write(chunk)

    @property
    def sha256(self) -> bytes:
        """The digest of what came so far."""
        return self._sha256.digest()

    @property
    def size(self) -> int:
        """How many bytes came so far."""
        return self._size

    def keep(self) -> Received:
        """Make the bytes durable under their digest. The same bytes twice are stored once.

        Again, when an erasure of the same photo took them away meanwhile: what came in is there until the block ends.
        """
        self._close()
        key = _key(self.sha256)
        self._sync(self._path)
        with suppress(AlreadyExistsError):
            obstore.copy(self._store, self._path, key, overwrite=False)  # in a folder: another name for the same bytes
        self._sync(key)
        return Received(self.sha256, self._size)

    def lend(self) -> str:
        """The name under which another process may read these bytes (`BlobStore.borrowed`) while this one waits."""
        self._close()
        return self._path

    def discard(self) -> None:
        """Leave nothing behind but what was kept."""
        self._close()
        obstore.delete(self._store, self._path)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._writer.close()

    def _sync(self, path: str) -> None:
        # obstore's local store does not sync by itself, and an upload is acknowledged after this.
        if self._folder is None:
            return
        target = self._folder / path
        # Up to the store's folder, which names `sha256`: after the first upload that entry too must last.
        between = target.relative_to(self._folder).parents
        for place in (target, *(self._folder / each for each in between)):
            _sync(place)


def _key(sha256: bytes) -> str:
    digest = sha256.hex()
    return f"sha256/{digest[:2]}/{digest}"


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard_files(folder: Path, limit: datetime) -> int:
    """Remove the folder's files that nothing was written to since `limit`; how many.

    Read from the disk: obstore writes to `<name>#1` before a file has its name, and its listing leaves those out.
    """
    stale = 0
    if not folder.exists():
        return stale  # nothing ever came in
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # kept or discarded meanwhile
                if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < limit.timestamp():
                    Path(entry).unlink()
                    stale += 1
    return stale


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise  # the client's, not ours
        raise Unavailable(f"the blob store did not take or give the bytes: {error}") from error
