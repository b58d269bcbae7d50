"""Runs a capture's photo stages in a process that is killed right before or right after one write."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.run import advance
from settings import load_settings
from wiring import Services


def main(capture_id: str, *crash: str) -> None:
    """Advance, and die at the stage and on the side (before, after) that `crash` says; without it, run to the end."""
    services = Services(load_settings(os.environ))
    holder = os.environ.get("NAME", "crasher")
    services.captures.release_all(holder)
    token = services.captures.lease(capture_id, holder)
    assert token, "nobody else holds it"

    @contextmanager
    def around(stage: str) -> Iterator[None]:
        if crash == (stage, "before"):
            _put_nothing(services)
        yield
        if crash == (stage, "after"):
            os.kill(os.getpid(), signal.SIGKILL)

    advance(services, capture_id, token, around)
    services.captures.release(capture_id, token)


def _put_nothing(services: Services) -> None:
    """Let the stage do its work, and die in the place of the write."""

    def die(*_args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    services.captures.put = die  # type: ignore[method-assign,assignment]
