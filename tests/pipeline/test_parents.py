"""Ids of works and the digest of parents: golden vectors, which the contract shares, and properties."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.parents import NO_PARENTS, asset_id, is_licence_of, parents_digest, parse_licence

numbers = st.integers(0, 2**256 - 1)
GOLDEN = {  # written once, from hashlib and by hand; tests/contracts holds the contract against the same function
    (b"a photo", 0): "d4e24d749a4fe2f161af2de913c0402b00000000000000000000000000000000",
    (b"a photo", 1): "d4e24d749a4fe2f161af2de913c0402b00000000000100000000000000000000",
    (b"another", 2**48 - 1): "ae448ac86c4e8e4dec645729708ef418ffffffffffff00000000000000000000",
}


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.mark.parametrize("named", GOLDEN)
def test_golden_ids(named: tuple[bytes, int]) -> None:
    assert f"{asset_id(sha256(named[0]), named[1]):064x}" == GOLDEN[named]


def test_golden_digests() -> None:
    one, two = asset_id(sha256(b"a photo"), 0), asset_id(sha256(b"another"), 7)
    assert parents_digest([]) == NO_PARENTS == bytes(32)
    assert parents_digest([one]).hex() == "a54310681e8105a00176259494227f2db788a695df7de2397f99307e86adac56"
    assert parents_digest([one, two]).hex() == "206881cef97d8cf1ba8f756be04e33e398da4d45a9dd6d8a93fd9c85276c9e6b"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**48 - 1))
def test_an_id_is_the_file_the_place_and_zeros(digest: bytes, place: int) -> None:
    made = asset_id(digest, place).to_bytes(32)
    assert (made[:16], int.from_bytes(made[16:22]), made[22:]) == (digest[:16], place, bytes(10))


@given(st.lists(numbers, unique=True, max_size=16), st.randoms())
def test_the_order_of_naming_changes_nothing(ids: list[int], chance: object) -> None:
    shuffled = list(ids)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert parents_digest(shuffled) == parents_digest(ids)
    assert (parents_digest(ids) == NO_PARENTS) is not bool(ids)


@given(st.sets(numbers, min_size=1, max_size=8), st.sets(numbers, min_size=1, max_size=8))
def test_other_parents_have_another_digest(some: set[int], others: set[int]) -> None:
    assert (parents_digest(some) == parents_digest(others)) is (some == others)


@pytest.mark.parametrize(("digest", "place"), [(bytes(31), 0), (bytes(33), 0), (bytes(32), -1), (bytes(32), 2**48)])
def test_what_names_no_work_is_refused(digest: bytes, place: int) -> None:
    with pytest.raises(ValueError, match="names no work"):
        asset_id(digest, place)


def test_a_parent_is_named_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        parents_digest([7, 7])


@given(numbers.filter(bool))
def test_licences_are_read_in_both_spellings(licence: int) -> None:
    assert parse_licence(str(licence)) == parse_licence(hex(licence)) == parse_licence(f"0x{licence:064x}") == licence


@pytest.mark.parametrize("text", ["", "0", "0x", "-1", " 1", "1_0", "0x1_0", "+1", "٣", "1.5", "ten", str(2**256)])
def test_what_is_no_licence_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_licence(text)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**48 - 1), st.integers(1, 2**80 - 1))
def test_a_licence_tells_its_work(digest: bytes, place: int, own: int) -> None:
    work = asset_id(digest, place)
    assert is_licence_of(work + own, work)
    assert not is_licence_of(work, work)
    assert not is_licence_of(work + own, asset_id(digest, (place + 1) % 2**48))
