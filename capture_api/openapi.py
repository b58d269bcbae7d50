"""The OpenAPI 3.1 document: one row per call, schemas from the same types that the code uses."""

import dataclasses
import types
import typing
from datetime import datetime
from functools import cache
from typing import Any

from capture_api.body import MAX_METADATA_BYTES, TYPES
from capture_api.openapi_bindings import RESOLUTION, RESOLVED
from capture_api.openapi_devices import DEVICE_CALLS, DEVICE_SCHEMAS, REASONS, SIGNED, STATEMENT
from capture_api.openapi_family import FAMILY, FAMILY_SCHEMAS, METADATA_SCHEMAS, PARENT_FIELDS, PARENT_PROBLEMS
from capture_api.openapi_parts import BYTES, JSON, Call, header, path, ref
from capture_api.openapi_plain import KEYED, PLAIN, PLAIN_SCHEMAS, QUOTA
from capture_api.openapi_reviews import REVIEW_CALLS, REVIEW_SCHEMAS
from capture_api.openapi_rights import RIGHTS, RIGHTS_SCHEMAS
from capture_api.openapi_statements import STATEMENT_CALLS, statement_schemas
from capture_api.openapi_told import TOLD, TOLD_SCHEMAS
from capture_api.openapi_uploads import UPLOADS
from capture_api.openapi_wallet import WALLET_CALLS, WALLET_SCHEMAS
from capture_api.openapi_works import WORK_CALLS, WORK_SCHEMAS
from capture_api.problems import TYPES as PROBLEMS
from ledger.cose import MEDIA_TYPE as COSE
from pipeline.credentials import TrustVerdict
from pipeline.device import Device
from pipeline.record import FACTS, Dimensions, Fingerprint, MatchKind, Rejection, Rights, Timestamp, VerdictKind
from settings import MAX_UPLOAD_BYTES

ID = path("id", "The capture's id")
_HEX = {"type": "string", "pattern": "^[0-9a-f]*$", "description": "bytes as lower-case hex"}


_RECEIPT = ("version", "capture", "statement", "leaf", "inclusion", "checkpoint", "anchor", "asset", "manifest")
_CAPTURE = (JSON, ref("Capture"))
_OWN = ("no-key", "not-allowed", "not-found", "erased")
_UPLOAD_PROBLEMS = ("empty-upload", "wrong-digest", "malformed-request", "upload-cut-off", "no-key", "not-allowed",
                    "no-length", "too-large", "wrong-media-type", "rejected", "unavailable")  # fmt: skip
_PHOTO = {media_type: {"schema": BYTES} for media_type in TYPES}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "image/*"}, "metadata": ref("Metadata")},
}
_DIGEST = header("Content-Digest", "RFC 9530, sha-256. Checked when there; not with multipart.")

