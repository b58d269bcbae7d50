"""Credentials through both doors: every fixture's verdict, hostile photos that make nobody call, lists that change."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from provenance.keys import Identity
from tests.photos import SHARED, jpeg
from tests.provenance.fuzz import tripwire
from tests.provenance.hostile import hostile_photos
from tests.provenance.orders import signed_copy
from tests.provenance.test_inspect import MEDIA_TYPES, STATES, fixture_rows
from tests.service import Running

FIXTURES = SHARED / "c2pa"


def verified(service: Running, photo: bytes, media_type: str = "image/jpeg") -> Any:
    answer = service.ask("POST", "/v1/verify", photo, Content_Type=media_type)
    assert answer.status == 200, answer.body
    return answer.json["credentials"]


def captured(service: Running, photo: bytes, media_type: str = "image/jpeg") -> Any:
    answer = service.register(photo, media_type=media_type)
    assert answer.status in (200, 201, 202, 422), answer.body
    return answer.json.get("capture", answer.json)


@pytest.mark.parametrize(("name", "measured"), fixture_rows())
def test_every_fixture_gets_its_verdict_through_both_doors(service: Running, name: str, measured: str) -> None:
    photo, media_type = (FIXTURES / name).read_bytes(), MEDIA_TYPES[Path(name).suffix]
    asked = verified(service, photo, media_type)
    assert asked["state"] == asked["worst"] == STATES[measured]
    capture = captured(service, photo, media_type)
    assert capture["credentials"] == asked
    original = service.ask("GET", capture["links"]["original"])
    assert original.body == photo, "whatever its credentials are, the photo is kept as it came"
    assert (capture["rejection"], capture["status"]) == (None, "anchored"), "no credentials stop a photo"


def test_a_tampered_photo_that_was_signed_again_reads_invalid(service: Running, tmp_path: Path) -> None:
    if not FIXTURES.is_dir():
        pytest.skip("the shared fixtures are not here")
    tampered = (FIXTURES / "adobe-20220124-XCA.jpg").read_bytes()
    identity = Identity.load_or_make(service.home / "keys/c2pa")
    laundered = signed_copy(tampered, "image/jpeg", tmp_path, identity)[0].read_bytes()
    for found in (verified(service, laundered), captured(service, laundered)["credentials"]):
        assert (found["state"], found["worst"], found["trusted_by"]) == ("trusted", "invalid", "this service")
        assert found["ingredients"][0]["state"] == "invalid"
        assert found["ingredients"][0]["faults"][0] == "the file was changed after it was signed"
        assert found["reason"].startswith("the photo it was made from")


def test_what_we_sign_ourselves_tampered_and_signed_again_by_us(service: Running, tmp_path: Path) -> None:
    capture = captured(service, jpeg(880))
    tampered = bytearray(service.ask("GET", capture["links"]["file"]).body)
    tampered[-300] ^= 4
    second = captured(service, bytes(tampered))
    laundered = service.ask("GET", second["links"]["file"]).body
    found = verified(service, laundered)
    assert (second["credentials"]["state"], found["state"], found["worst"]) == ("invalid", "trusted", "invalid")


def test_no_photo_makes_the_service_call_anybody(service: Running, tmp_path: Path) -> None:
    with tripwire() as (port, came):
        for photo in hostile_photos(tmp_path, port):
            assert verified(service, photo)["state"] in ("remote_only", "valid")
            assert captured(service, photo)["status"] in ("anchored", "logged", "sealed")
        assert came == []


def test_other_lists_give_a_dated_verdict_beside_the_fact(service: Running, tmp_path: Path) -> None:
    stranger = Identity.load_or_make(tmp_path / "stranger")
    photo = signed_copy(jpeg(881, 320, 240), "image/jpeg", tmp_path, stranger)[0].read_bytes()
    before = captured(service, photo)
    assert (before["credentials"]["state"], before["credentials_now"]) == ("valid", None)
    (tmp_path / "newsroom.pem").write_text(stranger.root_pem)
    try:
        added = service.command("trust", "add", str(tmp_path / "newsroom.pem"))
        assert added.returncode == 0, added.stderr
        assert re.search(r"^newsroom +manifest +1 ", service.command("trust", "list").stdout, re.MULTILINE)
        now = _wait_for_verdict(service, before["id"], "trusted")
        assert (now["worst"], now["trusted_by"], now["reason"]) == ("trusted", "newsroom", None)
        assert now["judged_at"] > before["created_at"] and now["trust_lists"] != before["credentials"]["trust_lists"]
        assert verified(service, photo)["trusted_by"] == "newsroom"
        again = service.ask("GET", f"/v1/captures/{before['id']}").json
        assert again["credentials"] == before["credentials"], "the fact of the day of upload stays"
    finally:
        (service.home / "trust/newsroom.pem").unlink(missing_ok=True)
    assert _wait_for_verdict(service, before["id"], "valid")["trusted_by"] is None


def _wait_for_verdict(service: Running, capture_id: str, state: str) -> Any:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        now = service.ask("GET", f"/v1/captures/{capture_id}").json["credentials_now"]
        if now and now["state"] == state:
            return now
        time.sleep(0.2)
    raise AssertionError(f"no verdict {state} came: {now}")


def test_a_bad_list_is_refused_with_one_sentence(service: Running, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("hello")
    refused = service.command("trust", "add", str(tmp_path / "bad.pem"))
    assert refused.returncode == 1 and "holds no certificates" in refused.stderr and "Traceback" not in refused.stderr
