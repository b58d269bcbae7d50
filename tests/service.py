"""The whole service as its users run it: `capture up` in a process of its own, with a home of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 60
GREETING = "Stop with Ctrl-C."
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Answer:
    """What the service answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Running:
    """A running service: its address, its owner's key and its home."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")},
            "CAPTURE_HOME": str(home),
            "CAPTURE_LISTEN": f"127.0.0.1:{self.port}",
            "CAPTURE_PHOTO_WORKERS": "1",  # other files' services run beside this one, on two cores
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Running":
        """Start it and wait until it greets."""
        greeted = self.log().count(GREETING)
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            command = [sys.executable, "-m", "cli", "up"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        # Not whether the address answers: that may be a process left over from a service that was killed.
        while self.log().count(GREETING) == greeted:
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError("the service did not start: " + self.log()[-4000:])
            time.sleep(0.05)
        return self

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(15)

    @property
    def key(self) -> str:
        """The owner's API key."""
        return (self.home / "api-key").read_text().strip()

    def log(self) -> str:
        """What it printed so far."""
        file = self.home.parent / f"{self.home.name}.log"
        return file.read_text() if file.exists() else ""

    def processes(self) -> dict[str, int]:
        """Its children's process ids, by name."""
        return {name: pid for name, (pid, _) in json.loads((self.home / "run/processes.json").read_text()).items()}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        key: str | None = "",
        timeout: float = 60,
        **headers: str,
    ) -> Answer:
        """One request; `key` None sends none, "" the owner's. Header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        request = urllib.request.Request(self.base + path, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def register(self, photo: bytes, wait: int = 30, media_type: str = "image/jpeg", **headers: Any) -> Answer:
        """Register a photo and wait until it is anchored."""
        return self.ask("POST", "/v1/captures", photo, Content_Type=media_type, Prefer=f"wait={wait}", **headers)

    def command(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the `capture` command against this service."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            **more,
        )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
