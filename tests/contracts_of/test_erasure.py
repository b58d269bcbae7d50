"""Blobs that go while they come, on each database: what is acknowledged is there, and what is nobody's is not."""

import contextlib
import hashlib
import multiprocessing
import multiprocessing.process
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import Erased, Unavailable
from tests.contracts_of.fingerprint_table import ON_POSTGRES
from tests.databases import give_tables
from tests.forks import FORKS
from tests.store.test_erasure import World

SAME = b"the same bytes"
ROUNDS = 25


def _upload(folder: Path, url: str, owner: str) -> None:
    """As a client does: the same bytes again and again, each time erased again; 503 is answered by sending again."""
    world = World(folder, url)
    for place in range(ROUNDS):
        name = f"{owner}-{place}"
        asset = None
        while asset is None:
            try:
                asset = world.register(name, SAME, owner)
            except Unavailable:
                continue
        assert b"".join(world.blobs.read(asset.sha256)) == SAME, "acknowledged, so it is there"
        world.erasures.erase(name)
        assert world.finish(name)


def _work(folder: Path, url: str, name: str) -> None:
    """As a worker does that never hears of the erasure: one fact after the other, until one is refused."""
    world = World(folder, url)
    with contextlib.suppress(Erased):
        world.seal(name)


@pytest.fixture(params=["sqlite", *ON_POSTGRES[-1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    url = None if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = World(tmp_path, url)
    give_tables(made.database)
    return made


def _url(world: World) -> str:
    return world.database.url


def _joined(workers: Sequence[multiprocessing.process.BaseProcess]) -> list[int | None]:
    for worker in workers:
        worker.join(60)
    return [worker.exitcode for worker in workers]


def test_uploads_and_erasures_of_the_same_bytes_at_once(world: World) -> None:
    workers = [FORKS.Process(target=_upload, args=(world.folder, _url(world), owner)) for owner in "xyz"]
    for worker in workers:
        worker.start()
    end, first_byte = time.monotonic() + 60, hashlib.sha256(SAME).digest()[0]
    while any(worker.is_alive() for worker in workers) and time.monotonic() < end:
        world.erasures.remove_orphans(world.blobs.digests(first_byte, -1))
        time.sleep(0.01)
    assert _joined(workers) == [0, 0, 0]
    world.erasures.remove_orphans(world.blobs.digests(first_byte, -1))
    assert world.files() == 0
    world.database.close()


def test_workers_and_erasures_at_once(world: World) -> None:
    names = [f"capture-{place}" for place in range(8)]
    for name in names:
        world.register(name)
    workers = [FORKS.Process(target=_work, args=(world.folder, _url(world), name)) for name in names]
    for place, worker in enumerate(workers):
        worker.start()
        if place % 2:
            time.sleep(0.02)
    end = time.monotonic() + 60
    while not world.rows("fingerprints") and time.monotonic() < end:
        time.sleep(0.001)
    for name in names:
        world.erasures.erase(name)
    assert _joined(workers) == [0] * len(names)
    world.log_all()
    for name in names:
        assert world.finish(name)
    for byte in range(256):  # what was stored and is refused before it was named
        world.erasures.remove_orphans(world.blobs.digests(byte, -1))
    assert world.files() == 0
    assert [world.rows(table) for table in ("fingerprints", "local_features", "blob_uses")] == [0, 0, 0]
    assert world.rows("facts") == len(names), "the tombstones"
    world.database.close()
