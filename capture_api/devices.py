"""/v1/devices: keys that were made in devices and may sign for captures, and the nonces that they sign with."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capture_api.auth import caller, needs
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from capture_api.vouching import check_request, read_request, refused
from pipeline.device import Attested
from pipeline.record import encode
from provenance.devices.errors import Refused
from provenance.devices.keys import from_jwk, thumbprint, to_base64url
from provenance.devices.signature import Signed
from store.devices import Enrolled

devices = Blueprint("devices", __name__, url_prefix="/v1/devices")

NAME = r"^[^\x00-\x1f\x7f]+$"  # a line of text
MAX_BODY_BYTES = 256 * 1024  # attestations are certificates in base64


class Enrolment(BaseModel):
    """What enrols a device."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=100, pattern=NAME)
    public_key: dict[str, Any]
    attestation: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """An enrolment whose sender has the key."""

    enrolment: Enrolment
    key: bytes
    nonce: str


@devices.post("/nonce")
@needs("capture")
def nonce() -> Response:
    """A nonce to sign the next request with."""
    made = services().devices.nonce(caller().owner)
    if made is None:
        raise problem("too-many-requests", "Too many of your nonces are open. Use those, or wait until they end.",
                      retry_after_s=60)  # fmt: skip
    return json_answer({"nonce": made[0], "expires_at": encode(datetime.fromtimestamp(made[1], UTC))}, 201)


@devices.post("")
@needs("capture")
def enrol() -> Response:
    """Enrol a device's key, by a request that it signed."""
    asked = _asked()
    attested = _attested(asked)
    owner, print_ = caller().owner, thumbprint(asked.key)
    made = services().devices.add(owner, asked.enrolment.name, print_, asked.key, attested)
    if made is None:
        held = services().devices.find(owner, "", print_)
        revoked = ", which was revoked" if held and held.revoked_at else ""
        raise problem("conflict", f"This key is enrolled already, as the device {held.id if held else ''}{revoked}. "
                      "Make a new key to enrol again.")  # fmt: skip
    answer = json_answer(device_json(made), 201)
    answer.headers["Location"] = url_for("devices.show", device_id=made.id)
    return answer


@devices.get("")
@needs("capture")
def index() -> Response:
    """Your devices."""
    return json_answer({"devices": [device_json(each) for each in services().devices.all(caller().owner)]})


@devices.get("/<device_id>")
@needs("capture")
def show(device_id: str) -> Response:
    """One of them."""
    return json_answer(device_json(_own(device_id)))


@devices.delete("/<device_id>")
@needs("capture")
def revoke(device_id: str) -> Response:
    """Take no signature of it from now on."""
    _own(device_id)
    services().devices.revoke(caller().owner, device_id)
    return json_answer(device_json(_own(device_id)))


def device_json(device: Enrolled) -> dict[str, Any]:
    """A device as its owner sees it."""
    attested = encode(device.attested)
    return {
        "id": device.id,
        "name": device.name,
        "key_id": to_base64url(device.thumbprint),
        "level": attested.pop("level"),
        "attestation": attested,
        "created_at": device.created_at,
        "revoked_at": device.revoked_at,
    }


def _own(device_id: str) -> Enrolled:
    found = services().devices.find(caller().owner, device_id)
    if found is None:
        raise problem("not-found", f"You have no device {device_id[:40]!r}.")
    return found


def _asked() -> _Asked:
    """What is asked, when the request is signed by the very key that it enrols."""
    body = _body()
    try:
        enrolment = Enrolment.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise problem("malformed-request", f"{place}: {first['msg']}. The fields are listed at /docs.") from None
    try:
        key = from_jwk(enrolment.public_key)
    except Refused as reason:
        raise _not_attested(reason) from None
    try:
        return _Asked(enrolment, key, _proven(key, body).nonce)
    except Refused as reason:
        raise refused(reason) from None


def _proven(key: bytes, body: bytes) -> Signed:
    """The request's signature, by this key over this body."""
    signed = read_request()
    if signed.keyid != to_base64url(thumbprint(key)):
        raise Refused("wrong-key", "keyid is not the thumbprint of the key to be enrolled (RFC 7638, base64url).")
    if signed.photo != hashlib.sha256(body).digest():
        raise Refused("wrong-digest", "Content-Digest is not that of the body.")
    check_request(key, signed)
    return signed


def _attested(asked: _Asked) -> Attested:
    if asked.enrolment.attestation is None:
        return Attested("key")
    from provenance.devices.attestation import Enrolment as About
    from provenance.devices.attestation import check

    about = About(asked.key, asked.nonce, datetime.now(UTC))
    try:
        return check(asked.enrolment.attestation, about, services().attestation)
    except Refused as reason:
        raise _not_attested(reason) from None


def _not_attested(reason: Refused) -> Exception:
    return problem("attestation-refused", f"{reason} The device was not enrolled.", reason=reason.reason)


def _body() -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise problem("too-large", f"An enrolment has at most {MAX_BODY_BYTES} bytes.")
    body = request.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise problem("too-large", f"An enrolment has at most {MAX_BODY_BYTES} bytes.")
    return bytes(body)
