"""Facts are written once, inside the caller's transaction, with the rows derived from them."""

import json
from base64 import b32decode, b64decode
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.canonical import canonical_bytes
from pipeline.errors import Conflict
from pipeline.record import FACT_TYPES, Asset, Fingerprint, Leaf, Manifest, Request, decode, encode
from store.changes import note_changes
from store.database import now_text
from store.fingerprints import in_commit_order
from store.schema import (
    blob_uses,
    captures,
    facts,
    fingerprints,
    local_features,
    log_leaves,
    published_manifests,
    removed_fingerprints,
    unstamped,
)

PDQ, ISCC, ROOTSIFT = "pdq256-v1", "io.iscc.v0", "rootsift128-v1"  # the soft bindings that are searched


def write_fact(connection: Connection, capture_id: str, name: str, fact: Any) -> bool:
    """Write a fact and its derived rows inside the caller's transaction; True when it was new.

    The same value again changes nothing. Raises Conflict when the fact is there with another value.
    """
    if not isinstance(fact, FACT_TYPES[name]):
        raise TypeError(f"the fact {name} is a {FACT_TYPES[name].__name__}, not a {type(fact).__name__}")
    value = as_json(fact)
    held = connection.execute(
        sa.select(facts.c.value).where(facts.c.capture_id == capture_id, facts.c.name == name)
    ).scalar()
    if held is not None:
        if held != value:
            raise Conflict(f"{capture_id} has the {name} {held}, which cannot become {value}")
        return False
    now = now_text()
    connection.execute(facts.insert().values(capture_id=capture_id, name=name, value=value, created_at=now))
    note_changes(connection, name, now, captures.c.id == capture_id)
    name_blobs(connection, capture_id, fact)
    if name in _DERIVED:
        _DERIVED[name](connection, capture_id, fact)
    connection.execute(captures.update().where(captures.c.id == capture_id).values(attempts=0))
    return True


def _index_row(connection: Connection, capture_id: str, fact: Fingerprint) -> None:
    values = {binding.alg: binding.value for binding in fact.soft_bindings}  # an older version made fewer of them
    sha256 = sa.select(captures.c.sha256).where(captures.c.id == capture_id).scalar_subquery()
    in_commit_order(connection)
    number = connection.execute(
        fingerprints.insert().returning(fingerprints.c.number).values(
            capture_id=capture_id, sha256=sha256, pdq=bytes.fromhex(values[PDQ]), quality=fact.quality,
            iscc=_iscc_bits(values[ISCC]) if ISCC in values else None,
        )
    ).scalar_one()  # fmt: skip
    if fact.thumbnail_sha256:
        connection.execute(
            local_features.insert().values(
                number=number, thumbnail_sha256=fact.thumbnail_sha256, width=fact.dimensions.width,
                height=fact.dimensions.height, points=b64decode(values.get(ROOTSIFT, "")),
            )
        )  # fmt: skip


def _iscc_bits(code: str) -> bytes:
    """The 64 bits of an ISCC image code: base32 without padding, behind a header of two bytes."""
    text = code.removeprefix("ISCC:")
    return b32decode(text + "=" * (-len(text) % 8))[2:10]


def _signed(connection: Connection, capture_id: str, fact: Manifest) -> None:
    _publish(connection, capture_id, fact)
    _await_timestamp(connection, capture_id, fact)


def _publish(connection: Connection, capture_id: str, fact: Manifest) -> None:
    asked = connection.execute(sa.select(captures.c.request).where(captures.c.id == capture_id)).scalar_one()
    if fact.open_label and decode(Request, json.loads(asked)).published:
        connection.execute(published_manifests.insert().values(capture_id=capture_id, label=fact.open_label))


def _waiting_leaf(connection: Connection, capture_id: str, fact: Leaf) -> None:
    connection.execute(log_leaves.insert().values(capture_id=capture_id, digest=fact.digest))


def _await_timestamp(connection: Connection, capture_id: str, fact: Manifest) -> None:
    if fact.timestamp == "pending":
        connection.execute(unstamped.insert().values(capture_id=capture_id, sha256=fact.sha256))


def _end_waiting(connection: Connection, capture_id: str, _fact: Any) -> None:
    connection.execute(unstamped.delete().where(unstamped.c.capture_id == capture_id))


def _finish(connection: Connection, capture_id: str, _fact: Any) -> None:
    connection.execute(captures.update().where(captures.c.id == capture_id).values(finished=True))


def _refuse(connection: Connection, capture_id: str, fact: Any) -> None:
    # What was refused must not become the original of a later upload.
    remove_fingerprint(connection, capture_id)
    connection.execute(published_manifests.delete().where(published_manifests.c.capture_id == capture_id))
    _finish(connection, capture_id, fact)


def remove_fingerprint(connection: Connection, capture_id: str) -> None:
    """Delete what others are compared with, and note its number for those who keep files derived from it."""
    mine = fingerprints.c.capture_id == capture_id
    number = connection.execute(sa.select(fingerprints.c.number).where(mine)).scalar()
    if number is None:
        return
    in_commit_order(connection)
    connection.execute(local_features.delete().where(local_features.c.number == number))
    connection.execute(fingerprints.delete().where(mine))
    connection.execute(removed_fingerprints.insert().values(fingerprint=number))


_DERIVED: dict[str, Callable[[Connection, str, Any], None]] = {
    "fingerprint": _index_row,
    "manifest": _signed,
    "timestamp": _end_waiting,
    "leaf": _waiting_leaf,
    "anchor": _finish,
    "rejection": _refuse,
}


def name_blobs(connection: Connection, capture_id: str, fact: Any) -> None:
    """Note which blobs this fact is about: a blob stays as long as any capture uses it."""
    held = sa.select(blob_uses.c.sha256).where(blob_uses.c.capture_id == capture_id)
    new = set(blobs_of(fact))
    new -= {bytes(sha256) for sha256 in connection.execute(held).scalars()} if new else set()
    for sha256 in sorted(new):
        connection.execute(blob_uses.insert().values(sha256=sha256, capture_id=capture_id))


def blobs_of(fact: Any) -> tuple[bytes, ...]:
    """The digests of the blobs that a fact names."""
    if isinstance(fact, Asset):
        return (fact.sha256,)
    if isinstance(fact, Fingerprint):
        return (fact.thumbnail_sha256,) if fact.thumbnail_sha256 else ()
    if isinstance(fact, Manifest):
        public = (fact.public.sha256, fact.public.manifest_sha256) if fact.public else ()
        return fact.sha256, fact.signed_sha256, fact.thumbnail_sha256, *public
    return ()


def as_json(value: Any) -> str:
    """A fact or a request as the database keeps it."""
    return canonical_bytes(encode(value)).decode()
