"""`capture monitor`: one line an event, numbers for Prometheus, and a file of evidence when a log has forked."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ledger.checkpoint import replace
from ledger.monitor import Fork, Monitor, State
from ledger.outside import OutsideContract, OutsideLog
from ledger.witness_server import address, log_keys
from pipeline.errors import Rejected, Unavailable

EXIT_LATE, EXIT_FORK = 3, 4  # 1 and 2 are the command line's own: it could not start, it was called wrongly


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    log: str
    key: str
    rpc: str
    contract: str
    state: Path
    once: bool
    deadline_s: float
    interval_s: float
    from_block: int | None
    metrics_listen: str | None
    metrics_file: Path | None


def main(options: Options) -> int:
    """Look once, or until SIGINT or SIGTERM; the exit status.

    0: nothing wrong. 4: a fork; the evidence is beside the state file. 3, with `once`: something is late, or did not
    answer. Raises Rejected, Unavailable and Conflict for what cannot be started with.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keys = log_keys([options.key])
    if len(keys) != 1:
        raise Rejected(f"a monitor follows one log, and {options.key} has {len(keys)} keys")
    (key,) = keys
    contract = OutsideContract(options.rpc, options.contract)
    state = State.load(options.state, str(key), contract.address, contract.chain_id())
    told = _Events(state)
    registry = CollectorRegistry()
    registry.register(_Numbers(state))
    _listen(options.metrics_listen, registry)
    monitor = Monitor(
        OutsideLog(options.log, str(key)), contract, state, told.tell, lambda: state.save(options.state),
        options.deadline_s, options.from_block,
    )  # fmt: skip
    try:
        return _run(monitor, options, told, registry)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        raise Unavailable(f"{error.filename or options.state}, which cannot be written: {error.strerror}") from None


def _run(monitor: Monitor, options: Options, told: "_Events", registry: CollectorRegistry) -> int:
    while True:
        try:
            well = monitor.look()
        except Fork as fork:
            told.tell("fork", why=str(fork), evidence=_keep_evidence(options, fork))
            monitor.state.save(options.state)
            return EXIT_FORK
        finally:
            if options.metrics_file:
                write_to_textfile(str(options.metrics_file), registry)
        if options.once:
            return 0 if well else EXIT_LATE
        time.sleep(options.interval_s)


def _keep_evidence(options: Options, fork: Fork) -> str:
    file = options.state.with_name(f"{options.state.stem}.fork-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json")
    evidence = {"key": options.key, "log": options.log, **fork.evidence}
    replace(file, json.dumps(evidence, indent=1, ensure_ascii=False) + "\n", 0o644)
    return str(file)


def _listen(metrics: str | None, registry: CollectorRegistry) -> None:
    if metrics is None:
        return
    host, port = address(metrics)
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        raise Unavailable(f"the address {metrics}, where nobody else may listen: {error.strerror}") from None


class _Events:
    """Prints events as lines of name=value, and counts them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def tell(self, event: str, **fields: Any) -> None:
        self._state.events[event] = self._state.events.get(event, 0) + 1
        words = "".join(f" {name}={_word(value)}" for name, value in fields.items())
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {event}{words}\n")
        sys.stdout.flush()


def _word(value: Any) -> str:
    text = str(value)
    return text if text and all(c.isprintable() and c not in ' "=' for c in text) else json.dumps(text)


@dataclass(eq=False)  # a registry tells collectors apart by which they are
class _Numbers:
    """What a monitor knows, at the moment it is asked."""

    state: State

    def collect(self) -> Iterator[Metric]:
        state, newest = self.state, self.state.checkpoint
        waiting = int(time.time()) - state.waiting[0][1] if state.waiting else 0
        yield _gauge("log_size", "Leaves in the newest checkpoint found good", newest.size if newest else 0)
        yield _gauge("anchored_size", "Leaves that the contract holds", state.anchored)
        yield _gauge("scanned_block", "The last block looked at", state.scanned or 0)
        yield _gauge("waiting_seconds", "Age of the oldest checkpoint that is not on the chain", waiting)
        yield _gauge("unproved_roots", "Roots on the chain that the log does not cover yet", len(state.unproved))
        yield _gauge("late", "Things that are past the deadline", len(state.late))
        up = GaugeMetricFamily("capture_monitor_up", "Whether usable answers come", labels=["who"])
        for who in ("chain", "log"):
            up.add_metric([who], float(who not in state.trouble))
        events = CounterMetricFamily("capture_monitor_events", "Lines printed, since the state began", labels=["event"])
        for event in ("checkpoint", "anchored", "trouble", "late", "fork"):
            events.add_metric([event], state.events.get(event, 0))
        yield up
        yield events


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"capture_monitor_{name}", text, value=value)
