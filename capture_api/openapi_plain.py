"""The rows and schemas of what comes before and after a plain upload: check, and changes before it is signed."""

from typing import get_args

from capture_api.amending import MOST_CHECKED, Amendment, Check
from capture_api.json_body import JSON_TYPES
from capture_api.openapi_family import PARENT_PROBLEMS
from capture_api.openapi_parts import JSON, Call, path, ref
from store.known import State

QUOTA = ("quota-exceeded",)
KEYED = ("idempotency-key-in-use", "idempotency-key-reused")
_READ = ("no-key", "not-allowed", "malformed-request", "wrong-media-type", "too-large", "invalid-metadata")

PLAIN = (
    Call("post", "/v1/captures/check",
         f"Ask before you send: which of these photos (SHA-256, at most {MOST_CHECKED}) are `known`, with the "
         "capture's id, `unknown`, or `erased`: you had it erased, do not send it again. In the order asked.",
         {200: (JSON, ref("Checked"))}, _READ, body={JSON: {"schema": ref("Check")}}),
    Call("patch", "/v1/captures/{id}",
         "Say more about a photo until it is signed (owner only); what is left out stays. Ends its hold (`hold_s` in "
         "the metadata of the upload), or begins a new one, of an hour after the upload at most. 409 `too-late`, with "
         "what `stands`, once it is signed; a worker that has it meanwhile is waited for, two seconds.",
         {200: (JSON, ref("Capture"))},
         (*_READ, *PARENT_PROBLEMS, "not-found", "erased", "too-late"), (path("id", "The capture's id"),),
         {kind: {"schema": ref("Amendment")} for kind in JSON_TYPES}),
)  # fmt: skip

_RESULT = {
    "type": "object",
    "required": ["sha256", "state"],
    "properties": {"sha256": {"type": "string"}, "state": {"enum": list(get_args(State))}, "id": {"type": "string"}},
}
_AMENDMENT = Amendment.model_json_schema(ref_template="#/components/schemas/{model}")  # ParentClaim is the metadata's
PLAIN_SCHEMAS = {
    "Check": Check.model_json_schema(),
    "Checked": {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": _RESULT}},
    },
    "Amendment": {name: value for name, value in _AMENDMENT.items() if name != "$defs"},
}
