"""Time-stamps that were pending come later: through the stages, the sweeper and a whole service."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from pipeline.errors import Conflict, Erased, Unavailable
from pipeline.record import Asset, Capture, Request, Rights, decode, encode
from pipeline.record import Manifest as ManifestFact
from pipeline.run import advance
from settings import Engines, SettingError, load_settings
from tests.photos import jpeg
from tests.provenance.authority import Authority
from tests.provenance.test_exif import BERLIN, exif
from tests.service import Running
from tests.signing_process import SigningProcess
from wiring import Services
from workers.stamping import LONGEST_PAUSE_S, LOOK_S, Stamping


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    responder = Authority()
    yield responder
    responder.close()


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningProcess]:
    signing = SigningProcess(tmp_path_factory.mktemp("signer")).start()
    yield signing
    signing.stop()


@pytest.fixture(scope="module")
def environ(responder: Authority, signing: SigningProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    roots = tmp_path_factory.mktemp("tsa") / "root.pem"
    roots.write_text(responder.root_pem)
    return {"CAPTURE_TSA_URL": responder.url, "CAPTURE_TSA_ROOTS": str(roots), "CAPTURE_SIGNER_URL": signing.url}


@pytest.fixture
def services(environ: dict[str, str], responder: Authority, tmp_path: Path) -> Iterator[Services]:
    responder.mood = "up"
    services = Services(load_settings(environ | {"CAPTURE_HOME": str(tmp_path / "data")}))
    services.settings.keys.mkdir(parents=True)
    services.settings.run.mkdir()
    Engines(f"unix://{services.settings.run}/none.sock", "http://127.0.0.1:1", True).write(services.settings)
    services.database.migrate()
    yield services
    services.close()


def sealed(services: Services, seed: int, place: bytes = b"") -> Capture:
    kept = services.blobs.put(jpeg(seed, 320, 240, exif=place))
    name = f"capture-{seed}"
    asset = Asset(kept.sha256, "image/jpeg", kept.size)
    services.captures.register(name, "owner", bytes(20), Request(Rights()), asset)
    return advance(services, name, services.captures.lease(name, "test"), lambda stage: nullcontext())


def state(capture: Capture) -> str | None:
    made: ManifestFact = capture.fact("manifest")
    return made.timestamp


def test_where_the_authority_is_well_nothing_is_pending(services: Services) -> None:
    assert state(sealed(services, 1)) == "embedded"
    assert services.captures.unstamped(9) == []
    assert Stamping(services).look() == 0


def test_what_was_pending_is_stamped_when_the_authority_is_back(services: Services, responder: Authority) -> None:
    responder.mood = "error"
    first = sealed(services, 1)
    assert (state(first), first.status) == ("pending", "sealed")
    asked = responder.asked
    assert state(sealed(services, 2)) == "pending"
    assert responder.asked == asked, "while one is pending, no other photo asks"
    stamping = Stamping(services)
    pauses = [(stamping.look(), stamping.pause_s)[1] for _ in range(8)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, LONGEST_PAUSE_S]
    assert responder.asked == asked + 8, "one question for each look, however many wait"
    responder.mood = "up"
    assert (stamping.look(), stamping.pause_s) == (2, LOOK_S)
    assert (stamping.look(), services.captures.unstamped(9)) == (0, [])
    found = services.captures.get(first.id)
    stamp, made = found.fact("timestamp"), found.fact("manifest")
    assert stamp.sha256 == made.sha256 and stamp.trusted and found.status == "sealed"
    reply = decode_timestamp_response(stamp.reply)
    assert VerifierBuilder(roots=[responder.root.certificate]).build().verify(reply, made.sha256)
    assert state(sealed(services, 3)) == "embedded"


def test_a_public_file_asks_only_where_the_photo_was_answered(services: Services, responder: Authority) -> None:
    place, asked = exif(gps=BERLIN).tobytes(), responder.asked
    assert sealed(services, 1, place).fact("manifest").location == "removed"
    assert responder.asked == asked + 2
    responder.mood = "error"
    found = sealed(services, 2, place)
    assert (found.fact("manifest").location, state(found)) == ("removed", "pending")
    assert responder.asked == asked + 3


def test_it_is_stamped_once(services: Services, responder: Authority) -> None:
    responder.mood = "error"
    capture = sealed(services, 1)
    responder.mood = "up"
    waiting = services.captures.unstamped(9)
    mine, theirs = services.domains.timestamp(waiting[0][1]), services.domains.timestamp(waiting[0][1])
    services.captures.put(capture.id, "timestamp", theirs)
    services.captures.put(capture.id, "timestamp", theirs)
    with pytest.raises(Conflict):
        services.captures.put(capture.id, "timestamp", mine)
    assert Stamping(services)._stamp(*waiting[0]) is False, "another machine was quicker: that is no fault"
    assert services.captures.get(capture.id).fact("timestamp") == theirs


def test_what_is_erased_is_not_stamped(services: Services, responder: Authority) -> None:
    responder.mood = "error"
    capture = sealed(services, 1)
    waiting = services.captures.unstamped(9)
    services.erasures.erase(capture.id)
    assert services.captures.unstamped(9) == []
    responder.mood = "up"
    assert Stamping(services)._stamp(*waiting[0]) is False, "its owner was quicker: that is no fault"
    with pytest.raises(Erased) as told:
        services.captures.get(capture.id)
    assert "timestamp" not in told.value.facts


def test_the_fact_is_read_back_as_it_was_written(services: Services) -> None:
    stamp = services.domains.timestamp(bytes(range(32)))
    assert decode(type(stamp), encode(stamp)) == stamp


def test_a_manifest_of_an_earlier_version_is_read(services: Services) -> None:
    old = encode(sealed(services, 1).fact("manifest"))
    del old["timestamp"]
    assert decode(ManifestFact, old).timestamp is None


def test_without_an_authority_nothing_is_pending(services: Services, signing: SigningProcess) -> None:
    without = Services(load_settings({"CAPTURE_HOME": str(services.settings.home), "CAPTURE_SIGNER_URL": signing.url}))
    try:
        assert state(sealed(without, 1)) is None
        with pytest.raises(Unavailable, match="CAPTURE_TSA_URL"):
            without.domains.timestamp(bytes(32))
        Stamping(without).run()  # ends at once
    finally:
        without.close()


def test_roots_that_are_none_are_told(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="CAPTURE_TSA_ROOTS names no file; write a PEM file"):
        load_settings(environ | {"CAPTURE_TSA_ROOTS": str(tmp_path / "none")})
    (tmp_path / "empty").write_text("nothing")
    services = Services(load_settings(environ | {"CAPTURE_TSA_ROOTS": str(tmp_path / "empty")}))
    with pytest.raises(Unavailable, match="holds no certificate"):
        _ = services.time_authority


def test_a_whole_service_goes_on_without_its_authority(
    environ: dict[str, str], responder: Authority, tmp_path: Path
) -> None:
    responder.mood = "error"
    running = Running(tmp_path / "data", **environ).start()
    try:
        capture = running.register(jpeg(31)).json
        assert (capture["status"], capture["manifest"]["timestamp"]) == ("anchored", "pending")
        place = f"/v1/captures/{capture['id']}"
        assert capture["timestamp"] is None and running.ask("GET", f"{place}/timestamp").status == 404
        responder.mood = "up"
        end = time.monotonic() + 40
        while (found := running.ask("GET", place).json)["timestamp"] is None and time.monotonic() < end:
            time.sleep(0.2)
        assert (found["status"], found["timestamp"]["trusted"]) == ("anchored", True)
        assert found["timestamp"]["sha256"] == capture["manifest"]["sha256"]
        assert set(found["timestamp"]) == {"sha256", "time", "authority", "trusted"}
        answer = running.ask("GET", found["links"]["timestamp"])
        assert answer.headers["Content-Type"] == "application/timestamp-reply"
        reply = decode_timestamp_response(answer.body)
        digest = bytes.fromhex(capture["manifest"]["sha256"])
        assert VerifierBuilder(roots=[responder.root.certificate]).build().verify(reply, digest)
        events = running.ask("GET", f"{place}/events").body.decode()
        assert '"name": "timestamp"' in events and '"status": "anchored"}' in events
        other = running.register(jpeg(32)).json
        assert other["manifest"]["timestamp"] == "embedded"
        assert b"in the photo's own signature" in running.ask("GET", f"/v1/captures/{other['id']}/timestamp").body
    finally:
        running.stop()
