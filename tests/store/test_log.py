"""The log's tables: order, atomic appends, tiles as they are served, and whom an anchor covers."""

import re
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger.sequence import sequence
from ledger.tree import root
from pipeline.canonical import canonical_bytes
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Inclusion, encode
from store.log import LogRecords
from store.schema import captures, checkpoints, facts, log_leaves, log_tiles
from tests.ledger.log_world import World, anchor_of, digest, leaf_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def rows(world: World) -> dict[str, int]:
    """How many rows each of the log's tables has."""
    with world.database.read() as connection:
        count = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (log_tiles, checkpoints)
        }
        placed = sa.select(sa.func.count()).where(log_leaves.c.position.is_not(None))
        written = sa.select(sa.func.count()).where(facts.c.name == "inclusion")
        count["placed"] = connection.execute(placed).scalar_one()
        count["inclusions"] = connection.execute(written).scalar_one()
    return count


def test_leaves_wait_in_the_order_in_which_they_came(world: World) -> None:
    names = world.seal_many(5)
    digests = [leaf_of(name.encode(), b"", name).digest for name in names]
    assert [digest for _, digest in world.log.waiting(3)] == digests[:3]
    assert [digest for _, digest in world.log.waiting(100)] == digests
    sequence(world.log, world.signer, 2)
    assert [digest for _, digest in world.log.waiting(100)] == digests[2:]


def test_an_empty_log_has_nothing_to_show(world: World) -> None:
    assert world.log.newest() is None
    for ask in (world.log.newest_checkpoint, lambda: world.log.tile(0, 0), lambda: world.log.checkpoint(0),
                lambda: world.log.root_at(1)):  # fmt: skip
        with pytest.raises(LookupError):
            ask()


def test_every_checkpoint_stays(world: World) -> None:
    world.seal_many(5)
    while sequence(world.log, world.signer, 2):
        pass
    assert world.log.newest() == (5, world.log.root_at(5))
    assert world.log.newest_checkpoint() == world.log.checkpoint(5)
    assert [world.log.root_at(size) for size in (2, 4)] == [root(size, world.log) for size in (2, 4)]
    assert world.log.checkpoint(4).splitlines()[1] == "4"
    for size in (0, 3, 6, -1, 2**70):
        with pytest.raises(LookupError, match="no checkpoint"):
            world.log.checkpoint(size)


def test_a_partial_tile_is_a_prefix_of_what_is_stored(world: World) -> None:
    world.seal_many(5)
    sequence(world.log, world.signer, 100)
    assert len(world.log.tile(0, 0)) == 5 * 32
    assert world.log.tile(0, 0, 3) == world.log.tile(0, 0)[:96]
    assert world.log.tile(0, 0, 5) == world.log.tile(0, 0)
    for level, number, width in ((0, 0, 6), (0, 0, 256), (0, 0, 0), (0, 0, -1), (0, 1, 1), (1, 0, 1)):
        with pytest.raises(LookupError, match=f"no tile {level}/{number}"):
            world.log.tile(level, number, width)
    for level, number in ((-1, 0), (0, -1), (0, 2**63), (2**70, 0)):
        with pytest.raises(LookupError):
            world.log.tile(level, number)


def numbers(world: World) -> list[int]:
    return [number for number, _ in world.log.waiting(100)]


def test_an_append_is_all_or_nothing(world: World) -> None:
    _, two = world.seal_many(2)
    waiting, tiles = numbers(world), {(0, 0): bytes(64)}
    with pytest.raises(Unavailable, match="moved from 5 to 0"):
        world.log.append(5, waiting, tiles, digest("root"), "note")
    with pytest.raises(Unavailable, match="1 leaves, which another sequencer placed"):
        world.log.append(0, [*waiting, 999], tiles, digest("root"), "note")
    assert rows(world) == {"log_tiles": 0, "checkpoints": 0, "placed": 0, "inclusions": 0}
    # The last write of all fails: an inclusion fact that is there with another value.
    world.captures.put(two, "inclusion", Inclusion(9, 10))
    with pytest.raises(Conflict, match=r'c1 waits for a place in the log, but has one: {"index":9,"tree_size":10}'):
        world.log.append(0, waiting, tiles, digest("root"), "note")
    assert rows(world) == {"log_tiles": 0, "checkpoints": 0, "placed": 0, "inclusions": 1}


