"""Captures that a device vouches for, through HTTP: enrolled, signed, checked by a stranger; all else is refused."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ledger import verify
from provenance.assertions import DEVICE
from tests.capture_api.test_proof import check, unpacked
from tests.capture_api.test_signed import read_by_anybody
from tests.devices import Phone, content_digest, nonce_of
from tests.photos import small_jpeg
from tests.service import Answer, Running


@pytest.fixture(scope="module")
def phone(service: Running) -> Phone:
    """An enrolled phone."""
    made = Phone()
    answer = made.enrol(service)
    assert answer.status == 201, answer.body
    return made


def refused(answer: Answer) -> str:
    """The reason why a signature was refused."""
    assert (answer.status, answer.json["type"]) == (403, "/docs#problem-signature-refused"), answer.body
    return str(answer.json["reason"])


def test_a_signed_capture_is_in_the_record_the_manifest_the_leaf_and_on_its_page(
    service: Running, phone: Phone, tmp_path: Path
) -> None:
    answer = phone.register(service, photo := small_jpeg(1400))
    capture = answer.json
    assert (answer.status, capture["status"]) == (201, "anchored"), answer.body
    fact = capture["device"]
    assert (fact["device"], fact["thumbprint"], fact["key"]) == (phone.id, phone.thumbprint.hex(), phone.key.hex())
    assert (fact["attested"]["level"], fact["way"], fact["notices"]) == ("key", "request", [])
    assert abs(fact["clock_difference_s"]) <= 5
    assert content_digest(photo) in fact["text"]
    signed = service.ask("GET", capture["links"]["file"]).body
    _, manifest = read_by_anybody(service, signed, "image/jpeg")
    (said,) = (each["data"] for each in manifest["assertions"] if each["label"] == DEVICE)
    assert (said["key"]["thumbprint"], said["level"]) == (phone.thumbprint.hex(), "key")
    assert b"digitalCapture" not in signed  # no operator's policy named the level
    assert bytes.fromhex(capture["leaf"]["statement"][0]).rstrip(b"\0") == b"capture/leaf/v2"
    folder = unpacked(service, capture, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert code == 0
    assert re.search(r"^passed +device +the device's key, of level 'key'", out, re.M), out
    page = service.ask("GET", f"/a/{capture['id']}", key=None, Accept="text/html").body.decode()
    assert "A device signed for this very file" in page and "Nobody but the uploader vouches for that key" in page
    shown = service.ask("GET", f"/a/{capture['id']}", key=None, Accept="application/json").json["device"]
    assert shown["level"] == "key" and phone.id not in json.dumps(shown)


def test_an_unsigned_capture_is_as_before(service: Running) -> None:
    capture = service.register(small_jpeg(1401)).json
    assert capture["device"] is None
    assert bytes.fromhex(capture["leaf"]["statement"][0]).rstrip(b"\0") == b"capture/leaf/v1"
    names = zipfile.ZipFile(io.BytesIO(service.ask("GET", capture["links"]["bundle"]).body)).namelist()
    assert "p256.py" not in names


@pytest.mark.parametrize("damage", ["text", "signature", "level", "gone", "key", "version"])
def test_a_receipt_with_another_device_fails(service: Running, phone: Phone, tmp_path: Path, damage: str) -> None:
    photo = small_jpeg(1402)
    capture = phone.register(service, photo).json
    receipt = service.ask("GET", f"/v1/captures/{capture['id']}/receipt").json
    passed = verify.verify(json.dumps(receipt).encode(), photo)
    assert [result for name, result, _ in passed if name == "device"] == ["passed"]
    fact = receipt["device"]
    assert receipt["version"] == 2  # so that a verifier that knows no devices says why it fails
    if damage == "version":
        receipt["version"] = 1
    elif damage == "gone":
        del receipt["device"]
        receipt["version"] = 1
    elif damage == "level":
        fact["attested"]["level"] = "app-attest"
    else:
        fact[damage] = fact[damage][:-1] + ("0" if fact[damage][-1] != "0" else "1")
    steps = {name: result for name, result, _ in verify.verify(json.dumps(receipt).encode(), photo)}
    assert steps["receipt" if damage == "version" else "leaf" if damage == "gone" else "device"] == "failed"


def test_a_replay_is_refused_and_nothing_registered(service: Running, phone: Phone) -> None:
    photo, nonce = small_jpeg(1403), nonce_of(service)
    other = small_jpeg(1404)
    assert phone.register(service, photo, nonce).status == 201
    assert refused(phone.register(service, photo, nonce)) == "replayed"
    assert refused(phone.register(service, other, nonce)) == "replayed"
    answer = service.register(other)
    assert (answer.status, answer.json["device"]) == (201, None)  # new: the refused one left nothing


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"nonce": None}, "missing-component"),
        ({"nonce": "made-up"}, "unknown-nonce"),
        ({"keyid": "0" * 24}, "unknown-device"),
        ({"keyid": None}, "missing-component"),
        ({"created": None}, "missing-component"),
        ({"created": 10**14}, "malformed"),
        ({"expires": 1_618_884_473}, "expired"),
        ({"expires": -1}, "malformed"),
        ({"alg": "rsa-pss-sha512"}, "wrong-algorithm"),
        ({"covered": '"@method" "@path"'}, "missing-component"),
        ({"covered": '"@path" "content-digest"'}, "missing-component"),
        ({"covered": '"@method" "content-digest"'}, "missing-component"),
    ],
)
def test_a_signature_that_says_too_little_is_refused(
    service: Running, phone: Phone, parameters: dict[str, Any], reason: str
) -> None:
    photo, given = small_jpeg(1405), dict(parameters)
    nonce = given.pop("nonce", nonce_of(service))
    headers = phone.headers("POST", "/v1/captures", photo, nonce, **given)
    assert refused(service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", **headers)) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Signature": "capture=:AAAA:"}, "wrong-key"),
        ({"Signature": None}, "missing-component"),
        ({"Signature_Input": None}, "missing-component"),
        ({"Signature": "other=:AAAA:"}, "unknown-label"),
        ({"Signature": "capture=:AAAA:, other=:AAAA:"}, "several-signatures"),
        ({"Signature": "capture=:AAAA:, capture=:AAAB:"}, "several-signatures"),
        ({"Signature": "capture=12"}, "malformed"),
        ({"Signature": "capture=:AA"}, "malformed"),
        ({"Signature_Input": 'capture=("@method";req "@path" "content-digest")'}, "unknown-component"),
        ({"Signature_Input": 'capture=("@method" "@path" "content-digest" "@target-uri")'}, "unknown-component"),
        ({"Signature_Input": 'capture=("@method" "@path" "content-digest" "content-digest")'}, "malformed"),
        ({"Signature_Input": "capture=1"}, "malformed"),
        ({"Signature_Input": 'capture=("@method" "@path" "content-digest" "idempotency-key")'}, "missing-component"),
        ({"Content_Digest": None}, "missing-component"),
        ({"Content_Digest": "sha-512=:AAAA:"}, "wrong-digest"),
        ({"Capture_Statement": "a.b.c"}, "several-signatures"),
    ],
)
def test_headers_that_are_not_one_signature_are_refused(
    service: Running, phone: Phone, change: dict[str, Any], reason: str
) -> None:
    photo = small_jpeg(1406)
    headers = phone.headers("POST", "/v1/captures", photo, nonce_of(service)) | change
    sent = {name: value for name, value in headers.items() if value is not None}
    assert refused(service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", **sent)) == reason


def test_other_bytes_another_path_and_another_key_are_refused(service: Running, phone: Phone) -> None:
    photo, other = small_jpeg(1407), small_jpeg(1408)
    headers = phone.headers("POST", "/v1/captures", photo, nonce_of(service))
    sent = {"Content_Type": "image/jpeg", **headers}
    assert refused(service.ask("POST", "/v1/captures", other, **sent | {"Content_Digest": content_digest(other)}))
    answer = service.ask("POST", "/v1/captures", other, **sent)
    assert answer.json["type"] == "/docs#problem-wrong-digest"
    elsewhere = phone.headers("POST", "/v1/verify", photo, nonce_of(service))
    assert refused(service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", **elsewhere)) == "wrong-key"
    thief = Phone(id=phone.id)
    assert refused(thief.register(service, photo)) == "wrong-key"


def test_a_device_is_its_owners_and_revoked_for_good(service: Running) -> None:
    stranger = service.command("keys", "add", "stranger", "--scope", "capture").stdout.strip()
    mine = Phone()
    assert mine.enrol(service).status == 201
    assert refused(mine.register(service, small_jpeg(1409), key=stranger)) == "unknown-device"
    assert refused(mine.register(service, small_jpeg(1409), nonce=nonce_of(service, stranger))) == "unknown-nonce"
    assert service.ask("GET", f"/v1/devices/{mine.id}", key=stranger).status == 404
    assert service.ask("DELETE", f"/v1/devices/{mine.id}", key=stranger).status == 404
    assert mine.id in [each["id"] for each in service.ask("GET", "/v1/devices").json["devices"]]
    assert service.ask("DELETE", f"/v1/devices/{mine.id}").json["revoked_at"]
    assert refused(mine.register(service, small_jpeg(1409))) == "revoked"
    again = Phone(mine.private)
    assert again.enrol(service).json["type"] == "/docs#problem-conflict"


@pytest.mark.parametrize(
    ("jwk", "said"),
    [
        ({"crv": "P-384"}, "P-256"),
        ({"x": "AAAA"}, "32 bytes"),
        ({"y": "A" * 43}, "no point of the curve"),
        ({"d": "secret"}, "private key"),
        ({"x": None}, "32 bytes"),
    ],
)
def test_a_key_that_is_none_is_refused(service: Running, jwk: dict[str, Any], said: str) -> None:
    phone = Phone()
    body = json.dumps({"name": "phone", "public_key": phone.jwk | jwk}).encode()
    headers = phone.headers("POST", "/v1/devices", body, nonce_of(service))
    answer = service.ask("POST", "/v1/devices", body, Content_Type="application/json", **headers)
    assert (answer.status, answer.json["reason"]) == (422, "malformed")
    assert said in answer.json["detail"]


def test_only_who_has_the_key_can_enrol_it(service: Running) -> None:
    phone, thief = Phone(), Phone()
    body = json.dumps({"name": "phone", "public_key": phone.jwk}).encode()
    for keyid in (thief.thumbprint, phone.thumbprint):
        shown = thief.headers("POST", "/v1/devices", body, nonce_of(service), keyid=keyid.hex())
        assert (
            refused(service.ask("POST", "/v1/devices", body, Content_Type="application/json", **shown)) == "wrong-key"
        )
    assert refused(service.ask("POST", "/v1/devices", body, Content_Type="application/json")) == "missing-component"
    headers = phone.headers("POST", "/v1/devices", body, nonce_of(service))
    changed = body.replace(b"phone", b"other")
    assert refused(service.ask("POST", "/v1/devices", changed, **headers)) == "wrong-digest"
    for wrong in (
        b"",
        b"[]",
        b'{"name": "a\\u0000", "public_key": {}}',
        b'{"name": ""}',
        b'{"name": "a", "public_key": {}, "more": 1}',
        b"\xff",
    ):
        assert service.ask("POST", "/v1/devices", wrong).json["type"] == "/docs#problem-malformed-request"
    assert service.ask("POST", "/v1/devices", b"x" * 300_000).json["type"] == "/docs#problem-too-large"


def test_what_nobody_configured_is_refused_by_name(service: Running) -> None:
    for attestation, reason in (
        ({"format": "apple-appattest", "attestation": ""}, "not-configured"),
        ({"format": "android-key", "chain": ["", ""]}, "not-configured"),
        ({"format": "android-key", "chain": []}, "malformed"),
        ({"format": "play-integrity", "token": "x"}, "not-configured"),
        ({"format": "none"}, "wrong-format"),
        ({}, "wrong-format"),
    ):
        answer = Phone().enrol(service, attestation)
        assert (answer.status, answer.json["reason"]) == (422, reason)


def test_a_statement_made_offline_is_kept_with_its_time_and_its_counter(service: Running, tmp_path: Path) -> None:
    phone = Phone()
    phone.enrol(service)
    phone.behind_s = 86_400
    notices = {}
    photos = [small_jpeg(1410 + at) for at in range(5)]
    for photo, counter in zip(photos, (1, 5, 5, 3, 6), strict=True):
        answer = service.register(photo, Capture_Statement=phone.statement(photo, counter))
        assert answer.status == 201, answer.body
        fact = answer.json["device"]
        notices[hash(photo)] = fact["notices"]
        assert (fact["way"], fact["counter"]) == ("statement", counter)
        assert -86_410 < fact["clock_difference_s"] < -86_390
    first, gap, reused, late, last = (notices[hash(photo)] for photo in photos)
    assert (first, last) == ([], [])
    assert "3 before this one had not come" in gap[0]
    assert reused == ["the counter 5 was used before, for another photo or one that was erased"]
    assert "number 5 came before number 3" in late[1]
    folder = unpacked(service, answer.json, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert code == 0 and re.search("^passed +device", out, re.M), out
    page = service.ask("GET", f"/a/{answer.json['id']}", key=None, Accept="text/html").body.decode()
    assert "without a network" in page and "which is a claim" in page


def test_a_clock_that_is_ahead_is_named(service: Running) -> None:
    phone = Phone(behind_s=-7_200)
    phone.enrol(service)
    fact = phone.register(service, small_jpeg(1420)).json["device"]
    assert 7_190 < fact["clock_difference_s"] < 7_210
    assert "ahead of the server's" in fact["notices"][0]


def test_statements_that_do_not_hold_are_refused(service: Running, phone: Phone) -> None:
    photo, other = small_jpeg(1421), small_jpeg(1422)
    good = phone.statement(photo, 100)
    unsigned = {"alg": "none", "typ": "capture-statement+jwt"}
    wrong = {
        "": "malformed", "a.b": "malformed", "a.b.c": "malformed", good + "A": "wrong-key",
        phone.statement(photo, 100, unsigned): "wrong-algorithm",
        phone.statement(photo, 100, {"alg": "ES256"}): "malformed",
        phone.statement(other, 100): "wrong-digest",
        phone.statement(photo, 100, device="0" * 24): "unknown-device",
        Phone(id=phone.id).statement(photo, 100): "wrong-key",
        phone.statement(photo, 0): "malformed", phone.statement(photo, True): "malformed",
        phone.statement(photo, 100, time="now"): "malformed", phone.statement(photo, 100, sha256="00"): "malformed",
        phone.statement(photo, 100, device=1): "malformed", "x" * 3_000: "malformed",
        phone.statement(photo, 100, device="\0"): "malformed",
        phone.statement(photo, 100, device="\ud800"): "malformed",
    }  # fmt: skip
    for statement, reason in wrong.items():
        answer = service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", Capture_Statement=statement)
        assert refused(answer) == reason, statement
    assert service.register(photo).json["device"] is None


def test_a_photo_that_is_known_stays_as_it_was(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1423)
    assert service.register(photo).status == 201
    answer = phone.register(service, photo)
    assert (answer.status, answer.json["device"]) == (200, None)
    assert "adds nothing" in answer.json["notice"]


def test_a_signature_that_comes_with_the_second_attempt_is_said_to_add_nothing(service: Running, phone: Phone) -> None:
    def send(photo: bytes, key: str, statement: str = "") -> Answer:
        said = {"Capture_Statement": statement} if statement else {}
        headers: Any = {"Content_Type": "image/jpeg", "Idempotency_Key": key} | said
        return service.ask("POST", "/v1/captures", photo, **headers)

    photo, signed = small_jpeg(1431), small_jpeg(1432)
    assert send(photo, "attempts").status == 202
    again = send(photo, "attempts", phone.statement(photo, 200))
    assert again.json["device"] is None
    assert "adds nothing" in again.json["notice"]
    for attempt in (1, 2):
        answer = send(signed, "signed", phone.statement(signed, 201))
        assert answer.json["device"], f"attempt {attempt}"
        assert "notice" not in answer.json


def test_erasure_takes_the_devices_word_with_it(service: Running, phone: Phone) -> None:
    capture = phone.register(service, small_jpeg(1424)).json
    assert service.ask("DELETE", f"/v1/captures/{capture['id']}").status == 202
    gone = service.ask("GET", f"/v1/captures/{capture['id']}")
    assert gone.status == 410 and phone.thumbprint.hex() not in gone.body.decode()
