"""Every answer of the soft binding resolution API against C2PA's own description of it, with generated questions."""

import base64
import json
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.photos import SHARED, encoded, jpeg, picture
from tests.service import Running

SPEC = SHARED.parent / "specs" / "c2pa-soft-binding-resolution-2.2.openapi.json"
# What the description leaves open, as HTTP has it: limits, and a wrong parameter beside an asset.
ALSO = {"400", "413", "429"}
QUESTIONS = hypothesis.settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)


def described() -> dict[str, Any]:
    """The official description; nothing of it is changed but the statuses that HTTP adds."""
    if not SPEC.exists():
        pytest.skip("the official description is not here")
    document: dict[str, Any] = json.loads(SPEC.read_text())
    for path in document["paths"].values():
        for operation in path.values():
            for status in ALSO:
                operation["responses"].setdefault(status, {"description": "HTTP's own"})
    return document


def operation(method: str, path: str) -> Any:
    schema = schemathesis.openapi.from_dict(described())
    return schema[path][method]


def ask(service: Running, case: Any) -> Any:
    return case.call_and_validate(
        base_url=f"{service.base}/v1",
        checks=[not_a_server_error, response_schema_conformance, status_code_conformance],
    )


@pytest.fixture(scope="module")
def known(service: Running) -> dict[str, Any]:
    """A photo that can be found."""
    capture: dict[str, Any] = service.register(jpeg(7301)).json
    return capture


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/matches/byBinding"),
        ("POST", "/matches/byBinding"),
        ("GET", "/manifests/{manifestId}"),
        ("GET", "/services/supportedAlgorithms"),
    ],
)
def test_generated_questions_get_described_answers(service: Running, method: str, path: str) -> None:
    @QUESTIONS
    @hypothesis.given(data=st.data())
    def run(data: st.DataObject) -> None:
        ask(service, data.draw(operation(method, path).as_strategy()))

    run()


KINDS = ["image/jpeg", "image/png", "application/octet-stream"]
CODES = st.binary(min_size=8, max_size=8).map(lambda body: base64.b64encode(b"\x21\x01" + body).decode())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_code_is_a_valid_question(service: Running, method: str) -> None:
    asked = operation(method, "/matches/byBinding")

    @QUESTIONS
    @hypothesis.given(value=CODES, most=st.none() | st.integers(1, 10**40))
    def run(value: str, most: int | None) -> None:
        query = {"alg": "io.iscc.v0", "value": value}
        more = {} if most is None else {"maxResults": most}
        case = asked.Case(query=query | more) if method == "GET" else asked.Case(
            query=more, body=query, media_type="application/json"
        )  # fmt: skip
        assert ask(service, case).status_code == 200

    run()


def test_answers_with_matches_are_as_described(service: Running, known: dict[str, Any]) -> None:
    strip = encoded(picture(7301).resize((640, 480)), "JPEG", quality=60)
    label = known["manifest"]["label"]
    by_content = operation("POST", "/matches/byContent")
    for query in ({}, {"alg": "io.iscc.v0"}, {"maxResults": 1}):
        found = ask(service, by_content.Case(query=query, body=strip, media_type="image/jpeg"))
        assert [match["manifestId"] for match in found.json()["matches"]] == [label]
    fetch = operation("GET", "/manifests/{manifestId}")
    for query in ({}, {"returnActiveManifest": "true"}, {"returnActiveManifest": "false"}):
        store = ask(service, fetch.Case(path_parameters={"manifestId": label}, query=query))
        assert (store.status_code, store.headers["content-type"]) == (200, ["application/c2pa"])
    assert ask(service, by_content.Case(body=b"junk", media_type="image/jpeg")).status_code == 415


def test_generated_assets_are_answered_as_described(service: Running) -> None:
    asked = operation("POST", "/matches/byContent")
    magic = st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBP", b"II*\0"]
    )

    @hypothesis.settings(QUESTIONS, max_examples=15)
    @hypothesis.given(
        start=magic,
        rest=st.binary(max_size=200),
        kind=st.sampled_from(KINDS),
    )
    def run(start: bytes, rest: bytes, kind: str) -> None:
        assert ask(service, asked.Case(body=start + rest, media_type=kind)).status_code == 415

    run()
