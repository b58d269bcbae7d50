"""What does `/a/{id}` cost in each dialect? CPU of the API's processes, for a 12 MP photo under an open licence.

The whole service runs; requests come one after the other over one connection, without a key.
"""

import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from capture_api.negotiation import DIALECTS
from tests.photos import jpeg
from tests.service import Running

REQUESTS = 300
WARM_UP = 20
MOST_CPU_MS = 10.0  # in every dialect
RIGHTS = {"creator": "Ada Lovelace", "credit": "Ada", "copyright_notice": "© Ada", "licence": "cc-by-4.0"}
ADDRESSES = {
    **{name: (f"/a/{{id}}?format={name}", kind) for name, kind in DIALECTS.items()},
    "image": ("/a/{id}?format=image", "image/jpeg"),
    "thumbnail": ("/a/{id}/thumbnail", "image/jpeg"),
    "oembed": ("/oembed?url={base}/a/{id}", "application/json+oembed"),
}


def main() -> int:
    """Print a table; the exit status says whether every dialect keeps to the target."""
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        running = Running(Path(folder) / "data", CAPTURE_RATE_LIMITS="100000 100000").start()
        try:
            metadata = json.dumps({"rights": RIGHTS})
            capture = running.register(jpeg(1, 4000, 3000, quality=92), Capture_Metadata=metadata).json
            results = {
                name: _cost(running, address, kind, capture["id"]) for name, (address, kind) in ADDRESSES.items()
            }
        finally:
            running.stop()
    print(f"{'dialect':10} {'CPU ms':>8} {'p50 ms':>8} {'bytes':>10}")
    for name, (cpu_ms, p50_ms, size) in results.items():
        print(f"{name:10} {cpu_ms:8.2f} {p50_ms:8.2f} {size:10,}")
    worst = max(cpu_ms for cpu_ms, _, _ in results.values())
    print(f"worst {worst:.2f} ms CPU, target ≤ {MOST_CPU_MS} ms: {'met' if worst <= MOST_CPU_MS else 'MISSED'}")
    return 0 if worst <= MOST_CPU_MS else 1


def _cost(running: Running, address: str, kind: str, capture_id: str) -> tuple[float, float, int]:
    """CPU milliseconds of one answer, its median time in milliseconds, and its size."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    path = address.format(id=capture_id, base=running.base)

    def ask() -> tuple[float, int]:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        assert str(answer.headers["Content-Type"]).startswith(kind)
        return (time.perf_counter() - began) * 1e3, len(body)

    for _ in range(WARM_UP):
        ask()
    before = _cpu_s(running)
    asked = [ask() for _ in range(REQUESTS)]
    spent = _cpu_s(running) - before
    connection.close()
    return spent / REQUESTS * 1e3, statistics.median(took for took, _ in asked), asked[-1][1]


def _cpu_s(running: Running) -> float:
    main = psutil.Process(running.processes()["api"])
    return sum(sum(process.cpu_times()[:2]) for process in (main, *main.children(recursive=True)))


if __name__ == "__main__":
    sys.exit(main())
