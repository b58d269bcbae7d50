"""Captures and their facts, in the database. A fact is written once, with the rows derived from it in one commit."""

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.device import Device
from pipeline.errors import Erased, Unavailable
from pipeline.record import FACT_TYPES, Asset, Capture, Request, decode
from store.database import Database, as_moment, blobs_stay, now_text
from store.devices import count_statement
from store.erasure import is_erased
from store.facts import as_json, blobs_of, name_blobs, write_fact
from store.idempotency import idempotent, keep_key
from store.lineage import link
from store.outbox import anchor_at, newest_size
from store.quotas import Charge, spend
from store.schema import captures, erasures, facts, log_leaves, rights_statements, unstamped
from store.statements import statements_of

LEASE_MS = 130_000  # longer than a job may take (store.bell.PHOTO_TIMEOUT_S); every fact renews it
RING_AGAIN_MS = 3_000  # after a ring that nobody answered, for example because the queue lost it


# Made once: every page reads captures, and building a query costs as much as running it.
_ID: sa.BindParameter[str] = sa.bindparam("capture_id")
_IDS: sa.BindParameter[list[str]] = sa.bindparam("capture_ids", expanding=True)
_RESTATED = sa.exists().where(rights_statements.c.capture_id == captures.c.id).label("restated")
_CAPTURES = sa.select(captures, erasures.c.erased_at, _RESTATED).outerjoin(erasures)
_FACTS = sa.select(facts.c.capture_id, facts.c.name, facts.c.value, facts.c.created_at).order_by(facts.c.number)
_ONE = _CAPTURES.where(captures.c.id == _ID), _FACTS.where(facts.c.capture_id == _ID)
_SEVERAL = _CAPTURES.where(captures.c.id.in_(_IDS)), _FACTS.where(facts.c.capture_id.in_(_IDS))


class BytesGone(Unavailable):
    """The bytes were stored already, as another capture's, which was erased before this was committed."""


