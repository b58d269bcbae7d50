"""Waiting for facts: one thread asks the database for all who wait, so that 100 open streams cost one question."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import Unavailable

POLL_S = 0.025  # a fact is seen this late at most; one question costs 0.15 ms
ASK_ANYWAY_S = 1.0  # on PostgreSQL a late commit may have a lower number: those who wait look by themselves


class Watch:
    """Wakes those who wait whenever any fact was written."""

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._changed = threading.Condition()
        self._number = 0
        self._waiting = 0
        self._thread: threading.Thread | None = None

    def changes(self, for_s: float) -> Iterator[None]:
        """Yields at once, then whenever there may be something new, until `for_s` seconds have passed."""
        end = time.monotonic() + for_s
        with self._counted():
            seen = self._number
            yield
            while (left := end - time.monotonic()) > 0:
                with self._changed:
                    self._changed.wait_for(lambda seen=seen: self._number != seen, min(left, ASK_ANYWAY_S))  # type: ignore[misc]
                    seen = self._number
                yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1

    def _poll(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    return
            try:
                number = self._newest()
            except Unavailable:
                number = self._number
            with self._changed:
                if number != self._number:
                    self._number = number
                    self._changed.notify_all()
            time.sleep(POLL_S)
