"""The log's tables on PostgreSQL: the tests that SQLite passes, and two sequencers that really run at once."""

from collections.abc import Callable, Iterator

import pytest

from ledger.sequence import sequence
from store.captures import CaptureRecords
from store.database import Database
from store.log import LogRecords
from tests.ledger import test_sequence
from tests.ledger.log_world import World, signer
from tests.store import test_log

SUITE = [
    test_log.test_leaves_wait_in_the_order_in_which_they_came,
    test_log.test_an_empty_log_has_nothing_to_show,
    test_log.test_every_checkpoint_stays,
    test_log.test_a_partial_tile_is_a_prefix_of_what_is_stored,
    test_log.test_an_append_is_all_or_nothing,
    test_log.test_the_inclusion_facts_are_what_the_record_writes,
    test_log.test_a_place_is_given_once,
    test_log.test_two_sequencers_at_once_lose_no_leaf_and_place_none_twice,
    test_log.test_an_anchor_covers_the_leaves_below_its_size_that_have_none,
    test_log.test_an_anchor_marks_its_captures_as_finished_in_the_same_commit,
    test_sequence.test_each_leaf_gets_its_place_once_and_a_proof,
    test_sequence.test_a_batch_over_the_edge_of_a_tile,
]


@pytest.fixture
def world(empty_postgres: str) -> Iterator[World]:
    database = Database(empty_postgres)
    yield World(database, CaptureRecords(database), LogRecords(database), signer())
    database.close()


@pytest.mark.parametrize("test", SUITE, ids=lambda test: test.__name__)
def test_on_postgresql(world: World, test: Callable[[World], None]) -> None:
    test(world)


def test_cosignatures(world: World) -> None:
    world.seal_many(3)
    sequence(world.log, world.signer, 3)
    for line in ("the first line\n", "another line\n"):
        world.log.record_cosignature(3, "00000000", line)
    assert world.log.witnessed_checkpoint() == world.log.newest_checkpoint()
    assert world.log.newest_checkpoint().endswith("=\nthe first line\n")


def test_gaps_in_the_row_numbers(world: World) -> None:
    """A rolled back registration leaves one; the leaves around it are placed all the same."""
    names = world.seal_many(3)
    with pytest.raises(RuntimeError), world.database.write() as connection:
        connection.exec_driver_sql("select nextval('log_leaves_number_seq')")
        raise RuntimeError
    names += world.seal_many(3, "d")
    assert sequence(world.log, world.signer, 100) == 6
    test_sequence.check_everything(world, names)
