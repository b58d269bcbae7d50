"""The list of changes, on each database: in the order of commit, nothing left out, and nothing for ever."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.record import Asset, Request, Rights, Verdict
from store import schema
from store.changes import Changes, note_changes
from store.database import Database
from store.deliveries import Deliveries
from store.keys import ApiKeys
from store.subscriptions import Subscriptions
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables
from tests.store.test_erasure import World

OWNER = "owner"
VERDICT = Verdict("original", (), 0, "")


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = None if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = World(tmp_path, url)
    give_tables(made.database)
    yield made
    made.database.close()


def _register(world: World, name: str, owner: str = OWNER) -> None:
    world.register(name, owner=owner)


def _walk(changes: Changes, position: int, limit: int, owner: str = OWNER) -> tuple[list[str], int]:
    """All pages to the end, as an app asks for them: the captures, and where the next walk begins."""
    until, found = changes.newest(), []
    while page := changes.captures_after(owner, position, until, limit):
        found += [capture_id for _, capture_id in page]
        position = page[-1][0]
    return found, until


def test_in_the_order_of_the_last_change(world: World) -> None:
    changes = Changes(world.database)
    for name in ("a", "b", "c"):
        _register(world, name)
    _register(world, "foreign", "other")
    found, position = _walk(changes, 0, 2)
    assert found == ["a", "b", "c"]
    assert _walk(changes, position, 2) == ([], position)
    world.captures.put("a", "verdict", VERDICT)
    world.captures.put("a", "verdict", VERDICT)  # the same again changes nothing
    found, last = _walk(changes, position, 2)
    assert found == ["a"]
    assert _walk(changes, 0, 1)[0] == ["b", "c", "a"]
    assert [change.name for change in changes.after(0, 9, capture_id="a")] == ["asset", "verdict"]
    assert [change.capture_id for change in changes.after(position, 9, owner=OWNER)] == ["a"]
    assert _walk(changes, last, 1)[0] == []


def test_of_an_erased_capture_there_is_its_erasure(world: World) -> None:
    changes = Changes(world.database)
    for name in ("a", "b"):
        _register(world, name)
    world.captures.put("a", "verdict", VERDICT)
    before = changes.newest()
    world.erasures.erase("a")
    world.erasures.erase("a")
    assert _walk(changes, before, 9)[0] == ["a"]
    assert _walk(changes, 0, 9)[0] == ["b", "a"]
    assert world.finish("a")  # its tombstone is a leaf, of which nobody is told
    assert [change.name for change in changes.after(0, 9, capture_id="a")] == ["erased"]


def test_places_are_never_given_twice(world: World) -> None:
    changes, seen = Changes(world.database), 0
    for number in range(5):
        _register(world, f"capture-{number}")
        world.erasures.erase(f"capture-{number}")
        with world.database.write() as connection:  # the newest row of all goes, as no code of ours lets it
            connection.execute(schema.changes.delete())
        _register(world, f"next-{number}")
        assert changes.newest() > seen
        seen = changes.newest()


@pytest.mark.parametrize("world", ON_POSTGRES[-1:], indirect=True)  # SQLite has one writer: it cannot come to this
def test_a_low_number_that_commits_late_is_not_skipped(world: World) -> None:
    """What "all after N" loses on PostgreSQL: the first writer draws its number, and commits after the second."""
    changes = Changes(world.database)
    for name in ("slow", "quick"):
        _register(world, name)
    _, position = _walk(changes, 0, 9)
    drawn, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with world.database.write() as connection:
            note_changes(connection, "verdict", "2026-01-01T00:00:00.000000Z", schema.captures.c.id == "slow")
            drawn.set()
            assert go_on.wait(20)

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert drawn.wait(20)
    world.captures.put("quick", "verdict", VERDICT)
    found, position = _walk(changes, position, 9)
    assert found == ["quick"]
    go_on.set()
    slow.join()
    assert _walk(changes, position, 9)[0] == ["slow"]
    numbers = sa.select(schema.changes.c.capture_id).order_by(schema.changes.c.number.desc()).limit(1)
    with world.database.read() as connection:
        assert connection.execute(numbers).scalar_one() == "quick", "its number is the higher one, its place the lower"


def test_nothing_is_lost_and_walks_end_while_others_write(world: World) -> None:
    databases = [Database(world.database.url) for _ in range(3)]
    threads, writers, rounds = [], 3, 40
    done = threading.Event()

    def write(place: int) -> None:
        from store.captures import CaptureRecords

        records = CaptureRecords(databases[place])
        for number in range(rounds):
            name = f"{place}-{number}"
            asset = Asset(name.encode().ljust(32), "image/jpeg", 1)
            records.register(name, OWNER, bytes(20), Request(Rights()), asset)
            records.put(name, "verdict", VERDICT)

    for place in range(writers):
        threads.append(threading.Thread(target=write, args=(place,)))
        threads[-1].start()
    changes, position, last_seen = Changes(world.database), 0, list[str]()
    places: list[int] = []
    end = time.monotonic() + 60
    while not done.is_set() and time.monotonic() < end:
        if not any(thread.is_alive() for thread in threads):
            done.set()  # and one walk more
        found, after = _walk(changes, position, 7)
        places += [
            change.position for change in changes.after(position, 10_000, owner=OWNER) if change.position <= after
        ]
        position, last_seen = after, last_seen + found
    expected = {f"{place}-{number}" for place in range(writers) for number in range(rounds)}
    assert set(last_seen) == expected
    assert len(last_seen) <= 2 * len(expected), "at most once for each change"
    assert (len(places), places) == (2 * len(expected), sorted(set(places)))
    for database in databases:
        database.close()


@pytest.fixture
def key_id(world: World) -> str:
    ApiKeys(world.database).add("k", frozenset({"capture"}), Rights(), lambda owner: bytes(20), lambda key: None)
    with world.database.read() as connection:
        return str(connection.execute(sa.select(schema.api_keys.c.id)).scalar_one())


def _subscribe(world: World, key_id: str, name: str = "wh_1", events: tuple[str, ...] = ("*",)) -> Deliveries:
    position = Changes(world.database).newest()
    Subscriptions(world.database).add(name, "webhook", OWNER, key_id, "https://x/", events, b"sealed", position)
    return Deliveries(world.database)


def _types(deliveries: Deliveries, name: str = "wh_1") -> list[tuple[str | None, str]]:
    return [(each.capture_id, each.type) for each in deliveries.of(name, 99)]


def test_deliveries_are_made_once_and_of_what_is_wanted(world: World, key_id: str) -> None:
    _register(world, "before")
    deliveries = _subscribe(world, key_id)
    _subscribe(world, key_id, "wh_2", ("capture.matched", "capture.erased"))
    _register(world, "a")
    _register(world, "foreign", "other")
    world.captures.put("a", "verdict", VERDICT)
    for _ in range(2):
        deliveries.make(1)
    assert _types(deliveries) == [("a", "capture.received"), ("a", "capture.matched")]
    assert _types(deliveries, "wh_2") == [("a", "capture.matched")]


def test_an_erasure_takes_what_waits_with_it(world: World, key_id: str) -> None:
    deliveries = _subscribe(world, key_id)
    for name in ("a", "b"):
        _register(world, name)
    deliveries.make(1)
    world.erasures.erase("a")
    deliveries.make(2)
    assert _types(deliveries) == [("b", "capture.received"), ("a", "capture.erased")]


def test_a_revoked_key_takes_its_subscriptions_with_it(world: World, key_id: str) -> None:
    deliveries = _subscribe(world, key_id)
    _register(world, "a")
    deliveries.make(1)
    assert ApiKeys(world.database).revoke(key_id)
    with world.database.read() as connection:
        for table in (schema.subscriptions, schema.deliveries):
            assert connection.execute(sa.select(table)).first() is None


def test_one_sends_at_a_time_and_the_dead_give_back(world: World, key_id: str) -> None:
    deliveries = _subscribe(world, key_id)
    _register(world, "a")
    deliveries.make(1)
    first = deliveries.take("wh_1", "one", 10)
    assert first
    assert first[1].message_id.startswith("msg_wh_1_")
    assert deliveries.take("wh_1", "two", 11) is None
    deliveries.free("one")
    again = deliveries.take("wh_1", "two", 12)
    assert again
    assert again[1] == first[1]
    deliveries.delivered("wh_1", again[1].number)
    assert deliveries.take("wh_1", "two", 13) is None


def test_a_replay_makes_the_same_messages(world: World, key_id: str) -> None:
    deliveries, changes = _subscribe(world, key_id), Changes(world.database)
    position = changes.newest()
    _register(world, "a")
    deliveries.make(1)
    before = deliveries.of("wh_1", 9)
    deliveries.delivered("wh_1", before[0].number)
    Subscriptions(world.database).replay("wh_1", position)
    deliveries.make(2)
    assert [each.message_id for each in deliveries.of("wh_1", 9)] == [each.message_id for each in before]
    assert position <= changes.before(before[0].happened_at, OWNER) < before[0].position
