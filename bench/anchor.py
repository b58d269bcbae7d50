"""`make bench-anchor`: what do sequencing, proofs and anchoring cost? Prints a table, puts it into bench/results.json.

On a machine that does other things too, the numbers are worse: compare ratios.
"""

import json
import sys
from pathlib import Path

from bench import blocks, log, receipts

RESULTS = Path(__file__).parent / "results.json"
PARTS = (log, blocks, receipts)


def main() -> int:
    """Run all measurements; the exit status says whether every target was met."""
    results: dict[str, float] = {}
    targets: dict[str, tuple[str, float]] = {}
    for part in PARTS:
        results |= part.measure()
        targets |= part.TARGETS
    for name, value in results.items():
        wanted = f"{targets[name][0]} {targets[name][1]:,g}" if name in targets else ""
        print(f"{name:34}{value:>14,.2f}   {wanted}")
    RESULTS.write_text(json.dumps(json.loads(RESULTS.read_text()) | {"anchor": results}, indent=2) + "\n")
    return 0 if all(_met(results[name], *target) for name, target in targets.items()) else 1


def _met(value: float, relation: str, target: float) -> bool:
    return value >= target if relation == ">=" else value <= target


if __name__ == "__main__":
    sys.exit(main())
