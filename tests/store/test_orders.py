"""Orders in the database: what is told of them, and what was sent for them."""

from pathlib import Path

import pytest

from ledger.sequence import sequence
from pipeline.parents import asset_id
from store.chain_events import ChainEvent, ChainEvents
from store.changes import Changes
from store.orders import Kind, Order, Orders, Relayed
from tests.ledger.log_world import World

ACCOUNT, ELSEWHERE = "eip155:1:0xAb", "eip155:10:0xAb"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World.make(tmp_path)
    made.seal_many(2)
    sequence(made.log, made.signer, 10)
    return made


def sent(world: World, order: Order, *hashes: str, **found: str) -> None:
    """Sign these for an order, one place after the other, and let them get into blocks."""
    orders = Orders(world.database)
    for name in hashes:
        nonce = len(orders.relayed(ACCOUNT, 0))
        orders.signed(orders.get(order.id), Relayed(ACCOUNT, nonce, name, name.encode()))
        orders.mined(orders.get(order.id), found)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("asset", ["work"]), ("derive", ["derivation", "derived"]), ("licence", ["licence", "licence"])],
)
def test_what_a_chain_gets_again_is_told_once_where_it_can_happen_once(
    world: World, kind: Kind, names: list[str]
) -> None:
    orders, changes = Orders(world.database), Changes(world.database)
    parent = world.get("c1")
    asset = asset_id(parent.fact("asset").sha256, parent.fact("inclusion").index)
    order = orders.add("c0", "owner", kind, {"parents": [{"asset": f"{asset:#x}"}]})
    before = changes.newest()
    sent(world, order, "0x1", **({"licence": "0x7"} if kind == "licence" else {}))
    orders.done(orders.get(order.id), {})
    assert orders.reopen(["0x1"]) == 1
    assert orders.get(order.id).state == "open"
    orders.done(orders.get(order.id), {})
    told = changes.after(before, 10, owner="owner")
    assert [each.name for each in told] == names
    assert [each.capture_id for each in told if each.name == "derived"] == ["c1"] * names.count("derived")


def test_a_replacement_takes_its_place_and_is_known_by_all_its_hashes(world: World) -> None:
    orders = Orders(world.database)
    order = orders.add("c0", "owner", "asset", {})
    sent(world, order, "0x0")
    orders.signed(orders.get(order.id), Relayed(ACCOUNT, 1, "0x1", b"1"))
    for number in (2, 3):
        old = orders.newest_of(orders.get(order.id))
        assert old is not None
        orders.replaced(old, Relayed(ACCOUNT, 1, f"0x{number}", b"%d" % number))
    held = orders.get(order.id)
    assert (held.transactions, held.raw) == (("0x0", "0x1", "0x2", "0x3"), b"3")
    assert orders.count_sent(held) == 2
    newest = orders.newest_of(held)
    assert newest is not None
    assert (newest.nonce, newest.hashes) == (1, ("0x3", "0x2", "0x1"))
    assert orders.relayed(ACCOUNT, 1) == [newest]


def test_what_lost_its_place_to_another_is_not_waited_for(world: World) -> None:
    orders = Orders(world.database)
    first, second = (orders.add("c0", "owner", "licence", {}) for _ in range(2))
    orders.signed(first, Relayed(ACCOUNT, 0, "0xa", b"a"))
    orders.signed(second, Relayed(ACCOUNT, 0, "0xb", b"b"))
    assert orders.newest_of(orders.get(first.id)) is None
    kept = orders.newest_of(orders.get(second.id))
    assert kept is not None and kept.raw == b"b"


def test_accounts_and_chains_have_places_of_their_own(world: World) -> None:
    orders = Orders(world.database)
    order = orders.add("c0", "owner", "asset", {})
    sent(world, order, "0x0", "0x1")
    orders.signed(orders.get(order.id), other := Relayed(ELSEWHERE, 1, "0x2", b"2"))
    assert (orders.newest_of(orders.get(order.id)), orders.count_sent(order)) == (other, 3)
    assert [each.hash for each in orders.relayed(ACCOUNT, 0)] == ["0x0", "0x1"]
    assert orders.relayed(ELSEWHERE, 0) == [other]
    orders.replaced(other, newer := Relayed(ELSEWHERE, 1, "0x3", b"3"))
    assert [each.hashes for each in orders.relayed(ELSEWHERE, 1)] == [(newer.hash, other.hash)]
    assert [each.hashes for each in orders.relayed(ACCOUNT, 1)] == [("0x1",)]


def test_what_is_given_up_on_stays_known_and_is_signed_anew(world: World) -> None:
    orders = Orders(world.database)
    waiting, done = (orders.add("c0", "owner", "terms", {}) for _ in range(2))
    for nonce, order in enumerate((waiting, done, done)):
        orders.signed(orders.get(order.id), Relayed(ACCOUNT, nonce, f"0x{nonce}", b"%d" % nonce))
    orders.done(done, {})
    first, _, last = orders.relayed(ACCOUNT, 0)
    orders.give_up([first, last])
    assert [each.abandoned for each in orders.relayed(ACCOUNT, 0)] == [True, False, True]
    assert [(held.state, held.raw) for held in map(orders.get, (waiting.id, done.id))] == [("open", None)] * 2
    assert orders.newest_of(orders.get(done.id)) == orders.relayed(ACCOUNT, 2)[0]
    orders.signed(orders.get(waiting.id), Relayed(ACCOUNT, 0, "0x3", b"3"))
    assert [each.abandoned for each in orders.relayed(ACCOUNT, 0)] == [False, False, True], "its place is free"


def test_what_a_refused_order_brought_all_the_same_is_told(world: World) -> None:
    orders, events, capture = Orders(world.database), ChainEvents(world.database), world.get("c0")
    asset = asset_id(capture.fact("asset").sha256, capture.fact("inclusion").index)
    order = orders.add("c0", "owner", "claim", {"beneficiary": f"{asset:#x}"})
    orders.signed(order, cheap := Relayed(ACCOUNT, 0, "0x0", b"0"))
    orders.replaced(cheap, Relayed(ACCOUNT, 0, "0x1", b"1"))
    said = [ChainEvent(name, 0, 9, "claim", asset, {"amount": "7"}) for name in ("0x0", "0x1")]
    events.keep("1:0xc0", 0, 9, said)
    assert events.of("c0", "claim") == []
    orders.refused(orders.get(order.id), "nothing is there")
    events.keep("1:0xc0", 0, 9, said)
    assert [each.transaction for each in events.of("c0", "claim")] == ["0x0", "0x1"]


def test_a_licence_that_was_there_already_is_not_told_again(world: World) -> None:
    orders, changes = Orders(world.database), Changes(world.database)
    before = changes.newest()
    first, second = (orders.add("c0", "somebody", "licence", {}) for _ in range(2))
    sent(world, first, "0x1", licence="0x7")
    for order in (first, second):  # as they were read before anything was sent
        orders.done(order, {"licence": "0x7"})
    assert [each.name for each in changes.after(before, 10, owner="owner")] == ["licence"]
    assert orders.get(second.id).state == "done"


def test_a_claim_that_paid_nothing_is_not_told(world: World) -> None:
    orders, changes = Orders(world.database), Changes(world.database)
    before, asked = changes.newest(), {"beneficiary": f"{5 << 80:#x}"}
    for amount in ("0", "7"):
        orders.done(orders.add("c0", "somebody", "claim", asked), {"amount": amount})
    assert [each.name for each in changes.after(before, 10, owner="owner")] == ["claim"]
