"""Orders on each database: none outlives its capture, and of equal ones there is one at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from ledger.signer import LocalSigner
from ledger.signing import sign
from pipeline.errors import Conflict
from pipeline.record import Asset, Request, Rights
from store import erasure
from store.captures import CaptureRecords
from store.changes import Changes
from store.database import Database
from store.erasure import Erasures
from store.orders import Order, Orders, Relayed
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables

ROUNDS = 20
COIN = "0x" + "00" * 20
FIELDS = {"to": COIN, "data": "0x12", "gas": 50_000, "maxFeePerGas": 10**9, "maxPriorityFeePerGas": 0}


class World:
    """A database with orders."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.orders = Orders(self.database)
        self.erasures = Erasures(self.database, lambda sha256: None, lambda owner, sha256: sha256)

    def capture(self, name: str) -> str:
        asset = Asset(name.encode().ljust(32), "image/jpeg", 1)
        return CaptureRecords(self.database).register(name, "ada", bytes(20), Request(Rights()), asset)

    def add(self, name: str, same: str = "work") -> Order:
        return self.orders.add(name, "ada", "asset", {}, same)


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path}/c.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = World(url)
    give_tables(made.database)
    yield made
    made.database.close()


def test_nothing_is_wanted_of_what_was_erased(world: World) -> None:
    world.capture("a")
    order = world.add("a")
    world.erasures.erase("a")
    with pytest.raises(LookupError):
        world.orders.get(order.id)
    with pytest.raises(LookupError):
        world.add("a")
    world.orders.refused(order, "nobody is there to be told")
    assert world.orders.waiting() == []


def test_an_erasure_at_the_same_time_leaves_no_order(world: World) -> None:
    for number in range(ROUNDS):
        world.capture(f"a{number}")

    def add(number: int) -> None:
        try:
            world.add(f"a{number}", same="")
        except LookupError:
            return

    with ThreadPoolExecutor(4) as pool:
        for number in range(ROUNDS):
            pool.submit(add, number)
            pool.submit(world.erasures.erase, f"a{number}")
            pool.submit(add, number)
    assert world.orders.waiting() == []


def test_of_equal_wishes_there_is_one_until_it_is_over(world: World) -> None:
    world.capture("a")
    with ThreadPoolExecutor(8) as pool:
        (first,) = {order.id for order in pool.map(world.add, ["a"] * 16)}
    held = world.orders.get(first)
    world.orders.done(held, {})
    assert world.add("a").id == first
    world.orders.free(held)
    with ThreadPoolExecutor(8) as pool:
        (second,) = {order.id for order in pool.map(world.add, ["a"] * 16)}
    assert second != first
    assert [order.state for order in world.orders.of("a")] == ["done", "open"]


def test_refusals_while_the_same_is_wanted_again(world: World) -> None:
    world.capture("a")

    def refuse(order: Order) -> str:
        world.orders.refused(order, "no")
        return order.id

    with ThreadPoolExecutor(8) as pool:
        refused = set(pool.map(refuse, pool.map(world.add, ["a"] * 40)))
    assert {order.id for order in world.orders.of("a")} == refused


def test_a_refusal_is_told_once(world: World) -> None:
    world.capture("a")
    changes = Changes(world.database)
    order, before = world.add("a"), changes.newest()
    for _ in range(2):
        world.orders.refused(order, "no")
    changes.newest()
    (told,) = changes.after(before, 9, owner="ada")
    assert (told.capture_id, told.type, told.fact) == ("a", "capture.order-refused", None)


def test_why_it_waits_is_news_once(world: World) -> None:
    world.capture("a")
    order = world.add("a")
    assert [world.orders.waits(order, why) for why in ("x", "x", "y")] == [True, False, True]
    assert world.orders.get(order.id).problem == "y"


def test_what_an_earlier_version_sent_is_of_whoever_signed_it(world: World) -> None:
    _to(world, "0022")
    sent = [_sent(world, chain_id, nonce) for nonce, chain_id in enumerate((1, 84532))]
    world.database.migrate()
    assert [world.orders.relayed(each.account, 0) for each in sent] == [[each] for each in sent]
    _to(world, "0022")
    world.database.migrate()
    assert [world.orders.relayed(each.account, 0) for each in sent] == [[], [sent[1]]], "it knows the newest account"


def test_an_earlier_version_gets_what_the_newest_account_sent_and_did_not_give_up(world: World) -> None:
    world.capture("a")
    order = world.add("a")
    sent = [Relayed(account, nonce, f"0x{nonce}", b"") for nonce, account in enumerate("baab")]
    for each in sent:  # the newest order's last transaction is the second account's
        world.orders.signed(world.orders.get(order.id), each)
    world.orders.give_up(sent[:1])
    _to(world, "0022")
    with world.database.read() as connection:
        assert list(connection.execute(sa.text("select nonce from relayed")).scalars()) == [3]


def test_what_cannot_be_read_of_an_earlier_versions_is_named(world: World) -> None:
    _to(world, "0022")
    _sent(world, 1, 0)
    _insert(world, {"nonce": 7, "hash": "0xabc", "raw": b"\x02\xff", "order_id": None})
    with pytest.raises(Conflict, match=r"transaction 0xabc with the nonce 7.* restore the newest backup"):
        world.database.migrate()
    with world.database.write() as connection:
        connection.execute(sa.text("delete from relayed where nonce = 7"))
    world.database.migrate()


def _to(world: World, version: str) -> None:
    """As a database of an earlier version."""
    config = Config()
    config.set_main_option("script_location", str(Path(erasure.__file__).parent / "migrations"))
    config.attributes["engine"] = world.database.engine
    command.downgrade(config, version)


def _insert(world: World, row: dict[str, Any]) -> None:
    with world.database.write() as connection:
        connection.execute(sa.insert(sa.table("relayed", *map(sa.column, row))).values(row))


def _sent(world: World, chain_id: int, nonce: int) -> Relayed:
    """A transaction for an order of its own, by an account of its own, as an earlier version keeps it."""
    world.capture(f"{nonce}")
    signer = LocalSigner(bytes(31) + bytes([chain_id % 251]))
    signed = sign(FIELDS | {"chainId": chain_id, "nonce": nonce}, COIN, signer)
    order = world.add(f"{nonce}")
    _insert(
        world,
        {"nonce": nonce, "hash": signed.hash, "raw": signed.raw, "order_id": order.id, "replaced": '["0x1"]'},
    )
    return Relayed(f"eip155:{chain_id}:{signer.address}", nonce, signed.hash, signed.raw, ("0x1",))
