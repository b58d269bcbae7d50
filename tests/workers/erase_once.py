"""Finishes erasures in a process that is killed at one of its steps.

`python -m tests.workers.erase_once COUNT` dies before the COUNTth step that changes anything; 0 runs to the end.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from settings import load_settings
from wiring import Services
from workers import erasure


def main(count: int) -> None:
    """Go through all steps of a sweep, and die where the argument says. Prints how many steps there were."""
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
    sys.stdout.write(f"{steps}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
