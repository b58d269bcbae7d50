"""`make bench-faults`: a thousand seeded courses of faults against a real chain and a real database.

Prints how often each fault befell us, and every invariant that did not hold with the seed that shows it again
(`make bench-faults BENCH="--first SEED --runs 1"`).
"""

import argparse
import logging
import multiprocessing
import sys
import time
import traceback
from collections import Counter

from tests.ledger.fault_world import Bench, run

RUNS = 1000
SHOWN_LINES = 4

Outcome = tuple[Counter[str], list[tuple[int, str]]]


def courses(seeds: range) -> Outcome:
    """Run these seeds; what befell, and each seed that showed something wrong, with what it was."""
    logging.disable(logging.ERROR)  # what the anchorer says about each fault
    counts: Counter[str] = Counter()
    wrong = []
    with Bench.opened() as bench:
        for seed in seeds:
            try:
                run(seed, bench, counts)
            except Exception as error:
                where = "".join(traceback.format_tb(error.__traceback__)[-SHOWN_LINES:])
                wrong.append((seed, f"{type(error).__name__}: {error}\n{where}"))
            counts["runs"] += 1
    return counts, wrong


def parallel(seeds: range, processes: int) -> Outcome:
    """The same, in several processes, each with chains of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        outcomes = pool.map(courses, [seeds[start::processes] for start in range(processes)], chunksize=1)
    return sum((counts for counts, _ in outcomes), Counter()), [one for _, wrong in outcomes for one in wrong]


def main() -> int:
    """Run, print, and exit with 1 when an invariant did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    began = time.monotonic()
    counts, wrong = parallel(range(asked.first, asked.first + asked.runs), asked.processes)
    for name, count in sorted(counts.items()):
        print(f"{count:>7}  {name}")
    for seed, what in wrong:
        print(f"seed {seed}: {what}")
    print(
        f"{counts['runs']} runs in {time.monotonic() - began:.0f} s, {len(wrong)} with an invariant that did not hold"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
