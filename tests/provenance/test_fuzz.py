"""A few seconds of the fuzzer (`make fuzz-credentials` runs 100,000), and that it notices what it is there for."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from provenance.keys import Identity
from provenance.trust import TrustLists
from tests.provenance import fuzz
from tests.provenance.hostile import hostile_photos
from tests.provenance.mutations import WAYS, mutate

COUNT = 200


@pytest.fixture(scope="module")
def photos(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    return fuzz.seeds(tmp_path_factory.mktemp("seeds"), identity)


def test_spoiled_photos_get_a_verdict_and_call_nobody(
    identity: Identity, photos: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    with fuzz.tripwire() as (port, came):
        hostile = [("image/jpeg", photo) for photo in hostile_photos(tmp_path, port)]
        found = fuzz.fuzz(hostile + photos, TrustLists.load(identity.root_pem, ()), COUNT, 20261123, tmp_path)
    assert (found.broken, came) == ([], [])
    assert sum(found.states.values()) == COUNT
    assert {"none", "malformed", "invalid"} <= set(found.states), "it gets past the first check, and some go deep"


def crash(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(*_: Any) -> Any:
    time.sleep(60)


def swell(*_: Any) -> Any:
    return bytes(2 * fuzz.MEMORY_BYTES)


def refuse(*_: Any) -> Any:
    raise RuntimeError("no")


@pytest.mark.parametrize("fault", [crash, hang, swell, refuse])
def test_it_notices(
    identity: Identity, photos: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """The judge is put aside here, and only here: what is tested is the fuzzer."""
    monkeypatch.setattr(fuzz, "inspect", fault)
    monkeypatch.setattr(fuzz, "TIMEOUT_S", 0.5)
    found = fuzz.fuzz(photos, TrustLists.load(identity.root_pem, ()), 2, 1, tmp_path)
    assert len(found.broken) == 2 and len([file for file in tmp_path.iterdir() if file.name.startswith("1-")]) == 2


def test_every_way_changes_something_and_a_file_is_the_same_in_every_run(photos: list[tuple[str, bytes]]) -> None:
    for way in WAYS:
        changed = 0
        for number, (_, photo) in enumerate(photos * 4):
            content = bytearray(photo)
            way(random.Random(number), content, photos[0][1])
            changed += bytes(content) != photo
        assert changed, way
    assert fuzz.spoiled(photos, 5, 9) == fuzz.spoiled(photos, 5, 9) != fuzz.spoiled(photos, 5, 10)
    assert len(mutate(random.Random(1), b"tiny", photos[0][1])) >= 4
