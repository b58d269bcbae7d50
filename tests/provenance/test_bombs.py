"""Stores that promise or hold too much: found out before the library reads them, within time and memory."""

import resource
import struct
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import Unavailable
from provenance.inspect import inspect
from provenance.jumbf import MAX_BOXES, MAX_CBOR_DEPTH, MAX_MANIFESTS, MAX_STORE_BYTES, TooMuch, boxes, check_store
from provenance.keys import Identity
from tests.photos import jpeg
from tests.provenance.orders import jpeg_parts, photo_of, signed_copy

_TYPE_END = bytes.fromhex("00110010800000aa00389b71")
SECONDS = 3  # CPU, on a slow machine; an ordinary photo takes 10 ms


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4) + kind + content


def superbox(kind: bytes, label: str, content: bytes) -> bytes:
    described = kind + _TYPE_END + b"\x03" + label.encode() + b"\0"
    return box(b"jumb", box(b"jumd", described) + content)


def store_of(*manifests: bytes) -> bytes:
    return superbox(b"c2pa", "c2pa", b"".join(manifests))


def assertion(content: bytes, kind: bytes = b"cbor") -> bytes:
    return superbox(b"c2ma", "m", superbox(b"c2as", "c2pa.assertions", superbox(kind, "a", box(kind, content))))


def in_jpeg(store: bytes) -> bytes:
    """The store in APP11 segments of a photo, as many as it takes."""
    photo, step, segments = jpeg(7, 64, 48), 65_000, []
    for number, start in enumerate(range(8, len(store), step), 1):
        body = b"JP\x00\x01" + number.to_bytes(4) + store[:8] + store[start : start + step]
        segments.append(b"\xff\xeb" + (2 + len(body)).to_bytes(2) + body)
    return b"".join((photo[:2], *segments, photo[2:]))


def nested(depth: int) -> bytes:
    content = box(b"cbor", b"\xa0")
    for _ in range(depth):
        content = superbox(b"c2as", "n", content)
    return content


EMPTY = box(b"cbor", b"\xa0")
INGREDIENTS = b"\x9a\x00\x0f\x00\x00" + b"\xa1\x61a\xf6" * 983_040  # a list of close to a million
BOMBS = {
    "100 MB": lambda: store_of(assertion(bytes([0x5A]) + (100 << 20).to_bytes(4) + bytes(100 << 20))),
    "boxes in boxes": lambda: store_of(nested(2000)),
    "many boxes": lambda: store_of(EMPTY * (MAX_BOXES + 1)),
    "many manifests": lambda: store_of(
        *(superbox(b"c2ma", f"m{n}", box(b"cbor", b"\xa0")) for n in range(MAX_MANIFESTS + 1))
    ),
    "arrays in arrays": lambda: store_of(assertion(b"\x81" * 1_000_000)),
    "endless arrays": lambda: store_of(assertion(b"\x9f" * 1_000_000)),
    "tags on tags": lambda: store_of(assertion(b"\xc1" * 1_000_000)),
    "a million ingredients": lambda: store_of(assertion(INGREDIENTS)),
    "an array that says it is huge": lambda: store_of(assertion(b"\x9b\x7f" + b"\xff" * 7)),
    "lists in lists": lambda: store_of(assertion(b"[" * 1_000_000, b"json")),
    "objects in objects": lambda: store_of(assertion(b'{"a":' * 200_000, b"json")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_malformed_within_time_and_memory(identity: Identity, tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(in_jpeg(BOMBS[name]()))
    size = photo.stat().st_size
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = inspect(photo, "image/jpeg", identity.root_pem)
    assert time.process_time() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < (4 * size >> 10) + 200_000
    assert (found.state, found.worst, found.manifest_count) == ("malformed", "malformed", 0)
    assert found.reason


def overlapping(directories: int) -> bytes:
    """A TIFF that shows a picture, and has so many more directories of 65,535 entries, one in the other."""
    photo = bytearray(photo_of("image/tiff", 1, 64, 48))
    (first,) = struct.unpack_from("<I", photo, 4)
    (entries,) = struct.unpack_from("<H", photo, first)
    at, span = len(photo) + len(photo) % 2, 2 + 12 * 65_535
    struct.pack_into("<I", photo, first + 2 + 12 * entries, at)
    photo += bytes(at - len(photo) + span + 6 * directories)
    for number in range(directories):
        photo[at : at + 2] = b"\xff\xff"
        struct.pack_into("<I", photo, at + span, at + 6 if number < directories - 1 else 0)
        at += 6
    return bytes(photo)


def test_a_tiff_of_overlapping_directories_is_judged_and_signed_in_time(identity: Identity, tmp_path: Path) -> None:
    """Of these the library reads one in two seconds."""
    photo = tmp_path / "photo"
    photo.write_bytes(overlapping(40))
    with Image.open(photo) as image:
        image.load()
    began = time.process_time()
    assert inspect(photo, "image/tiff", identity.root_pem).state == "malformed"
    signed, result = signed_copy(photo.read_bytes(), "image/tiff", tmp_path, identity)
    assert time.process_time() - began < SECONDS
    assert not result.embedded and signed.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("name", sorted(set(BOMBS) - {"an array that says it is huge"}))
def test_the_library_never_sees_it(name: str) -> None:
    with pytest.raises(TooMuch):
        check_store(BOMBS[name]())


def test_ordinary_stores_are_far_below_the_limits(identity: Identity, tmp_path: Path) -> None:
    content = photo_of("image/jpeg")
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        content = signed_copy(content, "image/jpeg", tmp_path / str(number), identity)[0].read_bytes()
    store, _ = jpeg_parts(content)
    check_store(store)
    found = list(boxes(store))
    assert len(found) < MAX_BOXES / 20 and len(store) < MAX_STORE_BYTES / 20
    assert len({one.labels[1] for one in found if len(one.labels) > 1}) == 3


@pytest.mark.parametrize("depth", [MAX_CBOR_DEPTH - 4, MAX_CBOR_DEPTH + 4])
def test_the_limit_of_depth_is_where_it_says(depth: int) -> None:
    store = store_of(assertion(b"\x81" * depth + b"\x00"))
    if depth < MAX_CBOR_DEPTH:
        check_store(store)
    else:
        with pytest.raises(TooMuch, match="nested"):
            check_store(store)


def test_damage_is_left_to_the_library() -> None:
    whole = store_of(assertion(b"\xa1\x61a\x01"))
    for cut in range(len(whole)):
        check_store(whole[:cut])
        check_store(whole[:cut] + b"\xff" * 9)


def test_a_photo_that_is_not_there_is_no_bomb(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        inspect(tmp_path / "absent", "image/png", identity.root_pem)
