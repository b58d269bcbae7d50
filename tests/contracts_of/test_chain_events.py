"""What the chain says without an order of ours, on each database: told once, whatever the chain takes back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from store import schema
from store.chain_events import ChainEvent, ChainEvents
from store.changes import Changes
from store.orders import Relayed
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.contracts_of.test_work_shares import Works
from tests.databases import give_tables

CONTRACT = "1:0xc"


class Watched(Works):
    """Works whose events are read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.events, self.changes = ChainEvents(self.database), Changes(self.database)
        self.begun = 0

    def names(self, capture_id: str) -> list[str]:
        """What was told of a work since `begun`."""
        self.changes.newest()
        found = self.changes.after(self.begun, 99, capture_id=capture_id)
        return [each.name for each in found if each.fact is None]

    def keep(self, last: int, *events: ChainEvent, first: int = 0) -> None:
        self.events.keep(CONTRACT, first, last, events)


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Watched(url)
    give_tables(made.database)
    yield made
    made.database.close()


@pytest.fixture
def bought(world: Watched) -> ChainEvent:
    """A licence for the work `photo`, in block 5."""
    return ChainEvent("0xa", 1, 5, "licence", world.work("photo"), {"licence": "0x1"})


def test_what_is_read_again_is_told_once(world: Watched, bought: ChainEvent) -> None:
    assert world.events.read_until(CONTRACT) is None
    paid = ChainEvent("0xa", 2, 5, "payment", bought.work, {"amount": "7"})
    world.keep(5, bought)
    world.keep(6, bought, paid)
    world.keep(7, bought, paid, first=3)
    assert world.names("photo") == ["licence", "payment"]
    assert world.events.read_until(CONTRACT) == 7
    (seen,) = world.events.of("photo", "licence")
    assert (seen.transaction, seen.told) == ("0xa", {"licence": "0x1"})


def test_what_a_chain_takes_back_is_not_listed_and_comes_back_untold(world: Watched, bought: ChainEvent) -> None:
    world.keep(5, bought)
    world.keep(9, first=7)
    assert len(world.events.of("photo", "licence")) == 1, "other blocks say nothing of it"
    world.keep(6)
    assert world.events.of("photo", "licence") == []
    world.keep(8, replace(bought, block=8), first=7)
    assert len(world.events.of("photo", "licence")) == 1
    world.keep(8, first=0)
    world.keep(8, replace(bought, block=7))
    assert world.names("photo") == ["licence"]


def test_what_orders_brought_is_told_by_them(world: Watched, bought: ChainEvent) -> None:
    order = world.orders.add("photo", "ada", "licence", {})
    old, new = (Relayed("eip155:1:0xAb", 0, f"0x{name}", name.encode()) for name in "ab")
    world.orders.signed(order, old)
    world.orders.replaced(old, new)
    world.keep(5, bought, replace(bought, transaction="0xb"))
    assert world.names("photo") == [] and world.events.of("photo", "licence") == []


def test_a_claim_is_told_to_both_owners(world: Watched, bought: ChainEvent) -> None:
    collage = world.work("collage", owner="bob")
    world.keep(5, ChainEvent("0xc", 0, 5, "claim", collage, {"amount": "1"}, (bought.work,)))
    assert (world.names("photo"), world.names("collage")) == (["claim"], ["claim"])
    assert [len(world.events.of(each, "claim")) for each in ("photo", "collage")] == [0, 1]
    world.keep(6, ChainEvent("0xd", 0, 6, "claim", collage, {"amount": "1"}, (collage,)), first=6)
    assert world.names("collage") == ["claim", "claim"]


def test_a_derivation_brings_shares(world: Watched, bought: ChainEvent) -> None:
    collage = world.work("collage", owner="bob")
    word = bought.work | 10**17
    said = ChainEvent("0xc", 0, 5, "derivation", collage, {"shares": [str(word)]}, (bought.work,))
    for _ in range(2):
        world.keep(5, said)
    assert (world.names("photo"), world.names("collage")) == (["derived"], ["derivation"])
    assert [share.word for share in world.shares.of("collage")] == [word]
    assert world.children("photo") == ["collage"]


def test_nothing_is_kept_of_what_was_erased_or_is_not_ours(world: Watched, bought: ChainEvent) -> None:
    world.keep(5, bought)
    world.erasures.erase("photo")
    world.keep(6, bought, replace(bought, place=9), replace(bought, transaction="0xe", work=99 << 80))
    with world.database.read() as connection:
        assert connection.execute(sa.select(schema.chain_events)).first() is None
    assert world.names("photo") == ["erased"]
