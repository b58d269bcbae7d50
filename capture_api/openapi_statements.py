"""The rows and schemas of what is stated about the rights of a photo, once and again."""

from typing import Any

from capture_api.openapi_parts import JSON, Call, path, ref
from store.statements import MOST_STATEMENTS

_KEYED = ("no-key", "not-allowed", "not-found", "erased")
_READ = (*_KEYED, "malformed-request", "wrong-media-type", "too-large", "invalid-metadata", "too-late",
         "quota-exceeded")  # fmt: skip
_ID = path("id", "The capture's id")
_STATED = {200: (JSON, ref("StatedRights"))}
_NUMBER = path("number", "Which of the later statements, from 1")

STATEMENT_CALLS = (
    Call("get", "/v1/captures/{id}/rights", "The rights of a photo, and all that was ever stated about them; 0 is what "
         "came with it.", _STATED, _KEYED, (_ID,)),
    Call("put", "/v1/captures/{id}/rights", "State the rights of a photo anew (owner only), whole: what is left out is "
         "as the key has it. Until the photo is signed this is as PATCH, but leaves a hold; once it is sealed, it "
         f"is an entry of the log of its own, and what was stated before stays. At most {MOST_STATEMENTS} times; each "
         "counts as a capture of the key's quota. A worker that has the photo is waited for, two seconds; then 409 "
         "`too-late`: send it again.", _STATED, _READ, (_ID,),
         {JSON: {"schema": ref("RightsToState")}}),
    Call("get", "/v1/captures/{id}/rights/{number}/receipt", "What anyone needs to verify a later statement without "
         "us: version 3 of the receipt.", {200: (JSON, ref("Receipt"))}, (*_KEYED, "not-there-yet"), (_ID, _NUMBER)),
)  # fmt: skip


def statement_schemas(rights: dict[str, Any], inclusion: dict[str, Any], anchor: dict[str, Any]) -> dict[str, Any]:
    """The schemas, over those of the rights and of the two facts, which may be null."""
    entry = {
        "number": {"type": "integer", "minimum": 0},
        "rights": rights,
        "stated_at": {"type": "string", "format": "date-time"},
        "leaf": {"anyOf": [{"type": "string", "pattern": "^[0-9a-f]{64}$"}, {"type": "null"}]},
        "inclusion": inclusion,
        "anchor": anchor,
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    history = {"type": "array", "items": {"type": "object", "required": list(entry), "properties": entry}}
    return {
        "StatedRights": {
            "type": "object",
            "required": ["rights", "history"],
            "properties": {"rights": rights, "history": history},
        },
        "RightsToState": rights | {"required": []},
    }
