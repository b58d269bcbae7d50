"""Processes that can be killed, forked from one that has imported what a photo worker has: imports cost 3 s each."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess

from workers.main import PRELOADED

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.workers.crash_once", "tests.workers.erase_once", *PRELOADED])


def start(target: Callable[..., None], environ: Mapping[str, str], *arguments: object) -> ForkServerProcess:
    """Call this in a process of its own."""
    process = _FORKS.Process(target=_call, args=(target, dict(environ), arguments))
    process.start()
    return process


def run(target: Callable[..., None], environ: Mapping[str, str], *arguments: object) -> int | None:
    """Call this in a process of its own; its exit code, which is -9 for one that was killed."""
    process = start(target, environ, *arguments)
    process.join(60)
    return process.exitcode


def _call(target: Callable[..., None], environ: dict[str, str], arguments: tuple[object, ...]) -> None:
    os.environ.update(environ)
    target(*arguments)
