"""Values of the registered soft binding: as others write them, as we once did, and what is none."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.hashes import iscc_image_code
from fingerprint.iscc import image_code, score
from pipeline.errors import Rejected
from tests.photos import picture

CODE = iscc_image_code(picture(1).resize((512, 384)))
RAW = base64.b32decode(CODE[5:] + "=" * (-len(CODE[5:]) % 8))
BODY = RAW[2:]
META = bytes.fromhex("0001") + bytes(8)
DATA = bytes.fromhex("3007") + bytes(range(32))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "value",
    [
        b64(RAW),
        b64(RAW).rstrip("="),
        base64.urlsafe_b64encode(RAW).decode(),
        b64(RAW).replace("+", " "),
        f" {b64(RAW)}\n",
        b64(META + RAW + DATA),
        b64(bytes.fromhex("2103") + BODY + bytes(8)),
        b64(bytes.fromhex("2107") + BODY + bytes(24)),
        b64(bytes.fromhex("2100") + bytes(4) + RAW),
        CODE,
        b64(CODE.encode()),
    ],
)
def test_the_image_code_is_found_however_it_is_written(value: str) -> None:
    assert RAW[:2] == bytes.fromhex("2101")
    assert image_code(value) == BODY


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "empty"),
        ("A" * 2000, "longer than 1000"),
        ("not*base64", "not base64"),
        ("é", "not base64"),
        ("A", "not base64"),
        ("ISCC:0189", "no ISCC follows"),
        (b64(b"ISCC:\xff"), "no ISCC follows"),
        (b64(RAW[:1]), "no header"),
        (b64(RAW[:-1]), "cut off"),
        (b64(RAW + b"\0"), "no header of an ISCC unit at byte 10"),
        (b64(bytes.fromhex("200800") + bytes(36)), "no header"),
        (b64(bytes.fromhex("5005") + bytes(24)), "ISCC-CODE"),
        (b64(bytes.fromhex("6010") + bytes(8)), "ISCC-ID"),
        (b64(META + DATA), "no image code"),
        (b64(bytes.fromhex("2111") + BODY), "no image code"),
    ],
)
def test_what_is_no_value_is_named(value: str, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        image_code(value)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(b64)))
def test_anything_else_is_a_code_or_is_refused(value: str) -> None:
    try:
        assert len(image_code(value)) == 8
    except Rejected as rejected:
        assert "the value" in str(rejected)


def test_the_score_is_the_part_of_the_bits_that_agree() -> None:
    assert [score(bits) for bits in (0, 1, 8, 32, 64)] == [100, 98, 88, 50, 0]
