"""Who asks, and what they may do. Keys come as `Authorization: Bearer`; no key and a wrong key look alike."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g, request

from capture_api.problems import problem
from capture_api.services import services
from store.keys import ApiKey

P = ParamSpec("P")
R = TypeVar("R")


def needs(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that wants a key with one of these scopes; `admin` may do everything. The key's record is `caller()`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.caller = _authenticate()
            if not g.caller.scopes & {*scopes, "admin"}:
                wanted = " or ".join(scopes)
                raise problem("not-allowed", f"This key has not the scope {wanted}. Ask the operator for one that has.")
            return view(*args, **kwargs)

        return guarded

    return decorate


def caller() -> ApiKey:
    """The key's record of this request."""
    found: ApiKey = g.caller
    return found


def has_caller() -> bool:
    """Whether this request came with a key: the public pages are for everybody."""
    return "caller" in g


def may_see(owner: str, owner_only: bool) -> bool:
    """Owners see their own captures; reviewers see all but what is the owner's alone; admins see everything."""
    key = caller()
    return key.owner == owner or "admin" in key.scopes or ("review" in key.scopes and not owner_only)


def _authenticate() -> ApiKey:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    # A missing key is looked up like a wrong one, so that both take the same time.
    found = services().keys.find(key.strip())
    if kind.lower() != "bearer" or found is None:
        raise problem("no-key", "Send the header 'Authorization: Bearer <key>' with a key that was not revoked.")
    return found