class CaptureRecords:
    """The record of every capture (port: pipeline.ports.Captures).

    `has_blob` tells whether the bytes that a fact names are stored: they may have been another's, who had them erased.
    """

    def __init__(self, database: Database, has_blob: Callable[[bytes], bool] = lambda sha256: True) -> None:
        self._database = database
        self._has_blob = has_blob

    def register(
        self, capture_id: str, owner: str, owner_address: bytes, request: Request, asset: Asset,
        idempotency: tuple[str, bytes] | None = None, device: Device | None = None, charge: Charge | None = None,
        hold_s: int = 0,
    ) -> str:  # fmt: skip
        """Commit a new capture with its `asset` fact; bytes this owner registered before give the older id.

        `idempotency` (the client's key, and the digest of what it asked) is committed with it, and so is what a new
        capture uses of the API key's quota (`charge`). No worker takes it up for `hold_s`. Raises KeyReused when the
        key stands for another request, OverQuota, and ParentErased; nothing is registered then. `device`: the fact of a
        new capture that a device signed for; an older capture stays as it is.
        """
        try:
            with self._database.write() as connection:
                if idempotency and (known := idempotent(connection, owner, *idempotency)):
                    return known
                found = _of(connection, owner, asset.sha256)
                if found is None:
                    _insert(connection, capture_id, owner, owner_address, request, asset, hold_s * 1000)
                    if charge:
                        spend(connection, charge, asset.size)
                    self._check_blobs(connection, asset)
                    if device:
                        write_fact(connection, capture_id, "device", count_statement(connection, device))
                    found = capture_id
                if idempotency:
                    keep_key(connection, owner, *idempotency, found)
            return found
        except IntegrityError:
            # On a database that lets two begin at once, the other was quicker: now it is found.
            return self.register(capture_id, owner, owner_address, request, asset, idempotency, device, charge, hold_s)

    def idempotent(self, owner: str, key: str, request_digest: bytes) -> str | None:
        """The capture that this Idempotency-Key stands for, or None. Raises KeyReused when it stands for another."""
        with self._database.read() as connection:
            return idempotent(connection, owner, key, request_digest)

    def get(self, capture_id: str) -> Capture:
        """The capture with all its facts. Raises LookupError, and Erased (also one) when its owner had it erased.

        Its `anchor` is of state `included`, and no fact yet, while the chain may still take the block back.
        """
        with self._database.read() as connection:
            for found in _read(connection, *_ONE, {"capture_id": capture_id}):
                if isinstance(found, Erased):
                    raise found
                return found
        raise LookupError(f"no capture {capture_id}")

    def those(self, ids: Collection[str]) -> dict[str, Capture]:
        """The captures of these ids, by their ids; those that are not there, or were erased, are left out."""
        if not ids:
            return {}
        with self._database.read() as connection:
            found = _read(connection, *_SEVERAL, {"capture_ids": list(ids)})
            return {each.id: each for each in found if not isinstance(each, Erased)}

    def owner_at(self, place: int) -> str | None:
        """Who owns the capture whose entry is at this place in the log; None for another entry, or an erased one."""
        mine = log_leaves.c.position == place, captures.c.id == log_leaves.c.capture_id
        with self._database.read() as connection:
            return connection.execute(sa.select(captures.c.owner).where(*mine)).scalar()

    def put(self, capture_id: str, name: str, fact: Any, token: str | None = None) -> None:
        """Write one fact durably. The same again is fine; another value raises Conflict.

        With a lease's `token`: raises Unavailable when somebody else holds the capture now, and renews the lease.
        Raises Erased when its owner had the capture erased meanwhile; the blobs that the fact names go as well.
        """
        with self._database.write() as connection:
            erased = is_erased(connection, capture_id)
            if erased:
                name_blobs(connection, capture_id, fact)
                connection.execute(erasures.update().where(erasures.c.capture_id == capture_id).values(done=False))
            else:
                if token:
                    _renew(connection, capture_id, token)
                write_fact(connection, capture_id, name, fact)
                self._check_blobs(connection, fact)
        if erased:
            self.get(capture_id)  # raises Erased

    def newest_fact(self) -> int:
        """A number that changes whenever any fact is written or shown: a cheap bell for those who wait."""
        with self._database.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(facts.c.number))).scalar() or 0
            # Side by side, not added: as facts grow the size falls, and for a log's first photos by as much.
            return int(newest) << 64 | newest_size(connection)

    def unstamped(self, limit: int) -> list[tuple[str, bytes]]:
        """Captures whose time-stamp is pending, oldest first, each with the digest of what is to be stamped."""
        query = sa.select(unstamped.c.capture_id, unstamped.c.sha256).order_by(unstamped.c.number).limit(limit)
        with self._database.read() as connection:
            return [(capture_id, bytes(sha256)) for capture_id, sha256 in connection.execute(query)]

    # -- work ---------------------------------------------------------------------------------------------------

    def lease(self, capture_id: str, holder: str) -> str | None:
        """Take the capture to work on it: a token, or None while another holds it or nothing is left to do."""
        token, now = f"{holder}:{secrets.token_hex(8)}", now_ms()
        with self._database.write() as connection:
            taken = connection.execute(
                captures.update()
                .where(captures.c.id == capture_id, *_OPEN, captures.c.lease_until_ms <= now)
                .values(lease_token=token, **_until(now + LEASE_MS))
            )
        return token if taken.rowcount else None

    def release(self, capture_id: str, token: str, retry_in_s: int = 0) -> None:
        """Give the capture back; the sweeper rings for it in `retry_in_s`."""
        self._update(
            captures.c.id == capture_id, captures.c.lease_token == token,
            lease_token=None, lease_until_ms=0, ring_at_ms=now_ms() + retry_in_s * 1000,
        )  # fmt: skip

    def wait(self, capture_id: str, token: str, until: datetime) -> None:
        """Give the capture back, to nobody: no worker takes it until then, unless its owner amends it before."""
        until_ms = int(until.timestamp() * 1000)
        self._update(captures.c.id == capture_id, captures.c.lease_token == token, lease_token=None, **_until(until_ms))

    def release_all(self, holder: str) -> int:
        """Free what a worker held that is known to be dead; how many. Called by its successor at its start."""
        with self._database.write() as connection:
            freed = connection.execute(
                captures.update()
                .where(captures.c.lease_token.startswith(f"{holder}:", autoescape=True))
                .values(lease_token=None, **_until(0))
            )
        return freed.rowcount

    def hold(self, capture_id: str, problem: str) -> None:
        """Stop all work on a capture until a person has looked: a Conflict is never retried."""
        # The problem tells facts: those of an erased capture must not come back this way.
        gone = sa.exists().where(erasures.c.capture_id == captures.c.id)
        self._update(captures.c.id == capture_id, ~gone, problem=problem)

    def count_crash(self, capture_id: str) -> None:
        """A work horse died on this capture, or was out of time; a new fact sets the count back."""
        self._update(captures.c.id == capture_id, attempts=captures.c.attempts + 1)

    def crashes(self, capture_id: str) -> int:
        """How many work horses died on this capture since its last fact."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(captures.c.attempts).where(captures.c.id == capture_id))
            return int(found.scalar_one())

    def take_waiting(self, limit: int, overdue_ms: int = 0) -> list[str]:
        """Captures that wait for a photo worker and whose time to ring came `overdue_ms` ago, oldest first.

        They are taken off this list for `RING_AGAIN_MS`: a long queue is not made longer at every sweep.
        """
        now = now_ms()
        sealed = sa.exists().where(facts.c.capture_id == captures.c.id, facts.c.name == "leaf")
        query = sa.select(captures.c.id).where(*_OPEN, captures.c.ring_at_ms <= now - overdue_ms, ~sealed)
        with self._database.read() as connection:
            ids = list(connection.execute(query.order_by(captures.c.number).limit(limit)).scalars())
        if ids:
            self._update(captures.c.id.in_(ids), ring_at_ms=now + RING_AGAIN_MS)
        return ids

    def counts(self) -> dict[str, int]:
        """How many captures there are: all, open, held by a problem."""
        with self._database.read() as connection:
            total, open_, held = connection.execute(
                sa.select(
                    sa.func.count(), sa.func.count().filter(captures.c.finished.is_(False)),
                    sa.func.count().filter(captures.c.problem.is_not(None)),
                ).select_from(captures).outerjoin(erasures).where(erasures.c.number.is_(None))
            ).one()  # fmt: skip
        return {"all": total, "open": open_, "held": held}

    def _check_blobs(self, connection: Connection, fact: Any) -> None:
        """Raise BytesGone, before anything is committed, when bytes that the fact names were erased meanwhile."""
        named = blobs_of(fact)
        if named:
            blobs_stay(connection)
        if not all(map(self._has_blob, named)):
            raise BytesGone("the blob store, from which these bytes were erased meanwhile: they must be sent again")

    def _update(self, *where: sa.ColumnElement[bool], **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(captures.update().where(*where).values(**values))


def _read(
    connection: Connection, which: sa.Select[Any], of_them: sa.Select[Any], ids: Mapping[str, Any]
) -> list[Capture | Erased]:
    """The captures of these two queries, the second for their facts.

    The facts first: of a capture that is not erased afterwards, all were there. Of an erased one those that are left.
    """
    written = _written(connection, of_them, ids)
    rows = connection.execute(which, ids).all()
    left = _written(connection, of_them, ids) if any(row.erased_at for row in rows) else written
    return [_capture(connection, row, (left if row.erased_at else written)[row.id]) for row in rows]


def _written(
    connection: Connection, of_them: sa.Select[Any], ids: Mapping[str, Any]
) -> Mapping[str, Sequence[sa.Row[Any]]]:
    """The rows of facts, by their captures' ids."""
    found: defaultdict[str, list[sa.Row[Any]]] = defaultdict(list)
    for fact in connection.execute(of_them, ids):
        found[fact.capture_id].append(fact)
    return found


