"""API keys: only their SHA-256 is stored. A key has an owner, scopes and default rights."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.record import Rights, decode, encode
from store.database import Database, now_text
from store.schema import api_keys
from store.subscriptions import end_subscriptions

SCOPES = ("capture", "review", "admin")
PREFIX = "cap_"  # lets secret scanners find a key that was committed by mistake


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who a key speaks for, and what it may do."""

    id: str
    name: str
    owner: str
    owner_address: bytes
    scopes: frozenset[str]
    rights: Rights
    revoked: bool
    own_limits: tuple[int | None, int | None, int | None] = (None, None, None)  # in the order of store.quotas.Limits


class ApiKeys:
    """The table of keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, scopes: frozenset[str], rights: Rights, address_of: Callable[[str], bytes],
        keep: Callable[[str], None],
    ) -> str:  # fmt: skip
        """Make a key for a new owner and return it. It is shown this once: only its digest is kept.

        `keep` is given the key before it is valid, so that one that is to be in a file cannot be lost.
        """
        unknown = scopes - set(SCOPES)
        if unknown or not scopes:
            raise ValueError(f"scopes are some of {', '.join(SCOPES)}, not {', '.join(sorted(unknown)) or 'none'}")
        key = PREFIX + secrets.token_urlsafe(32)
        key_id = secrets.token_hex(6)
        owner = f"owner-{key_id}"
        keep(key)
        with self._database.write() as connection:
            connection.execute(
                api_keys.insert().values(
                    id=key_id, digest=_digest(key), name=name, owner=owner,
                    owner_address=address_of(owner), scopes=" ".join(sorted(scopes)),
                    rights=json.dumps(encode(rights)), created_at=now_text(),
                )
            )  # fmt: skip
        return key

    def find(self, key: str) -> ApiKey | None:
        """The key's record, or None when there is no such key or it was revoked; both take the same time."""
        digest = _digest(key)
        with self._database.read() as connection:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.digest == digest)).first()
        held = bytes(row.digest) if row else bytes(32)
        if not hmac.compare_digest(held, digest) or row is None or row.revoked_at:
            return None
        return _record(row)

    def all(self) -> list[ApiKey]:
        """Every key, oldest first."""
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at))]

    def revoke(self, key_id: str) -> bool:
        """Refuse a key from now on, and tell its webhooks and browsers nothing; False when there is none of this id."""
        with self._database.write() as connection:
            done = connection.execute(
                api_keys.update()
                .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
                .values(revoked_at=now_text())
            )
            end_subscriptions(connection, key_id)
        return bool(done.rowcount)

    def limit(self, key_id: str, **limits: int | None) -> bool:
        """Set what a key may use (`bytes_a_day`, `captures_an_hour`, `uploads`); 0 is no limit, None the setting's.

        False when there is none of this id.
        """
        values = {f"limit_{name}": most for name, most in limits.items()}
        with self._database.write() as connection:
            done = connection.execute(api_keys.update().where(api_keys.c.id == key_id).values(**values))
        return bool(done.rowcount)


def _digest(key: str) -> bytes:
    # A key is 256 random bits: a plain digest cannot be guessed, a slow one would only slow every request.
    return hashlib.sha256(key.encode()).digest()


def _record(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        owner=row.owner,
        owner_address=bytes(row.owner_address),
        scopes=frozenset(row.scopes.split()),
        rights=decode(Rights, json.loads(row.rights)),
        revoked=row.revoked_at is not None,
        own_limits=(row.limit_bytes_a_day, row.limit_captures_an_hour, row.limit_uploads),
    )
