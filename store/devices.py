"""Devices that sign for captures, the nonces that make each signature good once, and counters of offline statements."""

import hashlib
import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.device import Attested, Device
from pipeline.record import decode
from store.database import Database, now_text
from store.facts import as_json
from store.schema import device_counters, device_nonces, devices

NONCE_S = 300  # a phone that asks just before it signs needs seconds; one whose upload waits for a network, minutes
KEPT_S = 86_400  # after it ended, so that a late signature is told from a made-up one
MOST_OPEN = 1_000  # nonces of one owner

NonceState = Literal["good", "unknown", "stale", "replayed"]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device: whose it is, its key (x and y of P-256) with thumbprint (RFC 7638), and what is known of the key."""

    id: str
    owner: str
    name: str
    thumbprint: bytes
    key: bytes
    attested: Attested
    created_at: str
    revoked_at: str | None = None


class Devices:
    """The tables `devices` and `device_nonces`; the truth for every process of the API."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nonce(self, owner: str, for_s: int = NONCE_S) -> tuple[str, int] | None:
        """A new nonce for this owner and the unix second at which it ends; None when too many are open."""
        nonce, now = secrets.token_hex(16), _now_ms()
        until_ms = now + for_s * 1000
        with self._database.write() as connection:
            connection.execute(device_nonces.delete().where(device_nonces.c.until_ms < now - KEPT_S * 1000))
            mine = device_nonces.c.owner == owner, device_nonces.c.used.is_(False), device_nonces.c.until_ms > now
            count = sa.select(sa.func.count()).select_from(device_nonces).where(*mine)
            if connection.execute(count).scalar_one() >= MOST_OPEN:
                return None
            row = {"digest": _digest(nonce), "owner": owner, "until_ms": until_ms, "used": False}
            connection.execute(device_nonces.insert().values(row))
        return nonce, until_ms // 1000

    def use(self, owner: str, nonce: str) -> NonceState:
        """Use a nonce up: good for the first who does, in whatever process."""
        mine = device_nonces.c.digest == _digest(nonce), device_nonces.c.owner == owner
        with self._database.write() as connection:
            fresh = device_nonces.c.used.is_(False), device_nonces.c.until_ms > _now_ms()
            if connection.execute(device_nonces.update().where(*mine, *fresh).values(used=True)).rowcount:
                return "good"
            row = connection.execute(sa.select(device_nonces.c.used).where(*mine)).first()
        return "unknown" if row is None else "replayed" if row.used else "stale"

    def add(self, owner: str, name: str, thumbprint: bytes, key: bytes, attested: Attested) -> Enrolled | None:
        """Enrol a key; None when this owner has it already, revoked or not."""
        made = Enrolled(secrets.token_hex(12), owner, name, thumbprint, key, attested, now_text())
        row = {"id": made.id, "owner": owner, "name": name, "thumbprint": thumbprint, "key": key,
               "attested": as_json(attested), "created_at": made.created_at}  # fmt: skip
        try:
            with self._database.write() as connection:
                connection.execute(devices.insert().values(row))
        except IntegrityError:
            return None
        return made

    def find(self, owner: str, device_id: str, thumbprint: bytes | None = None) -> Enrolled | None:
        """This owner's device of this id, or with this thumbprint; revoked ones too."""
        mine = devices.c.thumbprint == thumbprint if thumbprint else devices.c.id == device_id
        with self._database.read() as connection:
            row = connection.execute(sa.select(devices).where(devices.c.owner == owner, mine)).first()
        return _enrolled(row) if row else None

    def all(self, owner: str) -> list[Enrolled]:
        """This owner's devices, oldest first."""
        query = sa.select(devices).where(devices.c.owner == owner).order_by(devices.c.created_at, devices.c.id)
        with self._database.read() as connection:
            return [_enrolled(row) for row in connection.execute(query)]

    def revoke(self, owner: str, device_id: str) -> None:
        """Take no signature of this device from now on; what it signed for stays as it is. Again is fine."""
        mine = devices.c.owner == owner, devices.c.id == device_id, devices.c.revoked_at.is_(None)
        with self._database.write() as connection:
            connection.execute(devices.update().where(*mine).values(revoked_at=now_text()))


def count_statement(connection: Connection, device: Device) -> Device:
    """Note a new capture's counter, in the transaction of its registration; the fact with what is odd about it."""
    if device.counter is None:
        return device
    # The device's own row is locked first: its statements are counted one after the other.
    connection.execute(sa.select(devices.c.id).where(devices.c.id == device.device).with_for_update())
    notices = (*device.notices, *_oddities(connection, device.device, device.counter))
    connection.execute(device_counters.insert().values(device_id=device.device, counter=device.counter))
    return replace(device, notices=notices)


def _oddities(connection: Connection, device_id: str, counter: int) -> list[str]:
    column = device_counters.c.counter
    top = sa.select(sa.func.max(column)).where(device_counters.c.device_id == device_id)
    before = connection.execute(top.where(column < counter)).scalar() or 0
    highest = connection.execute(top).scalar() or 0
    if connection.execute(top.where(column == counter)).scalar():
        return [f"the counter {counter} was used before, for another photo or one that was erased"]
    missing = counter - before - 1
    return [f"of its statements, {missing} before this one had not come when it came (the last was number {before})"
            ] * bool(missing) + [f"number {highest} came before number {counter}"] * (highest > counter)  # fmt: skip


def _digest(nonce: str) -> bytes:
    return hashlib.sha256(nonce.encode()).digest()


def _enrolled(row: sa.Row[tuple[object, ...]]) -> Enrolled:
    return Enrolled(
        row.id, row.owner, row.name, bytes(row.thumbprint), bytes(row.key), decode(Attested, json.loads(row.attested)),
        row.created_at, row.revoked_at,
    )  # fmt: skip


def _now_ms() -> int:
    return int(time.time() * 1000)
