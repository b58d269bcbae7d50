"""What was made from what, on each database: kept with the capture, asked the other way round, gone with either."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import Erased
from pipeline.parents import Parent
from pipeline.record import Asset, Manifest, Request, Rights
from store import schema
from store.amendments import Amendments
from store.captures import CaptureRecords
from store.database import Database
from store.erasure import Erasures
from store.lineage import Lineage, ParentErased
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables
from tests.forks import FORKS

ROUNDS = 20


class World:
    """A database with its captures."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.records = CaptureRecords(self.database)
        self.erasures = Erasures(
            self.database, lambda sha256: None, lambda owner, sha256: (owner.encode() + sha256)[:32]
        )
        self.lineage = Lineage(self.database)

    def add(self, name: str, *parents: str, owner: str = "ada", published: bool = True, signed: bool = True) -> str:
        asked = Request(Rights(), published=published, parents=tuple(map(Parent, parents)))
        self.records.register(name, owner, bytes(20), asked, Asset(name.encode().ljust(32), "image/jpeg", 1))
        if signed:
            self.records.put(name, "manifest", Manifest(name.encode().ljust(32), 1, f"urn:{name}", bytes(32), 1,
                                                        "image/jpeg", "us", "trusted", bytes(32)))  # fmt: skip
        return name

    def children(self, parent: str, seen_by: str | None = None) -> list[str]:
        return [each.capture_id for each in self.lineage.derivatives(parent, 0, 99, seen_by)]

    def rows(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(schema.lineage)).scalar_one())


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = World(url)
    give_tables(made.database)
    yield made
    made.database.close()


def test_derivatives_are_found_by_those_who_may_see_them(world: World) -> None:
    for name in "pq":
        world.add(name)
    world.add("open", "q", "p", owner="bob")
    world.add("private", "p", owner="bob", published=False)
    world.add("unsigned", "p", owner="bob", signed=False)
    assert world.children("p") == ["open", "private", "unsigned"] == world.children("p", "bob")
    assert world.children("p", "ada") == ["open"] == world.children("q", "ada")
    assert world.children("open") == []
    first = world.lineage.derivatives("p", 0, 2, "bob")
    assert [each.capture_id for each in world.lineage.derivatives("p", first[-1].number, 2, "bob")] == ["unsigned"]


def test_a_capture_that_was_there_keeps_its_parents(world: World) -> None:
    world.add("p")
    world.add("q")
    world.add("made", "p")
    again = Request(Rights(), parents=(Parent("q"),))
    known = world.records.register("late", "ada", bytes(20), again, Asset(b"made".ljust(32), "image/jpeg", 1))
    assert known == "made" and world.children("q") == [] and world.children("p") == ["made"]


def test_the_erasure_of_either_takes_the_link_away(world: World) -> None:
    for name in "pqr":
        world.add(name)
    world.add("made", "p", "q", "r")
    world.erasures.erase("q")
    asked = world.records.get("made").request
    assert ([parent.id for parent in asked.parents], asked.erased_parents) == (["p", "r"], 1)
    world.erasures.erase("made")
    assert world.rows() == 0
    with pytest.raises(Erased):
        world.records.get("made")
    with world.database.read() as connection:
        stored = connection.execute(sa.select(schema.captures.c.request).where(schema.captures.c.id == "made")).scalar()
    assert '"parents":[]' in str(stored) and '"erased_parents":0' in str(stored)


def test_nothing_is_made_from_what_was_erased(world: World) -> None:
    world.add("p")
    world.erasures.erase("p")
    with pytest.raises(ParentErased):
        world.add("made", "p")
    with pytest.raises(LookupError):
        world.records.get("made")


def _make(url: str) -> None:
    world = World(url)
    for number in range(ROUNDS):
        try:
            world.add(f"child-{number}", f"parent-{number}", "always", signed=False)
        except ParentErased:
            continue


def _erase(url: str) -> None:
    world = World(url)
    for number in range(ROUNDS):
        world.erasures.erase(f"parent-{number}")


def test_registering_and_erasing_at_once_leave_no_link_to_what_is_gone(world: World) -> None:
    world.add("always")
    for number in range(ROUNDS):
        world.add(f"parent-{number}", signed=False)
    workers = [FORKS.Process(target=each, args=(world.database.url,))
               for each in (_make, _erase)]  # fmt: skip
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    made = world.children("always")
    assert world.rows() == len(made), "of each that was made only the link to the one that is there"
    for name in made:
        asked = world.records.get(name).request
        assert ([parent.id for parent in asked.parents], asked.erased_parents) == (["always"], 1)


def test_amending_waits_for_the_erasure_of_a_parent_and_not_in_a_circle(world: World) -> None:
    world.add("p")
    world.add("made", "p", signed=False)
    parents, rows = (Parent("p", "0x1"),), schema.captures.c.id
    amend = Amendments(world.database).amend
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            for name in ("p", "made"):  # as an erasure does: the parent, then what was made from it
                connection.execute(sa.select(rows).where(rows == name).with_for_update())
                if name == "p":
                    amended = pool.submit(amend, "made", lambda asked: replace(asked, parents=parents))
                    assert wait([amended], 0.5).not_done
        amended.result(10)
    assert world.records.get("made").request.parents == parents


def test_until_it_is_signed_other_parents_may_be_named(world: World) -> None:
    for name in "pq":
        world.add(name)
    world.add("made", "p", signed=False)
    amendments = Amendments(world.database)
    amendments.amend("made", lambda asked: replace(asked, parents=(Parent("q", "0x7"),)))
    assert (world.children("p"), world.children("q")) == ([], ["made"])
    assert world.records.get("made").request.parents == (Parent("q", "0x7"),)
    world.erasures.erase("p")
    with pytest.raises(ParentErased):
        amendments.amend("made", lambda asked: replace(asked, parents=(Parent("p"),)))
    assert world.children("q") == ["made"], "nothing of a refused change stays"


def test_what_waits_for_an_answer_is_nobodys_until_it_is_amended(world: World) -> None:
    world.add("made", signed=False)
    token = world.records.lease("made", "worker")
    assert token
    world.records.wait("made", token, datetime.now(UTC) + timedelta(hours=1))
    assert world.records.lease("made", "worker") is None and world.records.take_waiting(9) == []
    world.records.wait("made", token, datetime.now(UTC))  # of a lease that is over: changes nothing
    assert world.records.lease("made", "worker") is None
    Amendments(world.database).amend("made", lambda asked: replace(asked, undeclared_stand=True))
    assert world.records.lease("made", "worker")
