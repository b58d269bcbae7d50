"""The whole service with PostgreSQL as its database and index, as several machines would share it."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, ImageDraw

from tests.devices import Phone
from tests.photos import encoded, jpeg, picture, small_jpeg
from tests.postgres import execute, running_postgres
from tests.service import Running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_postgres() as url:
        execute(url, "create database capture")
        there = url.format("capture")
        home: Path = tmp_path_factory.mktemp("postgres") / "data"
        service = Running(home, CAPTURE_DATABASE_URL=there, CAPTURE_INDEX_URL=there).start()
        yield service
        service.stop()


def captioned(image: Image.Image) -> Image.Image:
    """A copy as it is passed on: smaller, with a bar of text across it."""
    copy = image.resize((image.width * 3 // 4, image.height * 3 // 4))
    ImageDraw.Draw(copy).rectangle((0, copy.height - 60, copy.width, copy.height), fill="black")
    return copy


def test_a_photo_is_anchored_and_its_copy_is_found(running: Running) -> None:
    original = running.register(jpeg(900))
    assert original.status == 201, original.body
    copy = running.register(encoded(captioned(picture(900)), "JPEG"))
    assert copy.status == 201, copy.body
    assert copy.json["verdict"]["kind"] == "near_copy"
    assert copy.json["verdict"]["matches"][0]["id"] == original.json["id"]


def test_of_uploads_at_the_same_time_the_first_is_the_original(running: Running) -> None:
    photos = [encoded(picture(901).resize((800 - 40 * turn, 600 - 30 * turn)), "JPEG") for turn in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda photo: running.register(photo, wait=60), photos))
    kinds = [answer.json["verdict"]["kind"] for answer in answers]
    assert sorted(kinds) == ["near_copy"] * 5 + ["original"]


def test_each_photo_is_in_the_log_once(running: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: running.register(small_jpeg(910 + seed), wait=60), range(12)))
    assert [answer.status for answer in answers] == [201] * 12
    places = [
        running.ask("GET", f"/v1/captures/{answer.json['id']}/receipt").json["inclusion"]["index"] for answer in answers
    ]
    assert len(set(places)) == 12


def test_an_erased_photo_is_gone_and_the_log_says_so(running: Running) -> None:
    first = running.register(jpeg(960)).json
    second = running.register(encoded(captioned(picture(960)), "JPEG")).json
    path = f"/v1/captures/{first['id']}"
    assert running.ask("DELETE", path).status == 202
    found = running.ask("POST", "/v1/verify", jpeg(960), Content_Type="image/jpeg").json["matches"]
    assert [match["id"] for match in found] == [second["id"]]
    end = time.monotonic() + 20
    while not (running.ask("GET", path).json["tombstone"] or {}).get("anchor"):
        assert time.monotonic() < end, running.log()[-3000:]
        time.sleep(0.2)
    assert running.ask("GET", path).json["tombstone"]["leaf"]["statement"][2] == first["leaf"]["digest"]
    assert not list((running.home / "blobs").rglob(first["asset"]["sha256"]))
    assert running.register(jpeg(960)).json["id"] != first["id"]


def test_a_device_signs_and_no_text_is_too_odd(running: Running) -> None:
    phone = Phone()
    assert phone.enrol(running).status == 201
    capture = phone.register(running, jpeg(970)).json
    assert (capture["status"], capture["device"]["device"]) == ("anchored", phone.id)
    for path in ("/v1/devices/%00", "/v1/captures/%00", "/a/%00"):
        assert running.ask("GET", path).status == 404
    statement = phone.statement(jpeg(971), 1, device="\0")
    answer = running.ask("POST", "/v1/captures", jpeg(971), Content_Type="image/jpeg", Capture_Statement=statement)
    assert (answer.status, answer.json["reason"]) == (403, "malformed")


@pytest.mark.parametrize("no_id", ["a\0", "A", "a b", "é"])
def test_what_is_no_id_is_refused_before_the_database_is_asked(running: Running, no_id: str) -> None:
    photo, named = jpeg(970), {"parents": [{"id": no_id}]}
    upload = running.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", Capture_Metadata=json.dumps(named))
    assert (upload.status, "parents.0.id" in upload.json["detail"]) == (422, True), upload.body
    assert running.ask("GET", f"/v1/catalogue?after={quote(no_id)}", key=None).status == 400
    path = f"/v1/captures/{running.register(jpeg(971)).json['id']}"
    work = running.ask("POST", f"{path}/asset", b"{}", Content_Type="application/json", Prefer="wait=30")
    assert work.status == 200, work.body
    for door, body in (("derivation", named), ("claims", {"beneficiary": no_id})):
        answer = running.ask("POST", f"{path}/{door}", json.dumps(body).encode(), Content_Type="application/json")
        assert (answer.status, answer.json["type"]) == (422, "/docs#problem-invalid-metadata"), answer.body
