"""Runs a capture's photo stages in a process that is killed right before or right after one write.

`python -m tests.workers.crash_once CAPTURE STAGE before|after`; without STAGE it runs to the end.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.run import advance
from settings import load_settings
from wiring import Services


def main() -> None:
    """Advance, and die where the arguments say."""
    capture_id, *crash = sys.argv[1:]
    services = Services(load_settings(os.environ))
    holder = os.environ.get("NAME", "crasher")
    services.captures.release_all(holder)
    token = services.captures.lease(capture_id, holder)
    assert token, "nobody else holds it"

    @contextmanager
    def around(stage: str) -> Iterator[None]:
        if crash == [stage, "before"]:
            _put_nothing(services)
        yield
        if crash == [stage, "after"]:
            os.kill(os.getpid(), signal.SIGKILL)

    advance(services, capture_id, token, around)
    services.captures.release(capture_id, token)


def _put_nothing(services: Services) -> None:
    """Let the stage do its work, and die in the place of the write."""

    def die(*_args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    services.captures.put = die  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    main()
