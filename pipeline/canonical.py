"""One way to write a value as bytes, so that two parties who hold the same value hold the same digest."""

import hashlib
import json
from typing import Any


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 (JCS) bytes of a value made of objects, lists, strings, whole numbers, booleans and null.

    Raises TypeError for anything else. Floats are refused on purpose: their text differs between languages,
    and everything Capture commits to is text, an integer or bytes written as hex. Integers beyond 2**53 - 1
    are refused because JSON readers in other languages would round them.
    """
    _check(value)
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def digest_of(value: Any) -> bytes:
    """The SHA-256 of the canonical bytes, 32 bytes."""
    return hashlib.sha256(canonical_bytes(value)).digest()


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise TypeError(f"{value} is beyond 2**53 - 1: write it as text")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"object keys are text, not {type(key).__name__}")
            _check(item)
        return
    if isinstance(value, list | tuple):
        for item in value:
            _check(item)
        return
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        # RFC 8785 sorts by UTF-16 code units, which is not Python's order beyond the basic plane.
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
