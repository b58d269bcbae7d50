"""`make bench-upload`: do uploads of phones keep each other alive, and what does a lost connection cost?

200 slow clients at once beside probes; one fast client beside `sha256sum` of the same file; a large upload that is cut
off 20 times; a question about 1,000 digests. Prints a table, puts it into bench/results.json.
"""

import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from settings import MAX_UPLOAD_BYTES
from tests.photos import jpeg
from tests.service import Running

RESULTS = Path(__file__).parent / "results.json"
CLIENTS, SLOW_BYTES_PER_S, SLOW_BYTES = 200, 64_000, 512_000
PROBE_S = 0.05
FAST_RUNS = 5
RESUMED_BYTES, CUTS = 100_000_000, 20
DIGESTS = 1_000
TARGETS = {
    "healthz_p99_ms": ("<=", 50.0),
    "slow_uploads_failed": ("<=", 0),
    "rss_api_mb": ("<=", 300.0),
    "fast_mb_per_s": (">=", 100.0),
    "fast_to_sha256sum": ("<=", 3.0),
    "resumed_extra_percent": ("<=", 1.0),
    "check_1000_ms": ("<=", 50.0),
}


def main() -> int:
    """Run all measurements; the exit status says whether every target was met."""
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        running = Running(Path(folder) / "data").start()
        try:
            results = _fast(running, Path(folder)) | _resumed(running) | _check(running) | _slow(running)
        finally:
            running.stop()
    for name, value in results.items():
        relation, target = TARGETS.get(name, ("", ""))
        print(f"{name:24} {value:>12.2f}   {relation} {target}")
    RESULTS.write_text(json.dumps(json.loads(RESULTS.read_text()) | {"upload": results}, indent=2) + "\n")
    return 0 if all(_met(results[name], *target) for name, target in TARGETS.items()) else 1


def _photo(seed: int, size: int) -> bytes:
    """A photo with a long tail, which is a part of the file like any other."""
    photo = jpeg(seed, 640, 480)
    return photo + os.urandom(size - len(photo))


def _slow(running: Running) -> dict[str, float]:
    """Clients at a phone's speed, and what somebody else waits for an answer meanwhile."""
    photos = [_photo(seed, SLOW_BYTES) for seed in range(CLIENTS)]
    api = psutil.Process(running.processes()["api"])
    with _probing(running, api) as (waits, memory), ThreadPoolExecutor(CLIENTS) as pool:
        statuses = list(pool.map(lambda photo: _send_slowly(running, photo), photos))
    return {
        "slow_clients": CLIENTS,
        "slow_uploads_failed": sum(status != 202 for status in statuses),
        "healthz_p50_ms": 1000 * statistics.median(waits),
        "healthz_p99_ms": 1000 * statistics.quantiles(waits, n=100)[-1],
        "rss_api_mb": max(memory) / 1e6,
    }


@contextmanager
def _probing(running: Running, api: psutil.Process) -> Iterator[tuple[list[float], list[int]]]:
    waits: list[float] = []
    memory: list[int] = []
    done = threading.Event()

    def probe() -> None:
        while not done.wait(PROBE_S):
            began = time.perf_counter()
            running.ask("GET", "/healthz", key=None)
            waits.append(time.perf_counter() - began)
            memory.append(sum(each.memory_info().rss for each in (api, *api.children())))

    prober = threading.Thread(target=probe)
    prober.start()
    try:
        yield waits, memory
    finally:
        done.set()
        prober.join()


def _send_slowly(running: Running, photo: bytes) -> int:
    with socket.create_connection(("127.0.0.1", running.port), 60) as connection:
        connection.sendall(_head(running, "POST", "/v1/captures", len(photo), "Content-Type: image/jpeg"))
        for at in range(0, len(photo), SLOW_BYTES_PER_S // 4):
            connection.sendall(photo[at : at + SLOW_BYTES_PER_S // 4])
            time.sleep(0.25)
        answer = connection.recv(64)
    return int(answer.split()[1]) if answer else 0


def _head(running: Running, method: str, path: str, length: int, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {running.key}",
             f"Content-Length: {length}", "Connection: close", *headers]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _fast(running: Running, folder: Path) -> dict[str, float]:
    """One client on a fast network, until its photo is durable; and what digesting the file alone takes."""
    size = min(MAX_UPLOAD_BYTES, 100_000_000)
    sent, digested = [], []
    for run in range(FAST_RUNS):
        file = folder / "fast.jpg"
        file.write_bytes(photo := _photo(9000 + run, size))
        began = time.perf_counter()
        subprocess.run(["sha256sum", file], check=True, capture_output=True)
        digested.append(time.perf_counter() - began)
        began = time.perf_counter()
        answer = running.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", timeout=120)
        sent.append(time.perf_counter() - began)
        assert answer.status == 202, answer.body
        running.ask("DELETE", f"/v1/captures/{answer.json['id']}")
    took = statistics.median(sent)
    return {"fast_mb_per_s": size / 1e6 / took, "fast_to_sha256sum": took / statistics.median(digested)}


def _resumed(running: Running) -> dict[str, float]:
    """A large upload whose connection is cut at random places, by tus."""
    chance = random.Random(6)
    photo = _photo(9100, RESUMED_BYTES)
    tus: dict[str, Any] = {"Tus_Resumable": "1.0.0"}
    begun = running.ask("POST", "/v1/uploads", b"", Upload_Length=str(len(photo)), **tus)
    location, sent, offset = str(begun.headers["Location"]), 0, 0
    for until in (*sorted(chance.sample(range(len(photo)), CUTS)), len(photo)):
        if until > offset:
            sent += _send_until(running, location, photo, offset, until)
        offset = _settled(running, location)
    assert offset == len(photo), offset
    state = running.ask("HEAD", location, **tus)
    assert state.headers["Content-Location"], "it is a capture"
    return {"resumed_cuts": CUTS, "resumed_extra_percent": 100 * (sent - len(photo)) / len(photo)}


def _send_until(running: Running, location: str, photo: bytes, offset: int, until: int) -> int:
    """Send up to here and cut the connection, unless that is the end; how many bytes went out."""
    head = _head(running, "PATCH", location, len(photo) - offset, "Tus-Resumable: 1.0.0",
                 f"Upload-Offset: {offset}", "Content-Type: application/offset+octet-stream")  # fmt: skip
    with socket.create_connection(("127.0.0.1", running.port), 60) as connection:
        connection.sendall(head)
        connection.sendall(photo[offset:until])
        if until == len(photo):
            assert b" 204 " in connection.recv(64)
    return until - offset


def _settled(running: Running, location: str) -> int:
    """The offset, once the cut connection's last bytes are noted."""
    before = -1
    while (now := int(running.ask("HEAD", location, Tus_Resumable="1.0.0").headers["Upload-Offset"])) != before:
        before = now
        time.sleep(0.3)
    return now


def _check(running: Running) -> dict[str, float]:
    digests = [random.Random(n).randbytes(32).hex() for n in range(DIGESTS)]
    body = json.dumps({"sha256": digests}).encode()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        answer = running.ask("POST", "/v1/captures/check", body, Content_Type="application/json")
        took.append(time.perf_counter() - began)
        assert len(answer.json["results"]) == DIGESTS
    return {"check_1000_ms": 1000 * statistics.median(took)}


def _met(value: Any, relation: str, target: float) -> bool:
    return bool(value >= target if relation == ">=" else value <= target)


if __name__ == "__main__":
    sys.exit(main())
