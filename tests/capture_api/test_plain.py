"""Before, with and after a plain upload: check, quotas, Expect: 100-continue, and saying more until it is signed."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from settings import MAX_UPLOAD_BYTES
from tests.photos import jpeg, small_jpeg
from tests.service import Answer, Running

GONE_S = 15


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a small quota for keys that are not the operator's."""
    running = Running(tmp_path_factory.mktemp("plain") / "data", CAPTURE_QUOTAS="400000 3 2").start()
    yield running
    running.stop()


def _key(running: Running, name: str) -> str:
    made = running.command("keys", "add", name)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def _problem(answer: Answer, status: int, kind: str) -> dict[str, Any]:
    assert (answer.status, answer.json["type"]) == (status, f"/docs#problem-{kind}"), answer.body
    found: dict[str, Any] = answer.json
    return found


def _json(running: Running, method: str, path: str, body: object, **more: Any) -> Answer:
    return running.ask(method, path, json.dumps(body).encode(), Content_Type="application/json", **more)


def _check(running: Running, *photos: bytes, **more: Any) -> list[dict[str, str]]:
    digests = [hashlib.sha256(photo).hexdigest() for photo in photos]
    answer = _json(running, "POST", "/v1/captures/check", {"sha256": digests}, **more)
    assert answer.status == 200, answer.body
    results: list[dict[str, str]] = answer.json["results"]
    assert [found["sha256"] for found in results] == digests
    return results


def test_check_says_what_need_not_and_what_must_not_be_sent(running: Running) -> None:
    here, gone, new = small_jpeg(9600), small_jpeg(9601), small_jpeg(9602)
    first, second = running.register(here).json, running.register(gone).json
    assert running.ask("DELETE", f"/v1/captures/{second['id']}").status == 202
    found = _check(running, new, here, gone)
    assert [(one["state"], one.get("id")) for one in found] == [
        ("unknown", None), ("known", first["id"]), ("erased", None),
    ]  # fmt: skip
    stranger = _key(running, "stranger")
    assert {one["state"] for one in _check(running, new, here, gone, key=stranger)} == {"unknown"}
    again = running.register(gone)
    assert (again.status, again.json["id"] != second["id"]) == (201, True), "whoever sends it anyway registers it anew"
    assert _check(running, gone)[0] == {**found[2], "state": "known", "id": again.json["id"]}


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"sha256": ["00" * 32] * 1001}, 422, "invalid-metadata"),
        ({"sha256": ["AA" * 32]}, 422, "invalid-metadata"),
        ({"sha256": ["00" * 31]}, 422, "invalid-metadata"),
        ({"sha256": "00" * 32}, 422, "invalid-metadata"),
        ({"sha256": [], "owner": "me"}, 422, "invalid-metadata"),
        ([], 422, "invalid-metadata"),
        ({"sha256": ["0" * 200_000]}, 413, "too-large"),
    ],
    ids=["many", "capitals", "short", "no list", "more", "no object", "large"],
)
def test_a_check_that_cannot_be_read_is_refused(running: Running, body: object, status: int, kind: str) -> None:
    _problem(_json(running, "POST", "/v1/captures/check", body), status, kind)


def test_a_check_is_json_and_needs_a_key(running: Running) -> None:
    _problem(running.ask("POST", "/v1/captures/check", b"{}", Content_Type="text/plain"), 415, "wrong-media-type")
    _problem(_json(running, "POST", "/v1/captures/check", {"sha256": []}, key=None), 401, "no-key")


def test_the_same_bytes_sent_eight_times_at_once_are_stored_once(running: Running) -> None:
    photo = small_jpeg(9610)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: running.register(photo, wait=0), range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
    assert len({answer.json["id"] for answer in answers}) == 1
    digest = hashlib.sha256(photo).hexdigest()
    assert len([file for file in (running.home / "blobs").rglob("*") if digest in file.name]) == 1


def _held(running: Running, seed: int, hold_s: int = 60) -> str:
    held = running.register(small_jpeg(seed), wait=0, Capture_Metadata=json.dumps({"hold_s": hold_s}))
    assert held.status == 202
    found: str = held.json["id"]
    return found


def _until_signed(running: Running, capture_id: str) -> dict[str, Any]:
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        capture: dict[str, Any] = running.ask("GET", f"/v1/captures/{capture_id}").json
        if capture["manifest"]:
            return capture
        time.sleep(0.1)
    raise AssertionError("it was not signed")


def test_more_is_said_about_a_held_photo_before_it_is_signed(running: Running) -> None:
    capture_id = _held(running, 9620)
    path = f"/v1/captures/{capture_id}"
    said = _json(running, "PATCH", path, {"rights": {"creator": "Ada"}, "hold_s": 60})
    assert (said.status, said.json["rights"]["creator"], said.json["status"]) == (200, "Ada", "received"), said.body
    said = _json(running, "PATCH", path, {"rights": {"credit": "The Times"}, "published": False})
    assert said.status == 200
    signed = _until_signed(running, capture_id)
    assert (signed["rights"]["creator"], signed["rights"]["credit"]) == ("Ada", "The Times")
    assert (signed["published"], signed["keep_location"]) == (False, False)
    assert running.ask("GET", f"/a/{capture_id}", key=None).status == 404, "what is not published is not shown"
    late = _problem(_json(running, "PATCH", path, {"published": True}), 409, "too-late")
    assert late["stands"]["published"] is False
    assert late["stands"]["rights"]["creator"] == "Ada"