CALLS = (
    Call("post", "/v1/captures",
         f"Register a photo of at most {MAX_UPLOAD_BYTES // 1_000_000} MB. 202: taken, and durable. 201: with Prefer: "
         "wait=N, anchored within N seconds. 200: this owner registered these bytes before.",
         {202: _CAPTURE, 201: _CAPTURE, 200: _CAPTURE},
         (*_UPLOAD_PROBLEMS, *QUOTA, *KEYED, *PARENT_PROBLEMS, "conflict", "invalid-metadata", "signature-refused"),
         (header("Prefer", "wait=N: answer when the capture is anchored, at the latest after N seconds (RFC 7240)"),
          header("Idempotency-Key",
                 "1 to 255 characters of your choice: a repeat within 24 hours gives the first capture"),
          header("Capture-Metadata", f"The metadata as JSON (ASCII, at most {MAX_METADATA_BYTES} bytes), "
                  "when the body is the photo itself"), _DIGEST, *SIGNED, STATEMENT),
         _PHOTO | {"multipart/form-data": {"schema": _FORM, "encoding": {"metadata": {"contentType": JSON}}}}),
    *PLAIN,
    *STATEMENT_CALLS,
    *FAMILY,
    Call("get", "/v1/captures/{id}", "The capture; facts to come are null.", {200: _CAPTURE}, _OWN, (ID,)),
    Call("delete", "/v1/captures/{id}",
         "Erase it (owner only): nobody gets at it from now on, its bytes are off the disk within seconds; the log "
         "keeps the entry's digest and gets a tombstone. Again: 410.", {202: (JSON, {"type": "object"})}, _OWN, (ID,)),
    Call("get", "/v1/captures/{id}/matches/{other}/evidence.png",
         "Both photos side by side, what they share outlined, what differs shaded: when you may see the capture, and "
         "the matched one is published or yours.", {200: ("image/png", BYTES)}, (*_OWN, "not-there-yet"),
         (ID, path("other", "The match's id"))),
    Call("get", "/v1/captures/{id}/fingerprint", "All fingerprints, raw (owner and reviewers only).",
         {200: (JSON, ref("Fingerprint"))}, (*_OWN, "not-there-yet"), (ID,)),
    Call("get", "/v1/captures/{id}/file", "The photo with its signed manifest, without the place where it was taken "
         "unless keep_location was asked for.", {200: ("image/*", BYTES)},
         (*_OWN, "not-there-yet", "location-withheld"), (ID,)),
    Call("get", "/v1/captures/{id}/signed", "The whole signed photo, which the receipt is about: the same, or with the "
         "place (owner only).", {200: ("image/*", BYTES)}, (*_OWN, "not-there-yet"), (ID,)),
    Call("get", "/v1/captures/{id}/original", "The upload, untouched (owner only).", {200: ("image/*", BYTES)}, _OWN,
         (ID,)),
    Call("get", "/v1/captures/{id}/thumbnail", "An upright JPEG of at most 512 px, without metadata.",
         {200: ("image/jpeg", BYTES)}, (*_OWN, "not-there-yet"), (ID,)),
    Call("get", "/v1/captures/{id}/manifest", "The C2PA manifest store: the registered one for the owner, for "
         "reviewers that of /file.", {200: ("application/c2pa", BYTES)},
         (*_OWN, "not-there-yet", "location-withheld"), (ID,)),
    Call("get", "/v1/captures/{id}/receipt", "What anyone needs to verify the photo without us (owner only); with "
         "`Accept: application/cose` as receipt.cose.", {200: (JSON, ref("Receipt"))}, (*_OWN, "not-there-yet"),
         (ID,)),
    Call("get", "/v1/captures/{id}/receipt.cose", "The same as a COSE receipt of inclusion (RFC 9942), without the "
         "statement (owner only).", {200: (COSE, BYTES)}, (*_OWN, "not-there-yet"), (ID,)),
    Call("get", "/v1/captures/{id}/timestamp", "The RFC 3161 time-stamp of the manifest store that came after signing, "
         "because the authority was down then.", {200: ("application/timestamp-reply", BYTES)},
         (*_OWN, "not-there-yet"), (ID,)),
    Call("get", "/v1/captures/{id}/bundle", "A zip of the signed photo, the receipt and a verifier that needs nothing "
         "but python3 (owner only).", {200: ("application/zip", BYTES)}, (*_OWN, "not-there-yet"), (ID,)),
    Call("post", "/v1/verify", "Is this photo, or does it contain, something registered? Keeps nothing.",
         {200: (JSON, ref("Verification"))}, _UPLOAD_PROBLEMS, (_DIGEST,),
         _PHOTO | {"multipart/form-data": {"schema": _FORM}}),
    *RESOLUTION,
    *DEVICE_CALLS,
    *WORK_CALLS,
    *REVIEW_CALLS,
    *WALLET_CALLS,
    *TOLD,
    *UPLOADS,
    Call("get", "/log/checkpoint", "The log's newest checkpoint, a C2SP signed note with the cosignatures it has.",
         {200: ("text/plain", {"type": "string"})}, ("not-there-yet",), key=False),
    Call("get", "/log/checkpoint/witnessed", "The newest checkpoint that a witness cosigned.",
         {200: ("text/plain", {"type": "string"})}, ("not-there-yet",), key=False),
    Call("get", "/log/checkpoint/{size}", "The checkpoint of this size, when one was signed, with its cosignatures.",
         {200: ("text/plain", {"type": "string"})}, ("not-there-yet",),
         ({"name": "size", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},), key=False),
    Call("get", "/log/vkey", "The public key that checkpoints are signed with.",
         {200: ("text/plain", {"type": "string"})}, key=False),
    Call("get", "/keys/root.pem", "The root certificate that our Content Credentials are signed under.",
         {200: ("application/x-pem-file", {"type": "string"})}, ("unavailable",), key=False),
    Call("get", "/keys/chain.pem", "The certificate that signs now, and its issuing authority.",
         {200: ("application/x-pem-file", {"type": "string"})}, ("unavailable",), key=False),
    Call("get", "/keys/crl.pem", "Which of our certificates were revoked, and since when (RFC 5280), as text.",
         {200: ("application/x-pem-file", {"type": "string"})}, ("not-found", "unavailable"), key=False),
    Call("get", "/keys/crl.der", "The same, as certificates point to it.",
         {200: ("application/pkix-crl", BYTES)}, ("not-found", "unavailable"), key=False),
    Call("get", "/log/tile/{level}/{place}", "A tile of the log (C2SP tlog-tiles), immutable.",
         {200: ("application/octet-stream", BYTES)}, ("not-found",),
         ({"name": "level", "in": "path", "required": True,
           "schema": {"type": "integer", "minimum": 0, "maximum": 63}},
          {"name": "place", "in": "path", "required": True, "schema": {"type": "string"},
           "description": "such as 000, x001/234 or 000.p/7"}), key=False),
    *RIGHTS,
    Call("get", "/verify", "The page that checks a photo, without script.",
         {200: ("text/html", {"type": "string"})}, key=False),
    Call("post", "/verify", "That page's form: what the photo carries, our verdict, and the published photos that it "
         "has to do with. Keeps nothing; problems are pages too.", {200: ("text/html", {"type": "string"})}, (),
         body={"multipart/form-data": {"schema": _FORM}}, key=False),
    Call("get", "/", "The app page.", {200: ("text/html", {"type": "string"})}, key=False),
    Call("get", "/offline", "Shown when there is no network.", {200: ("text/html", {"type": "string"})}, key=False),
    Call("get", "/sw.js", "The app's service worker.", {200: ("text/javascript", {"type": "string"})}, key=False),
    Call("get", "/docs", "This document, for people.", {200: ("text/html", {"type": "string"})}, key=False),
    Call("get", "/openapi.json", "This document.", {200: (JSON, {"type": "object"})}, key=False),
    Call("get", "/healthz", "The process answers.", {200: (JSON, ref("Health"))}, key=False),
    Call("get", "/readyz", "Each engine answers.", {200: (JSON, ref("Health"))}, ("no-key", "unavailable")),
    Call("get", "/metrics", "Prometheus metrics (scope admin).", {200: ("text/plain", {"type": "string"})},
         ("no-key", "not-allowed")),
)  # fmt: skip


