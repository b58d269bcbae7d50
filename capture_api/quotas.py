"""What the caller's key may use, at the door: asked before bytes come, told with every answer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from flask import Response, request

from capture_api.auth import caller, has_caller
from capture_api.problems import Problem, problem
from capture_api.services import services
from pipeline.errors import Unavailable
from store.keys import ApiKey
from store.quotas import Charge, Limits, OverQuota, Use
from store.slots import Slot

_UNIT = {"bytes": "content-bytes", "captures": "requests"}
_SAID = {"bytes": "bytes a day", "captures": "captures an hour", "uploads": "uploads at once"}
AT_ONCE_RETRY_S = 5


def charge_of(key: ApiKey) -> Charge:
    """Whose quota the caller's captures are counted in."""
    return Charge(key.id, Limits.of(key, Limits(*services().settings.quotas)))


def admit(key: ApiKey, size: int | None) -> None:
    """Refuse, before its bytes come, an upload of this size that could not be registered. Raises Problem (429)."""
    try:
        services().quotas.admit(charge_of(key), size or 0)
    except OverQuota as over:
        raise over_quota(over) from None


@contextmanager
def uploading(key: ApiKey, idempotency_key: str | None = None) -> Iterator[None]:
    """One of the key's uploads at once, and the only one under its Idempotency-Key. Raises Problem (429, 409)."""
    slots: list[Slot] = []
    try:
        if most := charge_of(key).limits.uploads:
            slots.append(_uploads(key, most))
        if idempotency_key:
            slots.append(_only(key, idempotency_key))
        if slots:
            request.environ["wsgi.input"] = _Heard(request.environ["wsgi.input"], slots)
        yield
    finally:
        for slot in slots:
            slot.give()


def tell(answer: Response) -> None:
    """Say how much the caller's key may use and what is left (draft-ietf-httpapi-ratelimit-headers-10)."""
    if not has_caller():
        return
    charge = charge_of(caller())
    with suppress(Unavailable):  # the answer stands without it
        uses = services().quotas.use(charge)
        policies = [f'"{use.kind}";q={use.limit};w={use.window_s};qu="{_UNIT[use.kind]}"' for use in uses]
        if most := charge.limits.uploads:
            policies.append(f'"uploads";q={most};qu="concurrent-requests"')
        if policies:
            answer.headers["RateLimit-Policy"] = ", ".join(policies)
        if uses:
            answer.headers["RateLimit"] = ", ".join(map(_left, uses))


def over_quota(over: OverQuota) -> Problem:
    """The problem of a key that has used up what it may."""
    detail = (f"This key may have {over.limit} {_SAID[over.kind]}. Send it again in {over.retry_in_s} s, or ask the "
              "operator for more.")  # fmt: skip
    more: dict[str, Any] = {"retry_after_s": over.retry_in_s, "violated-policies": [over.kind]}
    return problem("quota-exceeded", detail, **more)


def _left(use: Use) -> str:
    return f'"{use.kind}";r={use.left};t={use.ends_in_s}'


def _uploads(key: ApiKey, most: int) -> Slot:
    slot = services().slots.take(f"uploads:{key.id}", most)
    if slot is None:
        raise over_quota(OverQuota("uploads", most, AT_ONCE_RETRY_S))
    return slot


def _only(key: ApiKey, idempotency_key: str) -> Slot:
    # Its digest: what clients choose as keys need not stand in the queue's file.
    slot = services().slots.take(sha256(f"{key.owner}\0{idempotency_key}".encode()).hexdigest(), 1)
    if slot is None:
        raise problem("idempotency-key-in-use", "Another request with this Idempotency-Key is not answered yet. Wait "
                      "for its answer, or send this one again.", retry_after_s=AT_ONCE_RETRY_S)  # fmt: skip
    return slot


class _Heard:
    """The body, as the server reads it: while bytes come, the places of their upload are kept."""

    def __init__(self, source: Any, slots: list[Slot]) -> None:
        self._source, self._slots = source, slots

    def read(self, *size: int) -> bytes:
        """As of any file."""
        read: bytes = self._source.read(*size)
        for slot in self._slots:
            slot.beat()
        return read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)
