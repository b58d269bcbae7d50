"""Nonces, devices and counters on every engine: once is once, over restarts and for several processes at a time."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.device import Attested, Detail, Device
from pipeline.record import Asset, Request, Rights
from store.captures import CaptureRecords
from store.database import Database
from store.devices import MOST_OPEN, Devices
from store.schema import device_nonces
from tests.databases import give_tables

KEY, PRINT = bytes(64), bytes(32)
ATTESTED = Attested("app-attest", "apple-appattest", datetime(2026, 3, 1, tzinfo=UTC), (Detail("app", "one"),))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with empty tables."""
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres"))
    made = f"sqlite:///{tmp_path}/capture.db"
    database = Database(made)
    give_tables(database)
    database.close()
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url)
    yield made
    made.close()


def test_a_nonce_is_good_once_for_its_owner_also_after_a_restart(url: str, database: Database) -> None:
    made = Devices(database).nonce("one")
    assert made and datetime.now(UTC).timestamp() + 200 < made[1] < datetime.now(UTC).timestamp() + 400
    again = Database(url)
    after = Devices(again)
    assert after.use("another", made[0]) == "unknown"
    assert [after.use("one", made[0]) for _ in range(2)] == ["good", "replayed"]
    assert Devices(database).use("one", made[0]) == "replayed"
    assert after.use("one", "made up") == "unknown"
    again.close()


def test_of_many_at_once_one_uses_a_nonce(url: str, database: Database) -> None:
    made = Devices(database).nonce("one")
    assert made
    databases, said = [Database(url) for _ in range(8)], list[str]()
    started = threading.Barrier(len(databases))

    def use(other: Database) -> None:
        started.wait()
        said.append(Devices(other).use("one", made[0]))

    threads = [threading.Thread(target=use, args=(other,)) for other in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in databases:
        other.close()
    assert sorted(said) == ["good"] + ["replayed"] * 7


def test_a_nonce_ends(database: Database) -> None:
    made = Devices(database).nonce("one", for_s=0)
    assert made and Devices(database).use("one", made[0]) == "stale"


def test_one_owner_cannot_fill_the_table(database: Database) -> None:
    devices = Devices(database)
    until_ms = round(datetime.now(UTC).timestamp() + 100) * 1000
    rows = [{"digest": hashlib.sha256(bytes([at % 256, at // 256])).digest(), "owner": "one", "until_ms": until_ms,
             "used": False} for at in range(MOST_OPEN - 1)]  # fmt: skip
    with database.write() as connection:
        connection.execute(device_nonces.insert(), rows)
    assert devices.nonce("one")
    assert devices.nonce("one") is None
    assert devices.nonce("another")


def test_a_device_is_kept_whole(database: Database) -> None:
    devices = Devices(database)
    made = devices.add("one", "phone", PRINT, KEY, ATTESTED)
    assert made and devices.all("one") == [made] and devices.all("another") == []
    assert devices.find("one", made.id) == devices.find("one", "", PRINT) == made
    assert devices.find("another", made.id) is None
    assert devices.add("one", "again", PRINT, KEY, ATTESTED) is None
    assert devices.add("another", "phone", PRINT, KEY, ATTESTED)
    devices.revoke("another", made.id)
    assert devices.find("one", made.id) == made
    devices.revoke("one", made.id)
    found = devices.find("one", made.id)
    assert found and found.revoked_at and found.attested == ATTESTED


def test_the_fact_is_committed_with_the_registration(database: Database) -> None:
    devices, records = Devices(database), CaptureRecords(database)
    made = devices.add("one", "phone", PRINT, KEY, ATTESTED)
    assert made
    noticed = []
    for at, counter in enumerate((1, 2, 2, 9, None)):
        photo, moment = hashlib.sha256(bytes([at])).digest(), datetime.now(UTC)
        fact = Device(made.id, PRINT, KEY, ATTESTED, "statement", "text", PRINT, KEY, photo, moment, moment, 0, counter)
        asked = Request(Rights()), Asset(photo, "image/jpeg", 1)
        assert records.register(f"c{at}", "one", bytes(20), *asked, None, fact) == f"c{at}"
        kept = records.get(f"c{at}")
        assert list(kept.facts) == ["asset", "device"] and kept.status == "received"
        assert records.register("other", "one", bytes(20), *asked, None, fact) == f"c{at}"
        noticed.append(len(kept.fact("device").notices))
    assert noticed == [0, 0, 1, 1, 0]