def _capture(connection: Connection, row: sa.Row[Any], written: Sequence[sa.Row[Any]]) -> Capture | Erased:
    known = {fact.name: decode(FACT_TYPES[fact.name], json.loads(fact.value)) for fact in written}
    times = {fact.name: as_moment(fact.created_at) for fact in written}
    _show_inclusion(connection, known, times)
    request = decode(Request, json.loads(row.request))
    if row.erased_at:
        return Erased(row.id, row.owner, as_moment(row.erased_at), request.published, known)
    return Capture(
        id=row.id,
        owner=row.owner,
        owner_address=bytes(row.owner_address),
        created_at=as_moment(row.created_at),
        request=request,
        facts=known,
        fact_times=times,
        statements=statements_of(connection, row.id) if row.restated else (),
    )


def _show_inclusion(connection: Connection, known: dict[str, Any], times: dict[str, datetime]) -> None:
    if "inclusion" in known and "anchor" not in known and (found := anchor_at(connection, known["inclusion"].index)):
        known["anchor"], times["anchor"] = found


def _of(connection: Connection, owner: str, sha256: bytes) -> str | None:
    query = sa.select(captures.c.id).where(captures.c.owner == owner, captures.c.sha256 == sha256)
    return connection.execute(query).scalar()


def _insert(
    connection: Connection, capture_id: str, owner: str, owner_address: bytes, request: Request, asset: Asset,
    hold_ms: int,
) -> None:  # fmt: skip
    # Held: the lease is nobody's until then, and the sweeper rings when it ends.
    ring_at_ms = now_ms() + (hold_ms or RING_AGAIN_MS)
    lease_until_ms = ring_at_ms if hold_ms else 0
    connection.execute(
        captures.insert().values(
            id=capture_id, owner=owner, owner_address=owner_address, sha256=asset.sha256, created_at=now_text(),
            request=as_json(request), finished=False, ring_at_ms=ring_at_ms, lease_until_ms=lease_until_ms,
        )
    )  # fmt: skip
    link(connection, capture_id, request.parents)
    write_fact(connection, capture_id, "asset", asset)


def _renew(connection: Connection, capture_id: str, token: str) -> None:
    # Without this, a worker that was slow beyond its lease would sign a second manifest beside its successor's.
    mine = captures.update().where(captures.c.id == capture_id, captures.c.lease_token == token)
    if not connection.execute(mine.values(**_until(now_ms() + LEASE_MS))).rowcount:
        raise Unavailable(f"the lease on {capture_id}, which another worker took over")


_OPEN: Iterable[sa.ColumnElement[bool]] = (captures.c.finished.is_(False), captures.c.problem.is_(None))


def _until(moment_ms: int) -> dict[str, int]:
    return {"lease_until_ms": moment_ms, "ring_at_ms": moment_ms}


def now_ms() -> int:
    """The time as leases count it."""
    return int(time.time() * 1000)


def timeline(capture: Capture) -> dict[str, int]:
    """Milliseconds from the moment the upload was complete to each fact."""
    start: datetime = capture.created_at
    return {name: round((moment - start).total_seconds() * 1000) for name, moment in capture.fact_times.items()}
