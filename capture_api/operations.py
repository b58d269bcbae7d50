"""/healthz, /readyz, /metrics: what operators and their machines ask."""

from collections.abc import Callable

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from capture_api.auth import needs
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from pipeline.errors import Unavailable
from store.bell import LEDGER, PHOTOS

operations = Blueprint("operations", __name__)


@operations.get("/healthz")
def healthz() -> Response:
    """This process answers; it says nothing about the engines."""
    return json_answer({"status": "ok"})


@operations.get("/readyz")
@needs("capture", "review")
def readyz() -> Response:
    """Each engine is asked; 503 names those that do not answer."""
    here = services()
    checks: dict[str, Callable[[], object]] = {
        "database": here.captures.newest_fact,
        "blobs": here.blobs.check,
        "queue": here.bell.check,
        "chain": here.check_chain,
        "signer": here.check_signer,
    }
    engines = {name: _state(check) for name, check in checks.items()}
    broken = [name for name, state in engines.items() if state != "ok"]
    if broken:
        raise problem("unavailable", f"These do not answer: {', '.join(broken)}. The log says why.", engines=engines)
    return json_answer({"status": "ok", "engines": engines})


@operations.get("/metrics")
@needs("admin")
def metrics() -> Response:
    """Everything that is counted, of all processes."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Now())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Now:
    """What is asked of the engines at the moment of the scrape."""

    def collect(self) -> list[GaugeMetricFamily]:
        counts = services().captures.counts()
        captures = GaugeMetricFamily("capture_captures", "Captures: all, open, held by a problem", labels=["which"])
        for which, count in counts.items():
            captures.add_metric([which], count)
        queue = GaugeMetricFamily("capture_queue_length", "Jobs that wait", labels=["queue"])
        for name in (PHOTOS, LEDGER):
            queue.add_metric([name], services().bell.length(name))
        newest = services().log.newest()
        size = GaugeMetricFamily("capture_log_size", "Leaves in the log", value=newest[0] if newest else 0)
        witnessed = GaugeMetricFamily(
            "capture_log_witnessed_size", "Leaves in the newest checkpoint that a witness cosigned",
            value=services().log.witnessed_size() or 0,
        )  # fmt: skip
        return [captures, queue, size, witnessed]


def _state(check: Callable[[], object]) -> str:
    try:
        check()
        return "ok"
    except Unavailable:
        return "does not answer"
