"""Which of these digests are known: to be asked before bytes are sent.

What was erased is remembered by a keyed digest alone: whoever has the database without the key file can neither read
nor confirm what it was (docs/why-018).
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.durable import sync_folder, write_new
from store.database import Database
from store.schema import captures, erased_digests

State = Literal["known", "unknown", "erased"]
_TAG = b"capture/erased/v1\0"
_KEY_BYTES = 32
_AT_ONCE = 1000  # values in one query; SQLite takes 32,766


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner's photos stand to one digest. `capture_id`: of the known one."""

    sha256: bytes
    state: State
    capture_id: str | None = None


class Known:
    """What each owner registered, and had erased. `tag_of`: the keyed digest of an owner and an upload's digest."""

    def __init__(self, database: Database, tag_of: Callable[[str, bytes], bytes]) -> None:
        self._database = database
        self._tag_of = tag_of

    def standing(self, owner: str, digests: Sequence[bytes]) -> list[Standing]:
        """How each digest stands, in the order asked. What was registered again after an erasure is known."""
        held: dict[bytes, str] = {}
        with self._database.read() as connection:
            for start in range(0, len(digests), _AT_ONCE):
                held |= _held(connection, owner, digests[start : start + _AT_ONCE])
            tags = {self._tag_of(owner, sha256): sha256 for sha256 in digests if sha256 not in held}
            erased = _erased(connection, tags)
        return [_standing(sha256, held.get(sha256), sha256 in erased) for sha256 in digests]


def remember(connection: Connection, tag: bytes) -> None:
    """Keep the keyed digest of what is being erased; again is fine."""
    held = sa.select(erased_digests.c.tag).where(erased_digests.c.tag == tag)
    if not connection.execute(held).first():
        connection.execute(erased_digests.insert().values(tag=tag))


def tags_under(key_file: Path) -> Callable[[str, bytes], bytes]:
    """The keyed digest under this file's key, which is made when it is not there (HMAC-SHA-256, RFC 2104)."""
    key = _read_or_make(key_file)

    def tag_of(owner: str, sha256: bytes) -> bytes:
        return hmac.digest(key, _TAG + owner.encode() + b"\0" + sha256, hashlib.sha256)

    return tag_of


def _read_or_make(file: Path) -> bytes:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = write_new(file, secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(temporary, file)  # of two processes that make one at once, the first one's stays
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        sync_folder(file.parent)
    key = file.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{file} has {len(key)} bytes, not {_KEY_BYTES}: put it back from a backup")
    return key


def _held(connection: Connection, owner: str, digests: Sequence[bytes]) -> dict[bytes, str]:
    query = sa.select(captures.c.sha256, captures.c.id)
    rows = connection.execute(query.where(captures.c.owner == owner, captures.c.sha256.in_(digests)))
    return {bytes(sha256): capture_id for sha256, capture_id in rows}


def _erased(connection: Connection, tags: dict[bytes, bytes]) -> set[bytes]:
    asked, found = list(tags), set()
    for start in range(0, len(asked), _AT_ONCE):
        query = sa.select(erased_digests.c.tag).where(erased_digests.c.tag.in_(asked[start : start + _AT_ONCE]))
        found |= {tags[bytes(tag)] for tag in connection.execute(query).scalars()}
    return found


def _standing(sha256: bytes, capture_id: str | None, erased: bool) -> Standing:
    if capture_id:
        return Standing(sha256, "known", capture_id)
    return Standing(sha256, "erased" if erased else "unknown")
