"""A kill at any stage, before or after its write: the capture resumes and ends with every fact, none changed."""

from collections.abc import Iterator

import pytest

from pipeline.record import Asset, Request, Rights
from pipeline.run import STAGES
from settings import load_settings
from tests.photos import encoded, jpeg, picture
from tests.signing_process import SigningProcess
from tests.workers import crash_once, forks
from wiring import Services
from workers import jobs
from workers.main import PHOTO_BYTES, limit_memory

KILLED = -9
STAGE_NAMES = [stage.__name__ for _, stage in STAGES]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("crash")
    signing = SigningProcess(folder / "signer").start()
    yield {"CAPTURE_HOME": str(folder / "data"), "CAPTURE_SIGNER_URL": signing.url}
    signing.stop()


@pytest.fixture(scope="module")
def services(environ: dict[str, str]) -> Iterator[Services]:
    services = Services(load_settings(environ))
    services.settings.keys.mkdir(parents=True)
    services.database.migrate()
    _ = services.checkpoint_signer
    yield services
    services.close()


def _register(services: Services, seed: int) -> str:
    kept = services.blobs.put(jpeg(seed, 400, 300))
    asset = Asset(kept.sha256, "image/jpeg", kept.size)
    return services.captures.register(f"capture-{seed}", "owner", bytes(20), Request(Rights()), asset)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_killed_around_a_write(services: Services, environ: dict[str, str], stage: str, moment: str) -> None:
    capture_id = _register(services, 500 + 2 * STAGE_NAMES.index(stage) + (moment == "after"))
    assert forks.run(crash_once.main, environ, capture_id, stage, moment) == KILLED
    before = services.captures.get(capture_id)
    done = STAGE_NAMES.index(stage) + (moment == "after")
    assert list(before.facts) == ["asset", *(name for name, _ in STAGES[:done])]
    assert forks.run(crash_once.main, environ, capture_id) == 0
    after = services.captures.get(capture_id)
    assert after.status == "sealed"
    assert {name: after.facts[name] for name in before.facts} == dict(before.facts)
    assert services.sequence() == 1
    logged = services.captures.get(capture_id)
    assert (logged.status, logged.facts["leaf"]) == ("logged", after.facts["leaf"])


def test_two_copies_at_once_are_one_original(services: Services, environ: dict[str, str]) -> None:
    first = _register(services, 600)
    kept = services.blobs.put(jpeg(600, 400, 300, quality=60))
    asset = Asset(kept.sha256, "image/jpeg", kept.size)
    second = services.captures.register("copy", "other", bytes(20), Request(Rights()), asset)
    runs = [
        forks.start(crash_once.main, environ | {"NAME": name}, capture_id)
        for capture_id, name in zip((first, second), "ab", strict=True)
    ]
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0, 0]
    kinds = sorted(services.captures.get(capture_id).fact("verdict").kind for capture_id in (first, second))
    assert kinds == ["near_copy", "original"]


def test_credentials_that_kill_the_reader_are_put_aside_and_the_photo_goes_on(
    services: Services,
) -> None:
    capture_id = _register(services, 560)
    for _ in range(jobs.MAX_CRASHES):
        services.captures.count_crash(capture_id)
    token = services.captures.lease(capture_id, "w")
    assert token is not None
    assert jobs._advance(services, capture_id, token) == 0
    found = services.captures.get(capture_id)
    assert list(found.facts) == ["asset", "credentials"] and found.status == "inspected"
    assert found.fact("credentials").state == "malformed" and "ended our program" in found.fact("credentials").reason
    assert services.captures.crashes(capture_id) == 0, "the next stage is tried as usual"


def _short_of_memory(capture_id: str, more_bytes: int) -> None:
    limit_memory(more_bytes)
    jobs.photo(capture_id)


def test_a_photo_that_takes_more_memory_than_it_may_is_refused_in_the_end(
    services: Services, environ: dict[str, str]
) -> None:
    kept = services.blobs.put(
        encoded(picture(561).resize((6000, 4000)), "PNG", compress_level=1)
    )  # 96 MB when it is decoded
    asset = Asset(kept.sha256, "image/png", kept.size)
    capture_id = services.captures.register("large", "owner", bytes(20), Request(Rights()), asset)
    tried = environ | {"WORKER_NAME": "short"}
    for times in range(1, jobs.MAX_CRASHES + 1):
        assert forks.run(_short_of_memory, tried, capture_id, 80_000_000) == 0
        assert services.captures.crashes(capture_id) == times
    assert forks.run(_short_of_memory, tried, capture_id, PHOTO_BYTES) == 0
    refused = services.captures.get(capture_id).fact("rejection")
    assert refused.stage == "fingerprint" and "too much memory" in refused.reason
