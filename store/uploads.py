"""Uploads that come in pieces: their bytes in a file each, what is known about them in the table `uploads`.

The offset in the table is what was acknowledged, and is committed only after the bytes are on the disk; whatever a
file holds beyond it is forgotten. One writer at a time: a newer one takes over from one whose connection is dead, and
the file's lock keeps the two from writing at once, whichever processes they are in.
"""

import fcntl
import os
import secrets
import time
from base64 import b32encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import Conflict, Unavailable
from store.blobs import CHUNK_BYTES
from store.database import Database, as_moment, as_text
from store.schema import uploads

KEPT = timedelta(hours=24)  # after the last byte that came
MAX_OPEN = 100  # uploads of one owner that are begun and not complete
SYNC_BYTES = 1 << 20  # so much may be sent again after a crash: 1 % of 100 MB
SYNC_S = 4.0  # or so much time's bytes: 200 phones at 64 KB/s cost 50 commits a second
_BEGIN_LOCK = 0x75706C64  # "upld"


class TooManyOpen(Exception):
    """The owner has begun as many uploads as one may."""


class Overtaken(Conflict):
    """Another request writes to this upload now."""


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """`length` in bytes, None while it is not known. `offset`: how many are here for good.

    `metadata`: what the door was told at the creation, as text of its own. `partial`: to be joined with others, and
    never a capture of its own. `capture_id`: what became of it.
    """

    id: str
    owner: str
    length: int | None
    offset: int
    metadata: str
    partial: bool
    expires_at: datetime
    capture_id: str | None

    @property
    def whole(self) -> bool:
        """Whether every byte is here."""
        return self.offset == self.length


class UploadStore:
    """The table `uploads`, and the folder with their bytes. What the folder cannot take raises Unavailable."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    def create(
        self, owner: str, length: int | None, metadata: str, partial: bool = False, most: int = MAX_OPEN
    ) -> PartialUpload:
        """A new upload without a byte. Raises TooManyOpen when the owner has `most` that are not complete."""
        upload_id = b32encode(secrets.token_bytes(20)).decode().lower()
        values = {"id": upload_id, "owner": owner, "length": length, "offset": 0, "metadata": metadata}
        with _on_disk():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path(upload_id).touch(mode=0o600)
            _sync(self._folder)
        try:
            with self._database.write() as connection:
                _begin_one_by_one(connection)
                if connection.execute(_open_count(owner)).scalar_one() >= most:
                    raise TooManyOpen(f"{most} uploads are begun and not complete")
                connection.execute(uploads.insert().values(partial=partial, expires_at=_later(), **values))
        except TooManyOpen:
            self._path(upload_id).unlink(missing_ok=True)
            raise
        return self.get(upload_id, owner)

    def get(self, upload_id: str, owner: str) -> PartialUpload:
        """The owner's upload. Raises LookupError when there is none, or no longer."""
        query = sa.select(uploads).where(uploads.c.id == upload_id, uploads.c.owner == owner)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None or as_moment(row.expires_at) < datetime.now(UTC):
            raise LookupError(f"no upload {upload_id}")
        return PartialUpload(
            row.id,
            row.owner,
            row.length,
            row.offset,
            row.metadata,
            row.partial,
            as_moment(row.expires_at),
            row.capture_id,
        )

    def set_length(self, upload: PartialUpload, length: int) -> PartialUpload:
        """State the length of an upload that had none; the same again is fine. Raises Conflict for another one."""
        mine = uploads.c.id == upload.id, uploads.c.length.is_(None), uploads.c.offset <= length
        with self._database.write() as connection:
            connection.execute(uploads.update().where(*mine).values(length=length))
        changed = self.get(upload.id, upload.owner)
        if changed.length != length:
            raise Conflict(f"the upload has {changed.length} bytes, of which {changed.offset} came, and not {length}")
        return changed

    @contextmanager
    def writer(self, upload: PartialUpload, at_once: bool = False) -> Iterator["Writer"]:
        """Write to it from its offset on; whoever wrote before is overtaken. What was written is kept at the end.

        `at_once`: all of it or nothing, so that `forget` can let go of everything; else from time to time as well.
        """
        with _on_disk(), self._path(upload.id).open("r+b") as file:
            writer = Writer(self._database, upload.id, file.fileno(), at_once)
            try:
                yield writer
            finally:
                with suppress(Overtaken):
                    writer.commit()

    @contextmanager
    def finishing(self, upload: PartialUpload) -> Iterator[tuple[PartialUpload, Path]]:
        """The upload as it stands, and its file to read, while nobody else finishes or writes it."""
        with _on_disk(), self._path(upload.id).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now = self.get(upload.id, upload.owner)
            if not now.capture_id:
                file.truncate(now.offset)  # what is beyond it was refused, or never acknowledged
            yield now, self._path(upload.id)

    def became(self, upload: PartialUpload, capture_id: str) -> None:
        """Note the capture, and let go of the bytes: they are in the blob store now."""
        with self._database.write() as connection:
            mine = uploads.update().where(uploads.c.id == upload.id)
            connection.execute(mine.values(capture_id=capture_id, metadata="{}", expires_at=_later()))
        with _on_disk():
            os.truncate(self._path(upload.id), 0)

    def join(self, upload: PartialUpload, parts: Sequence[PartialUpload]) -> PartialUpload:
        """Fill the upload with the bytes of these, in this order. Raises LookupError when some are gone."""
        with self.writer(upload) as writer:
            for part in parts:
                with _on_disk(), self._path(part.id).open("rb") as source:
                    left = part.offset
                    while chunk := source.read(min(CHUNK_BYTES, left)):
                        writer.append(chunk)
                        left -= len(chunk)
                if left:
                    raise LookupError("a part's bytes are gone")
        return self.get(upload.id, upload.owner)

    def remove(self, upload_id: str) -> None:
        """Forget the upload and its bytes."""
        with self._database.write() as connection:
            connection.execute(uploads.delete().where(uploads.c.id == upload_id))
        with _on_disk():
            self._path(upload_id).unlink(missing_ok=True)

    def open_count(self, owner: str) -> int:
        """How many uploads of this owner are not complete."""
        with self._database.read() as connection:
            return int(connection.execute(_open_count(owner)).scalar_one())

    def remove_expired(self, limit: int = 1000) -> int:
        """Remove what is too old, and files that no row knows; how many."""
        late = sa.select(uploads.c.id).where(uploads.c.expires_at < as_text(datetime.now(UTC))).limit(limit)
        with self._database.read() as connection:
            ids = list(connection.execute(late).scalars())
        for upload_id in ids:
            self.remove(upload_id)
        return len(ids) + self._remove_strays()

    def _remove_strays(self) -> int:
        """Files of a creation that was cut off before its row was committed."""
        strays = 0
        for file in self._folder.glob("*") if self._folder.exists() else ():
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > KEPT.total_seconds() and not self._is_known(file.name):
                    file.unlink()
                    strays += 1
        return strays

    def _is_known(self, upload_id: str) -> bool:
        with self._database.read() as connection:
            return connection.execute(sa.select(uploads.c.id).where(uploads.c.id == upload_id)).first() is not None

    def _path(self, upload_id: str) -> Path:
        return self._folder / upload_id


