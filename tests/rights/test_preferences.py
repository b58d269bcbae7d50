"""The terms in C2PA's words."""

import json

import pytest
from hypothesis import given

from pipeline.record import AiTraining, Rights
from rights.preferences import metadata_assertion, training_mining_assertion
from tests.rights.test_terms import rights_values

USES = {"cawg.ai_generative_training", "cawg.ai_training", "cawg.ai_inference", "cawg.data_mining"}


def test_everything_that_is_stated_is_there() -> None:
    rights = Rights("Ada Lovelace", "Ada / Agency", "© 2026 Ada", "cc-by-4.0")
    assert metadata_assertion(rights) == {
        "@context": {
            "dc": "http://purl.org/dc/elements/1.1/",
            "photoshop": "http://ns.adobe.com/photoshop/1.0/",
            "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
        },
        "dc:creator": ["Ada Lovelace"],
        "dc:rights": "© 2026 Ada",
        "photoshop:Credit": "Ada / Agency",
        "xmpRights:UsageTerms": "Any use with credit (CC BY 4.0)",
        "xmpRights:WebStatement": "https://creativecommons.org/licenses/by/4.0/",
    }


@given(rights_values)
def test_what_is_not_stated_is_not_there_and_each_prefix_is_explained(rights: Rights) -> None:
    assertion = metadata_assertion(rights)
    context = assertion.pop("@context")
    assert ("dc:creator" in assertion, "photoshop:Credit" in assertion, "dc:rights" in assertion) == (
        rights.creator is not None,
        rights.credit is not None,
        rights.copyright_notice is not None,
    )
    assert None not in assertion.values()
    assert {name.split(":")[0] for name in assertion} == set(context)


@pytest.mark.parametrize(
    ("stated", "use"), [("allowed", "allowed"), ("not_allowed", "notAllowed"), ("ask", "constrained")]
)
def test_one_answer_for_every_use(stated: AiTraining, use: str) -> None:
    entries = training_mining_assertion(Rights(ai_training=stated))["entries"]
    assert set(entries) == USES
    assert {entry["use"] for entry in entries.values()} == {use}
    assert all(("constraint_info" in entry) == (stated == "ask") for entry in entries.values())


@pytest.mark.parametrize(
    ("rights", "whom"),
    [
        (Rights("Ada", "The Agency", ai_training="ask"), "Ask The Agency for permission"),
        (Rights("Ada", ai_training="ask"), "Ask Ada for permission"),
        (
            Rights(licence="https://example.org/t", ai_training="ask"),
            "Ask the rights holder for permission first. Terms: https://example.org/t",
        ),
    ],
)
def test_ask_says_whom(rights: Rights, whom: str) -> None:
    entries = training_mining_assertion(rights)["entries"]
    assert all(whom in entry["constraint_info"] for entry in entries.values())


@given(rights_values)
def test_assertions_are_json_that_nobody_shares(rights: Rights) -> None:
    for make in (metadata_assertion, training_mining_assertion):
        assertion = make(rights)
        assert json.loads(json.dumps(assertion)) == assertion
        assertion.clear()
        assert make(rights)
