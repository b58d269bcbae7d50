"""Keeps child processes running: starts in order, restarts with back-off, forwards their logs, stops all in order."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

BACKOFF_S = (0.2, 0.5, 1, 2, 5)  # before the first, second, … restart in a row
HEALTHY_S = 20  # a child that lived this long starts again at the first step
STOP_S = 10  # all of them together; what still runs then is killed
READY_S = 30
LOOK_S = 0.5
WRONG_SETUP = 78  # EX_CONFIG of sysexits.h: a program that ends so before it was ready would end so again


@dataclass
class Child:
    """A program to keep running. `ready` is asked before the next child is started."""

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    max_data_bytes: int | None = None


class StartFailed(Exception):
    """A child did not become ready. The text says which, and where to look."""


class Supervisor:
    """Runs children until `stop`. One thread a child waits for it, one reads what it prints."""

    def __init__(self, started: Callable[[dict[str, int]], None] = lambda ids: None, log: IO[str] = sys.stderr) -> None:
        self._started = started
        self._log_file = log
        self._log_lock = threading.Lock()
        self._spawning = threading.Lock()
        self._running: list[tuple[Child, threading.Thread]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._last: dict[str, str] = {}

    def start(self, child: Child) -> None:
        """Start a child and wait until it is ready. Raises StartFailed."""
        self._spawn(child)
        thread = threading.Thread(target=self._keep, args=(child,), name=child.name, daemon=True)
        thread.start()
        self._running.append((child, thread))
        end = time.monotonic() + READY_S
        while not child.ready():
            if self._stopping.is_set():
                raise StartFailed(f"stopped before {child.name} was ready")
            if self._processes[child.name].poll() == WRONG_SETUP:
                time.sleep(0.1)  # until its last words are read
                raise StartFailed(f"{child.name} cannot start: {self._last.get(child.name, 'its words are above')}")
            if time.monotonic() > end:
                raise StartFailed(f"{child.name} did not start within {READY_S} s: its words are above")
            time.sleep(0.02)

    def wait(self) -> None:
        """Return when `stop_soon` was called."""
        # Looked at again and again: a signal that another thread took wakes nobody, and its handler waits for this one.
        while not self._stopping.wait(LOOK_S):
            pass

    def stop_soon(self) -> None:
        """Make `wait` return; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop all children, the last started first, within STOP_S."""
        with self._spawning:  # from here on nothing is started again
            self._stopping.set()
        end = time.monotonic() + STOP_S
        for index, (child, thread) in enumerate(reversed(self._running)):
            process = self._processes[child.name]
            _signal(process, signal.SIGTERM)
            left = max(0.0, end - time.monotonic()) / (len(self._running) - index)
            try:
                process.wait(left)
            except subprocess.TimeoutExpired:
                self.log("supervisor", "warning", f"{child.name} did not stop within {left:.1f} s and is killed")
                _signal(process, signal.SIGKILL)
                process.wait()
            thread.join(1)

    def process_ids(self) -> dict[str, int]:
        """Which process each child is now."""
        return {name: process.pid for name, process in self._processes.items()}

    def log(self, name: str, level: str, message: str) -> None:
        """One structured line."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": moment, "from": name, "level": level, "message": message}, ensure_ascii=False)
        # A full disk or a closed terminal loses lines, and must not stop those who read what the children say.
        with self._log_lock, suppress(OSError):
            self._log_file.write(line + "\n")
            self._log_file.flush()

    def _spawn(self, child: Child) -> None:
        with self._spawning:  # two that died at once come back one after the other
            if self._stopping.is_set():
                return
            process = subprocess.Popen(
                child.command,
                env={**os.environ, **child.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the supervisor alone, which then stops the children in their order.
                start_new_session=True,
            )
            self._processes[child.name] = process
            threading.Thread(target=self._forward, args=(child.name, process), daemon=True).start()
            if child.max_data_bytes:
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (child.max_data_bytes, child.max_data_bytes))
            self._started(self.process_ids())

    def _keep(self, child: Child) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            process = self._processes[child.name]
            status = process.wait()
            _signal(process, signal.SIGKILL)  # what it started must not live on, holding its port or its work
            failures = 0 if time.monotonic() - began > HEALTHY_S else failures
            pause = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            if self._stopping.is_set():
                return
            self.log("supervisor", "warning", f"{child.name} ended with {status}; started again in {pause} s")
            if self._stopping.wait(pause):
                return
            try:
                self._spawn(child)
            except (OSError, ValueError) as error:
                self.log("supervisor", "error", f"{child.name} cannot be started: {error}")

    def _forward(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                first, _, rest = text.partition(" ")
                known = first.lower() in ("debug", "info", "warning", "error", "critical")
                if text:
                    self._last[name] = rest if known else text
                    self.log(name, first.lower() if known else "info", rest if known else text)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The whole group: a worker's work horse goes with it.
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        pass
