"""What else lies in a phone's photo: a moving picture, a gain map, a depth map; and what belongs together.

Read from headers, and told only where the bytes are really there: a description of a video that is gone is no video.
No pixel is decoded, and nothing is changed. Sources: Motion Photo format 1.0 and Ultra HDR 1.1 (Android), ISO 21496-1,
CIPA DC-007 (multi-picture JPEG), ISO 23008-12 (HEIF), and Apple's marks as its phones write them.
"""

import mmap
import re
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image

from pipeline.credentials import Contents, Part, PartKind
from provenance.boxes import Content, heif_contents
from provenance.exif import DAMAGE
from provenance.marks import BURST, PAIR, apple_names, profile_name

MAX_SEGMENTS = 2_000
MAX_PARTS = 16
_XMP, _EXTENDED, _MPF = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0", b"MPF\0"
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_MARKS: tuple[tuple[PartKind, tuple[bytes, ...]], ...] = (
    ("gain_map", (_ISO_GAIN_MAP, b"hdrgm:Version", b"aux:hdrgainmap")),
    ("depth_map", (b"aux:depth", b"aux:disparity", b"GDepth:", b"depthmap")),
    ("portrait_matte", (b"portraiteffectsmatte", b"semanticskinmatte", b"semantichairmatte")),
)
_LARGE_THUMBNAILS = (0x010001, 0x010002)  # DC-007 5.2.3.3: the same picture, smaller, for screens
_ITEM = re.compile(rb"<(?:[\w-]+:)?(?:Item|li)\b[^<>]*?Item:(?:Mime|Semantic|Length)[^<>]*>")
_OFFSET = re.compile(rb"MicroVideoOffset(?:=[\"']|>)\s*(\d{1,12})")
_SAMSUNG = b"MotionPhoto_Data"
_TRAILER_BYTES = 64 << 20


def read_contents(photo: Path) -> Contents | None:
    """What a photo's file holds beside its picture; None when that is nothing. Raises nothing for a bad file."""
    try:
        with warnings.catch_warnings(action="ignore"), photo.open("rb") as opened:
            return _read(opened, photo)
    except DAMAGE:  # what cannot be read is not told
        return None


def _read(opened: BinaryIO, photo: Path) -> Contents | None:
    with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = heif_contents(content) if content[4:8] == b"ftyp" else _picture(content, photo)
    return found if found != Contents() else None


def _picture(content: Content, photo: Path) -> Contents:
    parts = tuple(dict.fromkeys(_jpeg_parts(content)))[:MAX_PARTS]
    with Image.open(photo) as image:
        if image.format == "PNG" and "exif" not in image.info:
            return Contents(parts, colour_profile=profile_name(image.info.get("icc_profile")))
        note = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote)
        names = apple_names(note) if isinstance(note, bytes) else {}
        return Contents(
            parts,
            pair=names.get(PAIR),
            burst=names.get(BURST),
            colour_profile=profile_name(image.info.get("icc_profile")),
        )


def _jpeg_parts(content: Content) -> Iterator[Part]:
    if content[:2] != b"\xff\xd8":
        return
    segments = [*_segments(content, 0)]
    for at, size, body in segments:
        if body.startswith(_MPF):
            yield from _multi_picture(content, at + len(_MPF), size - len(_MPF))
    described = b"".join(body for _, _, body in segments if body.startswith((_XMP, _EXTENDED)))
    yield from _motion(content, described)
    if b"GDepth:Data" in described or b"GDepth:Format" in described:
        yield Part("depth_map")


def _segments(content: Content, start: int) -> Iterator[tuple[int, int, bytes]]:
    """(where its body begins, the body's length, the body) of each application segment before the pixels."""
    at = start + 2
    for _ in range(MAX_SEGMENTS):
        if at + 4 > len(content) or content[at] != 0xFF or content[at + 1] == 0xDA:
            return
        (size,) = struct.unpack_from(">H", content, at + 2)
        if 0xE0 <= content[at + 1] <= 0xEF:
            yield at + 4, size - 2, content[at + 4 : at + 2 + size]
        at += 2 + size


def _multi_picture(content: Content, start: int, size: int) -> Iterator[Part]:
    """The pictures behind the first, as the MP index lists them: offsets count from the index's own header."""
    order = "<" if content[start : start + 2] == b"II" else ">"

    def number(layout: str, at: int) -> int:
        if not 0 <= at <= size - 4:
            raise struct.error("outside the index")
        return int(struct.unpack_from(order + layout, content, start + at)[0])

    directory = number("I", 4)
    for entry in range(directory + 2, directory + 2 + 12 * min(number("H", directory), 64), 12):
        if number("H", entry) != 0xB002:  # MP Entry: 16 bytes for each picture
            continue
        table, length = number("I", entry + 8), number("I", entry + 4)
        for row in range(table + 16, table + min(length, 16 * MAX_PARTS), 16):
            kind = number("I", row) & 0xFFFFFF
            at, bytes_ = start + number("I", row + 8), number("I", row + 4)
            if content[at : at + 2] == b"\xff\xd8" and 0 < bytes_ <= len(content) - at:
                yield Part(_kind_of(content, at, kind), at, bytes_)


def _kind_of(content: Content, at: int, mp_type: int) -> PartKind:
    head = b"".join(body for _, _, body in _segments(content, at))
    for kind, marks in _MARKS:
        if any(mark in head for mark in marks):
            return kind
    return "preview" if mp_type in _LARGE_THUMBNAILS else "image"


def _motion(content: Content, described: bytes) -> Iterator[Part]:
    """The video behind the picture: by the length that the XMP states, from the file's end, or by Samsung's mark."""
    for length in _stated_lengths(described):
        at = len(content) - length
        if at > 0 and _is_video(content, at):
            yield Part("motion_video", at, length)
            return
    mark = content.rfind(_SAMSUNG, max(0, len(content) - _TRAILER_BYTES))
    if mark > 0 and _is_video(content, mark + len(_SAMSUNG)):
        at = mark + len(_SAMSUNG)
        yield Part("motion_video", at, _video_bytes(content, at))


def _stated_lengths(described: bytes) -> Iterator[int]:
    for item in _ITEM.finditer(described):
        length = re.search(rb"Item:Length=[\"'](\d{1,12})", item[0])
        padding = re.search(rb"Item:Padding=[\"'](\d{1,9})", item[0])
        if b"MotionPhoto" in item[0] and length:
            yield int(length[1]) + (int(padding[1]) if padding else 0)
            yield int(length[1])
    for old in _OFFSET.finditer(described):
        yield int(old[1])


def _is_video(content: Content, at: int) -> bool:
    return content[at + 4 : at + 8] == b"ftyp"


def _video_bytes(content: Content, at: int) -> int:
    """The length of the boxes from here on that are those of a video."""
    end = at
    while end + 8 <= len(content) and re.fullmatch(rb"[a-z0-9]{4}", content[end + 4 : end + 8]):
        (size,) = struct.unpack_from(">I", content, end)
        if size < 8 or end + size > len(content):
            break
        end += size
    return end - at
