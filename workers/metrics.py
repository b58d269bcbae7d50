"""What the workers count. One file per worker, not per work horse: each photo forks a new process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client.values
from prometheus_client import Counter, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)
STAGE_SECONDS = Histogram("capture_stage_seconds", "Time of a stage, its write included", ["stage"], buckets=_BUCKETS)
STAGE_CPU = Counter("capture_stage_cpu_seconds_total", "CPU time of a stage in the work horse", ["stage"])
CRASHES = Counter("capture_crashes_total", "Work horses that died on a photo")


def name_this_process(name: str) -> None:
    """Write this process's counts under a name instead of a process id. Before the first count."""
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Count the time and the CPU time of a stage that ends well."""
    began, began_cpu = time.perf_counter(), time.process_time()
    yield
    STAGE_SECONDS.labels(stage).observe(time.perf_counter() - began)
    STAGE_CPU.labels(stage).inc(time.process_time() - began_cpu)
