"""The rows and schemas of the soft binding resolution API. C2PA's own description of it is an OpenAPI file of its own:
docs/soft-binding.md tells what this adds to that."""

import dataclasses

from capture_api.bindings import ALGORITHMS, DEFAULT_RESULTS, MOST_RESULTS, RECOVERED
from capture_api.body import TYPES
from capture_api.openapi_parts import BYTES, JSON, Call, path, query, ref

_FOUND = (JSON, ref("SoftBindingResult"))
_SBR = "/v1/matches/by"
_ASKED = ("malformed-request", "too-many-requests")


_TEXT = {"type": "string"}
_MOST = query("maxResults", f"At most that many; {MOST_RESULTS} are the most there are.",
               {"type": "integer", "minimum": 1, "default": DEFAULT_RESULTS})  # fmt: skip
_ALG, _VALUE = "one of /v1/services/supportedAlgorithms", "as in a c2pa.soft-binding assertion, in base64"

_CALLS = (
    Call("get", f"{_SBR}Binding", "C2PA soft binding resolution: ids of the manifests of published photos with this "
         "soft binding, or one near it.", {200: _FOUND}, (*_ASKED, "query-too-long"),
         (query("alg", _ALG, _TEXT, True), query("value", _VALUE, _TEXT, True), _MOST), key=False),
    Call("post", f"{_SBR}Binding", "The same for long values.", {200: _FOUND}, (*_ASKED, "too-large"), (_MOST,),
         {JSON: {"schema": ref("SoftBindingQuery")}}, key=False),
    Call("post", f"{_SBR}Content", "C2PA soft binding resolution: ids of the manifests of published photos that this "
         "photo is, contains or is part of. Without alg by every means here; a hint is looked up too.", {200: _FOUND},
         (*_ASKED, "too-large", "wrong-media-type", "unavailable"),
         (query("alg", _ALG, _TEXT), _MOST, query("hintAlg", _ALG, _TEXT), query("hintValue", _VALUE, _TEXT)),
         {media_type: {"schema": BYTES} for media_type in TYPES}, key=False),
    Call("get", "/v1/manifests/{manifest_id}", "The manifest store that was signed for a published photo, byte for "
         "byte, or its active manifest alone. Recovered by soft binding: your pixels are not hash-bound to it.",
         {200: ("application/c2pa", BYTES)}, (*_ASKED, "not-found"),
         (path("manifest_id", "The manifest's label"), query("returnActiveManifest", "The active manifest alone",
          {"type": "boolean", "default": False})), key=False),
    Call("get", "/v1/services/supportedAlgorithms", "The soft binding algorithms that may be asked for.",
         {200: (JSON, ref("SoftBindingAlgorithms"))}, ("too-many-requests",), key=False),
)  # fmt: skip


def _at_root(call: Call) -> Call:
    path = call.path.removeprefix("/v1")
    return dataclasses.replace(
        call, path=path, summary=f"The same as `{call.path}`, for clients that append to a host."
    )


RESOLUTION = (*_CALLS, *map(_at_root, _CALLS))

_ALGORITHM = {"type": "object", "required": ["alg"], "properties": {"alg": {"enum": list(ALGORITHMS)}}}
_SCORE = {"type": "integer", "minimum": 0, "maximum": 100, "description": "100 is the strongest match"}
RESOLVED = {
    "SoftBindingQuery": {"type": "object", "required": ["alg", "value"],
                         "properties": {"alg": _TEXT, "value": _TEXT | {"description": _VALUE}}},
    "SoftBindingResult": {
        "type": "object",
        "required": ["matches"],
        "properties": {
            "matches": {"type": "array", "description": "best first", "items": {
                "type": "object", "required": ["manifestId", "similarityScore"],
                "properties": {"manifestId": _TEXT, "similarityScore": _SCORE}}},
            "note": {"enum": [RECOVERED]},
        },
    },
    "SoftBindingAlgorithms": {
        "type": "object",
        "properties": {name: {"type": "array", "items": _ALGORITHM} for name in ("watermarks", "fingerprints")},
    },
}  # fmt: skip
