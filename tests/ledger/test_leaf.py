"""The leaf's words and digest."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.leaf import leaf_digest, rights_statement, statement, tombstone
from pipeline.errors import Rejected

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "ledger.json").read_text())["leaf"]
word = st.binary(min_size=32, max_size=32)
parts = st.fixed_dictionaries({
    "salt": word, "upload": word, "manifest": word, "fingerprint": word, "terms": word, "parents": word,
    "owner": st.binary(min_size=20, max_size=20), "captured_at": st.integers(0, 2**64 - 1),
})  # fmt: skip


def example() -> dict[str, Any]:
    """Parts whose bytes are easy to see in the words."""
    names = ("salt", "upload", "manifest", "fingerprint", "terms", "parents")
    digests = {name: bytes([number]) * 32 for number, name in enumerate(names, start=1)}
    return digests | {"owner": b"\xaa" * 20, "captured_at": 1_795_000_000}


def test_each_word_stands_where_the_design_says() -> None:
    words = statement(**example())
    assert words[0] == b"capture/leaf/v1" + bytes(17)
    assert [word[:1] for word in words[1:5]] == [b"\1", b"\2", b"\3", b"\4"]
    assert words[5] == bytes(12) + b"\xaa" * 20
    assert (words[6], words[7]) == (b"\5" * 32, b"\6" * 32)
    assert words[8] == bytes(24) + (1_795_000_000).to_bytes(8, "big")
    assert words[9] == bytes(32)


def test_the_digest_is_that_of_a_leaf_and_not_of_a_node() -> None:
    words = statement(**example())
    assert leaf_digest(words) == hashlib.sha256(b"\0" + b"".join(words)).digest()
    assert leaf_digest(words) != hashlib.sha256(b"\1" + b"".join(words)).digest()


def test_the_golden_leaf_has_not_changed() -> None:
    given_parts: dict[str, Any] = {
        name: value if name == "captured_at" else bytes.fromhex(value) for name, value in GOLDEN["parts"].items()
    }
    words = statement(**given_parts)
    assert [word.hex() for word in words] == GOLDEN["statement"]
    assert leaf_digest(words).hex() == GOLDEN["digest"]


@given(parts, st.integers(0, 319), st.integers(0, 7))
def test_a_flipped_bit_gives_another_digest(given_parts: dict[str, Any], at: int, bit: int) -> None:
    words = statement(**given_parts)
    text = bytearray(b"".join(words))
    text[at] ^= 1 << bit
    flipped = [bytes(text[start : start + 32]) for start in range(0, 320, 32)]
    assert leaf_digest(flipped) != leaf_digest(words)


@pytest.mark.parametrize("name", ["salt", "upload", "manifest", "fingerprint", "terms", "parents", "owner"])
def test_a_part_of_the_wrong_length_is_named(name: str) -> None:
    with pytest.raises(Rejected, match=f"{name} has 31 bytes"):
        statement(**(example() | {name: bytes(31)}))


@pytest.mark.parametrize("moment", [-1, 2**64])
def test_a_time_outside_unix_seconds_is_refused(moment: int) -> None:
    with pytest.raises(Rejected, match="capture time"):
        statement(**(example() | {"captured_at": moment}))


@pytest.mark.parametrize("count", [0, 9, 11])
def test_only_ten_words_have_a_digest(count: int) -> None:
    with pytest.raises(Rejected, match="ten words"):
        leaf_digest([bytes(32)] * count)


def _tombstone(**more: Any) -> tuple[bytes, ...]:
    told: dict[str, Any] = {
        "salt": b"\1" * 32, "leaf": b"\2" * 32, "position": 258, "capture_id": "abc", "owner": b"\xaa" * 20,
            "erased_at": 1_795_000_000}  # fmt: skip
    return tombstone(**told | more)


def test_a_tombstone_says_which_entry_of_which_capture_was_erased_and_when() -> None:
    words = _tombstone()
    assert words == (
        b"capture/tombstone/v1" + bytes(12), b"\1" * 32, b"\2" * 32, bytes(30) + b"\1\2",
        bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),  # SHA-256 of "abc", FIPS 180
        bytes(12) + b"\xaa" * 20, bytes(32), bytes(32), bytes(24) + (1_795_000_000).to_bytes(8, "big"), bytes(32),
    )  # fmt: skip
    assert _tombstone(leaf=None, position=None)[2:4] == (bytes(32), bytes(32))


def test_a_tombstone_is_no_statement_and_tells_nothing_without_its_salt() -> None:
    assert _tombstone()[0] not in (statement(**example())[0], _restated()[0])
    assert leaf_digest(_tombstone()) != leaf_digest(_tombstone(salt=b"\7" * 32))
    for wrong in ({"salt": b"short"}, {"leaf": b"short"}, {"owner": b"short"}, {"erased_at": -1}):
        with pytest.raises(Rejected):
            _tombstone(**wrong)


def _restated(**more: Any) -> tuple[bytes, ...]:
    named = dict.fromkeys(("fingerprint", "parents", "captured_at"))
    told = {name: value for name, value in example().items() if name not in named}
    return rights_statement(**told | {"previous": b"\x09" * 32, "stated_at": 1_795_000_001} | more)


def test_a_later_statement_about_rights_names_the_photo_and_what_was_stated_before() -> None:
    words, first = _restated(), statement(**example())
    assert words[0] == b"capture/rights/v1" + bytes(15)
    assert words[1:4] == first[1:4]
    assert words[4] == b"\x09" * 32
    assert words[5:7] == first[5:7]
    assert words[7:] == (bytes(32), bytes(24) + (1_795_000_001).to_bytes(8, "big"), bytes(32))
    for wrong in ({"previous": b"short"}, {"terms": b"short"}, {"owner": b"short"}, {"stated_at": -1}):
        with pytest.raises(Rejected):
            _restated(**wrong)
