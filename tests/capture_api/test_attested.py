"""Attested devices through HTTP: their level on the page, and `digitalCapture` only where the policy names it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from settings import SettingError, load_settings
from tests.capture_api.test_signed import read_by_anybody
from tests.devices import Phone, nonce_of
from tests.photos import jpeg, small_jpeg
from tests.provenance.vendors import APP, PACKAGE, SIGNER, Root, android_chain, apple_object
from tests.service import Running
from wiring import Services


@pytest.fixture(scope="module")
def root() -> Root:
    return Root()


@pytest.fixture(scope="module")
def service(root: Root, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose operator lets App Attest vouch for sensors, and Android not."""
    folder: Path = tmp_path_factory.mktemp("attested")
    (folder / "roots.pem").write_bytes(root.pem)
    file = folder / "attestation.toml"
    file.write_text(f"""
        digital_capture = ["app-attest"]
        [apple]
        app_ids = ["{APP}"]
        roots = "roots.pem"
        [android]
        packages = ["{PACKAGE}"]
        signers = ["{SIGNER.hex()}"]
        roots = "roots.pem"
    """)
    running = Running(folder / "data", CAPTURE_ATTESTATION=str(file)).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def attested(service: Running, root: Root) -> Phone:
    """A phone that Apple vouches for."""
    phone, nonce = Phone(), nonce_of(service)
    made = base64.b64encode(apple_object(root, phone, nonce)).decode()
    answer = phone.enrol(service, {"format": "apple-appattest", "attestation": made}, nonce)
    assert (answer.status, answer.json["level"]) == (201, "app-attest"), answer.body
    return phone


def source_type(service: Running, capture: Any) -> str | None:
    """The digital source type of the first action in the signed photo."""
    photo = service.ask("GET", capture["links"]["signed"]).body
    verdict, manifest = read_by_anybody(service, photo, "image/jpeg")
    assert verdict == "Trusted"
    (actions,) = (each["data"]["actions"] for each in manifest["assertions"] if each["label"] == "c2pa.actions.v2")
    found = actions[0].get("digitalSourceType", "")
    assert actions[0]["action"] == ("c2pa.created" if found else "c2pa.opened")
    return str(found).rpartition("/")[2] or None


def test_the_named_level_vouches_for_its_sensor_and_the_page_says_so(service: Running, attested: Phone) -> None:
    capture = attested.register(service, small_jpeg(1500)).json
    assert source_type(service, capture) == "digitalCapture"
    page = service.ask("GET", f"/a/{capture['id']}", key=None, Accept="text/html").body.decode()
    assert "Apple attested that an unchanged app" in page and "does not prove that the device’s camera" in page


def test_a_copy_of_a_registered_photo_is_no_capture_whoever_signs(service: Running, attested: Phone) -> None:
    service.register(small_jpeg(1501))
    copy = attested.register(service, jpeg(1501, quality=60)).json
    assert copy["verdict"]["kind"] == "near_copy"
    assert source_type(service, copy) is None


def test_a_photo_with_credentials_of_its_own_keeps_them(service: Running, attested: Phone) -> None:
    first = service.register(small_jpeg(1502)).json
    signed = service.ask("GET", first["links"]["signed"]).body
    service.ask("DELETE", f"/v1/captures/{first['id']}")
    again = attested.register(service, signed).json
    assert again["credentials"]["state"] == "trusted"
    assert source_type(service, again) is None


def test_a_level_that_is_not_named_does_not(service: Running, root: Root) -> None:
    phone, nonce = Phone(), nonce_of(service)
    chain = [base64.b64encode(each).decode() for each in android_chain(root, phone, nonce, level=2)]
    answer = phone.enrol(service, {"format": "android-key", "chain": chain}, nonce)
    assert answer.json["level"] == "android-strongbox", answer.body
    capture = phone.register(service, small_jpeg(1503)).json
    assert capture["device"]["attested"]["level"] == "android-strongbox"
    assert source_type(service, capture) is None
    assert source_type(service, service.register(small_jpeg(1504)).json) is None


def test_an_attestation_cannot_be_replayed(service: Running, root: Root) -> None:
    phone, nonce = Phone(), nonce_of(service)
    made = base64.b64encode(apple_object(root, phone, nonce)).decode()
    said = {"format": "apple-appattest", "attestation": made}
    late = phone.enrol(service, said, nonce_of(service))
    assert (late.status, late.json["type"], late.json["reason"]) == (
        422, "/docs#problem-attestation-refused", "wrong-nonce",
    )  # fmt: skip
    thief = Phone().enrol(service, said, nonce)
    assert (thief.status, thief.json["reason"]) == (422, "wrong-nonce")
    assert phone.enrol(service, said, nonce).json["reason"] == "replayed"


def test_a_policy_that_is_none_stops_the_start_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "attestation.toml"
    file.write_text("[apple]")
    settings = load_settings({"CAPTURE_HOME": str(tmp_path), "CAPTURE_ATTESTATION": str(file)})
    with pytest.raises(SettingError, match=r"CAPTURE_ATTESTATION: \[apple\]: app_ids is to be a list"):
        _ = Services(settings).attestation
