"""What is stated about rights later, on each database: each names the one before, none is lost and none twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger.leaf import leaf_digest, rights_statement
from ledger.sequence import sequence
from pipeline.canonical import digest_of
from pipeline.errors import Erased
from pipeline.record import Anchor, Inclusion, Leaf, Rights, encode
from store.captures import CaptureRecords
from store.changes import Changes
from store.database import Database
from store.erasure import Erasures
from store.keys import ApiKeys
from store.log import LogRecords
from store.quotas import Charge, Limits, OverQuota
from store.schema import facts, log_leaves, rights_statements, transactions
from store.statements import MOST_STATEMENTS, RightsStatements, TooMany
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.ledger.log_world import OWNER, RIGHTS, World, digest, signer
from tests.store.tags import tag_of

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
FREE = Charge("key", Limits())


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        yield World.make(tmp_path)
        return
    database = Database(request.getfixturevalue("empty_postgres"))
    yield World(database, CaptureRecords(database), LogRecords(database), signer())
    database.close()


def inscribed(rights: Rights, previous: bytes, at: datetime) -> Leaf:
    """The leaf of a statement, as the service makes it."""
    words = rights_statement(
        salt=digest(f"{rights} {previous.hex()}"), upload=digest("upload"), manifest=digest("manifest"),
        previous=previous, owner=OWNER, terms=digest_of(encode(rights)), stated_at=int(at.timestamp()),
    )  # fmt: skip
    return Leaf(words, leaf_digest(words))


def state(world: World, name: str, rights: Rights, charge: Charge = FREE) -> None:
    """State these rights of a capture."""
    statements = RightsStatements(world.database)
    statements.add(name, rights, NOW, lambda previous, at: inscribed(rights, previous, at), charge)


def rows(world: World, table: sa.Table) -> int:
    """How many rows a table has."""
    with world.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def by(creator: str) -> Rights:
    """Rights that differ in their creator."""
    return replace(RIGHTS, creator=creator)


def test_each_statement_names_the_one_before_and_the_newest_counts(world: World) -> None:
    name = world.seal("one")
    assert world.get(name).rights == RIGHTS
    for creator in ("Ada", "Grace"):
        state(world, name, by(creator))
    capture = world.get(name)
    first, second = capture.statements
    assert (first.rights.creator, second.rights.creator) == ("Ada", "Grace")
    assert first.leaf.statement[4] == capture.fact("leaf").digest
    assert second.leaf.statement[4] == first.leaf.digest
    assert (capture.rights, capture.request.rights) == (by("Grace"), RIGHTS), "what came with the photo stays"
    assert first.stated_at == NOW
    assert (first.inclusion, first.anchor) == (None, None)


def test_what_is_stated_already_is_not_stated_again(world: World) -> None:
    name = world.seal("one")
    for rights in (RIGHTS, by("Ada"), by("Ada")):
        state(world, name, rights)
    assert [each.rights for each in world.get(name).statements] == [by("Ada")]
    state(world, name, RIGHTS)
    assert world.get(name).rights == RIGHTS, "going back is a statement of its own"
    assert rows(world, rights_statements) == 2


def test_a_statement_gets_its_place_and_its_anchor_as_every_leaf(world: World) -> None:
    name = world.seal("one")
    sequence(world.log, world.signer, 10)
    state(world, name, by("Ada"))
    other = world.seal("two")
    assert sequence(world.log, world.signer, 10) == 2
    stated = world.get(name).statements[0]
    assert stated.inclusion == Inclusion(1, 3)
    assert world.log.tile(0, 0)[32:64] == stated.leaf.digest
    assert world.get(name).fact("inclusion") == Inclusion(0, 1), "the photo's own stays"
    assert world.get(other).fact("inclusion") == Inclusion(2, 3)
    with world.database.read() as connection:
        named = set(connection.execute(sa.select(facts.c.capture_id)).scalars())
    assert named == {name, other}, "no fact is written for nobody"

    anchored(world, 1, "replaced")
    anchored(world, 3, "included")
    anchored(world, 4, "final")
    found = world.get(name).statements[0].anchor
    assert found is not None
    assert (found.tree_size, found.state) == (3, "included")
    assert world.captures.those([name, other]) == {each: world.get(each) for each in (name, other)}
    Erasures(world.database, lambda sha256: None, tag_of).erase(other)
    assert list(world.captures.those([name, other])) == [name], "what was erased is left out"


def anchored(world: World, size: int, state: str) -> None:
    """A row of the outbox."""
    row = {
        "chain_id": 1, "sender": "0x", "nonce": size, "contract": "0xc", "size": size, "root": bytes(32),
        "hash": f"0x{size}", "raw": b"", "local": False, "state": state, "block": size, "block_time": 9, "gas": 1,
        "created_at": "2026", "included_at": "2026-11-23T12:00:00.000000Z",
    }  # fmt: skip
    with world.database.write() as connection:
        connection.execute(transactions.insert().values(row))


def test_an_anchor_finishes_captures_and_counts_no_statement(world: World) -> None:
    name = world.seal("one")
    state(world, name, by("Ada"))
    sequence(world.log, world.signer, 10)
    anchor = Anchor(1, "0xc", "0x2", 7, 9, 2, "final", True)
    assert world.log.unanchored(2) == [name]
    assert world.log.record_anchor(anchor) == 1
    assert world.log.unanchored(2) == []
    assert world.get(name).finished


def test_a_photo_that_is_not_sealed_has_no_statement(world: World) -> None:
    world.seal("one")
    with world.database.write() as connection:
        connection.execute(log_leaves.delete())
        connection.execute(facts.delete().where(facts.c.name == "leaf"))
    with pytest.raises(LookupError, match="not sealed"):
        state(world, "one", by("Ada"))


def test_a_history_ends_somewhere_and_each_statement_counts(world: World) -> None:
    name = world.seal("one")
    for number in range(MOST_STATEMENTS):
        state(world, name, by(str(number)))
    with pytest.raises(TooMany):
        state(world, name, by("one more"))
    assert world.get(name).rights.creator == str(MOST_STATEMENTS - 1)


def test_what_is_over_the_quota_is_not_stated(world: World) -> None:
    name = world.seal("one")
    keys = ApiKeys(world.database)
    keys.add("test", frozenset({"capture"}), RIGHTS, lambda owner: OWNER, lambda key: None)
    charge = Charge(keys.all()[0].id, Limits(captures_an_hour=1))
    state(world, name, by("Ada"), charge)
    with pytest.raises(OverQuota):
        state(world, name, by("Grace"), charge)
    assert [each.rights for each in world.get(name).statements] == [by("Ada")]
    assert rows(world, log_leaves) == 2


def test_statements_at_once_come_one_after_the_other(world: World) -> None:
    name = world.seal("one")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: state(world, name, by(str(number))), range(24)))
    capture = world.get(name)
    before = [capture.fact("leaf").digest, *(each.leaf.digest for each in capture.statements)]
    assert [each.leaf.statement[4] for each in capture.statements] == before[:-1]
    assert len(set(before)) == 25


def test_erasure_takes_the_statements_and_leaves_their_places(world: World) -> None:
    name = world.seal("one")
    state(world, name, by("Ada"))
    sequence(world.log, world.signer, 10)
    state(world, name, by("Grace"))  # waits: what the sequencer may have read stays
    Erasures(world.database, lambda sha256: None, tag_of).erase(name)
    assert rows(world, rights_statements) == 0
    state(world, name, by("Mallory"))
    assert rows(world, rights_statements) == 0
    assert sequence(world.log, world.signer, 10) == 1
    with pytest.raises(Erased):
        world.get(name)


def test_a_statement_is_told(world: World) -> None:
    name = world.seal("one")
    changes = Changes(world.database)
    before = changes.newest()
    state(world, name, by("Ada"))
    assert changes.newest() > before
    (change,) = changes.after(before, 10, owner="owner")
    assert (change.capture_id, change.type, change.fact) == (name, "capture.rights", None)
