"""Every error as RFC 9457 problem+json: what is wrong, and what to do next. Nobody ever sees a stack trace."""

import json
import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from pipeline.errors import Conflict, Erased, Rejected, Unavailable
from pipeline.record import encode

log = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is not a success. `type` is stable: clients may branch on it (docs/api.md lists them)."""

    def __init__(self, status: int, type_: str, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.type, self.title, self.detail, self.more = status, type_, title, detail, more


# type → (status, title). The documentation and its test are made from this table.
TYPES: dict[str, tuple[int, str]] = {
    "empty-upload": (400, "The upload is empty"),
    "wrong-digest": (400, "The bytes are not those of the Content-Digest"),
    "malformed-request": (400, "The request cannot be read"),
    "wrong-length": (400, "The upload has another length"),
    "completed-upload": (400, "The upload is complete"),
    "upload-cut-off": (400, "The upload ended early"),
    "no-key": (401, "An API key is needed"),
    "payment-required": (402, "This use takes a licence"),
    "not-allowed": (403, "This key may not do that"),
    "signature-refused": (403, "The device's signature does not hold"),
    "sign-in-refused": (403, "What the wallet signed does not hold"),
    "location-withheld": (403, "The file would tell where the photo was taken"),
    "not-found": (404, "There is no such thing here"),
    "no-upload": (404, "There is no such upload"),
    "not-there-yet": (404, "This does not exist yet"),
    "wrong-method": (405, "This address does not take that method"),
    "not-acceptable": (406, "It is not to be had in that form"),
    "erased": (410, "This capture was erased"),
    "conflict": (409, "This contradicts what is already known"),
    "too-many-subscriptions": (409, "There are as many webhooks or browsers as one owner may have"),
    "idempotency-key-in-use": (409, "A request with this Idempotency-Key is not answered yet"),
    "no-wallet": (409, "You have no wallet here"),
    "no-work": (409, "The photo is no work on the chain"),
    "parent-not-logged": (409, "A parent is not in the log yet"),
    "too-late": (409, "It is too late to change what was asked"),
    "wrong-offset": (409, "The bytes belong elsewhere"),
    "no-length": (411, "The length of the upload is needed"),
    "wrong-version": (412, "This version of the protocol is not spoken here"),
    "too-large": (413, "The upload is too large"),
    "query-too-long": (414, "The query is too long"),
    "wrong-media-type": (415, "This is not a kind of photo that Capture takes"),
    "rejected": (422, "The photo was refused"),
    "invalid-metadata": (422, "The metadata is not valid"),
    "invalid-terms": (422, "The terms cannot be as they are stated"),
    "invalid-parent": (422, "A capture cannot be named as a parent"),
    "attestation-refused": (422, "The device's key or its attestation does not hold"),
    "invalid-subscription": (422, "The webhook or push subscription cannot be made as asked"),
    "idempotency-key-reused": (422, "This Idempotency-Key stands for another request"),
    "quota-exceeded": (429, "This key has used up what it may"),
    "upload-busy": (423, "Another request writes to this upload"),
    "too-many-uploads": (429, "Too many uploads are begun"),
    "too-many-requests": (429, "That was asked too often"),
    "checksum-mismatch": (460, "The bytes have another checksum"),
    "internal": (500, "Something here is broken"),
    "not-implemented": (501, "That part of a standard is not spoken here"),
    "unavailable": (503, "A part of the service is out of reach"),
}


# How the IETF's resumable uploads name them, for clients that speak that dialect.
_DRAFT_TYPES = {
    "wrong-offset": "mismatching-upload-offset",
    "wrong-length": "inconsistent-upload-length",
    "completed-upload": "completed-upload",
}


def problem(type_: str, detail: str, **more: Any) -> Problem:
    """A problem of a known type. Its detail names the fact and says what to do next."""
    status, title = TYPES[type_]
    return Problem(status, type_, title, detail, **more)


def gone(erased: Erased, **more: Any) -> Problem:
    """The problem of a capture that was erased: when, and what that means."""
    moment = encode(erased.erased_at)
    detail = (f"Its owner had it erased at {moment}. Receipts that were given out still verify: the log keeps the "
              "entry, a digest that tells nothing. Register the photo again to have a new capture.")  # fmt: skip
    return problem("erased", detail, erased_at=moment, **more)


def render(found: Problem) -> Response:
    """The answer that a client reads."""
    body = {"type": _type(found.type), "title": found.title, "status": found.status,
            "detail": found.detail, **found.more}  # fmt: skip
    answer = Response(json.dumps(body), found.status, mimetype="application/problem+json")
    if found.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="capture"'
    if "retry_after_s" in found.more or found.status == 503:
        answer.headers["Retry-After"] = str(found.more.get("retry_after_s", 2))
    if "expected-offset" in found.more:
        answer.headers["Upload-Offset"] = str(found.more["expected-offset"])
    return answer


def _type(name: str) -> str:
    if name in _DRAFT_TYPES and "Upload-Draft-Interop-Version" in request.headers:
        return f"https://iana.org/assignments/http-problem-types#{_DRAFT_TYPES[name]}"
    return f"/docs#problem-{name}"


def install(app: Flask) -> None:
    """Turn every exception that reaches the door into a problem."""
    app.register_error_handler(Problem, render)
    app.register_error_handler(Rejected, lambda error: render(problem("rejected", str(error))))
    app.register_error_handler(Conflict, lambda error: render(problem("conflict", str(error))))
    app.register_error_handler(Erased, lambda error: render(gone(error)))  # in the middle of a request for it
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _internal)


def _unavailable(error: Unavailable) -> Response:
    log.error("unavailable: %s", error)
    # The engine's own words may name hosts and paths: those are for the log.
    return render(problem("unavailable", "Nothing of this request was kept unless it was acknowledged. Try again."))


_BY_STATUS = {
    400: "malformed-request",
    404: "not-found",
    405: "wrong-method",
    413: "too-large",
    415: "wrong-media-type",
}


def _http(error: HTTPException) -> Response:
    if isinstance(error, ClientDisconnected):
        return render(problem("upload-cut-off", "Fewer bytes came than Content-Length said. Send the photo again."))
    status = error.code or 500
    if status not in _BY_STATUS:
        return render(Problem(status, "malformed-request", error.name, error.description or error.name))
    detail = {
        404: f"Nothing is at {request.path}. The calls are listed at /docs.",
        405: f"{request.path} does not take {request.method}. The calls are listed at /docs.",
    }.get(status, error.description or error.name)
    answer = render(problem(_BY_STATUS[status], detail))
    allowed = getattr(error, "valid_methods", None)
    if status == 405 and allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _internal(error: Exception) -> Response:
    log.exception("unexpected: %s %s", request.method, request.path)
    return render(problem("internal", "This is our fault and stands in the log. Try again, or tell the operator."))
