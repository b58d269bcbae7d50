"""Door 1: HTTP. Views parse, call and render; one blueprint per noun. Never imports workers."""

import time

from flask import Flask, Response, g, request

from capture_api import amending as amending  # its routes are the captures'
from capture_api import family as family  # its routes are the captures'
from capture_api import files as files  # its routes are the captures'
from capture_api import metrics, problems, quotas
from capture_api import revenue as revenue  # its routes are the captures'
from capture_api import reviews as reviews  # its routes are the captures'
from capture_api import statements as statements  # its routes are the captures'
from capture_api import works as works  # its routes are the captures'
from capture_api.bindings import bindings
from capture_api.body import UploadRequest
from capture_api.buying import buying
from capture_api.captures import captures
from capture_api.catalogue import catalogue
from capture_api.certificates import certificates
from capture_api.crawlers import PHOTOS, crawlers
from capture_api.crowd import Crowd, refuse_crowd
from capture_api.devices import devices
from capture_api.feed import feed
from capture_api.inspector import inspector
from capture_api.legal import legal
from capture_api.log import log
from capture_api.matches import matches
from capture_api.operations import operations
from capture_api.override import MethodOverride
from capture_api.proofs import proofs
from capture_api.public import public
from capture_api.shell import shell
from capture_api.strangers import Strangers
from capture_api.subscriptions import subscriptions
from capture_api.uploads import uploads
from capture_api.verify import verify
from capture_api.wallet import wallet
from capture_api.watch import Watch
from rights.dialects import USAGE_DEFAULT
from settings import MAX_AT_ONCE, MAX_UPLOAD_BYTES
from wiring import Services

# No inline script or style, nothing from elsewhere: a photo's texts can never become code here.
_CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; object-src 'none'; "
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def create_app(services: Services) -> Flask:
    """The WSGI app over these services."""
    app = Flask(__name__)
    app.request_class = UploadRequest
    app.extensions["capture"] = services
    app.extensions["capture_watch"] = Watch(services.changes.newest)
    app.extensions["capture_strangers"] = Strangers(*services.settings.rate_limits)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD_BYTES + 2 * 1024 * 1024
    told = feed, subscriptions, shell, crawlers, buying, catalogue, legal, wallet
    known = captures, uploads, devices, proofs, matches, verify, inspector, log, certificates, public, operations
    for blueprint in (*known, *told):
        app.register_blueprint(blueprint)
    # The API's own description says /v1; a client that was told no more than the host appends the paths to that.
    app.register_blueprint(bindings, url_prefix="/v1")
    app.register_blueprint(bindings, name="bindings_of_the_host")
    problems.install(app)
    app.before_request(_start)
    app.wsgi_app = Crowd(MethodOverride(app.wsgi_app), MAX_AT_ONCE)  # type: ignore[method-assign]
    app.after_request(_finish)
    return app


def _start() -> None:
    g.started = time.perf_counter()
    refuse_crowd()
    if "\0" in request.path:  # PostgreSQL takes none in a text
        raise problems.problem("not-found", "Nothing is at an address with a NUL in it. The calls are listed at /docs.")


def _finish(answer: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "none"
    metrics.REQUESTS.labels(route, answer.status_code).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
    quotas.tell(answer)
    answer.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY)
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "no-referrer")
    if answer.mimetype == "text/html" and not request.path.startswith(PHOTOS):
        answer.headers.setdefault("Content-Usage", USAGE_DEFAULT)
    return answer
