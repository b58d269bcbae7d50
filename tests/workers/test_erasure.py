"""A kill at any step of an erasure: the next sweep goes on, and in the end nothing is left of the photo."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipeline.errors import Erased
from pipeline.record import Asset, Request, Rights, encode
from pipeline.run import advance
from settings import Engines, load_settings
from tests.photos import jpeg
from tests.signing_process import SigningProcess
from tests.traces import found_in, traces_of
from tests.workers import erase_once, forks
from wiring import Services
from workers import erasure

KILLED = -9
STEPS = 9  # index, points, four blobs, tombstone, free pages, the end


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("erase")
    signing = SigningProcess(folder / "signer").start()
    yield {"CAPTURE_HOME": str(folder / "data"), "CAPTURE_SIGNER_URL": signing.url}
    signing.stop()


@pytest.fixture(scope="module")
def services(environ: dict[str, str]) -> Iterator[Services]:
    services = Services(load_settings(environ))
    services.settings.keys.mkdir(parents=True)
    services.settings.run.mkdir()
    # No queue answers there: that its file is not written anew is logged, and stops nothing.
    Engines(f"unix://{services.settings.run}/none.sock", "http://127.0.0.1:1", True).write(services.settings)
    services.database.migrate()
    _ = services.checkpoint_signer
    yield services
    services.close()


def _sealed(services: Services, seed: int) -> dict[str, bytes]:
    """A capture that went through all photo stages: the needles to look for."""
    photo = jpeg(seed, 400, 300)
    kept = services.blobs.put(photo)
    name = f"capture-{seed}"
    asset = Asset(kept.sha256, "image/jpeg", kept.size)
    services.captures.register(name, "owner", bytes(20), Request(Rights()), asset)
    token = services.captures.lease(name, "test")
    capture = advance(services, name, token, lambda stage: nullcontext())
    salt, fingerprint = capture.fact("leaf").statement[1], encode(capture.fact("fingerprint"))
    return traces_of(photo, salt.hex(), fingerprint)


def _sweep(environ: dict[str, str], die_at: int = 0) -> int | None:
    """The process's exit code when it was killed at that step; else how many steps there were."""
    told = Path(environ["CAPTURE_HOME"]) / "steps"
    code = forks.run(erase_once.main, environ, die_at, told)
    return int(told.read_text()) if code == 0 else code


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_at_a_step(services: Services, environ: dict[str, str], step: int) -> None:
    needles, name = _sealed(services, 700 + step), f"capture-{700 + step}"
    assert services.index.count(None) == 1
    assert services.sequence() > 0
    leaf = services.captures.get(name).fact("leaf").digest
    services.erasures.erase(name)
    assert found_in(services.settings.home, needles)
    assert _sweep(environ, step) == KILLED
    assert services.erasures.open(9) == [name]
    assert _sweep(environ) in range(STEPS + 1)
    assert services.erasures.open(9) == []
    assert found_in(services.settings.home, needles) == {}
    with pytest.raises(Erased) as told:
        services.captures.get(name)
    assert told.value.facts["leaf"].statement[2] == leaf
    waiting = [digest for _, digest in services.log.waiting(9)]
    assert waiting == [told.value.facts["leaf"].digest], "one tombstone, however often it was begun"


def test_a_sweep_has_as_many_steps_as_were_killed(services: Services, environ: dict[str, str]) -> None:
    _sealed(services, 720)
    services.sequence()
    services.erasures.erase("capture-720")
    assert _sweep(environ) == STEPS


def test_where_there_is_nothing_to_do_nothing_is_done(services: Services, environ: dict[str, str]) -> None:
    assert _sweep(environ) == 0
    marker = services.settings.home / "index" / "removed-v1"
    assert int(marker.read_text()) == len(services.erasures.removed_fingerprints(0, 99))


@pytest.mark.parametrize("text", ["", "not a number", "999999", None])
def test_without_its_own_marker_all_that_was_ever_removed_is_gone_through(services: Services, text: str | None) -> None:
    marker = services.settings.home / "index" / "removed-v1"
    marker.unlink()
    if text is not None:
        marker.write_text(text)
    assert erasure.forget_fingerprints(services) == len(services.erasures.removed_fingerprints(0, 99)) > 0
    assert erasure.forget_fingerprints(services) == 0


def test_orphans_are_found_within_256_looks(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "ORPHAN_S", -1)
    needed = _sealed(services, 730)["digest"]
    orphan = services.blobs.put(b"stored, and never committed").sha256
    orphans = erasure.Orphans(services)
    assert sum(orphans.collect() for _ in range(256)) == 1
    assert not services.blobs.has(orphan)
    assert services.blobs.has(needed)


def test_temporary_files_of_a_killed_work_horse_go(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    from workers import main

    monkeypatch.setattr(tempfile, "tempdir", None)
    main._clear_temporary_files(services, "photos-1")
    with tempfile.NamedTemporaryFile(prefix="capture-sign-", delete=False) as left:
        left.write(b"half a photo")
    assert Path(left.name).is_relative_to(services.settings.home)
    main._clear_temporary_files(services, "photos-1")
    assert not Path(left.name).exists()
