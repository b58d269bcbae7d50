"""Killing any one process during 20 uploads loses none of them; stopping and starting keeps everything."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.photos import jpeg
from tests.service import Running, free_port

UPLOADS = 20
ALL_ANCHORED_S = 90
CHAIN_HEALS_S = 20  # a killed chain lost its last second; the same transactions are sent to it again
VICTIMS = ("api", "photos-1", "queue", "chain", "ledger", "sweeper", "signer")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("faults") / "data").start()
    yield running
    running.stop()


def _upload(running: Running, photo: bytes) -> str:
    """As a phone does: try again until it is acknowledged."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            answer = running.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", timeout=20)
        except OSError:
            time.sleep(0.1)
            continue
        if answer.status in (200, 202):
            return str(answer.json["id"])
        assert answer.status == 503, answer.body
        time.sleep(0.1)
    raise AssertionError("never acknowledged")


def _all_anchored(running: Running, ids: list[str]) -> None:
    end = time.monotonic() + ALL_ANCHORED_S
    while ids := [i for i in ids if running.ask("GET", f"/v1/captures/{i}").json["status"] != "anchored"]:
        assert time.monotonic() < end, f"{len(ids)} are not anchored: {running.log()[-3000:]}"
        time.sleep(0.5)


def _verified(running: Running, capture_id: str, photo: bytes, folder: Path) -> None:
    (folder / "photo.jpg").write_bytes(photo)
    (folder / "receipt.json").write_bytes(running.ask("GET", f"/v1/captures/{capture_id}/receipt").body)
    port = (running.home / "run/chain-port").read_text()
    arguments = ["verify", str(folder / "receipt.json"), str(folder / "photo.jpg"), "--rpc", f"http://127.0.0.1:{port}"]
    end = time.monotonic() + CHAIN_HEALS_S
    while (result := running.command(*arguments)).returncode != 0:
        assert time.monotonic() < end, result.stdout + result.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "victim"), list(enumerate(VICTIMS)))
def test_killing_one_process_loses_nothing(running: Running, number: int, victim: str, tmp_path: Path) -> None:
    photos = [jpeg(2000 + 100 * number + i, 400, 300) for i in range(UPLOADS)]
    with ThreadPoolExecutor(4) as pool:
        uploads = [pool.submit(_upload, running, photo) for photo in photos]
        while sum(upload.done() for upload in uploads) < UPLOADS // 3:
            time.sleep(0.01)
        processes = running.processes()
        name = next(name for name in processes if name.endswith(victim))
        os.kill(processes[name], signal.SIGKILL)
        ids = [upload.result() for upload in uploads]
    assert len(set(ids)) == UPLOADS
    _all_anchored(running, ids)
    assert running.processes()[name] != processes[name]
    for place in (0, UPLOADS // 3, UPLOADS - 1):
        _verified(running, ids[place], photos[place], tmp_path)


def test_a_stop_and_a_start_keep_everything(running: Running, tmp_path: Path) -> None:
    photo = jpeg(3000, 400, 300)
    capture = running.register(photo).json
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10
    running.start()
    assert running.ask("GET", f"/v1/captures/{capture['id']}").json == capture
    _verified(running, capture["id"], photo, tmp_path)
    again = running.register(jpeg(3001, 400, 300)).json
    assert again["anchor"]["contract"] == capture["anchor"]["contract"]
    assert again["inclusion"]["index"] == capture["inclusion"]["index"] + 1


@pytest.mark.timeout(300)
def test_the_whole_service_killed_at_once_loses_nothing(running: Running, tmp_path: Path) -> None:
    photos = [jpeg(3100 + i, 400, 300) for i in range(8)]
    ids = [_upload(running, photo) for photo in photos]
    running.stop(signal.SIGKILL)
    running.start()
    _all_anchored(running, ids)
    _verified(running, ids[-1], photos[-1], tmp_path)


def test_a_second_service_in_the_same_home_is_refused(running: Running) -> None:
    second = running.command("up", timeout=30)
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_a_port_that_is_taken_is_refused(running: Running, tmp_path: Path) -> None:
    other = Running(tmp_path / "data", CAPTURE_LISTEN=f"127.0.0.1:{running.port}")
    refused = other.command("up", timeout=30)
    assert refused.returncode == 1
    assert "CAPTURE_LISTEN" in refused.stderr


def test_two_that_start_at_once_have_a_chain_each(tmp_path: Path) -> None:
    port, both = free_port(), [Running(tmp_path / name / "data") for name in ("one", "two")]
    for each in both:
        (each.home / "run").mkdir(parents=True, mode=0o700)
        (each.home / "run/chain-port").write_text(str(port))  # both would like to have it
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Running.start, both))
    try:
        assert len({(each.home / "run/chain-port").read_text() for each in both}) == 2
        assert [each.register(jpeg(3300, 400, 300)).json["status"] for each in both] == ["anchored"] * 2
        assert all("chain ended" not in each.log() for each in both)
    finally:
        for each in both:
            each.stop()


def test_bytes_that_are_out_of_reach_for_a_while_are_no_fault_of_the_photo(running: Running) -> None:
    away = running.home / "blobs-away"
    os.kill(running.processes()["sweeper"], signal.SIGSTOP)
    for name, pid in running.processes().items():
        if "photos" in name:
            os.kill(pid, signal.SIGSTOP)
    capture = running.ask("POST", "/v1/captures", jpeg(3200, 400, 300), Content_Type="image/jpeg").json
    (running.home / "blobs").rename(away)
    for pid in running.processes().values():
        os.kill(pid, signal.SIGCONT)
    time.sleep(8)
    status = running.ask("GET", f"/v1/captures/{capture['id']}").json["status"]
    if (running.home / "blobs").exists():
        (running.home / "blobs").rename(running.home / "blobs-made-meanwhile")
    away.rename(running.home / "blobs")
    assert status == "received"
    _all_anchored(running, [capture["id"]])


def test_files_are_nobody_elses(running: Running) -> None:
    open_to_others = [p for p in running.home.rglob("*") if p.lstat().st_mode & 0o077]
    assert {path.name for path in open_to_others} <= {"root.pem", "log.vkey"}, "public keys only"
