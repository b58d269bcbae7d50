"""What anybody may ask without a key: how often, how many at once, and of published photos only."""

import ipaddress
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

from flask import Response, after_this_request, request

from capture_api.problems import problem
from capture_api.services import services, strangers
from pipeline.errors import Unavailable
from store.blobs import Incoming

P = ParamSpec("P")
R = TypeVar("R")

Kind = Literal["lookups", "photos"]

MINUTE_S = 60
AT_ONCE = 8  # photos of strangers that wait for a worker; each holds one of 160 threads
ANSWER_S = 30  # as for those with a key; behind the work of those


class Allowance:
    """How often each client may ask in a minute.

    Counted in this process only and forgotten with the minute: no address is ever written down.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._minute, self._asked = 0, Counter[str]()

    def spend(self, client: str) -> tuple[int, int]:
        """Count a question: how many are left, -1 when it was one too many, and in how many seconds all are back."""
        with self._lock:
            minute, second = divmod(self._clock(), MINUTE_S)
            if minute != self._minute:
                self._minute, self._asked = int(minute), Counter()
            self._asked[client] += 1
            return max(-1, self.most - self._asked[client]), math.ceil(MINUTE_S - second)


class Strangers:
    """The limits of one app."""

    def __init__(self, lookups: int, photos: int) -> None:
        self.allowances: dict[Kind, Allowance] = {"lookups": Allowance(lookups), "photos": Allowance(photos)}
        self.turns = threading.BoundedSemaphore(AT_ONCE)


def limited(kind: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that each address may ask so often; its answers say how much is left (draft-ietf-httpapi-ratelimit)."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            allowance = strangers().allowances[kind]
            left, back_in_s = allowance.spend(_client())

            @after_this_request
            def tell(answer: Response) -> Response:
                answer.headers["RateLimit-Policy"] = f'"{kind}";q={allowance.most};w={MINUTE_S}'
                answer.headers["RateLimit"] = f'"{kind}";r={max(0, left)};t={back_in_s}'
                return answer

            if left < 0:
                raise problem("too-many-requests", f"Of these, {allowance.most} a minute are answered to one address. "
                              f"Ask again in {back_in_s} s.", retry_after_s=back_in_s)  # fmt: skip
            return view(*args, **kwargs)

        return guarded

    return decorate


def compare(incoming: Incoming, media_type: str) -> dict[str, Any]:
    """Compare this photo with all that are published, in a photo worker: the API never decodes a picture.

    The answer has `verdict`, `credentials`, `dimensions`, `thumbnail` (a JPEG in base64) and `soft_bindings`, or
    `rejected` with the reason. Raises Unavailable when too many wait already, or no worker answers in time.
    """
    turns = strangers().turns
    if not turns.acquire(blocking=False):
        raise Unavailable(f"the photo workers, for which {AT_ONCE} photos of strangers wait already")
    try:
        return services().bell.ask(incoming.lend(), incoming.sha256.hex(), media_type, ANSWER_S, by_stranger=True)
    finally:
        turns.release()


def _client() -> str:
    """The address that asks; of IPv6 the network of 64 bits, of which one client has all.

    A proxy on this machine appends the address it was asked from; what stood there before, the client made up.
    """
    found = _address(request.remote_addr or "")
    if found and found.is_loopback:
        found = _address(request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()) or found
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A server that listens on :: sees IPv4 so: all of it in one network of 64 bits, and none of it loopback.
    return (found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found
