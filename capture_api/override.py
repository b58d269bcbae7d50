"""Methods for clients that can send none but POST (tus 1.0: X-HTTP-Method-Override), before Flask chooses the view."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = ("PATCH", "DELETE", "HEAD")
PLACE = "/v1/uploads/"


class MethodOverride:
    """A WSGI app whose uploads take `METHODS` in a header of a POST. Other addresses keep the method they came by."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        wanted = str(environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "")).upper()
        if wanted in METHODS and environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].startswith(PLACE):
            environ["REQUEST_METHOD"] = wanted
        return self._app(environ, start_response)
