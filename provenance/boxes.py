"""What else lies in a HEIF file (HEIC, AVIF): its items and boxes, read from the `meta` box. Nothing is decoded."""

import mmap
import struct
from collections.abc import Iterator

from pipeline.credentials import Contents, Part, PartKind
from provenance.marks import APPLE, BURST, PAIR, apple_names, profile_name

MAX_BOXES = 4_000
NOTE_BYTES = 4 << 20  # how far into the file Apple's note is looked for
_AUXILIARY: tuple[tuple[bytes, PartKind], ...] = (
    (b"hdrgainmap", "gain_map"),
    (b"auxid:2", "depth_map"),  # urn:mpeg:hevc:2015:auxid:2 (ISO 23008-12, annex B)
    (b"depth", "depth_map"),
    (b"portraiteffectsmatte", "portrait_matte"),
)
_FULL = 4  # bytes of version and flags
_DISPLAY_P3 = 12  # colour primaries in ISO 23091-2 (SMPTE EG 432-1)

Content = bytes | mmap.mmap
Box = tuple[bytes, int, int]  # its type, and where its content begins and ends


def boxes(content: Content, start: int, end: int) -> Iterator[Box]:
    """The boxes between these two places (ISO 14496-12, section 4.2). Raises ValueError for one that cannot be."""
    at = start
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        size, header = struct.unpack_from(">I", content, at)[0], 8
        if size == 1:
            size, header = struct.unpack_from(">Q", content, at + 8)[0], 16
        size = size or end - at
        if size < header or at + size > end:
            raise ValueError("a box does not fit")
        yield content[at + 4 : at + 8], at + header, at + size
        at += size


def heif_contents(content: Content) -> Contents:
    """Parts, pair, burst and colour of a file of the HEIF family. Raises ValueError, struct.error for a damaged one."""
    parts: list[Part] = []
    colour = None
    for kind, start, end in boxes(content, 0, len(content)):
        if kind == b"mpvd" and content[start + 4 : start + 8] == b"ftyp":
            parts.append(Part("motion_video", start, end - start))
        if kind == b"meta":
            properties = [*_properties(content, start + _FULL, end)]
            parts += [Part(found) for found in _auxiliaries(content, properties)]
            if _has_tone_map(content, start + _FULL, end):
                parts.append(Part("gain_map"))
            colour = _colour(content, properties)
    note = content.find(APPLE, 0, NOTE_BYTES)
    names = apple_names(content[note : note + 65_536]) if note > 0 else {}
    return Contents(tuple(dict.fromkeys(parts)), names.get(PAIR), names.get(BURST), colour)


def _properties(content: Content, start: int, end: int) -> Iterator[Box]:
    """The item properties: what is said of the file's pictures (ISO 23008-12, section 9.3)."""
    for kind, at, stop in boxes(content, start, end):
        if kind == b"iprp":
            for inner, first, last in boxes(content, at, stop):
                if inner == b"ipco":
                    yield from boxes(content, first, last)


def _auxiliaries(content: Content, properties: list[Box]) -> Iterator[PartKind]:
    for kind, start, end in properties:
        if kind == b"auxC":
            name = content[start + _FULL : end].split(b"\0")[0]
            yield from [part for mark, part in _AUXILIARY if mark in name][:1]


def _has_tone_map(content: Content, start: int, end: int) -> bool:
    """Whether there is an item of the type tmap: a picture with its gain map (ISO 21496-1, annex C)."""
    for kind, at, stop in boxes(content, start, end):
        if kind == b"iinf":
            count = 2 if content[at] == 0 else 4
            for entry, first, _ in boxes(content, at + _FULL + count, stop):
                wide = 4 if content[first] == 3 else 2  # the item's number
                if entry == b"infe" and content[first + _FULL + wide + 2 : first + _FULL + wide + 6] == b"tmap":
                    return True
    return False


def _colour(content: Content, properties: list[Box]) -> str | None:
    for kind, start, end in properties:
        if kind == b"colr" and content[start : start + 4] in (b"prof", b"rICC"):
            return profile_name(content[start + 4 : end])
    for kind, start, _ in properties:
        if kind == b"colr" and content[start : start + 4] == b"nclx":
            (primaries,) = struct.unpack_from(">H", content, start + 4)
            return "Display P3" if primaries == _DISPLAY_P3 else None
    return None