def test_the_inclusion_facts_are_what_the_record_writes(world: World) -> None:
    """They are made by the database, many at a time: byte for byte what writing each of them would give."""
    names = world.seal_many(3)
    sequence(world.log, world.signer, 3)
    with world.database.read() as connection:
        written = connection.execute(sa.select(facts.c.value).where(facts.c.name == "inclusion")).scalars().all()
    assert sorted(written) == [canonical_bytes(encode(Inclusion(index, 3))).decode() for index in range(3)]
    for index, name in enumerate(names):
        world.captures.put(name, "inclusion", Inclusion(index, 3))  # the same again
        with pytest.raises(Conflict, match="cannot become"):
            world.captures.put(name, "inclusion", Inclusion(index, 4))


def test_a_place_is_given_once(world: World) -> None:
    world.seal_many(2)
    one, two = numbers(world)
    world.log.append(0, [one], {(0, 0): bytes(32)}, digest("root"), "note")
    for again in ([one], [two, two]):
        with pytest.raises(Unavailable, match="another sequencer"):
            world.log.append(1, again, {(0, 0): bytes(64)}, digest("root 2"), "note")
    assert world.log.newest() == (1, digest("root"))


def test_two_sequencers_at_once_lose_no_leaf_and_place_none_twice(world: World) -> None:
    world.seal_many(40)
    barrier = threading.Barrier(2)

    def run() -> None:
        barrier.wait()
        while True:
            try:
                if not sequence(LogRecords(world.database), world.signer, 3):
                    return
            except Unavailable:
                continue

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(world)["placed"] == rows(world)["inclusions"] == 40
    assert world.log.newest() == (40, root(40, world.log))


# -- anchors ----------------------------------------------------------------------------------------------------------


def test_an_anchor_covers_the_leaves_below_its_size_that_have_none(world: World) -> None:
    names = world.seal_many(5)
    sequence(world.log, world.signer, 3)
    assert world.log.unanchored(0) == []
    assert sorted(world.log.unanchored(2)) == names[:2]
    assert sorted(world.log.unanchored(2**64)) == names[:3]
    assert len(world.log.unanchored(2**64, 1)) == 1
    assert world.log.record_anchor(anchor_of(2)) == 2
    sequence(world.log, world.signer, 3)
    assert sorted(world.log.unanchored(5)) == names[2:]
    assert world.log.record_anchor(anchor_of(5)) == 3
    assert [world.get(name).fact("anchor").tree_size for name in names] == [2, 2, 5, 5, 5]
    assert all(world.get(name).finished for name in names)
    assert world.log.record_anchor(anchor_of(5)) == 0
    assert world.log.unanchored(5) == []


def test_an_anchor_marks_its_captures_as_finished_in_the_same_commit(world: World) -> None:
    (name,) = world.seal_many(1)
    sequence(world.log, world.signer, 1)
    world.log.record_anchor(anchor_of(1))
    with world.database.read() as connection:
        assert connection.execute(sa.select(captures.c.finished).where(captures.c.id == name)).scalar_one()


def test_more_captures_than_one_transaction_takes_are_all_anchored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.log.ANCHOR_BATCH", 4)
    for more in (3, 4, 5, 9):
        names = world.seal_many(more, f"{more}-")
        sequence(world.log, world.signer, 100)
        size = world.log.newest()
        assert size
        assert world.log.record_anchor(anchor_of(size[0])) == more
        assert world.log.unanchored(size[0]) == []
        assert {world.get(name).fact("anchor").tree_size for name in names} == {size[0]}


@pytest.mark.parametrize("ask", ["unanchored", "record_anchor"])
def test_the_search_for_unanchored_captures_uses_the_open_ones_only(world: World, ask: str) -> None:
    """Otherwise every anchor would read the whole log."""
    asked: list[tuple[str, tuple[int, ...]]] = []

    def remember(_connection: object, _cursor: object, query: str, values: tuple[int, ...], *_more: object) -> None:
        asked.append((query, values))

    sa.event.listen(world.database.engine, "before_cursor_execute", remember)
    getattr(world.log, ask)(9 if ask == "unanchored" else anchor_of(9))
    sa.event.remove(world.database.engine, "before_cursor_execute", remember)
    query, values = asked[0]
    with world.database.read() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values))
    assert re.search("(SEARCH|SCAN) captures USING INDEX ix_captures_open", plan)
    assert "SCAN log_leaves" not in plan
    assert not re.search(r"log_leaves USING [A-Z ]*INDEX \S+ \(position", plan)
