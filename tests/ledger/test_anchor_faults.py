"""Seeded courses of faults, as `make bench-faults` runs them by the thousand: whatever happens, nothing is lost."""

import pytest

from bench.faults import parallel
from supervisor import anvil

RUNS = 20  # more, and others, are run by `make bench-faults`
SHOWED = (2161, 30146, 30197)  # seeds that once showed something wrong
KINDS = (
    "crash before",
    "crash after",
    "kill -9",
    "chain killed",
    "reorg",
    "stall",
    "pool",
    "two",
    "overtaken",
    "clock",
)


@pytest.mark.timeout(280)
def test_courses_of_faults() -> None:
    anvil.anvil_binary()
    counts, wrong = parallel(range(RUNS), 2)
    assert not wrong, "\n".join(f"seed {seed}: {what}" for seed, what in wrong)
    assert counts["runs"] == RUNS
    missing = [kind for kind in KINDS if not any(name.startswith(kind) for name in counts)]
    assert not missing, f"these faults never befell us: {missing}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SHOWED)
def test_seeds_that_once_showed_something_wrong(seed: int) -> None:
    _, wrong = parallel(range(seed, seed + 1), 1)
    assert not wrong, wrong
