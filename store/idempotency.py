"""What an Idempotency-Key stands for, for a day (draft-ietf-httpapi-idempotency-key-header-08, section 2.3)."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.database import Database, as_text, now_text
from store.schema import idempotency

KEPT = timedelta(hours=24)


class KeyReused(Exception):
    """The key stands for another photo, or for other metadata."""


def idempotent(connection: Connection, owner: str, key: str, request_digest: bytes) -> str | None:
    """The capture that this owner's key stands for, or None. Raises KeyReused when it stands for another request."""
    query = sa.select(idempotency.c.request_digest, idempotency.c.capture_id).where(~_ended(), *_of(owner, key))
    row = connection.execute(query).first()
    if row is None:
        return None
    if bytes(row.request_digest) != request_digest:
        raise KeyReused("this Idempotency-Key was used for another photo or other metadata: choose a new key")
    return str(row.capture_id)


def keep_key(connection: Connection, owner: str, key: str, request_digest: bytes, capture_id: str) -> None:
    """From now on, and for a day, the key stands for this capture."""
    connection.execute(idempotency.delete().where(_ended(), *_of(owner, key)))
    values = {"owner": owner, "key": key, "request_digest": request_digest, "capture_id": capture_id}
    connection.execute(idempotency.insert().values(created_at=now_text(), **values))


def forget_keys(database: Database) -> int:
    """Delete the keys whose day is over; how many."""
    with database.write() as connection:
        return connection.execute(idempotency.delete().where(_ended())).rowcount


def _ended() -> sa.ColumnElement[bool]:
    return idempotency.c.created_at < as_text(datetime.now(UTC) - KEPT)


def _of(owner: str, key: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return idempotency.c.owner == owner, idempotency.c.key == key
