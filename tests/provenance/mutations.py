"""Ways to spoil a photo's credentials: by their structure where it helps to get deep, by chance everywhere else."""

import random
import re
import struct
import zlib
from collections.abc import Callable

LENGTHS = (0, 1, 2, 7, 8, 9, 15, 16, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_BOXES = re.compile(rb"jumb|jumd|cbor|json|bfdb|bidb|c2sh|brob|uuid|ftyp|meta|iinf|iloc|moov|mdat|free")
_CBOR = re.compile(rb"cbor")
_PNG_CHUNKS = re.compile(rb"IHDR|IDAT|caBX|iTXt|IEND|eXIf")
_TOKENS = re.compile(rb"[a-zA-Z][\w.:/-]{3,40}")
# First bytes of CBOR items that promise much: huge arrays, maps, texts; endless ones; tags; floats; breaks.
_PROMISES = (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
             b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x9f", b"\xbf", b"\x5f",
             b"\x7b\x00\x00\x00\xff\xff\xff\xff\xff", b"\x5a\xff\xff\xff\xff", b"\xff", b"\xf6", b"\xfb", b"\xd8\x18",
             b"\x81" * 200, b"\xa1\x61" * 100, b"\xc1" * 300)  # fmt: skip

Change = Callable[[random.Random, bytearray, bytes], None]


def mutate(chance: random.Random, photo: bytes, other: bytes) -> bytes:
    """A spoiled copy: one to four changes, each by a way that `chance` picks; `other` is a photo to take parts from."""
    content = bytearray(photo)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        chance.choice(WAYS)(chance, content, other)
        if len(content) < 4:
            return bytes(content) + photo[:64]
    return bytes(content)


def flip_bits(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """Up to eight bits anywhere."""
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def cut(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """The end is missing."""
    del content[chance.randrange(4, len(content)) :]


def splice(chance: random.Random, content: bytearray, other: bytes) -> None:
    """A piece of another photo in the place of one of ours."""
    at, start = chance.randrange(len(content)), chance.randrange(len(other))
    length = chance.choice((4, 16, 64, 1024, 16384))
    content[at : at + chance.choice((0, length))] = other[start : start + length]


def repeat(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A piece twice, or not at all."""
    at, length = chance.randrange(len(content)), chance.choice((1, 8, 64, 512, 4096))
    content[at : at + length] = content[at : at + length] * chance.choice((0, 2, 3))


def box_length(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A JUMBF or BMFF box that says it is longer, shorter, endless or 64 bits long."""
    found = [match.start() for match in _BOXES.finditer(content) if match.start() >= 4]
    if found:
        at = chance.choice(found)
        (held,) = struct.unpack_from(">I", content, at - 4)
        size = chance.choice((*LENGTHS, held + 1, held - 1, held * 2, held // 2, held + 8)) & 0xFFFFFFFF
        struct.pack_into(">I", content, at - 4, size)


def box_kind(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A box that is another."""
    found = [match.start() for match in _BOXES.finditer(content)]
    if found:
        at = chance.choice(found)
        content[at : at + 4] = chance.choice((b"jumb", b"jumd", b"cbor", b"json", b"bfdb", b"brob", b"uuid", b"free"))


def cbor_promise(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A CBOR value that promises much, within the first bytes of an assertion, a claim or a signature."""
    found = [match.end() for match in _CBOR.finditer(content)]
    if found:
        at = min(chance.choice(found) + chance.choice((0, 0, 1, 2, 5, 20, 100)), len(content) - 1)
        promise = chance.choice(_PROMISES)
        content[at : at + chance.choice((0, len(promise)))] = promise[: chance.choice((1, len(promise)))]


def token(chance: random.Random, content: bytearray, other: bytes) -> None:
    """A word in the place of another of the same length or not: labels, codes, algorithms, addresses."""
    ours, theirs = list(_TOKENS.finditer(content)), _TOKENS.findall(other[:200_000])
    if ours and theirs:
        match, word = chance.choice(ours), chance.choice(theirs)
        length = match.end() - match.start()
        content[match.start() : match.end()] = word[:length].ljust(length, b"x") if chance.random() < 0.8 else word


def segment(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A JPEG segment with another size, marker or JUMBF packet number, twice, or gone."""
    at, found = 2, []
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        found.append(at)
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    if not found:
        return
    place = chance.choice(found)
    size = 2 + int.from_bytes(content[place + 2 : place + 4])
    way = chance.randrange(5)
    if way == 0:
        struct.pack_into(">H", content, place + 2, chance.choice(LENGTHS[:11]) & 0xFFFF)
    elif way == 1:
        content[place + 1] = chance.choice((0xE1, 0xEB, 0xED, 0xFE, 0xD9, 0xDA))
    elif way == 2 and size > 12:
        struct.pack_into(">HI", content, place + 6, chance.randrange(4), chance.choice((0, 1, 2, 3, 0xFFFFFFFF)))
    elif way == 3:
        content[place:place] = content[place : place + size] * chance.choice((1, 2, 50))
    else:
        del content[place : place + size]


def png_chunk(chance: random.Random, content: bytearray, _other: bytes) -> None:
    """A PNG chunk with another length, or with another name and a checksum that fits."""
    found = [match.start() for match in _PNG_CHUNKS.finditer(content) if match.start() >= 4]
    if not found:
        return
    at = chance.choice(found)
    if chance.random() < 0.5:
        struct.pack_into(">I", content, at - 4, chance.choice(LENGTHS))
        return
    (size,) = struct.unpack_from(">I", content, at - 4)
    content[at : at + 4] = chance.choice((b"caBX", b"iTXt", b"eXIf", b"IEND"))
    if at + 8 + size <= len(content):
        struct.pack_into(">I", content, at + 4 + size, zlib.crc32(content[at : at + 4 + size]))


WAYS: tuple[Change, ...] = (
    flip_bits, cut, splice, repeat, box_length, box_length, box_kind, cbor_promise, cbor_promise, token, token, segment,
    png_chunk,
)  # fmt: skip
