"""Facts as JSON and back, and canonical bytes that any language reproduces."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.canonical import canonical_bytes, digest_of
from pipeline.parents import Parent
from pipeline.record import (
    FACT_TYPES,
    Anchor,
    Asset,
    Credentials,
    Evidence,
    Inclusion,
    Leaf,
    Manifest,
    Match,
    Rejection,
    Rendition,
    Request,
    Rights,
    Verdict,
    decode,
    encode,
)

bits256 = st.binary(min_size=32, max_size=32)
FACTS = st.one_of(
    st.builds(Asset),
    st.builds(Credentials),
    st.builds(Verdict, matches=st.lists(st.builds(Match, evidence=st.builds(Evidence)), max_size=3).map(tuple)),
    st.builds(Manifest, public=st.none() | st.builds(Rendition)),
    st.builds(Leaf, statement=st.tuples(*[bits256] * 10), digest=bits256),
    st.builds(Inclusion),
    st.builds(Anchor),
    st.builds(Rejection),
)


@given(FACTS)
def test_a_fact_survives_the_way_through_json(fact: Any) -> None:
    assert decode(type(fact), json.loads(json.dumps(encode(fact)))) == fact
    assert type(fact) in FACT_TYPES.values()


def test_a_manifest_of_an_older_version_is_read_and_its_signed_file_is_everybodys() -> None:
    older = {"sha256": "00" * 32, "size": 1, "label": "l", "signed_sha256": "11" * 32, "signed_size": 2, "signer": "us",
             "signed_media_type": "image/jpeg", "state": "valid", "thumbnail_sha256": "22" * 32}  # fmt: skip
    made = decode(Manifest, older)
    assert (made.embedded, made.location, made.public) == (True, None, None)
    assert (made.open_file, made.open_store) == (b"\x11" * 32, bytes(32))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"sha256": "00", "media_type": "a"},
        {"sha256": "00", "media_type": "a", "size": "1"},
        {"sha256": "xx", "media_type": "a", "size": 1},
        {"sha256": "00", "media_type": "a", "size": 1, "more": 1},
    ],
)
def test_what_is_not_a_fact_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode(Asset, value)


def test_defaults_and_choices() -> None:
    assert decode(Request, {"rights": {}}) == Request(Rights())
    with pytest.raises(ValueError, match="maybe"):
        decode(Rights, {"ai_training": "maybe"})


def test_canonical_bytes_are_those_of_rfc_8785() -> None:
    # The example of RFC 8785, section 3.2.3: keys sort by UTF-16 code units.
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    order = list(json.loads(canonical_bytes(value)))
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert canonical_bytes({"b": [1, True, None], "a": 'é"\n'}) == '{"a":"é\\"\\n","b":[1,true,null]}'.encode()
    assert digest_of([]) == hashlib.sha256(b"[]").digest()


@pytest.mark.parametrize("value", [1.5, b"x", {1: 2}, {"a": {2}}, 2**53, float("nan")])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_bytes(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_canonical_bytes_mean_the_same_value_and_are_a_fixed_point(value: Any) -> None:
    written = canonical_bytes(value)
    assert json.loads(written) == value
    assert canonical_bytes(json.loads(written)) == written


def test_what_was_asked_of_an_older_version_is_read() -> None:
    older = {"rights": encode(Rights(creator="Ada")), "keep_location": True, "published": False}
    assert decode(Request, older) == Request(Rights(creator="Ada"), True, False)
    asked = Request(Rights(), parents=(Parent("p"), Parent("q", "0x7")), digital_source_type="composite")
    assert decode(Request, json.loads(json.dumps(encode(asked)))) == asked
