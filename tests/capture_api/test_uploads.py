"""Uploads in pieces, by clients that nobody here wrote and by hand: every byte once, and a capture at the end."""

import base64
import gc
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient

from tests.photos import jpeg
from tests.service import ROOT, Answer, Running

TUS = ROOT / "tests" / "tus"
NODE = Path(sys.executable).with_name("node")
PIECE = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service that may be harmed."""
    running = Running(tmp_path_factory.mktemp("uploads") / "data").start()
    yield running
    running.stop()


def large(seed: int, size: int = 3_000_000) -> bytes:
    """A photo with a long tail, which is a part of the file like any other."""
    photo = jpeg(seed, 640, 480)
    return photo + os.urandom(size - len(photo))


def tus(service: Running, method: str, path: str, body: bytes | None = None, **headers: Any) -> Answer:
    return service.ask(method, path, body, **({"Tus_Resumable": "1.0.0"} | headers))


def begun(service: Running, length: int, **headers: Any) -> str:
    answer = tus(service, "POST", "/v1/uploads", b"", Upload_Length=str(length), **headers)
    assert answer.status == 201, answer.body
    return str(answer.headers["Location"])


def said(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def original(service: Running, location: str) -> bytes:
    return service.ask("GET", f"{location}/original").body


def node(service: Running, photo: Path, **wish: Any) -> Any:
    wish = {"endpoint": f"{service.base}/v1/uploads", "key": service.key, "file": str(photo)} | wish
    done = subprocess.run([NODE, "send.mjs", json.dumps(wish)], cwd=TUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "wish",
    [{}, {"chunk": 700_000}, {"chunk": 400_000, "abortAt": 900_000}, {"parallel": 3},
     {"chunk": 1_000_000, "override": True}, {"protocol": "ietf-draft-03"},
     {"protocol": "ietf-draft-05", "chunk": 1_000_000}],
    ids=["plain", "chunked", "abort and resume", "parallel", "method override", "IETF draft 03", "IETF draft 05"],
)  # fmt: skip
def test_tus_js_client(service: Running, tmp_path: Path, wish: dict[str, Any], request: pytest.FixtureRequest) -> None:
    photo = large(sum(request.node.name.encode()))
    (tmp_path / "photo.jpg").write_bytes(photo)
    done = node(service, tmp_path / "photo.jpg", **wish)
    assert original(service, done["location"]) == photo
    assert done["stopped"] is ("abortAt" in wish)
    if wish.get("override"):
        assert {method for method, _ in done["requests"]} == {"POST"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves files to be closed
def test_tuspy(service: Running, tmp_path: Path) -> None:
    photo = large(3)
    file = str(tmp_path / "photo.jpg")
    Path(file).write_bytes(photo)
    client = TusClient(f"{service.base}/v1/uploads", headers={"Authorization": f"Bearer {service.key}"})
    metadata = {"filename": "photo.jpg", "sha256": hashlib.sha256(photo).hexdigest()}
    first: Any = client.uploader(file, chunk_size=1_000_000, metadata=metadata, upload_checksum=True)
    first.upload_chunk()
    again: Any = client.uploader(file, chunk_size=500_000, url=first.url)
    assert again.offset == 1_000_000
    again.upload()
    state = tus(service, "HEAD", first.url.removeprefix(service.base))
    assert original(service, state.headers["Content-Location"]) == photo
    del first, again
    gc.collect()  # here, where the warning is passed over


def test_what_the_metadata_says_is_what_the_headers_say(service: Running) -> None:
    photo = jpeg(8301)
    wishes = json.dumps({"rights": {"creator": "Ada"}, "published": False})
    location = begun(service, len(photo), Upload_Metadata=said(filetype="image/jpeg", metadata=wishes))
    done = tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE)
    capture = service.ask("GET", done.headers["Content-Location"]).json
    assert (capture["rights"]["creator"], capture["published"]) == ("Ada", False)
    again = tus(service, "HEAD", location)
    assert again.headers["Content-Location"] == done.headers["Content-Location"]
    assert again.headers["Upload-Offset"] == str(len(photo))


def test_the_same_bytes_by_another_door_are_the_same_capture(service: Running) -> None:
    photo = jpeg(8302)
    first = service.register(photo).json["id"]
    location = begun(service, len(photo))
    done = tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE)
    assert done.headers["Content-Location"] == f"/v1/captures/{first}"


def test_a_piece_with_a_wrong_checksum_is_forgotten(service: Running) -> None:
    photo = jpeg(8303)
    location = begun(service, len(photo))
    wrong = "sha256 " + base64.b64encode(bytes(32)).decode()
    answer = tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE, Upload_Checksum=wrong)
    assert (answer.status, answer.json["type"]) == (460, "/docs#problem-checksum-mismatch")
    assert tus(service, "HEAD", location).headers["Upload-Offset"] == "0"
    right = "sha1 " + base64.b64encode(hashlib.sha1(photo).digest()).decode()
    assert (
        tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE, Upload_Checksum=right).status
        == 204
    )


def test_an_upload_can_be_removed(service: Running) -> None:
    location = begun(service, 1000)
    assert tus(service, "DELETE", location).status == 204
    assert tus(service, "HEAD", location).status == 404


def test_lengths_that_are_known_later(service: Running) -> None:
    photo = jpeg(8304)
    answer = tus(service, "POST", "/v1/uploads", photo[:900], Upload_Defer_Length="1", Content_Type=PIECE)
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, "900")
    location = answer.headers["Location"]
    assert tus(service, "HEAD", location).headers["Upload-Defer-Length"] == "1"
    more = {"Upload_Offset": "900", "Upload_Length": str(len(photo)), "Content_Type": PIECE}
    done = tus(service, "PATCH", location, photo[900:], **more)
    assert original(service, done.headers["Content-Location"]) == photo


@pytest.mark.parametrize(
    ("headers", "body", "status", "kind"),
    [({"Upload_Offset": "5"}, b"x", 409, "wrong-offset"), ({"Upload_Offset": "0"}, b"x" * 1001, 400, "wrong-length"),
     ({"Upload_Offset": "-1"}, b"x", 400, "malformed-request"), ({}, b"x", 400, "malformed-request"),
     ({"Upload_Offset": "0", "Content_Type": "image/jpeg"}, b"x", 415, "wrong-media-type"),
     ({"Upload_Offset": "0", "Tus_Resumable": "0.2.0"}, b"x", 412, "wrong-version"),
     ({"Upload_Offset": "0", "Upload_Checksum": "crc32 x"}, b"x", 400, "malformed-request")],
)  # fmt: skip
def test_a_bad_piece_is_refused_and_nothing_of_it_kept(
    service: Running, headers: dict[str, str], body: bytes, status: int, kind: str
) -> None:
    location = begun(service, 1000)
    answer = tus(service, "PATCH", location, body, **({"Content_Type": PIECE} | headers))
    assert (answer.status, answer.json["type"]) == (status, f"/docs#problem-{kind}")
    assert tus(service, "HEAD", location).headers["Upload-Offset"] == "0"


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [({}, 400, "malformed-request"), ({"Upload_Length": "0"}, 400, "empty-upload"),
     ({"Upload_Length": str(10**12)}, 413, "too-large"), ({"Upload_Length": "1e3"}, 400, "malformed-request"),
     ({"Upload_Length": "9", "Upload_Metadata": "metadata %%%"}, 422, "invalid-metadata"),
     ({"Upload_Length": "9", "Upload_Metadata": said(metadata='{"x": 1}')}, 422, "invalid-metadata"),
     ({"Upload_Length": "9", "Upload_Metadata": said(sha256="../../etc")}, 422, "invalid-metadata"),
     ({"Upload_Length": "9", "Upload_Metadata": said(metadata='{"rights": {"x": "y"}}')}, 422, "invalid-metadata"),
     ({"Upload_Length": "9", "Upload_Concat": "sideways"}, 400, "malformed-request"),
     ({"Upload_Concat": "final;/v1/uploads/../x"}, 404, "no-upload")],
)  # fmt: skip
def test_an_upload_that_could_become_nothing_is_not_begun(
    service: Running, headers: dict[str, str], status: int, kind: str
) -> None:
    answer = tus(service, "POST", "/v1/uploads", b"", **headers)
    assert (answer.status, answer.json["type"]) == (status, f"/docs#problem-{kind}")


def test_bytes_that_are_no_photo_leave_nothing(service: Running) -> None:
    location = begun(service, 9)
    answer = tus(service, "PATCH", location, b"PK\3\4 a.zip"[:9], Upload_Offset="0", Content_Type=PIECE)
    assert (answer.status, answer.json["type"]) == (415, "/docs#problem-wrong-media-type")
    assert tus(service, "HEAD", location).status == 404
    photo = jpeg(8305)
    location = begun(service, len(photo), Upload_Metadata=said(sha256="00" * 32))
    answer = tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE)
    assert (answer.status, answer.json["type"]) == (400, "/docs#problem-wrong-digest")
    assert not (service.home / "uploads" / location.rpartition("/")[2]).exists()


def test_anothers_upload_is_none(service: Running) -> None:
    location = begun(service, 1000)
    made = service.command("keys", "add", "other", "--scope", "capture")
    key = next(word for word in made.stdout.split() if word.startswith("cap"))
    for method in ("HEAD", "DELETE"):
        assert tus(service, method, location, key=key).status == 404
    assert tus(service, "PATCH", location, b"x", key=key, Upload_Offset="0", Content_Type=PIECE).status == 404


def test_a_connection_that_dies_keeps_what_came_and_a_new_one_takes_over(service: Running) -> None:
    photo = large(8306, 1_200_000)
    location = begun(service, len(photo))
    dead = socket.create_connection(("127.0.0.1", service.port))
    dead.sendall(
        f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nContent-Length: {len(photo)}\r\n\r\n".encode()
        + photo[:1_150_000]
    )
    end = time.monotonic() + 10
    while (offset := int(tus(service, "HEAD", location).headers["Upload-Offset"])) == 0:
        assert time.monotonic() < end, "a megabyte is committed while the rest is awaited"
        time.sleep(0.05)
    # The dead one was not closed, as when a phone leaves its network: the newer request is the writer.
    done = tus(service, "PATCH", location, photo[offset:], Upload_Offset=str(offset), Content_Type=PIECE)
    assert original(service, done.headers["Content-Location"]) == photo
    dead.close()


def test_what_came_before_a_cut_is_kept(service: Running) -> None:
    photo = large(8307, 400_000)
    location = begun(service, len(photo))
    with socket.create_connection(("127.0.0.1", service.port)) as cut:
        cut.sendall(
            f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nContent-Length: {len(photo)}\r\n\r\n".encode()
            + photo[:300_000]
        )
        time.sleep(0.3)
    end = time.monotonic() + 10
    while (offset := int(tus(service, "HEAD", location).headers["Upload-Offset"])) < 290_000:
        assert time.monotonic() < end
        time.sleep(0.05)
    done = tus(service, "PATCH", location, photo[offset:], Upload_Offset=str(offset), Content_Type=PIECE)
    assert original(service, done.headers["Content-Location"]) == photo


def test_two_that_write_at_once_give_one_photo(service: Running) -> None:
    photo = large(8308, 2_000_000)
    location = begun(service, len(photo))

    def send(_: int) -> int:
        return tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE).status

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(send, range(4)))
    assert set(statuses) <= {204, 409, 423, 404}
    offset = int(tus(service, "HEAD", location).headers["Upload-Offset"])
    if offset < len(photo):
        tus(service, "PATCH", location, photo[offset:], Upload_Offset=str(offset), Content_Type=PIECE)
    assert original(service, tus(service, "HEAD", location).headers["Content-Location"]) == photo


# -- the dialogue of iOS, per interop version --------------------------------------------------------------------------


def draft(service: Running, version: int, method: str, path: str, body: bytes | None = None, **headers: Any) -> Answer:
    return service.ask(method, path, body, Upload_Draft_Interop_Version=str(version), **headers)


def done_header(version: int, done: bool) -> dict[str, str]:
    return (
        {"Upload_Incomplete": "?0" if done else "?1"} if version == 3 else {"Upload_Complete": "?1" if done else "?0"}
    )


def is_done(version: int, answer: Answer) -> bool:
    return bool(
        answer.headers["Upload-Incomplete"] == "?0" if version == 3 else answer.headers["Upload-Complete"] == "?1"
    )


@pytest.mark.parametrize("version", [3, 5, 6, 8])
def test_the_dialogue_of_each_interop_version(service: Running, version: int) -> None:
    photo = jpeg(8310 + version)
    piece = {"Content_Type": "application/partial-upload" if version >= 6 else "application/octet-stream"}
    first = draft(service, version, "POST", "/v1/captures", photo[:1000], **done_header(version, False))
    assert first.status == 201 and first.headers["Upload-Draft-Interop-Version"] == str(version)
    assert not is_done(version, first) and first.headers["Upload-Offset"] == "1000"
    location = first.headers["Location"]
    state = draft(service, version, "HEAD", location)
    assert (state.status, state.headers["Upload-Offset"], state.headers["Cache-Control"]) == (204, "1000", "no-store")
    if version >= 6:
        assert ("max-age=" if version == 8 else "expires=") in state.headers["Upload-Limit"]
    wrong = draft(
        service, version, "PATCH", location, photo[5:9], Upload_Offset="5", **piece, **done_header(version, False)
    )
    assert (wrong.status, wrong.headers["Upload-Offset"]) == (409, "1000")
    assert wrong.json["type"].endswith("#mismatching-upload-offset") and wrong.json["expected-offset"] == 1000
    middle = draft(service, version, "PATCH", location, photo[1000:3000], Upload_Offset="1000", **piece,
                   **done_header(version, False))  # fmt: skip
    assert middle.status == 204 and not is_done(version, middle)
    last = draft(
        service, version, "PATCH", location, photo[3000:], Upload_Offset="3000", **piece, **done_header(version, True)
    )
    assert last.status in (201, 202) and is_done(version, last) and last.json["id"]
    assert last.headers["Content-Location"] == f"/v1/captures/{last.json['id']}"
    assert original(service, last.headers["Content-Location"]) == photo
    lost = draft(service, version, "HEAD", location)
    assert is_done(version, lost) and lost.headers["Content-Location"] == last.headers["Content-Location"]
    more = draft(service, version, "PATCH", location, b"more", Upload_Offset=str(len(photo)), **piece,
                 **done_header(version, True))  # fmt: skip
    assert more.status == 400


@pytest.mark.parametrize("version", [3, 5, 6, 8])
def test_a_photo_in_one_request_is_a_plain_upload(service: Running, version: int) -> None:
    photo = jpeg(8320 + version)
    answer = draft(
        service, version, "POST", "/v1/captures", photo, Content_Type="image/jpeg", **done_header(version, True)
    )
    assert answer.status == 202 and original(service, answer.headers["Content-Location"]) == photo


def test_a_version_that_is_not_known_is_told(service: Running) -> None:
    answer = draft(service, 7, "POST", "/v1/captures", b"x", Upload_Complete="?0")
    assert (answer.status, answer.json["type"]) == (412, "/docs#problem-wrong-version")


def test_lengths_that_disagree_are_told(service: Running) -> None:
    answer = draft(service, 8, "POST", "/v1/captures", b"xyz", Upload_Complete="?1", Upload_Length="9")
    assert answer.status == 400 and answer.json["type"].endswith("#inconsistent-upload-length")


# -- kill -9 -----------------------------------------------------------------------------------------------------------


def test_killing_the_service_loses_no_acknowledged_byte(running: Running) -> None:
    # Every fourth comes in pieces of more than a megabyte, which are acknowledged in steps.
    made = [large(8400 + number, 3_000_000 if number % 4 == 0 else 900_000) for number in range(20)]
    photos = {begun(running, len(photo)): photo for photo in made}
    acknowledged = dict.fromkeys(photos, 0)

    def send(location: str, until: int) -> None:
        photo = photos[location]
        piece = 1_300_000 if len(photo) > 1_000_000 else 60_000
        while acknowledged[location] < until:
            at = acknowledged[location]
            try:
                answer = tus(
                    running, "PATCH", location, photo[at : at + piece], Upload_Offset=str(at), Content_Type=PIECE
                )
            except (OSError, http.client.HTTPException):
                return
            if answer.status != 204:
                return
            acknowledged[location] = int(answer.headers["Upload-Offset"])

    with ThreadPoolExecutor(16) as pool:  # as many as one key may send at once
        sending = [pool.submit(send, location, 10**9) for location in photos]
        while sum(acknowledged.values()) < 5_000_000:
            time.sleep(0.01)
        os.kill(running.processes()["api"], signal.SIGKILL)
        for one in sending:
            one.result()
    end = time.monotonic() + 60
    for location, photo in photos.items():
        while True:
            try:
                offset = int(tus(running, "HEAD", location).headers["Upload-Offset"])
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert offset >= acknowledged[location]
        if offset < len(photo):
            done = tus(running, "PATCH", location, photo[offset:], Upload_Offset=str(offset), Content_Type=PIECE)
            assert done.status == 204
        assert original(running, tus(running, "HEAD", location).headers["Content-Location"]) == photo


def test_killed_between_the_last_byte_and_the_capture_it_becomes_one_all_the_same(running: Running) -> None:
    from settings import load_settings
    from wiring import Services

    photo = jpeg(8500)
    location = begun(running, len(photo))
    services = Services(load_settings(running.environ))
    try:  # as a process leaves it that is killed after the commit of the last byte
        owner = services.keys.all()[0].owner
        upload = services.uploads.get(location.rpartition("/")[2], owner)
        with services.uploads.writer(upload) as writer:
            writer.append(photo)
    finally:
        services.close()
    assert original(running, tus(running, "HEAD", location).headers["Content-Location"]) == photo
