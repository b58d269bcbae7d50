"""Every call of the OpenAPI document, asked with generated questions: described answers, and never a fault of ours."""

import json
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from capture_api.openapi import CALLS, document
from tests.photos import jpeg
from tests.service import Running

QUESTIONS = hypothesis.settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip
ENDLESS = {"/v1/captures/{id}/events"}  # answers as long as the client stays: asked of an id that is not there
STREAM = "/v1/events"  # has no id that could be missing: each answer lasts until the client gives up
# What the document leaves open, as HTTP has it: what cannot be parsed, is too long, or is of another type.
ALSO = {"400", "401", "404", "411", "413", "414", "415", "422"}


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def piece(_: Any, value: Any) -> bytes:
    """Bytes of an upload in pieces: whatever was generated."""
    return value if isinstance(value, bytes) else repr(value).encode()


def described() -> dict[str, Any]:
    """The document; nothing of it is changed but the statuses that HTTP adds."""
    copy: dict[str, Any] = json.loads(json.dumps(document()))
    for path in copy["paths"].values():
        for operation in path.values():
            for status in ALSO:
                operation["responses"].setdefault(status, {"description": "HTTP's own"})
    return copy


@pytest.fixture(scope="module")
def known(service: Running) -> str:
    """A capture that is anchored."""
    found: str = service.register(jpeg(9700)).json["id"]
    return found


def _calls() -> list[Any]:
    return [pytest.param(call.method, call.path, id=f"{call.method} {call.path}") for call in CALLS]


def _ask(service: Running, case: Any, *checks: Any) -> None:
    if case.headers:
        case.headers.pop("Prefer", None)  # to wait for what is no photo takes as long as it says
    key = {"Authorization": f"Bearer {service.key}"}
    patience_s = 1 if case.path == STREAM else 30
    try:
        case.call_and_validate(base_url=service.base, headers=key, checks=list(checks), timeout=patience_s)
    except requests.Timeout:
        assert case.path == STREAM


def _breakable() -> list[Any]:
    """Those about which there is something that can be wrong: more than text in the path."""
    plain = {(call.method, call.path) for call in CALLS if not call.body and not call.key
             and all(parameter["schema"] == {"type": "string"} for parameter in call.parameters)}  # fmt: skip
    return [call for call in _calls() if call.values[1] not in ENDLESS and call.values not in plain]


@pytest.mark.parametrize(("method", "path"), _breakable())
def test_questions_that_break_the_description_are_no_fault_of_ours(service: Running, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(described())[path][method.upper()]

    @QUESTIONS
    @hypothesis.given(data=st.data())
    def run(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        _ask(service, case, not_a_server_error)

    run()


@pytest.mark.parametrize(("method", "path"), _calls())
def test_generated_questions_get_described_answers(service: Running, known: str, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(described())[path][method.upper()]

    @QUESTIONS
    @hypothesis.given(data=st.data(), here=st.booleans())
    def run(data: st.DataObject, here: bool) -> None:
        case = data.draw(operation.as_strategy())
        erasing = method == "delete" or path in ENDLESS
        if here and "{id}" in path and not erasing:
            case.path_parameters["id"] = known
        _ask(service, case, not_a_server_error, response_schema_conformance, status_code_conformance)

    run()
