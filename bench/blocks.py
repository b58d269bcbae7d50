"""How long from a sealed photo to a block, and how many photos a second, on a chain of 1 s blocks that is not ours?

The chain is anvil with an interval; log, database, sequencer and anchorer are those of the ledger worker, in its own
process, behind a log of 2^20 leaves. Leaves come from another process, as they do from the photo workers. The baseline
puts each photo into a transaction of its own, sent one after the other without waiting for any block.
"""

import multiprocessing
import secrets
import statistics
import subprocess
import tempfile
import time
from base64 import b32encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.log import Held, make_log
from ledger.anchor import Anchorer
from ledger.chain import Chain
from ledger.contract import call
from ledger.deploy import deploy
from ledger.sequence import sequence
from ledger.signer import LocalSigner
from ledger.signing import sign
from ledger.tree import append_tiles, consistency_proof, root
from store.database import Database, now_text
from store.log import LogRecords
from store.outbox import Outbox
from store.schema import captures, log_leaves, metadata, transactions
from supervisor import anvil
from tests.chain_fixture import KEY
from tests.ledger.log_world import OWNER, signer
from tests.service import free_port
from wiring import SEQUENCE_LIMIT
from workers.jobs import anchor_all

BLOCK_S = 1
START = 2**20
RATES = {20: 30.0, 1000: 30.0}  # leaves a second, and for how many seconds
DRAIN = 50_000  # leaves at once
BASELINE = 400  # transactions; more would fill blocks and be slower still
GAS_OF_ONE = 130_000
TICK_S = 0.01

TARGETS = {
    "sealed_to_included_p50_s_at_20": ("<=", 0.8),
    "sealed_to_included_p95_s_at_20": ("<=", 1.3),
    "sealed_to_included_p50_s_at_1000": ("<=", 0.8),
    "sealed_to_included_p95_s_at_1000": ("<=", 1.3),
    "gas_per_photo_at_1000": ("<=", 100.0),
    "gas_per_append_max": ("<=", 100_000.0),
    "times_the_baseline": (">=", 14.0),
}


class Ledger:
    """What the ledger worker has: the same loop (workers.jobs.anchor_all) over the same parts."""

    def __init__(self, folder: Path, url: str, contract: str) -> None:
        self.database = Database(f"sqlite:///{folder}/capture.db")
        self.log = LogRecords(self.database)
        chain = Chain(url, KEY, contract, local=False)
        self.anchorer = Anchorer(chain, Outbox(self.database), self.log, meanwhile=self._sequence_waiting)

    def sequence(self) -> int:
        """As wiring.Services."""
        return sequence(self.log, signer(), SEQUENCE_LIMIT)

    def work(self) -> None:
        """What the ledger's job does when it is rung for."""
        anchor_all(self.log.waiting, self.sequence, self.anchorer.flush, self.log.newest)

    def _sequence_waiting(self) -> None:
        if self.log.waiting(1):
            self.sequence()


def measure() -> dict[str, Any]:
    """All numbers of this part."""
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder, _chain() as url:
        contract = deploy(url, KEY)
        ledger = _ledger(Path(folder), url, contract)
        ledger.work()
        results: dict[str, Any] = {}
        for rate, seconds in RATES.items():
            results |= _arrivals(Path(folder), ledger, rate, seconds)
        results["gas_per_append_max"] = _gas(ledger)
        results["anchored_per_s"] = _drain(Path(folder), ledger)
        ledger.database.close()
        results["baseline_per_s"] = _baseline(url)
    return results | {"times_the_baseline": results["anchored_per_s"] / results["baseline_per_s"]}


@contextmanager
def _chain() -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(anvil.anvil_binary()), "--port", str(port), "--chain-id", "424242", "--quiet", "--accounts", "0",
               "--block-time", str(BLOCK_S), "--slots-in-an-epoch", "1"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not anvil.ready(url):
            time.sleep(0.02)
        Chain(url, KEY, None, local=True).fund_locally()
        yield url
    finally:
        process.kill()
        process.wait()


def _ledger(folder: Path, url: str, contract: str) -> Ledger:
    ledger = Ledger(folder, url, contract)
    metadata.create_all(ledger.database.engine)
    make_log(ledger.database, ledger.log, START)
    return ledger


