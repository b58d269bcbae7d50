"""What vouches for a device's key, checked when it is enrolled: nobody, or the vendor by a document of its own."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.device import Attested
from provenance.devices.errors import Refused
from provenance.devices.policy import Policy

MAX_CHARACTERS = 60_000  # of a document in base64: chains of five certificates have 10,000
FORMATS = ("apple-appattest", "android-key", "play-integrity")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an attestation must be about: this key (x and y), this nonce, now."""

    key: bytes
    nonce: str
    now: datetime


def check(said: Mapping[str, Any], enrolment: Enrolment, policy: Policy) -> Attested:
    """The level that this attestation earns the key. Raises Refused with the reason when it does not hold."""
    from provenance.devices import android, apple, play

    form = said.get("format")
    if form == "apple-appattest":
        return apple.check(_bytes(said, "attestation"), enrolment, _configured(policy.apple, form))
    if form == "android-key":
        chain = said.get("chain")
        if not isinstance(chain, list) or not 2 <= len(chain) <= 10:
            raise Refused(
                "malformed", "attestation.chain is a list of the certificates in base64, the key's own first."
            )
        return android.check([_decoded(each) for each in chain], enrolment, _configured(policy.android, form))
    if form == "play-integrity":
        token = said.get("token")
        if not isinstance(token, str) or len(token) > MAX_CHARACTERS:
            raise Refused("malformed", "attestation.token is the integrity token as text.")
        return play.check(token, enrolment, _configured(policy.play, form))
    raise Refused("wrong-format", f"attestation.format is one of {', '.join(FORMATS)}.")


def _configured(part: Any, form: str) -> Any:
    if part is None:
        raise Refused("not-configured", f"The operator has not set up {form} (CAPTURE_ATTESTATION). Enrol the device "
                      "without an attestation.")  # fmt: skip
    return part


def _bytes(said: Mapping[str, Any], name: str) -> bytes:
    return _decoded(said.get(name))


def _decoded(text: object) -> bytes:
    try:
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise ValueError
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Refused("malformed", "A part of the attestation is not base64.") from None
