"""Erasure: the wish is committed together with every deletion in the database; what is on the disk follows it.

From that commit on the capture is gone for everybody. Whatever remains to be done is found in the tables: a crash at
any point, or a worker that comes late with a fact, leaves an erasure that is not `done`, and the next sweep goes on.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.record import Leaf, Request, Rights, decode
from store.changes import note_erasure
from store.database import Database, as_moment, blobs_go, now_text
from store.facts import as_json, remove_fingerprint, write_fact
from store.fingerprints import IN_LIMIT
from store.known import remember
from store.lineage import unlink
from store.schema import (
    blob_uses,
    captures,
    chain_events,
    deliveries,
    erasures,
    facts,
    idempotency,
    log_leaves,
    orders,
    published_manifests,
    removed_fingerprints,
    rights_statements,
    trust_verdicts,
    unstamped,
    work_shares,
)

_GO_AT_ONCE = (
    facts, idempotency, published_manifests, unstamped, trust_verdicts, deliveries, orders, rights_statements,
    work_shares, chain_events,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grave:
    """What a tombstone says. `leaf` and `position`: the erased entry of the log; None when there never was one."""

    capture_id: str
    owner_address: bytes
    erased_at: int
    leaf: bytes | None
    position: int | None


class Erasures:
    """The tables `erasures`, `blob_uses` and `removed_fingerprints`. `remove_blob` is the blob store's.

    `tag_of`: the keyed digest of an owner and an upload's digest by which a repeat is recognised (store/known.py).
    """

    def __init__(
        self, database: Database, remove_blob: Callable[[bytes], None], tag_of: Callable[[str, bytes], bytes]
    ) -> None:
        self._database = database
        self._remove_blob = remove_blob
        self._tag_of = tag_of

    def erase(self, capture_id: str) -> None:
        """Commit the wish, and with it the end of all facts and of whatever was derived from them. Again is fine.

        Of the capture there remain its id, its owner, whether it was published, and its entry in the log. Raises
        LookupError for an id that there never was.
        """
        mine = captures.c.id == capture_id
        with self._database.write() as connection:
            held = connection.execute(sa.select(captures).where(mine).with_for_update()).first()
            if held is None:
                raise LookupError(f"no capture {capture_id}")
            done = sa.select(erasures.c.number).where(erasures.c.capture_id == capture_id)
            if connection.execute(done).first():
                return
            remove_fingerprint(connection, capture_id)
            for table in _GO_AT_ONCE:
                connection.execute(table.delete().where(table.c.capture_id == capture_id))
            unlink(connection, capture_id)
            connection.execute(captures.update().where(mine).values(**_emptied(held.request)))
            remember(connection, self._tag_of(held.owner, bytes(held.sha256)))
            connection.execute(erasures.insert().values(capture_id=capture_id, erased_at=now_text(), done=False))
            note_erasure(connection, capture_id)

    def open(self, limit: int) -> list[str]:
        """Captures whose erasure is not complete, oldest first."""
        query = sa.select(erasures.c.capture_id).where(erasures.c.done.is_(False))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(erasures.c.number).limit(limit)).scalars())

    def remove_blobs(self, capture_id: str) -> None:
        """Remove the capture's blobs, those that another capture uses excepted."""
        query = sa.select(blob_uses.c.sha256).where(blob_uses.c.capture_id == capture_id)
        with self._database.read() as connection:
            digests = [bytes(sha256) for sha256 in connection.execute(query).scalars()]
        for sha256 in digests:
            with self._database.write() as connection:
                blobs_go(connection)
                use = blob_uses.c.sha256 == sha256, blob_uses.c.capture_id == capture_id
                connection.execute(blob_uses.delete().where(*use))
                self._remove_unused(connection, sha256)

    def remove_orphans(self, digests: Sequence[bytes]) -> int:
        """Remove those of these blobs that no capture uses; how many. A crash between storing and committing left them.

        An upload of the same bytes that is under way is refused when it comes to commit, and sent again.
        """
        removed = 0
        for sha256 in self._unused(digests):
            with self._database.write() as connection:
                blobs_go(connection)
                removed += self._remove_unused(connection, sha256)
        return removed

    def entomb(self, capture_id: str, inscribe: Callable[[Grave], Leaf]) -> bool:
        """Write the tombstone as a leaf that waits for its place in the log, once; False while it must wait.

        A leaf that was sealed and has no place yet gets it first: what the sequencer has read must stay as it is.
        """
        with self._database.write() as connection:
            # Several machines sweep one PostgreSQL: they take turns at a capture.
            connection.execute(sa.select(captures.c.id).where(captures.c.id == capture_id).with_for_update())
            if _has_tombstone(connection, capture_id):
                return True
            grave = _grave(connection, capture_id)
            if grave.leaf and grave.position is None:
                return False
            for table in (log_leaves, facts):  # its place is in the tombstone, its digest also in the log's tiles
                connection.execute(table.delete().where(table.c.capture_id == capture_id))
            write_fact(connection, capture_id, "leaf", inscribe(grave))
            # Not finished: from here on it is logged and anchored like every other.
            connection.execute(captures.update().where(captures.c.id == capture_id).values(finished=False))
        return True

    def close(self, capture_ids: Sequence[str]) -> None:
        """These are complete, but for those to which a late worker added something meanwhile."""
        used = sa.exists().where(blob_uses.c.capture_id == erasures.c.capture_id)
        with self._database.write() as connection:
            mine = erasures.c.capture_id.in_(capture_ids)
            connection.execute(erasures.update().where(mine, ~used).values(done=True))

    def removed_fingerprints(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Place in the order of removal, and number of the fingerprint, of those that were removed behind `after`."""
        columns = removed_fingerprints.c
        query = sa.select(columns.number, columns.fingerprint).where(columns.number > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(columns.number).limit(limit))
            return [(row.number, row.fingerprint) for row in rows]

    def _unused(self, digests: Sequence[bytes]) -> list[bytes]:
        unused: list[bytes] = []
        with self._database.read() as connection:
            for start in range(0, len(digests), IN_LIMIT):
                some = digests[start : start + IN_LIMIT]
                query = sa.select(blob_uses.c.sha256).where(blob_uses.c.sha256.in_(some))
                used = {bytes(sha256) for sha256 in connection.execute(query).scalars()}
                unused += [sha256 for sha256 in some if sha256 not in used]
        return unused

    def _remove_unused(self, connection: Connection, sha256: bytes) -> bool:
        # Within the transaction: whoever commits a fact about this blob comes before it, and is seen, or after it, and
        # sees that the blob is gone.
        if connection.execute(sa.select(blob_uses.c.sha256).where(blob_uses.c.sha256 == sha256)).first():
            return False
        self._remove_blob(sha256)
        return True


def is_erased(connection: Connection, capture_id: str) -> bool:
    """Whether its owner had it erased, or is about to: the row is locked first, and on PostgreSQL its end decides."""
    connection.execute(sa.select(captures.c.id).where(captures.c.id == capture_id).with_for_update())
    query = sa.select(erasures.c.number).where(erasures.c.capture_id == capture_id)
    return connection.execute(query).first() is not None


def _emptied(request: str) -> dict[str, object]:
    published = decode(Request, json.loads(request)).published
    return {
        "sha256": secrets.token_bytes(32),  # that of no file: the column is unique, and says nothing now
        "request": as_json(Request(Rights(), published=published)),
        "created_at": now_text(),
        "finished": True,  # no stage takes it up, and no anchor of its own leaf counts for it
        "lease_token": None,
        "lease_until_ms": 0,
        "attempts": 0,
        "problem": None,
    }


def _has_tombstone(connection: Connection, capture_id: str) -> bool:
    # Its own leaf went with all facts when it was erased: a leaf that is there now is the tombstone.
    query = sa.select(facts.c.number).where(facts.c.capture_id == capture_id, facts.c.name == "leaf")
    return connection.execute(query).first() is not None


def _grave(connection: Connection, capture_id: str) -> Grave:
    query = (
        sa.select(captures.c.owner_address, erasures.c.erased_at, log_leaves.c.digest, log_leaves.c.position)
        .join(erasures, erasures.c.capture_id == captures.c.id)
        .outerjoin(log_leaves, log_leaves.c.capture_id == captures.c.id)
        .where(captures.c.id == capture_id)
    )
    row = connection.execute(query).one()
    moment = int(as_moment(row.erased_at).timestamp())
    return Grave(capture_id, bytes(row.owner_address), moment, row.digest and bytes(row.digest), row.position)