class Writer:
    """Appends to one upload. `offset`: where the next byte goes; what is before it is written, not yet durable."""

    def __init__(self, database: Database, upload_id: str, file: int, at_once: bool = False) -> None:
        self._database, self._id, self._file, self._at_once = database, upload_id, file, at_once
        self._token = secrets.token_hex(8)
        mine = uploads.c.id == upload_id
        with self._lock():
            with database.write() as connection:
                connection.execute(uploads.update().where(mine).values(writer=self._token))
                offset = connection.execute(sa.select(uploads.c.offset).where(mine)).scalar()
                if offset is None:
                    raise LookupError(f"no upload {upload_id}")
                self.offset = int(offset)
            os.ftruncate(file, self.offset)
        self._committed, self._at = self.offset, time.monotonic()

    def append(self, content: bytes) -> None:
        """Write the next bytes. Raises Overtaken, and Unavailable when the disk is full."""
        with self._lock():
            self._check()
            view = memoryview(content)
            while view:
                written = os.pwrite(self._file, view, self.offset)
                self.offset += written
                view = view[written:]
        late = self.offset - self._committed >= SYNC_BYTES or time.monotonic() - self._at > SYNC_S
        if late and not self._at_once:
            self.commit()

    def forget(self) -> None:
        """Let go of what came since the last commit: it is not what was promised."""
        self.offset = self._committed

    def commit(self) -> None:
        """Make everything up to the offset durable. Raises Overtaken."""
        with self._lock():
            self._check()
            os.fsync(self._file)
            mine = uploads.update().where(uploads.c.id == self._id)
            with self._database.write() as connection:
                connection.execute(mine.values(offset=self.offset, expires_at=_later()))
        self._committed, self._at = self.offset, time.monotonic()

    def _check(self) -> None:
        query = sa.select(uploads.c.writer).where(uploads.c.id == self._id)
        with self._database.read() as connection:
            if connection.execute(query).scalar() != self._token:
                raise Overtaken("another request writes to this upload now: ask for its offset and go on from there")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _open_count(owner: str) -> sa.Select[Any]:
    late = uploads.c.expires_at < as_text(datetime.now(UTC))
    return sa.select(sa.func.count()).where(uploads.c.owner == owner, uploads.c.capture_id.is_(None), ~late)


def _begin_one_by_one(connection: Connection) -> None:
    """Until this transaction ends, no other upload begins: two would each be the last. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_BEGIN_LOCK)))


def _later() -> str:
    return as_text(datetime.now(UTC) + KEPT)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise LookupError("the upload's bytes are gone") from None
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise  # the client's, not ours
        raise Unavailable(f"the disk for uploads: {error.strerror}") from None