_NUMBER = {"type": "number"}
_PART = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_MATCH = {
    "type": "object",
    "required": ["id", "kind", "score", "distance", "means", "checked", "evidence", "links"],
    "properties": {
        "id": {"type": "string"},
        "kind": {"enum": list(typing.get_args(MatchKind)),
                 "description": "shares_region and same_scene are for a person to judge and accuse nobody"},
        "score": _PART | {"description": "how much of what can be compared agrees; it is no probability"},
        "distance": {"anyOf": [_COUNT, {"type": "null"}],
                     "description": "bits that differ between the whole pictures, of evidence.bits; null when the "
                     "other photo is another's and not published"},
        "means": {"type": "string", "description": "the kind in plain words"},
        "checked": {"type": "string", "description": "what was compared, and what came of it, in plain words"},
        "evidence": ref("Evidence"),
        "links": {"type": "object", "additionalProperties": {"type": "string"},
                  "description": "public and thumbnail when the matched capture is published; evidence, a picture, "
                  "when you may see both"},
    },
}  # fmt: skip


def _evidence() -> dict[str, Any]:
    corners = {"type": "array", "minItems": 4, "maxItems": 4, "items": _list(_NUMBER)}
    found = {"alg": {"type": "string"}, "orientation": {"type": "string"}, "bits": _COUNT,
             "negative": {"type": "boolean", "description": "light and dark are swapped"}}  # fmt: skip
    aligned = {
        "box": (corners, "the registered photo's corners in the pixels of the picture that was asked about, after its "
                "EXIF turn: top left, top right, bottom right, bottom left; they may lie outside"),
        "reverse_box": (corners, "that picture's corners in the registered photo"),
        "homography": (_list(_list(_NUMBER)), "three rows: from the registered photo's pixels to that picture's"),
        "dimensions": (_schema(Dimensions), "the registered photo's"),
        "visible": (_PART, "how much of the registered photo is in that picture"),
        "covers": (_PART, "how much of that picture it fills"),
        "agreement": (_PART, "of the windows with detail"),
        "inliers": (_COUNT, "point pairs that line up; 0 when whole pictures were compared"),
        "windows": (_COUNT, "with detail"),
        "correlation": (_list(_list(_nullable(_NUMBER))), "a grid over the registered photo, rows from the top, in "
                        "percent from -100 to 100; null where there is nothing to compare"),
    }  # fmt: skip
    shown = {name: _nullable(schema) | {"description": said} for name, (schema, said) in aligned.items()}
    return {
        "type": "object",
        "required": [*found, *shown],
        "properties": found | shown,
        "description": "From `box` on null when the pictures were not laid over each other.",
    }


