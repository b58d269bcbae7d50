"""What the OpenAPI document says of parents and derivatives."""

import typing
from typing import Any

from capture_api.body import Metadata
from capture_api.family import MOST
from capture_api.openapi_parts import JSON, Call, path, query, ref
from pipeline.parents import MOST_PARENTS, SourceType

_TEXT = {"type": "string"}
_MAYBE = {"anyOf": [_TEXT, {"type": "null"}]}
_COUNT = {"type": "integer", "minimum": 0}


def _schema_of_terms() -> dict[str, Any]:
    names = ("creator", "credit", "copyright_notice", "licence", "ai_training", "licence_title", "licence_url")
    offer = {
        "type": ["object", "null"], "description": "of a work: what the chain offers it under",
        "properties": {"preset": _MAYBE, "share": _COUNT | {"description": "parts per million"}, "fee": _TEXT,
                       "currency": _MAYBE, "ai_training": _TEXT},
    }  # fmt: skip
    fields = {**dict.fromkeys(names, _MAYBE), "offer": offer}
    return {"anyOf": [{"type": "object", "required": [*fields], "properties": fields}, {"type": "null"}]}


PARENT_PROBLEMS = ("invalid-parent", "parent-not-logged")
_TERMS = _schema_of_terms()
_UNDECLARED = {
    "type": "array",
    "description": "registered photos of others that are seen in it, and neither among its parents or theirs nor "
    "named on the chain: the match as in the verdict, and the photo's terms where it is published",
    "items": {"allOf": [ref("Match"), {"type": "object", "required": ["terms"], "properties": {"terms": _TERMS}}]},
}
PARENT_FIELDS: dict[str, Any] = {
    "digital_source_type": {"enum": [*typing.get_args(SourceType), None],
                            "description": "how it was made, as its uploader stated"},
    "parents": {
        "type": "array", "maxItems": MOST_PARENTS,
        "description": "what it was made from, as its uploader named them",
        "items": {"type": "object", "required": ["id", "licence"],
                  "properties": {"id": _TEXT, "licence": _MAYBE | {"description": "a token, 0x and 64 hex digits"}}},
    },
    "undeclared_parents": _UNDECLARED,
    "undeclared_stand": {"type": "boolean", "description": "the owner was asked about them, and left it so"},
    "held_for": {"enum": ["undeclared_parents", None], "description": "what its owner has to answer by a PATCH before "
                 "it is signed"},
    "erased_parents": _COUNT | {"description": "how many more were named, and erased by their owners since"},
}  # fmt: skip


def _metadata() -> dict[str, Any]:
    whole = Metadata.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**whole.pop("$defs"), "Metadata": whole}


METADATA_SCHEMAS = _metadata()

_MEMBER = {
    "id": _TEXT, "title": _TEXT, "status": _TEXT, "created_at": {"type": "string", "format": "date-time"},
    "asset": _MAYBE | {"description": "the work's token on the chain, 0x and 64 hex digits; null before it is logged"},
    "links": {"type": "object", "additionalProperties": _TEXT},
}  # fmt: skip
_PPM = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_STANDING: dict[str, Any] = {
    "share_ppm": {"anyOf": [_PPM, {"type": "null"}], "description": "what the parent gets of all that the work made "
                  "from it earns, rounded down; null while the chain says nothing"},
    "on_chain": {"type": "boolean", "description": "the work said on the chain that it was made from it"},
}  # fmt: skip
_PARENT = {
    "type": "object", "required": [*_MEMBER, "licence", *_STANDING],
    "properties": _MEMBER | {"licence": _MAYBE} | _STANDING,
}  # fmt: skip
_DERIVATIVE = {"type": "object", "required": [*_MEMBER, *_STANDING], "properties": _MEMBER | _STANDING}
_ANCESTOR = {
    "type": "object", "required": ["id", "asset", "share_ppm"],
    "properties": {"id": _MAYBE | {"description": "null for what is not here, or not for you to see"}, "asset": _TEXT,
                   "share_ppm": _PPM},
}  # fmt: skip
_FAMILY = {
    "id": _TEXT,
    "parents": {"type": "array", "items": _PARENT,
                "description": "named by the upload or on the chain, and published or yours"},
    "unpublished_parents": _COUNT | {"description": "named, and not for you to see"},
    "ancestors": {"type": "array", "items": _ANCESTOR,
                  "description": "all others that have a share on the chain: parents' parents, and what is not listed"},
    "erased_parents": _COUNT,
    "derivatives": {"type": "array", "items": _DERIVATIVE,
                    "description": "named this one as their parent, in that order: published, or yours"},
    "more": {"type": "boolean"},
    "cursor": {"type": "string", "description": "for `after`"},
    "undeclared_parents": _UNDECLARED,
}  # fmt: skip
FAMILY_SCHEMAS = {"Family": {"type": "object", "required": [*_FAMILY], "properties": _FAMILY}}
FAMILY = (
    Call("get", "/v1/captures/{id}/family",
         "What a capture, yours or published, was made from, and what was made from it, a page at a time.",
         {200: (JSON, ref("Family"))}, ("no-key", "not-allowed", "not-found", "erased", "malformed-request"),
         (path("id", "The capture's id"), query("after", "the cursor of the page before", _TEXT),
          query("limit", "derivatives in the page", {"type": "integer", "minimum": 1, "maximum": MOST}))),
)  # fmt: skip
