"""The supervisor keeps children running, forwards what they say, and stops all of them in order and in time."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor import home
from supervisor.supervise import Child, StartFailed, Supervisor
from tests.service import ROOT

FOREVER = "import time\nwhile True: time.sleep(1)"


class _FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def _child(name: str, code: str, **more: object) -> Child:
    return Child(name, [sys.executable, "-c", code], **more)  # type: ignore[arg-type]


def _until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_logs_are_one_structured_line_each() -> None:
    log = io.StringIO()
    supervisor = Supervisor(log=log)
    supervisor.start(
        _child("talker", "print('WARNING hot'); print('plain'); print()\n" + FOREVER, environ={"PYTHONUNBUFFERED": "1"})
    )
    _until(lambda: log.getvalue().count("\n") >= 2)
    supervisor.stop()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["from"], line["level"], line["message"]) for line in lines[:2]] == [
        ("talker", "warning", "hot"),
        ("talker", "info", "plain"),
    ]
    assert all(line["time"].endswith("Z") for line in lines)


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = f"print('x' * 100 + chr(10)) ; [print('x' * 100) for _ in range(5000)]; open({str(done)!r}, 'w')\n{FOREVER}"
    supervisor = Supervisor(log=_FullDisk())
    supervisor.start(_child("talker", code))
    _until(done.exists)  # 500 KB are more than a pipe holds: somebody went on reading
    supervisor.stop()


def test_a_dead_child_is_started_again_with_back_off() -> None:
    started: list[dict[str, int]] = []
    supervisor = Supervisor(started.append, io.StringIO())
    supervisor.start(_child("dies", "import time; time.sleep(0.05)"))
    began = time.monotonic()
    _until(lambda: len(started) >= 3)
    assert time.monotonic() - began >= 0.2 + 0.5
    supervisor.stop()
    count = len(started)
    time.sleep(1.2)
    assert len(started) == count, "nothing is started after the stop"


def test_two_that_die_at_once_both_come_back(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda ids: home.remember(tmp_path, ids), io.StringIO())
    for name in "abcdef":
        supervisor.start(_child(name, FOREVER))
    for _ in range(3):
        before = supervisor.process_ids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        _until(lambda before=before: not set(before.values()) & set(supervisor.process_ids().values()))  # type: ignore[misc]
    supervisor.stop()
    assert not any(_alive(pid) for pid in supervisor.process_ids().values())


def test_what_a_dead_child_started_dies_with_it(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {FOREVER!r}])
open({str(note)!r}, "w").write(str(child.pid))
{FOREVER}"""
    supervisor = Supervisor(log=io.StringIO())
    supervisor.start(_child("parent", code, ready=lambda: note.exists() and note.read_text() != ""))
    grandchild = int(note.read_text())
    os.kill(supervisor.process_ids()["parent"], signal.SIGKILL)
    _until(lambda: not _alive(grandchild))
    supervisor.stop()


def test_stops_the_last_first_and_kills_who_does_not_listen(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = f"""
import signal, sys, time
def stop(*_):
    open({str(order)!r}, "a").write(sys.argv[1] + "\\n"); sys.exit()
signal.signal(signal.SIGTERM, stop)
open({str(tmp_path)!r} + "/" + sys.argv[1], "w")
time.sleep(60)"""
    supervisor = Supervisor(log=io.StringIO())
    for name in ("first", "second"):
        ready = (tmp_path / name).exists
        supervisor.start(Child(name, [sys.executable, "-c", code, name], ready=ready))
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({!r}, 'w'); time.sleep(60)"
    supervisor.start(_child("deaf", deaf.format(str(tmp_path / "deaf")), ready=(tmp_path / "deaf").exists))
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 10
    assert order.read_text().split() == ["second", "first"]
    assert not any(_alive(pid) for pid in supervisor.process_ids().values())


def test_a_child_that_never_gets_ready_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.supervise.READY_S", 0.3)
    supervisor = Supervisor(log=io.StringIO())
    with pytest.raises(StartFailed, match="slow did not start"):
        supervisor.start(_child("slow", FOREVER, ready=lambda: False))
    supervisor.stop()


def test_a_memory_limit_holds() -> None:
    log = io.StringIO()
    supervisor = Supervisor(log=log)
    code = "import time; time.sleep(0.3); bytearray(500_000_000)"
    supervisor.start(_child("hungry", code, max_data_bytes=200_000_000))
    _until(lambda: "MemoryError" in log.getvalue())
    supervisor.stop()


def test_a_home_is_one_services(tmp_path: Path) -> None:
    first = home.lock(tmp_path / "run")
    with pytest.raises(home.AlreadyRunning, match="already runs"):
        home.lock(tmp_path / "run")
    first.close()
    home.lock(tmp_path / "run").close()


def test_left_over_processes_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    supervisor = Supervisor(log=io.StringIO())
    supervisor.start(_child("ours", FOREVER))
    pid = supervisor.process_ids()["ours"]
    supervisor._stopping.set()
    home.remember(tmp_path, {"ours": pid})
    note = json.loads((tmp_path / "processes.json").read_text())
    note["stranger"] = [os.getpid(), "12345"]  # our process id, with another start time: it was given out again
    (tmp_path / "processes.json").write_text(json.dumps(note))
    assert home.end_left_over(tmp_path) == ["ours"]
    supervisor._processes["ours"].wait(5)
    assert home.end_left_over(tmp_path) == []


def test_a_child_whose_setup_is_wrong_is_not_waited_for() -> None:
    supervisor = Supervisor(log=io.StringIO())
    code = "import sys; print('error the key is damaged: restore it', flush=True); sys.exit(78)"
    began = time.monotonic()
    with pytest.raises(StartFailed, match="keeper cannot start: the key is damaged: restore it"):
        supervisor.start(_child("keeper", code, ready=lambda: False))
    supervisor.stop()
    assert time.monotonic() - began < 20


def test_a_signal_that_another_thread_took_is_heard() -> None:
    """The system may give it to any thread; Python's handler runs in the main one, which that does not wake."""
    script = """
import signal, threading, time
from supervisor.supervise import Supervisor
supervisor = Supervisor()
signal.signal(signal.SIGINT, lambda *_: supervisor.stop_soon())
def take():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    time.sleep(60)
threading.Thread(target=take, daemon=True).start()
supervisor.wait()
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=20)
