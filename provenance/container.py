"""Where each file format keeps its C2PA manifest store (C2PA 2.4, appendix A), read without the C2PA library.

The leaf commits to the store's digest, so what the library says it wrote is compared with what is in the file.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import Rejected
from provenance.jumbf import TooMuch

# Media type of the upload → the name under which the C2PA library knows it. Whatever is not here cannot be signed.
FORMATS: dict[str, str] = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
    "image/tiff": "image/tiff",
    "image/heic": "image/heic",
    "image/heif": "image/heif",
    "image/avif": "image/avif",
    "image/gif": "image/gif",
    "image/x-adobe-dng": "image/x-adobe-dng",
    "image/dng": "image/x-adobe-dng",
}

_BMFF_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the C2PA box, appendix A.5
_TIFF_TAG = 0xCD41  # appendix A.4
_ALONE = (0x00, 0x01, *range(0xD0, 0xDA))  # JPEG markers without a segment
# A page has some 20. Directories may overlap: a small file can hold millions, and the library reads them for hours.
MAX_TIFF_ENTRIES = 60_000
# What may stand around a piece of the store: a JPEG segment's header, or a PNG chunk's with its checksum; at most this.
_WRAPPING_BYTES = 20


def manifest_store(file: Path, media_type: str) -> bytes:
    """The raw manifest store (JUMBF) in a file. Raises Rejected when there is none, or it cannot be found."""
    if media_type not in FORMATS:
        raise Rejected(f"{media_type} cannot carry Content Credentials; use one of {', '.join(FORMATS)}")
    try:
        pieces = _pieces(file, media_type)
    except (struct.error, IndexError, ValueError, OverflowError, TooMuch):
        raise Rejected(f"the file is not a whole {media_type}") from None
    if not pieces:
        raise Rejected("the file carries no manifest store")
    return b"".join(pieces)


def found_store(file: Path, media_type: str) -> tuple[bytes, int]:
    """The manifest store in a stranger's file, and in how many bytes it is wrapped there; empty when none is found.

    Raises TooMuch.
    """
    try:
        pieces = _pieces(file, media_type)
    except (struct.error, IndexError, ValueError, OverflowError):
        return b"", 0
    return b"".join(pieces), len(pieces) * _WRAPPING_BYTES


def _pieces(file: Path, media_type: str) -> list[bytes]:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return list(_READERS[FORMATS[media_type]](content))


def _unpack(layout: str, content: mmap.mmap, at: int) -> int:
    return int(struct.unpack_from(layout, content, at)[0])


def _jpeg(content: mmap.mmap) -> Iterator[bytes]:
    """APP11 segments that hold JUMBF boxes (ISO 19566-5): each but the first repeats the box's header.

    No stricter than the C2PA library, which asks neither for the letters JP nor for a first packet's number: a store
    that it judges and that is not found here would be judged without our limits and lists.
    """
    instance = None
    for marker, body in _segments(content):
        if marker != 0xEB or len(body) <= 16:
            continue
        if body[2:4] == instance:
            yield body[16:]
        elif (
            body[24:28] == b"c2pa"
        ):  # the type that the superbox's description begins with: other boxes share the marker
            instance = body[2:4]
            yield body[8:]


def _segments(content: mmap.mmap) -> Iterator[tuple[int, bytes]]:
    """A JPEG's segments up to its pixels, by their markers, before which anything may stand (ISO 10918-1, B.1.1.2)."""
    at = 2
    while (at := content.find(b"\xff", at)) >= 0:
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker == 0xDA:
            return
        if marker in _ALONE:
            continue
        size = _unpack(">H", content, at)
        yield marker, content[at + 2 : at + size]
        at += size


def _png(content: mmap.mmap) -> Iterator[bytes]:
    at = 8
    while content[at + 4 : at + 8] != b"IEND":
        size, name = _unpack(">I", content, at), content[at + 4 : at + 8]
        if name == b"caBX":
            yield content[at + 8 : at + 8 + size]
        at += 12 + size


def _webp(content: mmap.mmap) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], _unpack("<I", content, at + 4)
        if name == b"C2PA":
            yield content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _gif(content: mmap.mmap) -> Iterator[bytes]:
    at = 13 + _colour_table(content[10])
    while content[at] != 0x3B:
        if content[at] == 0x2C:  # an image: descriptor, colour table, code size, data
            at += 10 + _colour_table(content[at + 9]) + 1
            is_store = False
        else:
            is_store = content[at + 1] == 0xFF and content[at + 3 : at + 11] == b"C2PA_GIF"
            at += 2
            if is_store:
                at += 1 + content[at]
        while length := content[at]:
            if is_store:
                yield content[at + 1 : at + 1 + length]
            at += 1 + length
        at += 1


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _tiff(content: mmap.mmap) -> Iterator[bytes]:
    """The tag in the first directory that has it; classic TIFF and BigTIFF, either byte order."""
    order = "<" if content[:2] == b"II" else ">"
    big = _unpack(f"{order}H", content, 2) == 43
    word, count_size, entry_size = ("Q", 8, 20) if big else ("I", 2, 12)
    at = _unpack(order + word, content, 8 if big else 4)
    seen, total = set[int](), 0
    while at and at not in seen:
        seen.add(at)
        entries = _unpack(order + ("Q" if big else "H"), content, at)
        total += entries
        if total > MAX_TIFF_ENTRIES:
            raise TooMuch(f"the file's directories have over {MAX_TIFF_ENTRIES} entries")
        for entry in range(at + count_size, at + count_size + entries * entry_size, entry_size):
            if _unpack(f"{order}H", content, entry) == _TIFF_TAG:
                size = _unpack(order + word, content, entry + 4)
                start = _unpack(order + word, content, entry + (12 if big else 8))
                yield content[start : start + size]
                return
        at = _unpack(order + word, content, at + count_size + entries * entry_size)


def _bmff(content: mmap.mmap) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(content):
        size, name, header = _unpack(">I", content, at), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = _unpack(">Q", content, at + 8), 16
        size = size or len(content) - at
        if size < header:
            raise ValueError("a box is shorter than its header")
        if name == b"uuid" and content[at + header : at + header + 16] == _BMFF_UUID:
            # version and flags, the purpose as text that ends with a zero, and 8 bytes of an offset unused here
            purpose_at = at + header + 20
            end = content.find(b"\0", purpose_at)
            if content[purpose_at:end] == b"manifest":
                yield content[end + 9 : at + size]
        at += size


_READERS = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/gif": _gif,
    "image/tiff": _tiff,
    "image/x-adobe-dng": _tiff,
    "image/heic": _bmff,
    "image/heif": _bmff,
    "image/avif": _bmff,
}
