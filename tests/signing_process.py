"""A signing process of the tests' own, as `capture up` and `capture signer` start it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import Unavailable
from provenance.keys import Identity
from provenance.signer import identity_of
from settings import load_settings
from supervisor.signer import command
from tests.service import ROOT

START_S = 20


class SigningProcess:
    """A signing process with a home of its own."""

    def __init__(
        self, home: Path, uid: int | None = None, rate: float | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.socket = home / "signer.sock"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")}
        self._environ = clean | dict(environ or {}) | {"CAPTURE_HOME": str(home)}
        self._command = command(load_settings(self._environ), self.socket, [uid] if uid else [], rate)
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """What CAPTURE_SIGNER_URL is for those who use it."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> "SigningProcess":
        """Start it and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("a") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=self._environ, stderr=log, text=True)
        end = time.monotonic() + START_S
        while True:
            try:
                self.identity()
                return self
            except Unavailable:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.02)

    def identity(self) -> Identity:
        """Who signs, as the process tells."""
        return identity_of(self.socket)

    def log(self) -> str:
        """What it said so far."""
        return (self.home / "log").read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)
