"""The rows and schemas of devices, and what they add to the rows of captures."""

import typing

from capture_api.openapi_parts import JSON, Call, header, path, ref
from pipeline.device import Level
from provenance.devices.attestation import FORMATS
from provenance.devices.errors import Reason

SIGNED = (
    header("Signature-Input", "RFC 9421: one signature, labelled capture, over \"@method\", \"@path\" and "
           "\"content-digest\" (or \"repr-digest\"), with created, keyid (the device's id), nonce and "
           "alg=\"ecdsa-p256-sha256\""),
    header("Signature", "RFC 9421: r and s, 64 bytes"),
)  # fmt: skip
STATEMENT = header("Capture-Statement", "what a device signed for this photo without a network: see docs/devices.md")
_KEYED = ("no-key", "not-allowed")
_ID = path("device_id", "The device's id")
_DEVICE = (JSON, ref("Device"))
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}

DEVICE_CALLS = (
    Call("post", "/v1/devices", "Enrol a device's P-256 key, by a request signed with that key (keyid: its RFC 7638 "
         "thumbprint in base64url).", {201: _DEVICE},
         (*_KEYED, "malformed-request", "too-large", "conflict", "signature-refused", "attestation-refused"),
         (*SIGNED, header("Content-Digest", "RFC 9530, sha-256 of the body")),
         {JSON: {"schema": ref("DeviceEnrolment")}}),
    Call("post", "/v1/devices/nonce", "A nonce that makes the next signed request good, once, within 5 minutes.",
         {201: (JSON, ref("DeviceNonce"))}, (*_KEYED, "too-many-requests")),
    Call("get", "/v1/devices", "Your devices.", {200: (JSON, ref("Devices"))}, _KEYED),
    Call("get", "/v1/devices/{device_id}", "One of them.", {200: _DEVICE}, (*_KEYED, "not-found"), (_ID,)),
    Call("delete", "/v1/devices/{device_id}", "Revoke it: no signature of it counts from now on. Its captures stay.",
         {200: _DEVICE}, (*_KEYED, "not-found"), (_ID,)),
)  # fmt: skip

REASONS = list(typing.get_args(Reason))
DEVICE_SCHEMAS = {
    "DeviceNonce": {"type": "object", "required": ["nonce", "expires_at"],
                    "properties": {"nonce": _TEXT, "expires_at": _MOMENT}},
    "DeviceEnrolment": {
        "type": "object", "required": ["name", "public_key"], "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^\\x00-\\x1f\\x7f]+$"},
            "public_key": {"type": "object", "required": ["kty", "crv", "x", "y"], "description": "a public P-256 JWK"},
            "attestation": {"anyOf": [
                {"type": "object", "required": ["format"], "properties": {
                    "format": {"enum": list(FORMATS)},
                    "attestation": _TEXT | {"description": "apple-appattest: the attestation object in base64"},
                    "chain": {"type": "array", "items": _TEXT, "description": "android-key: DER in base64"},
                    "token": _TEXT | {"description": "play-integrity: the classic token"}}},
                {"type": "null"}]},
        },
    },
    "Device": {
        "type": "object",
        "required": ["id", "name", "key_id", "level", "attestation", "created_at", "revoked_at"],
        "properties": {
            "id": _TEXT, "name": _TEXT, "key_id": _TEXT | {"description": "the key's thumbprint, RFC 7638, base64url"},
            "level": {"enum": list(typing.get_args(Level))}, "attestation": {"type": "object"},
            "created_at": _MOMENT, "revoked_at": {"anyOf": [_MOMENT, {"type": "null"}]},
        },
    },
    "Devices": {"type": "object", "required": ["devices"],
                "properties": {"devices": {"type": "array", "items": ref("Device")}}},
}  # fmt: skip
