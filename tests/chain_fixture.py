"""A real embedded chain for tests, started, killed and started again as the supervisor does it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.chain import Chain
from pipeline.errors import Unavailable
from supervisor import anvil
from tests.service import ROOT, free_port

KEY = bytes(31) + b"\x07"
START_S, ANSWER_S = 60, 60  # on a machine that is busy with other things


class Node:
    """A chain in a folder of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.state = folder / "state.json"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._environ = {**os.environ, **environ}

    @property
    def pid(self) -> int:
        """The process id, the same before and after it became anvil."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Node":
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(anvil.anvil_command(self.state, self.port), cwd=ROOT, env=self._environ)
        end = time.monotonic() + START_S
        while not anvil.ready(self.url):
            assert time.monotonic() < end, "anvil did not start"
            assert self._process.poll() is None, "anvil ended"
            time.sleep(0.01)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it: SIGTERM lets it save its state, SIGKILL does not."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(10)

    def kill_and_lose(self) -> None:
        """Kill it and throw away everything that it ever saved."""
        self.stop(signal.SIGKILL)
        for file in self.state.parent.glob(self.state.name + "*"):
            file.unlink()

    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call, without any code of ours."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return json.loads(answer.read())

    def chain(self, key: bytes = KEY, contract: str | None = None, local: bool = True) -> Chain:
        """Our client of it."""
        return Chain(self.url, key, contract, local)

    def funded(self, key: bytes = KEY, contract: str | None = None) -> Chain:
        """Our client of it as if it were a chain that is not ours, with money to spend."""
        self.chain(key).fund_locally()
        return self.chain(key, contract, local=False)


@contextmanager
def running(folder: Path, kind: type[Node] = Node) -> Iterator[Node]:
    """A chain that runs while the block lasts. Skips the test where there is no anvil for this machine."""
    try:
        anvil.anvil_binary()
    except Unavailable as missing:
        pytest.skip(str(missing))
    folder.mkdir(parents=True, exist_ok=True)
    node = kind(folder).start()
    try:
        yield node
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            node.stop(signal.SIGKILL)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A chain of the test's own, that it may kill."""
    with running(tmp_path / "chain") as started:
        yield started


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A chain for tests that only use it."""
    with running(tmp_path_factory.mktemp("chain")) as started:
        yield started


def node_js() -> str | None:
    """The node program, from the machine or from the environment that runs the tests."""
    return shutil.which("node") or shutil.which("node", path=str(ROOT / ".venv" / "bin"))
