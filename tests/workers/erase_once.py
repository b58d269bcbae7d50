"""Finishes erasures in a process that is killed at one of its steps."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settings import load_settings
from wiring import Services
from workers import erasure


def main(count: int, told: Path) -> None:
    """Go through a sweep, and die before the `count`th step that changes anything; 0 runs to the end.

    `told` is then the file that says how many steps there were.
    """
    services = Services(load_settings(os.environ))
    steps = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments)

        return run

    for owner, name in (
        (services.index, "forget"),
        (services.points, "forget"),
        (services.erasures, "_remove_blob"),  # within its transaction
        (services.erasures, "entomb"),
        (services.database, "forget_deleted"),
        (services.erasures, "close"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))
    erasure.finish(services)
    told.write_text(str(steps))