def _arrivals(folder: Path, ledger: Ledger, rate: int, seconds: float) -> dict[str, float]:
    """Leaves come at this rate while the ledger worker works; how long each waited for its block."""
    first = ledger.log.newest()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(str(folder), rate, seconds))
    sender.start()
    while sender.is_alive() or ledger.log.waiting(1):
        ledger.work()
        time.sleep(TICK_S)
    waits = sorted(_waits(ledger, first[0] if first else 0))
    assert len(waits) == int(rate * seconds)
    gas = [one.gas for one in _appends(ledger) if first and one.size > first[0]]
    return {
        f"sealed_to_included_p50_s_at_{rate}": statistics.median(waits),
        f"sealed_to_included_p95_s_at_{rate}": statistics.quantiles(waits, n=20)[-1],
        f"gas_per_photo_at_{rate}": sum(gas) / len(waits),
        f"photos_per_append_at_{rate}": len(waits) / len(gas),
    }


def send(folder: str, rate: int, seconds: float) -> None:
    """Seal captures at this rate, in a process of its own."""
    database = Database(f"sqlite:///{folder}/capture.db")
    began, sent, total = time.monotonic(), 0, int(rate * seconds)
    while sent < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        seal(database, due - sent)
        sent = due
        time.sleep(max(0.0, TICK_S, began + sent / rate - time.monotonic()))
    database.close()


def seal(database: Database, count: int) -> None:
    """Captures with random leaves, sealed now."""
    common = {"owner": "owner", "owner_address": OWNER, "request": "{}", "finished": False}
    ids = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(count)]
    with database.write() as connection:
        rows = [{"id": name, "sha256": secrets.token_bytes(32), "created_at": now_text(), **common} for name in ids]
        connection.execute(captures.insert(), rows)
        connection.execute(log_leaves.insert(), [{"capture_id": row["id"], "digest": row["sha256"]} for row in rows])


def _waits(ledger: Ledger, start: int) -> Iterator[float]:
    appends = iter(_appends(ledger))
    append = next(appends)
    query = (
        sa.select(captures.c.created_at, log_leaves.c.position)
        .join_from(log_leaves, captures, captures.c.id == log_leaves.c.capture_id)
        .where(log_leaves.c.position >= start)
        .order_by(log_leaves.c.position)
    )
    with ledger.database.read() as connection:
        for sealed_at, position in connection.execute(query):
            while append.size <= position:
                append = next(appends)
            yield (datetime.fromisoformat(append.included_at) - datetime.fromisoformat(sealed_at)).total_seconds()


def _appends(ledger: Ledger) -> list[Any]:
    with ledger.database.read() as connection:
        return list(connection.execute(sa.select(transactions).order_by(transactions.c.size)))


def _gas(ledger: Ledger) -> float:
    return float(max(one.gas for one in _appends(ledger)))


def _drain(folder: Path, ledger: Ledger) -> float:
    """Photos a second, from all sealed at once to the block that has the last of them."""
    first = ledger.log.newest()
    for _ in range(0, DRAIN, SEQUENCE_LIMIT):
        seal(ledger.database, SEQUENCE_LIMIT)
    began = time.monotonic()
    ledger.work()
    newest = ledger.log.newest()
    assert first and newest and newest[0] - first[0] == DRAIN
    return DRAIN / (time.monotonic() - began)


def _baseline(url: str) -> float:
    """Photos a second with one transaction each, all of them signed and sent as fast as it goes."""
    contract = deploy(url, KEY)
    chain = Chain(url, KEY, contract, local=False)
    key, nonce, tiles, hashes = LocalSigner(KEY), chain.nonce(), Held(), ""
    began = time.monotonic()
    for size in range(1, BASELINE + 1):
        tiles.update(append_tiles(size - 1, [secrets.token_bytes(32)], tiles))
        proof = list(consistency_proof(size - 1, size, tiles)) if size > 1 else []
        fields = {
            "chainId": chain.chain_id, "nonce": nonce + size - 1, "to": contract, "gas": GAS_OF_ONE,
            "data": call("append", size, root(size, tiles), proof), "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
        }  # fmt: skip
        signed = sign(fields, contract, key)
        chain.send(signed.raw)
        hashes = signed.hash
    assert chain.wait([hashes], 600)
    head = chain.head()
    assert head and head.size == BASELINE
    return BASELINE / (time.monotonic() - began)
