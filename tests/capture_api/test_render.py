"""Matches as JSON and in words, from records made by hand."""

import dataclasses
import json
import typing
from base64 import b64encode

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from capture_api.match_json import match_json
from capture_api.openapi import document
from capture_api.render import LONGEST_VALUE, fact_json
from capture_api.words import MEANS, checked
from pipeline.record import (
    Alignment,
    Dimensions,
    Evidence,
    Fingerprint,
    Match,
    MatchKind,
    SoftBinding,
    Verdict,
    encode,
)

KINDS = typing.get_args(MatchKind)

ALIGNMENT = Alignment(
    homography=("0.5", "-0.25", "500.125", "0.25", "0.5", "-20", "1e-05", "0", "1"),
    box=((50_012, -2_000), (90_000, 20_000), (90_000, 50_000), (50_000, 50_000)),
    reverse_box=((-100_000, -40_000), (300_000, -40_000), (300_000, 160_001), (-100_000, 160_000)),
    dimensions=Dimensions(800, 600),
    visible_ppm=985_000,
    covers_ppm=60_000,
    inliers=57,
    windows=40,
    agreement_ppm=925_000,
    correlation=((95, None), (-12, 60)),
)


def made(kind: MatchKind = "contains", alignment: Alignment | None = ALIGNMENT, **evidence: typing.Any) -> Match:
    found = {"alg": "rootsift128-v1", "orientation": "upright", "bits": 256, **evidence}
    return Match("abc", kind, 940_000, 120, Evidence(**found, alignment=alignment))


def test_a_match_with_its_alignment() -> None:
    shown = match_json(made(orientation="mirrored", negative=True), {"public": "/a/abc"})
    assert json.loads(json.dumps(shown)) == {
        "id": "abc",
        "kind": "contains",
        "score": 0.94,
        "distance": 120,
        "means": "The registered photo, or part of it, is inside this picture",
        "checked": "Laid over each other, 57 points line up, and 92 % of 40 windows with detail agree. 98 % of the "
        "registered photo is in this picture and fills 6 % of it. Here the registered photo is mirrored left to "
        "right. Light and dark are swapped.",
        "evidence": {
            "alg": "rootsift128-v1",
            "orientation": "mirrored",
            "bits": 256,
            "negative": True,
            "box": [[500.12, -20.0], [900.0, 200.0], [900.0, 500.0], [500.0, 500.0]],
            "reverse_box": [[-1000.0, -400.0], [3000.0, -400.0], [3000.0, 1600.01], [-1000.0, 1600.0]],
            "homography": [[0.5, -0.25, 500.125], [0.25, 0.5, -20.0], [1e-05, 0.0, 1.0]],
            "dimensions": {"width": 800, "height": 600},
            "visible": 0.985,
            "covers": 0.06,
            "agreement": 0.925,
            "inliers": 57,
            "windows": 40,
            "correlation": [[95, None], [-12, 60]],
        },
        "links": {"public": "/a/abc"},
    }


def test_without_an_alignment_the_same_fields_are_null() -> None:
    aligned, bare = (match_json(made(alignment=each), {})["evidence"] for each in (ALIGNMENT, None))
    assert list(bare) == list(aligned)
    assert [name for name, value in bare.items() if value is None] == list(aligned)[4:]


@pytest.mark.parametrize("alignment", [ALIGNMENT, None])
@pytest.mark.parametrize("kind", KINDS)
def test_a_match_is_what_the_document_says(kind: MatchKind, alignment: Alignment | None) -> None:
    schema = {"$ref": "#/components/schemas/Match", "components": document()["components"]}
    shown = match_json(made(kind, alignment), {})
    Draft202012Validator(schema).validate(shown)
    described = document()["components"]["schemas"]
    assert set(shown) == set(described["Match"]["properties"])
    assert set(shown["evidence"]) == set(described["Evidence"]["properties"])


def test_every_kind_has_words_of_its_own() -> None:
    assert set(MEANS) == set(KINDS)
    assert len(set(MEANS.values())) == len(KINDS)


@pytest.mark.parametrize("kind", ["shares_region", "same_scene"])
def test_what_is_for_a_person_to_judge_accuses_nobody(kind: MatchKind) -> None:
    for alignment in (ALIGNMENT, None):
        shown = match_json(made(kind, alignment), {})
        assert "no accusation" in shown["means"]
        assert "copy" not in (shown["means"] + shown["checked"]).lower()


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (made("exact_copy", None, alg="sha256"), "Every byte is the same."),
        (
            made("near_copy", None),
            "Compared as whole pictures: few of the 256 bits of their fingerprints differ.",
        ),
        (
            made("near_copy", dataclasses.replace(ALIGNMENT, inliers=0, visible_ppm=1_000_000)),
            "Laid over each other, 92 % of 40 windows with detail agree. 100 % of the registered photo is in this "
            "picture and fills 6 % of it.",
        ),
        (
            made("near_copy", dataclasses.replace(ALIGNMENT, inliers=0, windows=0)),
            "There is too little detail to compare window by window; light and dark agree. Compared as whole pictures: "
            "few of the 256 bits of their fingerprints differ.",
        ),
        (
            made("near_copy", None, orientation="rotated_90"),
            "Compared as whole pictures: few of the 256 bits of their fingerprints differ. Here the registered photo "
            "is turned a quarter clockwise.",
        ),
    ],
)
def test_what_was_checked_is_said_in_words(match: Match, words: str) -> None:
    assert checked(match) == words


def test_a_verdict_without_matches_needs_no_service() -> None:
    assert fact_json(Verdict("original", (), 3, "x")) == {
        "kind": "original", "matches": [], "compared_with": 3, "note": "x",
    }  # fmt: skip


def test_of_a_long_fingerprint_there_is_only_its_size() -> None:
    short, long = (
        SoftBinding("pdq256-turned-v1", "0" * 448),
        SoftBinding("rootsift128-v1", b64encode(bytes(4800)).decode()),
    )
    fact = Fingerprint((short, long), 90, Dimensions(800, 600), bytes(32))
    shown = fact_json(fact)
    assert shown["soft_bindings"] == [encode(short), {"alg": "rootsift128-v1", "bytes": 4800}]
    assert {**shown, "soft_bindings": None} == {**encode(fact), "soft_bindings": None}
    assert len(long.value) > LONGEST_VALUE
