"""Terms: read strictly, committed to for ever."""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.record import Rights, decode, encode
from rights.terms import (
    MAX_NAME_CHARACTERS,
    MAX_NOTICE_CHARACTERS,
    MAX_URL_CHARACTERS,
    PRESETS,
    licence_title,
    licence_url,
    parse_rights,
    terms_bytes,
    terms_document,
    terms_id,
)
from tests.golden.make_rights import FILE, vectors

DEFAULTS = Rights("The Agency", "Agency", "© Agency", "cc0", "allowed")


def test_golden_vectors_are_what_they_were() -> None:
    assert json.loads(FILE.read_text()) == vectors()


@pytest.mark.parametrize("vector", json.loads(FILE.read_text())["terms"], ids=lambda v: v["name"])
def test_a_terms_id_is_the_sha256_of_its_document(vector: dict[str, Any]) -> None:
    rights = decode(Rights, vector["rights"])
    assert hashlib.sha256(vector["canonical"].encode()).hexdigest() == vector["terms_id"] == terms_id(rights).hex()
    assert json.loads(vector["canonical"]) == terms_document(rights)


def test_nothing_stated_is_the_defaults() -> None:
    assert parse_rights({}, DEFAULTS) == DEFAULTS


def test_what_is_stated_wins_and_the_rest_stays() -> None:
    stated = parse_rights({"creator": "  Ada Lovelace ", "ai_training": "ask"}, DEFAULTS)
    assert stated == Rights("Ada Lovelace", "Agency", "© Agency", "cc0", "ask")


def test_null_takes_a_default_away() -> None:
    stated = parse_rights({"creator": None, "credit": None, "copyright_notice": None}, DEFAULTS)
    assert stated == Rights(None, None, None, "cc0", "allowed")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ["rights is null", "write an object"]),
        ([], ["rights is a list"]),
        ("cc0", ["rights is text"]),
        ({"owner": "me"}, ["'owner' is not a field", "creator, credit, copyright_notice, licence, ai_training"]),
        ({"creator": 7}, ["rights.creator is a number", "200 characters"]),
        ({"creator": True}, ["rights.creator is true or false"]),
        ({"creator": ""}, ["rights.creator is empty", "leave the field out"]),
        ({"credit": "   "}, ["rights.credit is empty"]),
        ({"credit": "x" * 201}, ["rights.credit has 201 characters", "at most 200"]),
        ({"copyright_notice": "x" * 1001}, ["rights.copyright_notice has 1001 characters"]),
        ({"creator": "a\nb"}, ["U+000A", "one line"]),
        ({"creator": "a\x00"}, ["U+0000"]),
        ({"creator": "\x7f"}, ["U+007F"]),
        ({"creator": "Ada\u202egpj"}, ["U+202E"]),
        ({"creator": "\ud800"}, ["U+D800"]),
        ({"copyright_notice": "a\u2028b"}, ["U+2028"]),
        ({"licence": None}, ["rights.licence is null", "cc-by-4.0", "https URL"]),
        ({"licence": "gpl"}, ["rights.licence is 'gpl'", "all-rights-reserved"]),
        ({"licence": "CC0"}, ["rights.licence is 'CC0'"]),
        ({"ai_training": "maybe"}, ["rights.ai_training is 'maybe'", "allowed, not_allowed, ask"]),
        ({"ai_training": None}, ["rights.ai_training is null"]),
        ({"ai_training": ["ask"]}, ["rights.ai_training is a list"]),
    ],
)
def test_what_is_wrong_is_named_with_what_to_write(value: Any, words: list[str]) -> None:
    with pytest.raises(Rejected) as caught:
        parse_rights(value, DEFAULTS)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/terms",
        "HTTPS://example.org/",
        "https://",
        "https:///terms",
        "https://user:secret@example.org/",
        "https://example.org/a b",
        "https://example.org/\n",
        'https://example.org/"onload="x',
        "https://example.org/<b>",
        "https://exämple.org/",
        "https://example.org:99999/",
        "https://[::1/",
        "javascript:alert(1)",
        "https://example.org/" + "x" * MAX_URL_CHARACTERS,
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Rejected, match=r"rights\.licence"):
        parse_rights({"licence": url}, DEFAULTS)


@pytest.mark.parametrize("url", ["https://example.org/terms", "https://example.org:8443/t?v=1&w=%20#use"])
def test_urls_that_are_taken(url: str) -> None:
    rights = parse_rights({"licence": url}, DEFAULTS)
    assert rights.licence == licence_url(rights) == licence_title(rights) == url


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_a_title_and_a_page(name: str) -> None:
    rights = parse_rights({"licence": name}, DEFAULTS)
    assert urlsplit(licence_url(rights)).scheme == "https"
    assert licence_title(rights) == PRESETS[name].title != name


def test_one_name_written_in_two_ways_has_one_digest() -> None:
    composed, decomposed = ({"creator": "Zo\u00eb"}, {"creator": "Zoe\u0308"})
    assert terms_id(parse_rights(composed, DEFAULTS)) == terms_id(parse_rights(decomposed, DEFAULTS))


def test_an_error_shows_long_and_strange_input_short_and_escaped() -> None:
    with pytest.raises(Rejected) as caught:
        parse_rights({"\x1b[31m" + "é" * 5000: "x"}, DEFAULTS)
    assert str(caught.value).isascii() and len(str(caught.value)) < 400


texts = st.one_of(st.none(), st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=50))
rights_values = st.builds(
    Rights, texts, texts, texts, st.sampled_from(sorted(PRESETS)), st.sampled_from(["allowed", "not_allowed", "ask"])
)


@given(rights_values, rights_values)
def test_terms_ids_are_equal_exactly_when_the_terms_are(one: Rights, other: Rights) -> None:
    assert (terms_id(one) == terms_id(other)) == (one == other)
    assert len(terms_id(one)) == 32
    assert json.loads(terms_bytes(one))["version"] == 1


@given(rights_values)
def test_what_was_parsed_parses_to_itself(rights: Rights) -> None:
    once = parse_rights(encode(rights), DEFAULTS)
    assert parse_rights(encode(once), Rights()) == once


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3),
    st.sampled_from(["creator", "credit", "copyright_notice", "licence", "ai_training", "x"]),
)
def test_any_json_is_taken_or_refused_with_the_fields_name(value: Any, field: str) -> None:
    try:
        rights = parse_rights({field: value}, DEFAULTS)
    except Rejected as rejected:
        assert field in str(rejected)
    else:
        assert len(rights.creator or "") <= MAX_NAME_CHARACTERS
        assert len(rights.copyright_notice or "") <= MAX_NOTICE_CHARACTERS
        terms_id(rights)
