"""Works on the embedded chain: how long until a work, a licence and a claim are done; gas from the snapshot.

`make bench-rights`. Times are a client's, over HTTP, one after the other; service and chain are on the same machine.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.photos import jpeg
from tests.service import Answer, Running

WORKS = 20
PRICE = "1000"
GAS = Path(__file__).parents[1] / "contracts" / "gas.json"
PROMISED = {
    "work at depth 20, its owner's first": 110_000, "work at depth 20, its owner's next": 110_000,
    "licence, its holder's first": 100_000, "licence, the work's first and its holder's first": 100_000,
    "derive from 1": 150_000, "derive from 4": 200_000, "derive from 16": 350_000, "pay, a work's first": 60_000,
    "claim, made from no other": 95_000, "claim, with 64 ancestors": 160_000,
}  # fmt: skip
# What a sketch of this contract used before it was built, and what Story's own contracts use for the like.
SKETCH = {
    "work at depth 20, its owner's next": 82_555, "licence, its holder's first": 85_578, "derive from 1": 133_000,
    "derive from 4": 165_000, "derive from 16": 305_000, "pay, a work's first": 52_730,
    "claim, made from no other": 80_813,
}  # fmt: skip
STORY = {
    "work at depth 20, its owner's first": 622_596, "licence, its holder's first": 663_076,
    "derive from 16": 11_500_000, "claim, made from no other": 477_340,
}  # fmt: skip


def main() -> None:
    """Print what was measured."""
    gas = {name.removeprefix("rights: "): used for name, used in json.loads(GAS.read_text()).items()}
    for name, most in PROMISED.items():
        others = [
            f"{whose} {known[name]:,}" for whose, known in (("sketch", SKETCH), ("Story", STORY)) if name in known
        ]
        shown = "; ".join([f"wanted {most:,}", *others])
        print(f"gas, {name}: {gas[name]:,} ({shown}){'' if gas[name] <= most else '  MISSED'}")
    with tempfile.TemporaryDirectory() as folder:
        service = Running(Path(folder) / "data").start()
        try:
            measure(service)
        finally:
            service.stop()


def measure(service: Running) -> None:
    """Register photos, then make each a work, license it, and claim what it earned."""
    captures = [_registered(service, 50_000 + number) for number in range(WORKS)]
    offer = {"terms": {"preset": "commercial", "fee": PRICE}}
    _timed("work made (terms known but for the first)", captures, lambda c: _ask(service, c, "asset", offer))
    holder = {"holder": "0x" + "5e" * 20}
    _timed("licence bought", captures, lambda c: _ask(service, c, "licences", holder))
    _timed("revenue claimed", captures, lambda c: _ask(service, c, "claims", {}))
    _timed("402 answered", captures, lambda c: service.ask("GET", f"/a/{c}/copy?use=commercial", key=None), 402)


def _timed(what: str, captures: list[str], do: Callable[[str], Answer], status: int = 200) -> None:
    took = []
    for capture in captures:
        start = time.perf_counter()
        answer = do(capture)
        took.append(1000 * (time.perf_counter() - start))
        if answer.status != status:
            raise SystemExit(f"{what}: {answer.status} {answer.body!r}")
    took.sort()
    print(f"{what}: p50 {statistics.median(took):.0f} ms, worst of {len(took)} {took[-1]:.0f} ms")


def _ask(service: Running, capture: str, what: str, body: dict[str, Any]) -> Answer:
    content = json.dumps(body).encode()
    path = f"/v1/captures/{capture}/{what}"
    return service.ask("POST", path, content, Content_Type="application/json", Prefer="wait=30")


def _registered(service: Running, seed: int) -> str:
    return str(service.register(jpeg(seed, 640, 480)).json["id"])


if __name__ == "__main__":
    main()
