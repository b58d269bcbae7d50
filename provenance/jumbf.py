"""A manifest store's boxes (JUMBF, ISO 19566-5) and their CBOR (RFC 8949), walked within limits.

The C2PA library reads what it is given; a photo whose store is a bomb is found out here and never reaches it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# The largest store among the fixtures and in the field is below 3 MB; thumbnails make most of it.
MAX_STORE_BYTES = 16 << 20
MAX_MANIFESTS = 128  # each is validated for itself; one for every edit of a long history
MAX_BOXES = 10_000
MAX_BOX_DEPTH = 16  # store, manifest, assertion store, assertion, content: five in practice
MAX_CBOR_ITEMS = 200_000
MAX_CBOR_DEPTH = 64

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_INDEFINITE = 31
_INSIDE = {4: 1, 5: 2, 6: 1}  # items in an array, a map's entry, a tag
_SHORT_COUNTS = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}


class TooMuch(Exception):
    """A limit is passed; the text says which."""


@dataclass(frozen=True, slots=True)
class Box:
    """A content box: the labels of the superboxes around it, its type, its bytes."""

    labels: tuple[str, ...]
    kind: bytes
    content: memoryview


def check_store(store: bytes) -> None:
    """Raise TooMuch when reading this store could cost more than a photo may."""
    if len(store) > MAX_STORE_BYTES:
        raise TooMuch(f"they are over {MAX_STORE_BYTES >> 20} MB")
    manifests: set[str] = set()
    items = 0
    for number, box in enumerate(boxes(store), 1):
        if number > MAX_BOXES:
            raise TooMuch(f"they have over {MAX_BOXES} parts")
        manifests.update(box.labels[1:2])
        if len(manifests) > MAX_MANIFESTS:
            raise TooMuch(f"they hold over {MAX_MANIFESTS} manifests")
        if box.kind == b"cbor":
            items += _count_cbor(box.content)
        if box.kind == b"json" and _depth_of_json(box.content) > MAX_CBOR_DEPTH:
            raise TooMuch(f"they are nested over {MAX_CBOR_DEPTH} deep")
        if items > MAX_CBOR_ITEMS:
            raise TooMuch(f"they hold over {MAX_CBOR_ITEMS} values")


def boxes(store: bytes) -> Iterator[Box]:
    """Every content box in a store, in order. Damage ends the walk: the library is the judge of that."""
    yield from _walk(memoryview(store), ())


def _walk(content: memoryview, labels: tuple[str, ...]) -> Iterator[Box]:
    if len(labels) > MAX_BOX_DEPTH:
        raise TooMuch(f"their boxes are nested over {MAX_BOX_DEPTH} deep")
    at = 0
    while at + 8 <= len(content):
        size, kind, header = int.from_bytes(content[at : at + 4]), bytes(content[at + 4 : at + 8]), 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16]), 16
        size = size or len(content) - at
        if size < header:
            return
        inside = content[at + header : at + size]
        if kind == b"jumb":
            yield from _walk(inside, (*labels, _label(inside)))
        else:
            yield Box(labels, kind, inside)
        at += size


def _label(superbox: memoryview) -> str:
    """The label in a superbox's description box: after 16 bytes of type and one of flags, to the next zero."""
    size = int.from_bytes(superbox[:4])
    described = bytes(superbox[8 : min(size, 1024)])
    return described[17:].split(b"\0", 1)[0].decode("utf-8", "replace")


def _count_cbor(content: memoryview) -> int:
    """How many values a CBOR item holds. Raises TooMuch for one that is nested too deeply or says it holds too many."""
    left, at, counted = [1], 0, 0  # how many items each open container still waits for; -1 is until a break
    while left and at < len(content):
        if left[-1] == 0:
            left.pop()
            continue
        major, short = content[at] >> 5, content[at] & 31
        at += 1
        if (major, short) == (7, _INDEFINITE):
            left.pop()
            continue
        left[-1] -= left[-1] > 0
        value, at = _argument(content, at, short)
        counted += 1
        if short == _INDEFINITE:
            left.append(-1)
        elif major in (2, 3):
            at += value
        elif major in _INSIDE:
            left.append(value * _INSIDE[major] if major < 6 else 1)
        if len(left) > MAX_CBOR_DEPTH or counted > MAX_CBOR_ITEMS:
            raise TooMuch(f"they hold over {MAX_CBOR_ITEMS} values, or are nested over {MAX_CBOR_DEPTH} deep")
    return counted


def _argument(content: memoryview, at: int, short: int) -> tuple[int, int]:
    """The number that follows a CBOR item's first byte, and where the next byte is."""
    if short < 24 or short == _INDEFINITE:
        return short, at
    layout = _SHORT_COUNTS.get(short)
    if layout is None or at + struct.calcsize(layout) > len(content):
        return 0, len(content)
    return int(struct.unpack_from(layout, content, at)[0]), at + struct.calcsize(layout)


def _depth_of_json(content: memoryview) -> int:
    """Brackets within texts are counted too: ordinary texts do not open dozens without closing them."""
    depth = deepest = 0
    for bracket in bytes(content).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
