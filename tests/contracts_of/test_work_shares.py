"""What works pass on to their ancestors, on each database: written with the order, and gone with the erasure."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.parents import asset_id
from store import erasure, schema
from store.orders import Order, Orders
from store.shares import Share, WorkShares
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.contracts_of.test_lineage import World
from tests.databases import give_tables


class Works(World):
    """Captures with places in the log, and orders that say what they were made from."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.orders, self.shares = Orders(self.database), WorkShares(self.database)

    def work(self, name: str, owner: str = "ada") -> int:
        """A logged capture: its work's id."""
        self.add(name, owner=owner)
        with self.database.write() as connection:
            place = connection.execute(sa.select(sa.func.count()).select_from(schema.log_leaves)).scalar_one()
            row = {"capture_id": name, "digest": name.encode().ljust(32), "position": place}
            connection.execute(schema.log_leaves.insert().values(row))
        return asset_id(name.encode().ljust(32), place)

    def wanted(self, name: str, parents: list[int]) -> Order:
        """Its owner wants to say what it was made from."""
        asked = {"parents": [{"asset": f"{parent:#x}", "licence": "0"} for parent in parents], "declared": []}
        return self.orders.add(name, "ada", "derive", asked)

    def derived(self, name: str, parents: list[int], words: list[int]) -> None:
        """Its owner said on the chain what it was made from."""
        order = self.wanted(name, parents)
        self.orders.mined(order, {"shares": [str(word) for word in words]})
        self.orders.done(self.orders.get(order.id), {})


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Works]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Works(url)
    give_tables(made.database)
    yield made
    made.database.close()


@pytest.fixture
def line(world: Works) -> tuple[int, int, int]:
    """A photo; a collage of it, which passes on a tenth; a poster of the collage, which passes on a third of all."""
    photo, collage, poster = (world.work(name) for name in ("photo", "collage", "poster"))
    world.derived("collage", [photo], [photo | 10**17])
    third = 10**18 // 3
    world.derived("poster", [collage], sorted([collage | third * 9 // 10, photo | third // 10]))
    return photo, collage, poster


def test_lists_are_kept_as_the_contract_has_them(world: Works, line: tuple[int, int, int]) -> None:
    photo, collage, poster = line
    assert [share.word for share in world.shares.of("collage")] == [photo | 10**17]
    assert {share.ancestor: share.ppm for share in world.shares.of("poster")} == {photo: 33_333, collage: 299_999}
    assert [share.word for share in world.shares.of("poster")] == sorted(s.word for s in world.shares.of("poster"))
    assert world.shares.of("photo") == []
    assert world.shares.captures_of([photo, poster, 5 << 80]) == {photo: "photo", poster: "poster"}


def test_a_work_finds_what_was_made_from_it_at_any_depth(world: Works, line: tuple[int, int, int]) -> None:
    photo, _, _ = line
    found = world.shares.descendants(photo, None, 9)
    assert [each.capture_id for each in found] == ["poster", "collage"]
    assert found[1].share == Share(photo, 10**17)
    assert [each.capture_id for each in world.shares.descendants(photo, None, 1)] == ["poster"]
    assert [each.capture_id for each in world.shares.descendants(photo, found[0].number, 9)] == ["collage"]
    assert list(world.shares.shares_in(["collage", "photo"], photo)) == ["collage"]
    assert (world.children("photo"), world.children("collage")) == (["collage"], ["poster"]), "parents, not more"
    assert world.lineage.parents("poster") == ["collage"]


def test_a_chain_that_gets_it_again_changes_nothing(world: Works, line: tuple[int, int, int]) -> None:
    before = world.shares.of("collage"), world.children("photo")
    world.derived("collage", [line[0]], [line[0] | 10**17])
    assert (world.shares.of("collage"), world.children("photo")) == before


def test_parents_that_the_chain_does_not_have_are_none(world: Works) -> None:
    photo, other = world.work("photo"), world.work("other")
    world.work("made")
    world.derived("made", [photo, other], [photo | 5])
    assert world.lineage.parents("made") == ["photo"]


def test_the_erasure_of_either_takes_it_away(world: Works, line: tuple[int, int, int]) -> None:
    photo, collage, _ = line
    world.erasures.erase("collage")
    assert world.shares.of("collage") == []
    assert [each.capture_id for each in world.shares.descendants(photo, None, 9)] == ["poster"]
    assert {share.ancestor for share in world.shares.of("poster")} == {photo, collage}, "the chain has it"
    assert world.lineage.parents("poster") == []
    world.derived("poster", [collage], [share.word for share in world.shares.of("poster")])
    assert world.lineage.parents("poster") == [], "an erased one is named no more"
    late = world.wanted("poster", [photo])
    world.erasures.erase("poster")
    world.orders.done(late, {"shares": [str(photo | 1)]})
    assert world.shares.descendants(photo, None, 9) == [], "what comes late finds nothing to write to"


def test_an_earlier_versions_orders_are_read(world: Works, line: tuple[int, int, int]) -> None:
    photo, _, _ = line
    before = {name: world.shares.of(name) for name in ("collage", "poster")}
    world.work("erased")
    world.derived("erased", [photo], [photo | 7])
    config = Config()
    config.set_main_option("script_location", str(Path(erasure.__file__).parent / "migrations"))
    config.attributes["engine"] = world.database.engine
    command.downgrade(config, "0020")
    with world.database.write() as connection:
        connection.execute(schema.lineage.delete())
        connection.execute(schema.erasures.insert().values(capture_id="erased", erased_at="2026", done=False))
    world.database.migrate()
    assert {name: world.shares.of(name) for name in ("collage", "poster")} == before
    assert (world.shares.of("erased"), world.rows()) == ([], 2)
    assert (world.children("photo"), world.lineage.parents("poster")) == (["collage"], ["collage"])
