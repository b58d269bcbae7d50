"""How fast are leaves sequenced and marked as anchored, and what does a proof cost, in a small and in a large log?

Leaves are random digests, captures have random ids as real ones have, the database is SQLite with durable commits. The
large log is made of tiles alone: what sequencing reads of the past.
"""

import os
import random
import secrets
import statistics
import tempfile
import time
from base64 import b32encode
from collections.abc import Iterator
from typing import Any

import psutil

from ledger.sequence import sequence
from ledger.tree import Tiles, append_tiles, inclusion_proof, root, verify_inclusion
from store.database import Database, now_text
from store.log import LogRecords
from store.schema import captures, checkpoints, log_leaves, log_tiles, metadata
from tests.ledger.log_world import OWNER, anchor_of, signer
from wiring import SEQUENCE_LIMIT

LEAVES = 200_000  # sequenced in each log
LARGE = 10_000_000
CHUNK = 2**19  # leaves at a time while the large log is made: whole tiles
PROOFS = 300

TARGETS = {
    "sequenced_per_s": (">=", 50_000.0),
    "sequenced_per_s_at_10m": (">=", 50_000.0),
    "proof_at_10m_p95_ms": ("<=", 5.0),
}


def measure() -> dict[str, Any]:
    """All numbers of this part."""
    small, large = _measure_log(0), _measure_log(LARGE)
    return {
        "sequenced_per_s": small["per_s"],
        "sequenced_per_s_at_10m": large["per_s"],
        "sequencer_cpu_us_per_leaf": small["cpu_us"],
        "marked_anchored_per_s": small["anchored_per_s"],
        "marked_anchored_10000_ms": 1e7 / small["anchored_per_s"],
        "sequencer_grew_mb": small["grew_mb"],
        "sequencer_grew_mb_at_10m": large["grew_mb"],
        "proof_at_10m_p50_ms": large["proof_p50_ms"],
        "proof_at_10m_p95_ms": large["proof_p95_ms"],
        "proof_at_10m_cpu_ms": large["proof_cpu_ms"],
        "commit_p50_ms": large["commit_p50_ms"],
    }


def _measure_log(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        database = Database(f"sqlite:///{folder}/capture.db")
        metadata.create_all(database.engine)
        records = LogRecords(database)
        make_log(database, records, size)
        _make_waiting(database)
        results = _sequencing(records, size) | (_proofs(records, size) if size else {})
        database.close()
    return results


def _sequencing(records: LogRecords, size: int) -> dict[str, float]:
    memory, cpu = [_memory_mb()], time.process_time()
    times = []
    while True:
        began = time.perf_counter()
        if not sequence(records, signer(), SEQUENCE_LIMIT):
            break
        times.append(time.perf_counter() - began)
        memory.append(_memory_mb())
    cpu = time.process_time() - cpu  # of the wall's time, the disk and other work on the machine have the rest
    began = time.perf_counter()
    assert records.record_anchor(anchor_of(size + LEAVES)) == LEAVES
    return {
        "per_s": LEAVES / sum(times), "cpu_us": cpu / LEAVES * 1e6, "commit_p50_ms": statistics.median(times) * 1e3,
        "anchored_per_s": LEAVES / (time.perf_counter() - began), "grew_mb": max(memory) - memory[0],
    }  # fmt: skip


def _proofs(records: LogRecords, size: int) -> dict[str, float]:
    top, times = root(size, records), []
    cpu = time.process_time()
    for index in random.Random(-size).sample(range(size), PROOFS):
        inclusion_proof(index, size, records)
    cpu = time.process_time() - cpu
    for index in random.Random(size).sample(range(size), PROOFS):
        began = time.perf_counter()
        proof = inclusion_proof(index, size, records)
        times.append((time.perf_counter() - began) * 1e3)
        leaf = records.tile(0, index // 256)[index % 256 * 32 :][:32]
        verify_inclusion(leaf, index, size, proof, top)
    return {
        "proof_p50_ms": statistics.median(times), "proof_p95_ms": statistics.quantiles(times, n=20)[-1],
        "proof_cpu_ms": cpu / PROOFS * 1e3,
    }  # fmt: skip


class Held(Tiles):
    """Tiles in memory, while a log is made."""

    def tile(self, level: int, number: int) -> bytes:
        return self[level, number]


def make_log(database: Database, records: LogRecords, size: int) -> None:
    """A log of random leaves, without captures."""
    upper = Held()
    for start in range(0, size, CHUNK):
        tiles = append_tiles(start, list(_leaves(min(CHUNK, size - start))), upper)
        upper.update({place: row for place, row in tiles.items() if place[0]})
        _write_tiles(database, {place: row for place, row in tiles.items() if not place[0]})
    if size:
        _write_tiles(database, upper)
        top = root(size, records)
        values = {"size": size, "root": top, "note": signer().sign(size, top), "created_at": now_text()}
        with database.write() as connection:
            connection.execute(checkpoints.insert().values(**values))


def _write_tiles(database: Database, tiles: Tiles) -> None:
    with database.write() as connection:
        rows = [{"level": level, "number": number, "hashes": row} for (level, number), row in tiles.items()]
        connection.execute(log_tiles.insert(), rows)


def _make_waiting(database: Database) -> None:
    """Captures that are sealed and not logged."""
    for _ in range(0, LEAVES, SEQUENCE_LIMIT):
        ids = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(SEQUENCE_LIMIT)]
        common = {
            "owner": "owner",
            "owner_address": OWNER,
            "created_at": now_text(),
            "request": "{}",
            "finished": False,
        }
        rows = [{"id": name, "sha256": digest, **common} for name, digest in zip(ids, _leaves(len(ids)), strict=True)]
        waiting = [{"capture_id": row["id"], "digest": row["sha256"]} for row in rows]
        with database.write() as connection:
            connection.execute(captures.insert(), rows)
            connection.execute(log_leaves.insert(), waiting)


def _leaves(count: int) -> Iterator[bytes]:
    content = os.urandom(count * 32)
    return (content[at : at + 32] for at in range(0, len(content), 32))


def _memory_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)
