"""The home folder of a running service: one service at a time, and nothing left over from one that was killed."""

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.durable import write_durably

GONE_S = 5


class AlreadyRunning(Exception):
    """Another service runs in this home."""


def lock(run: Path) -> IO[str]:
    """Take the home; it is free again when this process ends, however it ends. Raises AlreadyRunning."""
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = (run / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise AlreadyRunning(f"a service already runs in {run.parent}; stop it, or set CAPTURE_HOME") from None
    return handle


def remember(run: Path, processes: dict[str, int]) -> None:
    """Write down which processes are ours, with their start times: a process id alone may be somebody else's later."""
    started = {name: [pid, _start_time(pid)] for name, pid in processes.items()}
    write_durably(run / "processes.json", json.dumps(started))


def end_left_over(run: Path) -> list[str]:
    """Kill what a killed service left running here; their names."""
    try:
        left = json.loads((run / "processes.json").read_text())
    except (FileNotFoundError, ValueError):
        return []
    ended = []
    for name, (pid, started) in left.items():
        if started and _start_time(pid) == started:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
                ended.append(name)
    end = time.monotonic() + GONE_S  # their ports and locks are free only when they are gone
    while any(_start_time(left[name][0]) == left[name][1] for name in ended) and time.monotonic() < end:
        time.sleep(0.02)
    (run / "processes.json").unlink()
    return ended


def _start_time(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, IndexError):
        return None  # gone, or a system without /proc
