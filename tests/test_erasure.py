"""Erasure of a capture in the running service: what stays provable, what is left on the disk, and kills in between."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.photos import encoded, jpeg, picture
from tests.service import Answer, Running
from tests.traces import found_in, traces_of

GONE_S = 5


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("erasure") / "data").start()
    yield running
    running.stop()


def _copy(seed: int) -> bytes:
    return encoded(picture(seed, 640, 480).resize((480, 360)), "JPEG", quality=70)


def _get(running: Running, path: str, **more: Any) -> Answer:
    return running.ask("GET", path, **more)


def _needles(running: Running, capture_id: str, photo: bytes) -> dict[str, bytes]:
    receipt = _get(running, f"/v1/captures/{capture_id}/receipt").json
    fingerprint = _get(running, f"/v1/captures/{capture_id}/fingerprint").json
    thumbnail = _get(running, f"/v1/captures/{capture_id}/thumbnail").body
    more = {f"thumbnail at {at}": thumbnail[at : at + 24] for at in range(1000, len(thumbnail) - 24, 2000)}
    return traces_of(photo, receipt["statement"][1], fingerprint) | more


def _erase(running: Running, capture_id: str) -> None:
    answer = running.ask("DELETE", f"/v1/captures/{capture_id}")
    assert (answer.status, answer.json) == (202, {"id": capture_id, "status": "erased"})


def _until(done: Callable[[], object], within_s: float, what: str) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def _nothing_left(folder: Path, needles: dict[str, bytes], within_s: float = GONE_S) -> None:
    end = time.monotonic() + within_s
    while left := found_in(folder, needles):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def _matches(running: Running, photo: bytes) -> list[tuple[str, str]]:
    answer = running.ask("POST", "/v1/verify", photo, Content_Type="image/jpeg").json
    return [(match["id"], match["kind"]) for match in answer["matches"]]


def _tombstone(running: Running, capture_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def anchored() -> bool:
        found.update(_get(running, f"/v1/captures/{capture_id}").json["tombstone"] or {})
        return bool(found.get("anchor"))

    _until(anchored, 15, "the tombstone is not anchored")
    return found


def test_nothing_is_left_of_an_erased_photo_and_its_receipt_still_proves(running: Running, tmp_path: Path) -> None:
    photo, copy = jpeg(4000, 640, 480), _copy(4000)
    first, second = running.register(photo, Idempotency_Key="again").json, running.register(copy).json
    assert second["verdict"]["matches"][0]["id"] == first["id"]
    shared = set(_needles(running, second["id"], copy).values())  # a near copy may have the very same ISCC
    needles = {name: value for name, value in _needles(running, first["id"], photo).items() if value not in shared}
    assert {"digest", "salt as hex", "code", "points as text", "photo at 1000", "thumbnail at 1000"} <= set(needles)
    _matches(running, photo)  # a question stays in the queue's file
    before = found_in(running.home, needles)
    assert set().union(*before.values()) >= set(needles) - {"salt"}, "the search finds them while they are there"
    assert {name.split("/")[0] for name in before} >= {"blobs", "index", "queue"}
    assert {"capture.db", "capture.db-wal"} & set(before)
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "receipt.json").write_bytes(_get(running, f"/v1/captures/{first['id']}/receipt").body)

    _erase(running, first["id"])
    _nothing_left(running.home, needles)
    assert _matches(running, photo) == [(second["id"], "near_copy")]

    node = f"http://127.0.0.1:{(running.home / 'run/chain-port').read_text()}"
    files = [str(tmp_path / "receipt.json"), str(tmp_path / "photo.jpg")]
    for more in ([], ["--rpc", node]):
        verified = running.command("verify", *files, *more)
        assert verified.returncode == 0, verified.stdout
    _tells_that_it_was_erased(running, first["id"], second["id"])
    _says_so_in_the_log(running, first)

    again = running.register(photo, Idempotency_Key="again").json
    assert again["id"] != first["id"], "neither the bytes nor the idempotency key are remembered"
    assert again["verdict"]["matches"][0]["id"] == second["id"]
    running.stop()
    running.start()
    assert {found for found, _ in _matches(running, photo)} == {again["id"], second["id"]}


def _tells_that_it_was_erased(running: Running, erased: str, other: str) -> None:
    for method, path in (
        ("GET", f"/v1/captures/{erased}"),
        ("GET", f"/v1/captures/{erased}/original"),
        ("GET", f"/v1/captures/{erased}/receipt"),
        ("GET", f"/v1/captures/{erased}/events"),
        ("GET", f"/v1/captures/{other}/matches/{erased}/evidence.png"),
        ("DELETE", f"/v1/captures/{erased}"),
        ("GET", f"/a/{erased}/thumbnail"),
    ):
        answer = running.ask(method, path)
        assert (answer.status, answer.json["type"]) == (410, "/docs#problem-erased"), (method, path)
        assert answer.json["erased_at"] in answer.json["detail"]
    page = _get(running, f"/a/{erased}", key=None, Accept="text/html")
    assert page.status == 410
    assert b"This capture was erased" in page.body
    stranger = running.command("keys", "add", "stranger").stdout.strip()
    for method in ("GET", "DELETE"):
        assert running.ask(method, f"/v1/captures/{erased}", key=stranger).status == 404
    named = _get(running, f"/v1/captures/{other}").json["verdict"]["matches"][0]
    assert (named["id"], named["links"]) == (erased, {}), "the verdict stays, and leads nowhere"
    assert _get(running, f"/a/{other}", key=None, Accept="text/html").status == 200
    assert _get(running, f"/a/{other}", key=None, Accept="application/json").json["verdict"]["unpublished_matches"] == 1


def _says_so_in_the_log(running: Running, erased: dict[str, Any]) -> None:
    tombstone = _tombstone(running, erased["id"])
    words = tombstone["leaf"]["statement"]
    assert bytes.fromhex(words[0]).rstrip(b"\0") == b"capture/tombstone/v1"
    assert words[2] == erased["leaf"]["digest"]
    assert int(words[3], 16) == erased["inclusion"]["index"]
    assert int(words[8], 16) >= erased["anchor"]["block_time"] - 5
    size = tombstone["inclusion"]["tree_size"]
    hashes = _get(running, f"/log/tile/0/000.p/{size}", key=None).body
    held = [hashes[at : at + 32].hex() for at in range(0, len(hashes), 32)]
    assert held[erased["inclusion"]["index"]] == erased["leaf"]["digest"], "the entry stays where it was"
    assert held[tombstone["inclusion"]["index"]] == tombstone["leaf"]["digest"]
    assert tombstone["anchor"]["note"] == "local chain: not independent proof"


def test_a_blob_that_anothers_capture_names_stays(running: Running) -> None:
    photo = jpeg(4010, 640, 480)
    other_key = running.command("keys", "add", "other").stdout.strip()
    mine = running.register(photo).json
    theirs = running.register(photo, key=other_key)
    assert theirs.status == 201
    _erase(running, mine["id"])
    _tombstone(running, mine["id"])
    path = f"/v1/captures/{theirs.json['id']}"
    assert _get(running, f"{path}/original", key=other_key).body == photo
    assert running.ask("DELETE", path, key=other_key).status == 202
    digest = mine["asset"]["sha256"]
    _until(lambda: not list((running.home / "blobs").rglob(digest)), GONE_S, "the last user is gone, the blob is not")


def test_erased_while_it_is_worked_on(running: Running) -> None:
    """At every moment from its arrival on: nothing of it comes back, and what is registered after it goes on."""
    erased = {}
    for place in range(12):
        photo = jpeg(4020 + place, 640, 480)
        capture = running.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg").json
        time.sleep(place * 0.06)
        _erase(running, capture["id"])
        erased[capture["id"]] = photo
    last = running.register(jpeg(4040, 640, 480)).json
    assert last["status"] == "anchored"
    needles = {f"{place} {at}": photo[at : at + 24]
               for place, photo in enumerate(erased.values()) for at in range(1000, len(photo) - 24, 5000)}  # fmt: skip
    for capture_id in erased:
        _tombstone(running, capture_id)
    _nothing_left(running.home, needles)
    assert "fault of ours" not in running.log()
    assert "Traceback" not in running.log()


def test_an_erasure_survives_every_kill(running: Running) -> None:
    photos = [jpeg(4050 + place, 640, 480) for place in range(4)]
    captures = [running.register(photo).json for photo in photos]
    needles: dict[str, bytes] = {}
    for capture, photo in zip(captures, photos, strict=True):
        found = _needles(running, capture["id"], photo)
        needles |= {f"{capture['id']} {name}": needle for name, needle in found.items()}
    os.kill(running.processes()["sweeper"], signal.SIGSTOP)
    for capture in captures:
        _erase(running, capture["id"])
    assert found_in(running.home / "blobs", needles), "the wish is written, the bytes are still there"
    running.stop(signal.SIGKILL)
    running.start()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        with suppress(ProcessLookupError):  # killed before, and not started again yet
            os.kill(running.processes()["sweeper"], signal.SIGKILL)
        time.sleep(0.4)
    _nothing_left(running.home, needles, within_s=20)
    for capture in captures:
        tombstone = _tombstone(running, capture["id"])
        assert tombstone["leaf"]["statement"][2] == capture["leaf"]["digest"]
    size = int(_get(running, "/log/checkpoint", key=None).body.split(b"\n")[1])
    hashes = _get(running, f"/log/tile/0/000.p/{size}", key=None).body
    held = [hashes[at : at + 32].hex() for at in range(0, len(hashes), 32)]
    assert len(set(held)) == size, "no leaf is there twice"


def test_an_unpublished_photo_leaves_no_word_for_strangers(running: Running) -> None:
    metadata = json.dumps({"published": False})
    capture = running.register(jpeg(4060, 640, 480), Capture_Metadata=metadata).json
    _erase(running, capture["id"])
    assert _get(running, f"/a/{capture['id']}", key=None, Accept="application/json").status == 404
    assert _get(running, f"/v1/captures/{capture['id']}").status == 410


def test_those_who_wait_are_told(running: Running) -> None:
    workers = [pid for name, pid in running.processes().items() if "photos" in name]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        capture = running.ask("POST", "/v1/captures", jpeg(4070, 640, 480), Content_Type="image/jpeg").json
        with ThreadPoolExecutor(2) as pool:
            events = pool.submit(_get, running, f"/v1/captures/{capture['id']}/events")
            waiting = pool.submit(running.register, jpeg(4070, 640, 480))
            time.sleep(1)
            _erase(running, capture["id"])
            assert events.result(10).body.endswith(b'event: end\ndata: {"status": "erased"}\n\n')
            assert waiting.result(10).status == 410
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
