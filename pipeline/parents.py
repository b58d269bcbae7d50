"""What a work was made from: the parents that its uploader names, and the words that commit to them.

The contract of contracts/rights/ makes the same ids and the same digest; golden vectors hold the two together.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MOST_PARENTS = 16  # the contract's
ID_BITS = 256
_FILE_BYTES, _PLACE_BYTES, _OWN_BYTES = 16, 6, 10  # of an id; a licence's own bytes are its work's ten zeros
NO_PARENTS = bytes(32)  # the statement's word for what was made from no other

# How a work was made, in the IPTC's words (cv.iptc.org/newscodes/digitalsourcetype) for what no camera took.
SourceType = Literal[
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "composite", "digitalCreation"
]  # fmt: skip


# What is done with a photo that shows others' photos which are not named as its parents: the operator's choice.
UndeclaredPolicy = Literal["note", "hold", "refuse"]


@dataclass(frozen=True, slots=True)
class Parent:
    """A capture that this one was made from. `licence`: the token that allows it, 0x and 64 hex digits, or None."""

    id: str
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class ParentFile:
    """A parent as the signed manifest names it. `asset`: its work's id. `is_whole`: the photo is this work altered, or
    a part of it, and not a picture with this work in it.

    `file`: what others than its owner may have of it, with its manifest store inside; None when it has none that can be
    given on, because (`missing`) it would tell a place, its credentials are kept beside it, or it is erased.
    `manifest_sha256` and `label` are of that store.
    """

    id: str
    asset: int
    title: str
    is_whole: bool
    media_type: str
    manifest_sha256: bytes | None
    label: str | None
    file: Path | None
    missing: str | None = None


def asset_id(upload_sha256: bytes, place: int) -> int:
    """The work's token: 16 bytes of the file's SHA-256, 6 of its leaf's index in the log, 10 zeros; one big-endian
    256-bit number. Raises ValueError for a digest that is not 32 bytes or an index that has no 6."""
    if len(upload_sha256) != 32 or not 0 <= place < 1 << 8 * _PLACE_BYTES:
        raise ValueError(f"a digest of {len(upload_sha256)} bytes at the place {place} names no work")
    return int.from_bytes(upload_sha256[:_FILE_BYTES] + place.to_bytes(_PLACE_BYTES) + bytes(_OWN_BYTES))


def place_of(asset: int) -> int:
    """The index in the log that a work's id names."""
    return asset >> 8 * _OWN_BYTES & (1 << 8 * _PLACE_BYTES) - 1


def parents_digest(asset_ids: Iterable[int]) -> bytes:
    """The statement's word for the parents: SHA-256 of their ids as 32-byte big-endian words, ascending.

    32 zero bytes for none. Raises ValueError when one is named twice, OverflowError for what is no 256-bit number.
    """
    ids = sorted(asset_ids)
    if len(set(ids)) < len(ids):
        raise ValueError("a parent is named twice")
    return hashlib.sha256(b"".join(each.to_bytes(ID_BITS // 8) for each in ids)).digest() if ids else NO_PARENTS


def parse_licence(text: str) -> int:
    """A licence's token id from decimal digits, or 0x and hex digits. Raises ValueError for another text."""
    number = int(text, 16) if text.startswith("0x") else int(text)
    if not (text.isascii() and text.isalnum() and 0 < number < 1 << ID_BITS):
        raise ValueError("it is no 256-bit number")
    return number


def is_licence_of(licence: int, asset: int) -> bool:
    """Whether a licence's token is one of this work's: they share all but the last ten bytes, which are its own."""
    return licence >> 8 * _OWN_BYTES == asset >> 8 * _OWN_BYTES and licence != asset
