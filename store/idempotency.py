"""Which request an Idempotency-Key stood for, so that a repeat gives the first answer and nothing twice."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pipeline.errors import Conflict
from store.database import Database, now_text
from store.schema import idempotency


class IdempotencyKeys:
    """The table of keys that clients chose, per owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, owner: str, key: str, request_digest: bytes) -> str | None:
        """The capture this key stands for, or None. Raises Conflict when it stood for another request."""
        query = sa.select(idempotency.c.request_digest, idempotency.c.capture_id)
        with self._database.read() as connection:
            row = connection.execute(query.where(idempotency.c.owner == owner, idempotency.c.key == key)).first()
        if row is None:
            return None
        if bytes(row.request_digest) != request_digest:
            raise Conflict("this Idempotency-Key was used for another photo or other metadata: choose a new key")
        return str(row.capture_id)

    def remember(self, owner: str, key: str, request_digest: bytes, capture_id: str) -> None:
        """Let the key stand for this request. The same again is fine; raises Conflict for another request."""
        values = {"owner": owner, "key": key, "request_digest": request_digest, "capture_id": capture_id}
        try:
            with self._database.write() as connection:
                connection.execute(idempotency.insert().values(created_at=now_text(), **values))
        except IntegrityError:
            self.find(owner, key, request_digest)
