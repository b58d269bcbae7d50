"""The fact `device`: a key that was made in a device signed for this photo, and what is known about that key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# What vouches for the key. `key`: nobody; the others: Apple for the app, Android for the hardware that keeps it, Google
# Play for the device (basic integrity alone earns no level of its own).
Level = Literal["key", "app-attest", "android-tee", "android-strongbox", "play-device", "play-strong"]
ATTESTED: tuple[Level, ...] = ("app-attest", "android-tee", "android-strongbox", "play-device", "play-strong")
Way = Literal["request", "statement"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that an attestation said, or why a higher level was not given."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Attested:
    """What is known about a device's key. `at`: when the server checked the attestation, None without one."""

    level: Level
    format: str | None = None
    at: datetime | None = None
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device's signature for one photo, whole, so that anyone can check it again.

    `thumbprint`: SHA-256 of the public key's JWK (RFC 7638); `key`: that key's x and y, 64 bytes (P-256). `way`: a
    request signed at the upload (RFC 9421) or a statement signed before, without a network. `text`: what was signed,
    ASCII, whose SHA-256 is `digest`; `signature`: r and s, 64 bytes (ECDSA with SHA-256). `photo`: the SHA-256 that it
    signs for. `device_time` is the device's claim, `received_at` ours; `clock_difference_s`: the first less the second,
    rounded; of a statement, which may lie on the device for days, it is the clock's only when above zero. `counter`:
    the statement's. `notices`: what a person should know about it.
    """

    device: str
    thumbprint: bytes
    key: bytes
    attested: Attested
    way: Way
    text: str
    digest: bytes
    signature: bytes
    photo: bytes
    device_time: datetime
    received_at: datetime
    clock_difference_s: int
    counter: int | None = None
    notices: tuple[str, ...] = ()
