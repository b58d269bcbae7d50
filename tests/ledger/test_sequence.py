"""Sequencing on a real database: every leaf once, crashes at any write, and a log that refuses to fork."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.checkpoint import CheckpointSigner, verify
from ledger.sequence import resume, sequence
from ledger.tree import EMPTY_ROOT, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion
from pipeline.errors import Conflict
from pipeline.record import Inclusion
from store.log import LogRecords
from store.schema import checkpoints, log_tiles
from tests.ledger.log_world import World, digest


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


class Crash(Exception):
    """The process died here."""


class CrashingRecords(LogRecords):
    """A real log whose process dies before or after the one write of an append."""

    after = False

    def append(
        self, old_size: int, numbers: Sequence[int], tiles: Mapping[tuple[int, int], bytes], root: bytes, note: str
    ) -> None:
        if self.after:
            super().append(old_size, numbers, tiles, root, note)
        raise Crash


def check_everything(world: World, names: list[str]) -> None:
    """Every leaf is in the log once, in order, and its proof leads to a checkpoint that the key signed."""
    newest = world.log.newest()
    assert newest == (len(names), root(len(names), world.log))
    for index, name in enumerate(names):
        inclusion: Inclusion = world.get(name).fact("inclusion")
        signed = verify(world.log.checkpoint(inclusion.tree_size), str(world.signer.vkey))
        assert (inclusion.index, inclusion.tree_size) == (index, signed.size)
        leaf = world.get(name).fact("leaf").digest
        verify_inclusion(leaf, index, signed.size, inclusion_proof(index, signed.size, world.log), signed.root)
        assert world.log.tile(0, index // 256)[index % 256 * 32 :][:32] == leaf
    for size in checkpoint_sizes(world):
        proof = consistency_proof(size, len(names), world.log)
        verify_consistency(size, len(names), proof, world.log.root_at(size), newest[1])


def checkpoint_sizes(world: World) -> list[int]:
    with world.database.read() as connection:
        return list(connection.execute(sa.select(checkpoints.c.size).order_by(checkpoints.c.size)).scalars())


def test_nothing_waiting_writes_nothing(world: World) -> None:
    assert sequence(world.log, world.signer, 10) == 0
    assert checkpoint_sizes(world) == []
    assert resume(world.log, world.signer) == (0, EMPTY_ROOT)


def test_each_leaf_gets_its_place_once_and_a_proof(world: World) -> None:
    names = world.seal_many(7)
    assert [sequence(world.log, world.signer, 3) for _ in range(4)] == [3, 3, 1, 0]
    assert checkpoint_sizes(world) == [3, 6, 7]
    assert [world.get(name).status for name in names] == ["logged"] * 7
    check_everything(world, names)


def test_a_batch_over_the_edge_of_a_tile(world: World) -> None:
    names = world.seal_many(300)
    assert [sequence(world.log, world.signer, limit) for limit in (250, 10, 100)] == [250, 10, 40]
    check_everything(world, names)
    assert world.log.tile(1, 0) == root(256, world.log)


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_before_or_after_the_write_loses_nothing(world: World, after: bool) -> None:
    names = world.seal_many(5)
    records = CrashingRecords(world.database)
    records.after = after
    with pytest.raises(Crash):
        sequence(records, world.signer, 5)
    assert checkpoint_sizes(world) == ([5] if after else [])
    assert sequence(world.log, world.signer, 5) == (0 if after else 5)
    check_everything(world, names)


@contextmanager
def failing_write(world: World, at: int) -> Iterator[list[str]]:
    """Let the database break at its write number `at`."""
    seen: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.split(" ")[0] in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            seen.append(statement)
            if len(seen) == at:
                raise Crash(statement)

    sa.event.listen(world.database.engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        sa.event.remove(world.database.engine, "before_cursor_execute", count)


def test_a_crash_at_any_statement_of_the_write_leaves_nothing_behind(world: World) -> None:
    names = world.seal_many(3)
    broken = 0
    for at in range(1, 40):
        with failing_write(world, at) as seen:
            try:
                sequence(world.log, world.signer, 3)
            except Crash:
                broken += 1
                assert checkpoint_sizes(world) == []
                assert len(world.log.waiting(9)) == len(names)
                continue
        assert len(seen) < at
        break
    assert broken == 6  # places, two for tiles, the checkpoint, the facts, their changes
    check_everything(world, names)


@given(st.lists(st.tuples(st.sampled_from(["seal", "sequence", "crash before", "crash after"]), st.integers(1, 9)),
                max_size=12), st.integers(0, 9))  # fmt: skip
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_course_of_events_ends_with_every_leaf_in_the_log(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]], seed: int
) -> None:
    world = World.make(tmp_path_factory.mktemp("log"))
    names: list[str] = []
    crashing = CrashingRecords(world.database)
    for event, number in events:
        if event == "seal":
            names += [world.seal(f"s{len(names) + more}") for more in range(number)]
        elif event == "sequence":
            sequence(world.log, world.signer, number)
        else:
            crashing.after = event == "crash after"
            if world.log.waiting(1):
                with pytest.raises(Crash):
                    sequence(crashing, world.signer, number)
    while sequence(world.log, world.signer, random.Random(seed).randint(1, 9)):
        pass
    if names:
        check_everything(world, names)
    world.database.close()


# -- what must not go on ----------------------------------------------------------------------------------------------


def grown(world: World) -> list[str]:
    names = world.seal_many(6)
    sequence(world.log, world.signer, 4)
    return names


def test_a_changed_tile_stops_the_log(world: World) -> None:
    grown(world)
    with world.database.write() as connection:
        changed = bytes([world.log.tile(0, 0)[0] ^ 1]) + world.log.tile(0, 0)[1:]
        connection.execute(log_tiles.update().values(hashes=changed))
    with pytest.raises(Conflict, match=r"the tiles give the root .* restore the database"):
        sequence(world.log, world.signer, 9)
    assert len(world.log.waiting(9)) == 2


def test_a_lost_tile_stops_the_log(world: World) -> None:
    grown(world)
    with world.database.write() as connection:
        connection.execute(log_tiles.delete())
    with pytest.raises(Conflict, match="tile 0/0 holds 0 of 4"):
        sequence(world.log, world.signer, 9)


def test_another_key_cannot_go_on_with_the_log(world: World, tmp_path: Path) -> None:
    grown(world)
    for origin in (world.signer.origin, None):
        other = CheckpointSigner.load_or_make(tmp_path / f"keys-{origin is None}", origin)
        with pytest.raises(Conflict, match="restore the log's key"):
            sequence(world.log, other, 9)


def test_a_note_that_says_something_else_than_its_row_stops_the_log(world: World) -> None:
    grown(world)
    with world.database.write() as connection:
        connection.execute(checkpoints.update().values(note=world.signer.sign(4, digest("fork"))))
    with pytest.raises(Conflict, match="the note at size 4 says 4 and"):
        sequence(world.log, world.signer, 9)
