"""How many requests are answered at once: one more is told so at once, where it would wait unseen for a thread."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import request
from werkzeug.wsgi import ClosingIterator

from capture_api.problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RETRY_S = 5
ALWAYS = ("/healthz", "/metrics")  # those who ask whether we are well
_CROWDED = "capture.crowded"


class Crowd:
    """A WSGI app that counts who is inside, event streams too, until the last byte of the answer is taken."""

    def __init__(self, app: "WSGIApplication", most: int) -> None:
        self._app, self._most = app, most
        self._inside = 0
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with self._lock:
            self._inside += 1
            environ[_CROWDED] = self._inside > self._most
        try:
            return ClosingIterator(self._app(environ, start_response), self._leave)
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1


def refuse_crowd() -> None:
    """Raise Problem (503) for a request that came when too many were inside."""
    if request.environ.get(_CROWDED) and request.path not in ALWAYS:
        raise problem("unavailable", f"Too many requests are answered at this moment. Send it again in {RETRY_S} s.",
                      retry_after_s=RETRY_S)  # fmt: skip
