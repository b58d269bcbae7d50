"""When the next block is expected, and when nothing is expected."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.cadence import Cadence

OURS = 0.25  # on our clock, when the chain begins a second


def seen(*blocks: tuple[int, float]) -> Cadence:
    """Blocks by their numbers and the seconds that they came after the first."""
    cadence = Cadence()
    for number, second in blocks:
        cadence.saw(number, OURS + second)
    return cadence


@given(
    st.integers(1, 15), st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=2, max_size=30),
    st.lists(st.floats(0, 0.2), min_size=32, max_size=32), st.floats(0, 4),
)  # fmt: skip
def test_the_next_block_of_a_regular_chain(
    interval: int, gaps: list[tuple[int, int]], late: list[float], after: float
) -> None:
    """Whatever of its blocks we saw, some of its slots empty, each seen up to 0.2 s late."""
    cadence, number, slot, delays = Cadence(), 100, 0, []
    for (blocks, empty), delay in zip([(0, 0), *gaps, (1, 0)], late, strict=False):
        number, slot = number + blocks, slot + blocks + empty
        at = OURS + slot * interval + delay
        cadence.saw(number, at)
        delays.append(delay)
    now = at + after * interval
    due = cadence.next_after(now)
    assert due is not None
    assert now < due <= now + interval + 1e-6
    beside = (due - OURS) % interval
    assert min(beside, interval - beside) < min(delays[-16:]) + 1e-6, (
        "as late as the least late of those that were seen"
    )


def test_nothing_is_expected_of_a_chain_without_a_cadence() -> None:
    assert seen((1, 0), (2, 1)).next_after(1.3) is None, "two blocks are no cadence"
    assert seen((1, 0), (2, 1), (3, 2.5), (4, 3.4)).next_after(3.6) is None, "irregular"
    assert seen((1, 0), (2, 0.3), (3, 0.6)).next_after(1.3) is None, "too quick to wait for"
    assert seen((1, 0), (2, 40), (3, 80)).next_after(81) is None, "too slow"


def test_a_reorganisation_starts_all_over() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2))
    assert cadence.next_after(2.3) == 3.25
    cadence.saw(3, 3.3)
    assert cadence.next_after(3.4) is None


def test_a_transaction_leaves_sooner_after_it_missed_a_block() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2))
    leads, number, second = [], 3, 2
    for misses in (1, 1, 0, 0, 0):
        leads.append(OURS + second + 1 - cadence.sending_time(OURS + second + 0.01))
        number, second = number + 1 + misses, second + 1 + misses
        cadence.saw(number, OURS + second)
    assert 0.1 < leads[0] < leads[1] < leads[2]
    assert leads[2] > leads[3] > leads[4]


def test_a_chain_that_makes_a_block_for_each_transaction_is_not_waited_for() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2))
    sent = cadence.sending_time(2.3)
    assert 3.0 < sent < 3.25
    cadence.saw(4, sent + 0.01)
    assert cadence.sending_time(3.4) == 3.4


def test_a_transaction_leaves_at_once_where_nothing_is_known_or_it_is_late() -> None:
    assert Cadence().sending_time(5.0) == 5.0
    assert seen((1, 0), (2, 1), (3, 2)).sending_time(3.24) == 3.24
