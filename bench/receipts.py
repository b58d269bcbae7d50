"""What does a stranger's check of a receipt cost, after Python has started? Photo of 4 MB, log of 1,000 entries."""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ledger import verify
from ledger.receipt import receipt
from ledger.sequence import sequence
from tests.ledger.log_world import TERMS, World, anchor_of, signer

ENTRIES = 1_000
PHOTO_BYTES = 4_000_000
ROUNDS = 50

TARGETS = {"offline_verification_ms": ("<=", 50.0)}


def measure() -> dict[str, Any]:
    """All numbers of this part."""
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        world, photo = World.make(Path(folder)), os.urandom(PHOTO_BYTES)
        world.seal_many(ENTRIES - 1)
        name = world.seal("photo", photo)
        sequence(world.log, world.signer, ENTRIES)
        world.log.record_anchor(anchor_of(ENTRIES))
        document = json.dumps(receipt(world.get(name), world.log, TERMS)).encode()
        world.database.close()
    times = [_timed(document, photo) for _ in range(ROUNDS)]
    return {"offline_verification_ms": statistics.median(times), "offline_verification_worst_ms": max(times)}


def _timed(document: bytes, photo: bytes) -> float:
    began = time.perf_counter()
    steps = verify.verify(document, photo, str(signer().vkey))
    spent = (time.perf_counter() - began) * 1e3
    assert {result for _, result, _ in steps} == {"passed"}, steps
    return spent
