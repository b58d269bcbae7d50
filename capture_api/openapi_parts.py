"""What the rows and schemas of the OpenAPI document are made of."""

import dataclasses
from typing import Any

BYTES: dict[str, Any] = {}
JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Call:
    """One row of the API: what it answers on success, as a media type and a schema, and the problems it may give.

    `also`: other media types of that answer, by Accept.
    """

    method: str
    path: str
    summary: str
    answers: dict[int, tuple[str, Any]]
    problems: tuple[str, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = None
    key: bool = True
    also: tuple[str, ...] = ()


def header(name: str, description: str, pattern: str | None = None) -> dict[str, Any]:
    """A header that may be sent."""
    schema: dict[str, Any] = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def ref(name: str) -> dict[str, str]:
    """A schema of the document, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def path(name: str, description: str) -> dict[str, Any]:
    """A part of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}


def query(name: str, description: str, schema: dict[str, Any], required: bool = False) -> dict[str, Any]:
    """A parameter of the query."""
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}
