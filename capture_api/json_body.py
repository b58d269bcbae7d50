"""Requests whose body is JSON: read once, bounded, and checked against a model."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from capture_api.body import invalid
from capture_api.problems import problem

T = TypeVar("T", bound=BaseModel)

JSON_TYPES = ("application/json", "application/merge-patch+json")


def read_json(kind: type[T], max_bytes: int) -> T:
    """The request's body as this model. Raises Problem, naming the field."""
    if request.mimetype not in JSON_TYPES:
        raise problem("wrong-media-type", f"Send JSON as one of {', '.join(JSON_TYPES)}.")
    body = request.stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise problem("too-large", f"This may have {max_bytes} bytes. Send fewer.")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error, "the body") from None