def test_a_hold_ends_by_itself(running: Running) -> None:
    capture_id = _held(running, 9621, hold_s=2)
    time.sleep(1)
    assert running.ask("GET", f"/v1/captures/{capture_id}").json["status"] == "received"
    assert _until_signed(running, capture_id)["published"] is True


def test_what_a_change_may_not_say(running: Running) -> None:
    capture_id = _held(running, 9622)
    path = f"/v1/captures/{capture_id}"
    _problem(_json(running, "PATCH", path, {"rights": {"licence": "no such"}}), 422, "invalid-metadata")
    _problem(_json(running, "PATCH", path, {"owner": "me"}), 422, "invalid-metadata")
    _problem(_json(running, "PATCH", path, {"hold_s": 3601}), 422, "invalid-metadata")
    _problem(_json(running, "PATCH", path, {}, key=_key(running, "other")), 404, "not-found")
    assert running.ask("DELETE", path).status == 202
    _problem(_json(running, "PATCH", path, {"published": False}), 410, "erased")


def _limits(answer: Answer) -> tuple[str, str]:
    return answer.headers["RateLimit-Policy"], answer.headers["RateLimit"]


def test_a_key_is_told_its_quota_and_held_to_it_over_a_restart(running: Running) -> None:
    key, photos = _key(running, "phone"), [jpeg(9630 + place) for place in range(4)]
    first = running.register(photos[0], key=key)
    policy, left = _limits(first)
    assert policy == (
        '"bytes";q=400000;w=86400;qu="content-bytes", "captures";q=3;w=3600;qu="requests", '
        '"uploads";q=2;qu="concurrent-requests"'
    )
    assert left.startswith(f'"bytes";r={400_000 - len(photos[0])};t=')
    assert '"captures";r=2;t=' in left
    assert running.register(photos[0], wait=0, key=key).status == 200
    assert running.register(b"\xff\xd8\xff" + bytes(400_000), key=key).status == 429, "it would be too many bytes"
    running.stop()
    running.start()
    key_id = next(line.split()[0] for line in running.command("keys", "list").stdout.splitlines() if "phone" in line)
    assert running.command("keys", "limit", key_id, "--captures-an-hour", "1").returncode == 0
    refused = running.register(photos[1], key=key)
    found = _problem(refused, 429, "quota-exceeded")
    assert found["violated-policies"] == ["captures"]
    assert 0 < int(refused.headers["Retry-After"]) <= 3601
    assert '"captures";r=0;t=' in _limits(refused)[1]
    assert running.command("keys", "limit", key_id, "--captures-an-hour", "0", "--bytes-a-day", "0").returncode == 0
    assert running.register(photos[1], key=key).status == 201
    assert "RateLimit" not in running.register(photos[1], key=key).headers
    assert "RateLimit" not in running.register(photos[2]).headers, "the operator's own key has no limit"
    assert running.command("keys", "limit", "none").returncode == 1


def _head(running: Running, key: str, length: int, **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return (
        f"POST /v1/captures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


def _status(client: socket.socket) -> tuple[int, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(4096)
        if not more:
            break
        received += more
    return int(received.split()[1]), received


def test_only_so_many_uploads_of_a_key_at_once_and_a_cut_one_makes_room(running: Running) -> None:
    key, photo = _key(running, "busy"), small_jpeg(9640)
    slow = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2)]
    for place, client in enumerate(slow):
        client.sendall(_head(running, key, len(photo)) + photo[: 100 + place])
    time.sleep(1)
    found = _problem(running.register(photo, wait=0, key=key), 429, "quota-exceeded")
    assert found["violated-policies"] == ["uploads"]
    for client in slow:
        client.close()
    end = time.monotonic() + GONE_S
    while running.register(photo, wait=0, key=key).status == 429:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_request_whose_idempotency_key_is_in_use_is_told_so(running: Running) -> None:
    photo = small_jpeg(9641)
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(_head(running, running.key, len(photo), Idempotency_Key="mine") + photo[:100])
        time.sleep(1)
        refused = running.register(photo, wait=0, Idempotency_Key="mine")
        _problem(refused, 409, "idempotency-key-in-use")
        assert int(refused.headers["Retry-After"]) > 0
        client.sendall(photo[100:])
        assert _status(client)[0] == 202
    assert running.register(photo, wait=0, Idempotency_Key="mine").status == 200


def test_who_waits_for_100_continue_hears_it_or_is_refused_before_the_body(running: Running) -> None:
    photo = small_jpeg(9642)
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
        client.sendall(_head(running, running.key, len(photo), Expect="100-continue"))
        assert _status(client)[0] == 100
        client.sendall(photo)
        assert _status(client)[0] == 202
    key = _key(running, "full")
    running.register(photo, wait=0, key=key)
    for wanted, head in (
        (401, _head(running, "wrong", 1000, Expect="100-continue")),
        (413, _head(running, running.key, MAX_UPLOAD_BYTES + 1, Expect="100-continue")),
        (415, _head(running, running.key, 1000, Expect="100-continue").replace(b"image/jpeg", b"video/mp4")),
        (429, _head(running, key, 400_000, Expect="100-continue")),
    ):
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
            client.sendall(head)
            assert _status(client)[0] == wanted
