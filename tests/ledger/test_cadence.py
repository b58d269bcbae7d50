"""When the next block is expected, and when nothing is expected."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.cadence import Cadence


def seen(*blocks: tuple[int, float]) -> Cadence:
    cadence = Cadence()
    for number, at in blocks:
        cadence.saw(number, at)
    return cadence


@given(
    st.floats(0.6, 14), st.floats(0, 1e6), st.lists(st.integers(1, 4), min_size=2, max_size=12),
    st.lists(st.floats(0, 0.1), min_size=13, max_size=13), st.floats(0, 4),
)  # fmt: skip
def test_the_next_block_of_a_regular_chain(
    interval: float, start: float, gaps: list[int], late: list[float], after: float
) -> None:
    """Whatever of its blocks we saw, each up to a tenth of the interval late."""
    cadence, number, at = Cadence(), 100, start
    for gap, delay in zip([0, *gaps], late, strict=False):
        number, at = number + gap, start + (number + gap - 100) * interval + delay * interval
        cadence.saw(number, at)
    now = at + after * interval
    due = cadence.next_after(now)
    assert due is not None
    assert now < due <= now + 1.11 * interval
    true = start + (number - 100) * interval
    offset = ((due - true) / interval) % 1
    # As late as the last one was seen, and the error of the interval as often as it was added.
    assert min(offset, 1 - offset) < 0.1 + 0.1 / sum(gaps[-7:]) * (after + 2) + 1e-6


def test_nothing_is_expected_of_a_chain_without_a_cadence() -> None:
    assert seen((1, 0), (2, 1)).next_after(1.1) is None, "two blocks are no cadence"
    assert seen((1, 0), (2, 1), (3, 5), (4, 6)).next_after(6.1) is None, "irregular"
    assert seen((1, 0), (2, 0.25), (3, 0.5)).next_after(0.6) is None, "too quick to wait for"
    assert seen((1, 0), (2, 40), (3, 80)).next_after(81) is None, "too slow"


def test_what_was_seen_gets_old() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2))
    assert cadence.next_after(2.5) == 3
    assert cadence.next_after(6.5) == 7
    assert cadence.next_after(7.5) is None


def test_a_reorganisation_starts_all_over() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2), (3, 2.5))
    assert cadence.next_after(3) is None


def test_a_transaction_leaves_sooner_after_it_missed_a_block() -> None:
    cadence = seen((1, 0), (2, 1), (3, 2))
    assert 2.8 < cadence.sending_time(2.1) < 2.95
    leads, number, at = [], 3, 2.0
    for misses in (1, 1, 0, 0, 0):
        leads.append(at + 1 - cadence.sending_time(at + 0.01))
        number, at = number + 1 + misses, at + 1 + misses
        cadence.saw(number, at)
    assert leads[0] < leads[1] < leads[2]
    assert leads[2] > leads[3] > leads[4]


def test_a_transaction_leaves_at_once_where_nothing_is_known() -> None:
    assert Cadence().sending_time(5.0) == 5.0
    assert seen((1, 0), (2, 1), (3, 2)).sending_time(2.99) == 2.99, "too late for waiting"
