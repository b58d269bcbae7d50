"""Records: write-once facts, leases, the sweeper's list, and what happens when many write at once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.errors import Conflict, Erased, Unavailable
from pipeline.record import (
    Asset,
    Credentials,
    Dimensions,
    Fingerprint,
    Inclusion,
    Leaf,
    Rejection,
    Request,
    Rights,
    SoftBinding,
    encode,
)
from store import captures as module
from store import schema
from store.captures import CaptureRecords
from store.database import Database, now_text
from store.erasure import Erasures
from store.idempotency import KeyReused
from tests.databases import give_tables
from tests.forks import FORKS
from tests.store.tags import tag_of

ASSET = Asset(bytes(32), "image/jpeg", 7)
CREDENTIALS = Credentials("none", "none", None, None, None, 0, None, None)
FINGERPRINT = Fingerprint((SoftBinding("pdq256-v1", "00" * 32),), 80, Dimensions(4, 3))
LEAF = Leaf((bytes(32),) * 10, bytes(32))
REQUEST = Request(Rights(creator="Ada"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/c.db")
    give_tables(database)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> CaptureRecords:
    return CaptureRecords(database)


def _new(records: CaptureRecords, name: str = "a", sha256: bytes = bytes(32), owner: str = "o") -> str:
    return records.register(name, owner, bytes(20), REQUEST, Asset(sha256, "image/jpeg", 7))


def test_the_migrations_lead_to_the_schema(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.check(config)
    database.migrate()


def test_a_capture_comes_back_as_it_was_registered(records: CaptureRecords) -> None:
    _new(records)
    capture = records.get("a")
    assert (capture.owner, capture.request, capture.status) == ("o", REQUEST, "received")
    assert capture.fact("asset") == ASSET
    with pytest.raises(LookupError):
        records.get("b")
    with pytest.raises(LookupError):
        capture.fact("leaf")


def test_the_same_bytes_of_one_owner_are_one_capture(records: CaptureRecords) -> None:
    assert _new(records, "a") == "a"
    assert _new(records, "b") == "a"
    assert _new(records, "c", owner="p") == "c"


def test_facts_are_written_once(records: CaptureRecords) -> None:
    _new(records)
    records.put("a", "credentials", CREDENTIALS)
    records.put("a", "credentials", CREDENTIALS)
    with pytest.raises(Conflict, match="credentials"):
        records.put("a", "credentials", Credentials("valid", "valid", "x", None, None, 1, None, None))
    with pytest.raises(TypeError):
        records.put("a", "leaf", CREDENTIALS)
    assert records.get("a").status == "inspected"


def test_derived_rows_come_in_the_same_commit(records: CaptureRecords, database: Database) -> None:
    _new(records)
    records.put("a", "fingerprint", FINGERPRINT)
    records.put("a", "leaf", LEAF)
    records.put("a", "leaf", LEAF)
    with database.read() as connection:
        assert connection.execute(sa.select(schema.fingerprints.c.quality)).scalars().all() == [80]
        assert connection.execute(sa.select(schema.log_leaves.c.position)).scalars().all() == [None]


def test_a_lease_is_one_workers(records: CaptureRecords) -> None:
    _new(records)
    token = records.lease("a", "w1")
    assert token
    assert records.lease("a", "w2") is None
    records.release("a", token)
    assert records.lease("a", "w2")


def test_a_slow_worker_cannot_write_after_it_lost_its_lease(
    records: CaptureRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    _new(records)
    monkeypatch.setattr(module, "LEASE_MS", 0)  # a lease that ends at once
    slow = records.lease("a", "w1")
    fast = records.lease("a", "w2")
    with pytest.raises(Unavailable, match="took over"):
        records.put("a", "credentials", CREDENTIALS, slow)
    records.put("a", "credentials", CREDENTIALS, fast)


def test_a_restarted_worker_frees_what_it_held_and_no_other(records: CaptureRecords) -> None:
    for number, name in enumerate("abc"):
        _new(records, name, bytes([number]) * 32)
    assert records.lease("a", "w1")
    assert records.lease("b", "w1")
    assert records.lease("c", "w10")
    assert records.release_all("w1") == 2
    assert records.lease("a", "w2")
    assert records.lease("c", "w2") is None


def test_crashes_are_counted_until_the_next_fact(records: CaptureRecords) -> None:
    _new(records)
    for _ in range(3):
        assert records.lease("a", "w")
        records.count_crash("a")
        records.release_all("w")  # the worker died
    assert records.crashes("a") == 3
    token = records.lease("a", "w")
    assert token
    records.release("a", token, retry_in_s=5)
    assert records.crashes("a") == 3
    records.put("a", "credentials", CREDENTIALS)
    assert records.crashes("a") == 0


def test_a_refused_capture_is_no_longer_compared_with(records: CaptureRecords, database: Database) -> None:
    _new(records)
    records.put("a", "fingerprint", FINGERPRINT)
    records.put("a", "rejection", Rejection("sign", "no"))
    _new(records, "b", b"b" * 32)
    records.put("b", "fingerprint", FINGERPRINT)
    with database.read() as connection:
        rows = connection.execute(sa.select(schema.fingerprints.c.number, schema.fingerprints.c.capture_id)).all()
    assert [tuple(row) for row in rows] == [(2, "b")], "and its number is not given out again"


def test_an_idempotency_key_is_committed_with_the_capture(records: CaptureRecords) -> None:
    register = records.register
    assert register("a", "o", bytes(20), REQUEST, ASSET, ("k", b"1" * 32)) == "a"
    assert register("b", "o", bytes(20), REQUEST, ASSET, ("k", b"1" * 32)) == "a"
    other = Asset(b"x" * 32, "image/jpeg", 7)
    with pytest.raises(KeyReused, match="new key"):
        register("c", "o", bytes(20), REQUEST, other, ("k", b"2" * 32))
    with pytest.raises(LookupError):
        records.get("c")
    assert register("d", "p", bytes(20), REQUEST, other, ("k", b"2" * 32)) == "d", "another owner's keys are their own"
    assert records.idempotent("o", "k", b"1" * 32) == "a"
    assert records.idempotent("o", "l", b"1" * 32) is None


def test_the_sweeper_rings_for_what_waits(records: CaptureRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RING_AGAIN_MS", 0)
    for number, name in enumerate("abcd"):
        _new(records, name, bytes([number]) * 32)
    assert records.lease("a", "w")  # being worked on
    records.put("b", "leaf", LEAF)  # the ledger's now
    records.put("c", "rejection", Rejection("inspect", "no"))
    assert records.take_waiting(10) == ["d"]
    monkeypatch.setattr(module, "RING_AGAIN_MS", 60_000)
    assert records.take_waiting(10) == ["d"]
    assert records.take_waiting(10) == []
    records.release_all("w")
    assert records.take_waiting(10) == ["a"]


def test_a_conflict_stops_all_work(records: CaptureRecords) -> None:
    _new(records)
    records.hold("a", "two leaves")
    assert records.lease("a", "w") is None
    assert records.counts() == {"all": 1, "open": 1, "held": 1}


def _register_many(url: str, worker: int, ids: list[str]) -> None:
    records = CaptureRecords(Database(url))
    for number in range(25):
        sha256 = number.to_bytes(32)
        ids.append(records.register(f"{worker}-{number}", "o", bytes(20), REQUEST, Asset(sha256, "image/jpeg", 1)))


def test_four_processes_write_at_once(database: Database) -> None:
    with FORKS.Manager() as manager:
        ids = manager.list()
        workers = [FORKS.Process(target=_register_many, args=(database.url, w, ids)) for w in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0] * 4
        assert len(ids) == 100
        assert len(set(ids)) == 25
    assert CaptureRecords(database).counts()["all"] == 25


def test_a_broken_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match="database"):
        CaptureRecords(Database(f"sqlite:///{tmp_path}/bad.db")).newest_fact()


def test_inclusion_facts_of_the_first_version_lose_only_what_the_log_says_anyway(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.db")
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.upgrade(config, "0002")
    records = CaptureRecords(database)
    old = '{"checkpoint":"a note","index":3,"proof":["00"],"tree_size":7}'
    with database.write() as connection:
        request = json.dumps(encode(Request(Rights())))
        capture = {"id": "a", "owner": "o", "owner_address": bytes(20), "sha256": bytes(32), "request": request}
        connection.execute(schema.captures.insert().values(**capture, created_at=now_text(), finished=False))
        row = {"capture_id": "a", "name": "inclusion", "value": old, "created_at": now_text()}
        connection.execute(schema.facts.insert().values(row))
    database.migrate()
    assert records.get("a").fact("inclusion") == Inclusion(3, 7)
    records.put("a", "inclusion", Inclusion(3, 7))
    database.close()


def test_one_that_is_erased_while_it_is_read_is_whole_or_erased(database: Database, records: CaptureRecords) -> None:
    name = _new(records, "a", b"a" * 32)
    records.put(name, "credentials", CREDENTIALS)
    whole, erasures = records.get(name), Erasures(database, lambda sha256: None, tag_of)

    def erase(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not erased:  # after the first of the two questions
            erased.append(statement)
            erasures.erase(name)

    erased: list[str] = []
    sa.event.listen(database.engine, "after_cursor_execute", erase)
    found = records.those([name])
    assert erased and found in ({}, {name: whole})
    with pytest.raises(Erased) as left:
        records.get(name)
    assert "credentials" not in left.value.facts


def test_several_are_read_at_once_and_in_as_many_questions_as_two(database: Database, records: CaptureRecords) -> None:
    names = [_new(records, name, name.encode() * 32) for name in "abcdefgh"]
    for name in names[:4]:
        records.put(name, "credentials", CREDENTIALS)
    alone = {name: records.get(name) for name in names}
    asked: dict[int, int] = {}
    sa.event.listen(database.engine, "before_cursor_execute", lambda *_more: asked.update({len(asked): 1}))
    for few in (names[:2], names):
        asked.clear()
        assert records.those([*few, "nobody's"]) == {name: alone[name] for name in few}
        assert len(asked) == 2
    asked.clear()
    assert (records.those([]), asked) == ({}, {})
