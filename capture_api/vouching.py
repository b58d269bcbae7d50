"""Who vouches for an upload: a request that a device signed, or a statement that it signed before. Refused is refused:
a photo whose signature does not hold is not registered as if it had none; the client may send it again without."""

from dataclasses import replace
from datetime import UTC, datetime

from flask import request

from capture_api.auth import caller
from capture_api.problems import Problem, problem
from capture_api.services import services
from pipeline.device import Device
from provenance.devices import signature, statement
from provenance.devices.errors import Refused
from store.devices import NONCE_S, Enrolled

MOST_SECONDS = 10**11  # beyond any clock that is worth telling
AHEAD_S = 60  # a device clock that is later than ours by more is named
BEHIND_S = NONCE_S + 60  # the same of one that is earlier, for a request, which is no older than its nonce
_NONCES = {
    "unknown": ("unknown-nonce", "The nonce is none that you were given here. Ask POST /v1/devices/nonce for one."),
    "stale": ("stale", "The nonce has ended. Ask for a new one and sign again."),
    "replayed": ("replayed", "The nonce was used before: each is good for one request. Ask for a new one."),
}


def vouched(offline: str | None = None) -> Device | None:
    """The fact of the device that signed this request, or a statement in it; None when nobody did.

    `offline`: a statement from elsewhere than the header Capture-Statement, as from an upload's metadata. Raises
    Problem when a signature does not hold. Which photo it is for is in the fact: `for_photo` compares.
    """
    told = request.headers.get("Capture-Statement", offline)
    signs = "Signature" in request.headers or "Signature-Input" in request.headers
    if signs and told is not None:
        raise refused(Refused("several-signatures", "Send a signed request or a statement, not both."))
    try:
        return _by_request() if signs else _by_statement(told) if told is not None else None
    except Refused as reason:
        raise refused(reason) from None


def for_photo(device: Device | None, sha256: bytes) -> None:
    """Raise Problem when the fact is for other bytes than these."""
    if device is not None and device.photo != sha256:
        raise refused(Refused("wrong-digest", f"The device signed for the SHA-256 {device.photo.hex()}; the photo has "
                              f"{sha256.hex()}."))  # fmt: skip


def still_enrolled(device: Device | None) -> None:
    """Raise Problem when the device was revoked while the photo's bytes came, which may take a day."""
    try:
        if device is not None:
            _enrolled(device.device)
    except Refused as reason:
        raise refused(reason) from None


def check_request(key: bytes, covered: signature.Signed) -> None:
    """Check this request's signature with this key, and use its nonce up. Raises Refused."""
    signature.check(covered, key, datetime.now(UTC))
    state = services().devices.use(caller().owner, covered.nonce)
    if state != "good":
        reason, sentence = _NONCES[state]
        raise Refused(reason, sentence)  # type: ignore[arg-type]


def read_request() -> signature.Signed:
    """This request's signature, not checked yet. Raises Refused."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return signature.read(signature.Message(request.method, request.path, headers))


def refused(reason: Refused) -> Problem:
    """The problem of a signature that does not hold; `reason` is for programs."""
    return problem("signature-refused", f"{reason} Nothing was registered: sign again, or send the photo unsigned.",
                   reason=reason.reason)  # fmt: skip


def _by_request() -> Device:
    signed = read_request()
    device = _enrolled(signed.keyid)
    check_request(device.key, signed)
    now = datetime.now(UTC)
    return _fact(device, now, Device(
        device.id, device.thumbprint, device.key, device.attested, "request", signed.base, signed.digest,
        signed.signature, signed.photo, signed.created, now, 0,
    ))  # fmt: skip


def _by_statement(compact: str) -> Device:
    said = statement.read(compact)
    device = _enrolled(said.device)
    statement.check(said, device.key)
    now = datetime.now(UTC)
    return _fact(device, now, Device(
        device.id, device.thumbprint, device.key, device.attested, "statement", said.text, said.digest,
        said.signature, said.photo, said.time, now, 0, said.counter,
    ))  # fmt: skip


def _fact(device: Enrolled, now: datetime, fact: Device) -> Device:
    ahead_s = min(round((fact.device_time - now).total_seconds()), MOST_SECONDS)
    notices = [f"the device's clock was {ahead_s} seconds ahead of the server's"] * (ahead_s > AHEAD_S)
    if fact.way == "request" and -ahead_s > BEHIND_S:
        notices = [f"the device's clock was {-ahead_s} seconds behind the server's"]
    return replace(fact, clock_difference_s=ahead_s, notices=tuple(notices))


def _enrolled(name: str) -> Enrolled:
    found = services().devices.find(caller().owner, name)
    if found is None:
        raise Refused("unknown-device", "No device of yours has this id. Enrol it with POST /v1/devices.")
    if found.revoked_at:
        raise Refused("revoked", f"This device was revoked at {found.revoked_at}. Enrol a new key.")
    return found