def _verdict(kind: str, **more: Any) -> dict[str, Any]:
    properties = {
        kind: {"enum": list(typing.get_args(VerdictKind))},
        "matches": _list(ref("Match")) | {"description": "best first"},
        "compared_with": _COUNT,
        "note": {"type": "string", "description": "what was not checked"},
        **more,
    }
    return {"type": "object", "required": [kind, "matches", "compared_with", "note"], "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Capture",
            "version": "1",
            "summary": "Registers photos: Content Credentials, copies, a log that is anchored on a chain.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": call.summary,
        "operationId": f"{call.method} {call.path}",
        "parameters": list(call.parameters),
        "responses": {
            str(status): {
                "description": "Success",
                "content": {media_type: {"schema": schema}, **{other: {"schema": BYTES} for other in call.also}},
            }
            for status, (media_type, schema) in call.answers.items()
        },
        "security": [{"key": []}] if call.key else [],
    }
    for status, group in _by_status(call.problems).items():
        shape = ref("PaymentRequired" if status == 402 else "Problem")
        content = {"application/problem+json": {"schema": shape}}
        operation["responses"][str(status)] = {"description": group, "content": content}
    if call.body:
        operation["requestBody"] = {"required": True, "content": call.body}
    return operation


def _by_status(names: tuple[str, ...]) -> dict[int, str]:
    grouped: dict[int, list[str]] = {}
    for name in names:
        status, title = PROBLEMS[name]
        grouped.setdefault(status, []).append(f"{name}: {title}")
    return {status: "; ".join(sorted(group)) for status, group in sorted(grouped.items())}


def _schemas() -> dict[str, Any]:
    facts = {name: _nullable(_schema(kind)) for name, kind, _ in FACTS}
    facts["verdict"] = _nullable(ref("Verdict"))
    facts["fingerprint"] = _nullable(_schema(Fingerprint) | {"description": "of a long one there is `bytes` only"})
    capture = {
        "id": {"type": "string"},
        "status": {"enum": [*(status for _, _, status in FACTS), "rejected"]},
        "created_at": {"type": "string", "format": "date-time"},
        "rights": _schema(Rights),
        "published": {"type": "boolean"},
        "keep_location": {"type": "boolean"},
        **PARENT_FIELDS,
        **facts,
        "timestamp": _nullable(_timestamp()),
        "device": _nullable(_schema(Device)) | {"description": "who signed for the photo; `means` says it in words"},
        "credentials_now": _nullable(_credentials_now()),
        "rejection": _nullable(_schema(Rejection)),
        "timings": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "ms since upload"},
        "promise": {"type": "string", "description": "a signed note: in the log, or refused with a reason, by when"},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    return {
        "Capture": {"type": "object", "required": list(capture), "properties": capture},
        **METADATA_SCHEMAS,
        **FAMILY_SCHEMAS,
        "Fingerprint": _schema(Fingerprint),
        "Verdict": _verdict("kind"),
        "Match": _MATCH,
        "Evidence": _evidence(),
        "Verification": _verdict("verdict", credentials=facts["credentials"], dimensions=_schema(Dimensions)),
        **RESOLVED,
        **DEVICE_SCHEMAS,
        **WORK_SCHEMAS,
        **REVIEW_SCHEMAS,
        **RIGHTS_SCHEMAS,
        **WALLET_SCHEMAS,
        **TOLD_SCHEMAS,
        **PLAIN_SCHEMAS,
        **statement_schemas(capture["rights"], facts["inclusion"], facts["anchor"]),
        "Receipt": {"type": "object", "required": list(_RECEIPT)},
        "Health": {"type": "object", "properties": {"status": {"type": "string"}}},
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"enum": [f"/docs#problem-{name}" for name in PROBLEMS]},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "what is wrong, and what to do next"},
                "reason": {"enum": REASONS, "description": "of signature-refused and attestation-refused"},
            },
        },
    }  # fmt: skip


def _timestamp() -> dict[str, Any]:
    schema = _schema(Timestamp)
    del schema["properties"]["reply"]
    return schema | {"required": list(schema["properties"])}


def _credentials_now() -> dict[str, Any]:
    schema = _schema(TrustVerdict)
    schema["properties"]["judged_at"] = {"type": "string", "format": "date-time"}
    return schema | {"description": "what the trust lists of a later day say; null while there is only the fact"}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a fact type, by the same rules as pipeline.record.encode."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _nullable(_schema(next(k for k in arguments if k is not type(None))))
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return {"type": "object", "properties": {name: _schema(hint) for name, hint in hints.items()}}
    if kind is bytes:
        return dict(_HEX)
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    return {"type": {str: "string", int: "integer", bool: "boolean"}[kind]}
