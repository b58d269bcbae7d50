"""What the OpenAPI document says of parents and derivatives."""

import typing
from typing import Any

from capture_api.body import Metadata
from pipeline.parents import MOST_PARENTS, SourceType

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}

PARENT_PROBLEMS = ("invalid-parent", "parent-not-logged")
PARENT_FIELDS: dict[str, Any] = {
    "digital_source_type": {"enum": [*typing.get_args(SourceType), None],
                            "description": "how it was made, as its uploader stated"},
    "parents": {
        "type": "array", "maxItems": MOST_PARENTS,
        "description": "what it was made from, as its uploader named them",
        "items": {"type": "object", "required": ["id", "licence"],
                  "properties": {"id": _TEXT, "licence": {"anyOf": [_TEXT, {"type": "null"}],
                                                          "description": "a token, 0x and 64 hex digits"}}},
    },
    "erased_parents": _COUNT | {"description": "how many more were named, and erased by their owners since"},
}  # fmt: skip


def _metadata() -> dict[str, Any]:
    whole = Metadata.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**whole.pop("$defs"), "Metadata": whole}


METADATA_SCHEMAS = _metadata()
