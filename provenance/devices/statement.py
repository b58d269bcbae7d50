"""Capture statements: what a device signs when it has no network, to be uploaded later with the photo.

A JSON web signature (RFC 7515, compact) with the header {"alg": "ES256", "typ": "capture-statement+jwt"} and the
payload {"sha256": hex, "device": id, "time": unix seconds, "counter": whole number from 1 on}.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from provenance.devices.errors import Refused
from provenance.devices.keys import from_base64url, is_signed

TYPE = "capture-statement+jwt"
MAX_CHARACTERS = 2_000
MAX_COUNTER = 2**53 - 1  # of whole numbers in JSON
_MAX_MOMENT = 253_402_300_799  # the year 9999


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was read and not checked yet. `text`: the two parts that are signed, with a dot between."""

    text: str
    signature: bytes
    photo: bytes
    device: str
    time: datetime
    counter: int

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was signed."""
        return hashlib.sha256(self.text.encode()).digest()


def read(compact: str) -> Statement:
    """A statement's parts. Raises Refused for whatever else this is."""
    if len(compact) > MAX_CHARACTERS or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", compact, re.ASCII):
        raise Refused("malformed", "The statement is no compact JSON web signature: three parts in base64url.")
    text, _, signature = compact.rpartition(".")
    try:
        header, payload = (_object(part) for part in text.split("."))
        given = from_base64url(signature)
    except (ValueError, RecursionError):
        raise Refused("malformed", "A part of the statement is not JSON in base64url without padding.") from None
    if header.get("alg") != "ES256" or "crit" in header:
        raise Refused("wrong-algorithm", "The statement's alg is not ES256, the only one that is taken, without crit.")
    if header.get("typ") != TYPE:
        raise Refused("malformed", f"The statement's typ is not {TYPE}.")
    return _statement(text, given, payload)


def check(statement: Statement, key: bytes) -> None:
    """Raise Refused unless this key signed it."""
    if not is_signed(key, statement.signature, statement.text.encode()):
        raise Refused("wrong-key", "The statement is not signed by this device. r and s are 64 bytes, not DER.")


def _statement(text: str, signature: bytes, payload: dict[str, Any]) -> Statement:
    sha256, device, moment, counter = (payload.get(name) for name in ("sha256", "device", "time", "counter"))
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise Refused("malformed", "The statement's sha256 is not 64 lower-case hex digits.")
    if not isinstance(device, str) or not re.fullmatch("[0-9a-z]{1,64}", device):
        raise Refused("malformed", "The statement names no device by its id.")
    if type(moment) is not int or not 0 <= moment <= _MAX_MOMENT:
        raise Refused("malformed", "The statement's time is not in whole unix seconds.")
    if type(counter) is not int or not 1 <= counter <= MAX_COUNTER:
        raise Refused("malformed", "The statement's counter is not a whole number from 1 on.")
    return Statement(text, signature, bytes.fromhex(sha256), device, datetime.fromtimestamp(moment, UTC), counter)


def _object(part: str) -> dict[str, Any]:
    found = json.loads(from_base64url(part))
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
