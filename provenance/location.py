"""Taking out of a photo where it was taken, in place: the file keeps its length, and every byte that tells no place.

Found by what the places look like, not by the container: EXIF is a TIFF header wherever it lies (JPEG, PNG, WebP, HEIC,
a preview within a DNG), XMP is text, IPTC a list of lengths. So nothing has to be moved, and no pixel can change.
Not looked into: makers' own notes, and text that people wrote (captions, keywords).
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator

_GPS_IFD, _EXIF_IFD = 0x8825, 0x8769  # EXIF 3.0, section 4.6.3
_SUB_IFDS, _IPTC_TAG = 0x014A, 0x83BB  # directories of a DNG's other pictures; IPTC records, as TIFF and DNG have them
_ANGLES = (2, 4, 20, 22)  # latitude, longitude, and those of the destination (EXIF 3.0, section 4.6.7)
_AREA = 28  # the name of the place: eight bytes of a character code, then text
_RATIONAL = 5
# BigTIFF is not walked: that one entry of a directory points at a GPS directory is looked for, whatever its type.
_BIG_TIFF = (b"II+\0", b"MM\0+")
_BIG_GPS = [
    _GPS_IFD.to_bytes(2, order) + kind.to_bytes(2, order) + (1).to_bytes(8, order)
    for order in ("little", "big")
    for kind in (4, 13, 16, 18)
]
_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, _RATIONAL: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
MAX_GPS_ENTRIES, MAX_GPS_TAG, MAX_GPS_VALUE_BYTES = 40, 31, 1024  # EXIF names 32 tags, the longest some 100 bytes
NEAR_BYTES = 8192  # every program writes a directory's values beside it
MAX_DIRECTORIES = 64

_RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"  # every XMP packet has it
_PLACE = rb"[\w.-]{1,60}:(?:G[Pp][Ss]\w{1,40}|Location(?:Created|Shown)?|City|(?:Province)?State|Country(?:Code|Name)?|"
_PLACE += rb"Sub-?location|WorldRegion)"
_ATTRIBUTE = re.compile(rb"\s" + _PLACE + rb"\s*=\s*(?:\"[^\"<]{0,1000}\"|'[^'<]{0,1000}')")
_ELEMENT = re.compile(rb"(?s)<(" + _PLACE + rb")(?=[\s/>])(?:[^<>]{0,1000}/>|[^<>]{0,1000}>.{0,9000}?</\1\s*>)")
_COORDINATE = re.compile(rb"\0?_?\0?(?:[Ll]\0?[AaOo]|[Dd]\0?[Ee]\0?[Ss]\0?[Tt]|[Pp]\0?[Oo]\0?[Ss]|[Cc]\0?[Oo]\0?[Oo])")

_WORDS = (b"GPS", b"Gps", b"gps", b"G\0P\0S")
_NAMED = re.compile(rb"(?:photoshop|Iptc4xmp(?:Core|Ext)):(?:Location|City|Province|State|Country|Sub|WorldRegion)")

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"  # XMP 3, section 1.1.3.1: then a digest, its length, an offset
_IPTC = b"8BIM\x04\x04"  # Photoshop's resource of IPTC-IIM records; then its name
_IPTC_PLACES = (26, 27, 90, 92, 95, 100, 101)  # IIM 4.2, record 2: location code and name, city, sublocation, state, …
_VIDEO_PLACE = re.compile(rb"\xa9xyz..(..)([+-][\d.+-]{4,40}/?)", re.DOTALL)  # of a moving photo: ISO 6709 text
_TRACK_PLACE = re.compile(rb"[+-]\d{2,6}\.\d{1,9}[+-]\d{3,7}\.\d{1,9}(?:[+-]\d{1,6}(?:\.\d{1,9})?)?(?:CRS\w{1,20})?/")
_TRACK_KEY = b"location.ISO6709"  # QuickTime's other way: a key, and the same text elsewhere

_PNG = b"\x89PNG\r\n\x1a\n"
MAX_PNG_TEXT_BYTES = 1 << 20


class Irremovable(Exception):
    """The file tells where it was taken, and that cannot be taken out in place."""


def without_location(content: bytes) -> bytes:
    """The same file without the places in its EXIF, XMP and IPTC; equal to `content` when it tells none.

    Raises Irremovable.
    """
    if content.startswith(_BIG_TIFF) and any(entry in content for entry in _BIG_GPS):
        raise Irremovable
    changed = bytearray(content)
    for mark in (b"II*\0", b"MM\0*"):
        for start in _all(content, mark):
            _clear_exif(changed, start)
    _blank_extended(changed)  # first: below, what a segment's end cuts would be taken with the next one's head
    if _RDF in content:
        for pattern in (_ELEMENT, _ATTRIBUTE):
            _blank(changed, pattern)
    for start in _all(content, _IPTC):
        _blank_resource(changed, start + len(_IPTC))
    for found in _VIDEO_PLACE.finditer(changed) if b"\xa9xyz" in content else ():
        changed[found.start() : found.start() + 4] = b"free"
        changed[found.start(2) : found.end(2)] = bytes(len(found[2]))
    if _TRACK_KEY in content:
        _blank(changed, _TRACK_PLACE)
    if content.startswith(_PNG):
        _finish_png(content, changed)
    return bytes(changed)


def tells_location(content: bytes) -> bool:
    """Whether names of coordinates (such as GPSLatitude) or of IPTC's places stand in plain text: XMP, JSON or CBOR."""
    if _NAMED.search(content):
        return True
    return any(_COORDINATE.match(content, at + len(word)) for word in _WORDS for at in _all(content, word))


def _all(content: bytes, mark: bytes) -> Iterator[int]:
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + 1)


def _blank(content: bytearray, pattern: re.Pattern[bytes]) -> None:
    for found in pattern.finditer(bytes(content)):
        content[found.start() : found.end()] = b" " * len(found[0])


def _blank_extended(content: bytearray) -> None:
    """XMP that is longer than a JPEG's segment goes on in others, cut anywhere: looked at whole."""
    packets = dict[bytes, list[tuple[int, int, int]]]()
    for at in _all(bytes(content), _EXTENSION):
        head, end = at + len(_EXTENSION), min(at - 2 + int.from_bytes(content[at - 2 : at]), len(content))
        if (begin := head + 40) <= end:
            offset = int.from_bytes(content[begin - 4 : begin])
            packets.setdefault(bytes(content[head : head + 32]), []).append((offset, begin, end))
    for pieces in packets.values():
        whole = bytearray(b"".join(content[begin:end] for _, begin, end in sorted(pieces)))
        for pattern in (_ELEMENT, _ATTRIBUTE):
            _blank(whole, pattern)
        for _, begin, end in sorted(pieces):
            content[begin:end] = whole[: end - begin]
            del whole[: end - begin]


def _clear_exif(content: bytearray, start: int) -> None:
    """Take the GPS directory out of the EXIF (or TIFF) that begins here. What only looks like one is passed by."""
    order, limit = "<" if content[start : start + 2] == b"II" else ">", _end_of_exif(content, start)

    def number(layout: str, at: int) -> int:
        if at + 4 > limit:
            raise struct.error
        return int(struct.unpack_from(order + layout, content, at)[0])

    try:
        waiting, seen = [number("I", start + 4)], set[int]()
        while waiting and len(seen) < MAX_DIRECTORIES:
            at = start + waiting.pop()
            if at in seen or at <= start:
                continue
            seen.add(at)
            end = at + 2 + 12 * number("H", at)
            is_whole = end + 4 <= limit  # some programs end after the last entry, and readers do not mind
            if is_whole:
                waiting.append(number("I", end))
            for entry in range(at + 2, min(end, limit - 11), 12):
                tag, value = number("H", entry), number("I", entry + 8)
                if tag == _EXIF_IFD:
                    waiting.append(value)
                elif tag == _SUB_IFDS:
                    count = min(number("I", entry + 4), MAX_DIRECTORIES)
                    listed = range(start + value, min(start + value + 4 * count, limit - 3), 4)
                    waiting += [value] if count == 1 else [number("I", at_listed) for at_listed in listed]
                elif tag == _IPTC_TAG:
                    size = _UNIT_BYTES.get(number("H", entry + 2), 1) * number("I", entry + 4)
                    _blank_records(content, start + value, min(start + value + size, limit))
                elif tag == _GPS_IFD and _erase_gps(content, start, start + value, limit, number) and is_whole:
                    _remove_entry(content, at, entry, end, order)
                    break
    except struct.error:
        return


def _end_of_exif(content: bytearray, start: int) -> int:
    """Where the block ends that the EXIF lies in: its own, in JPEG, PNG and WebP, else the file's."""
    before = bytes(content[max(0, start - 14) : start]).rjust(14)
    if before[4:6] == b"\xff\xe1" and before[8:] == b"Exif\0\0":
        end = start - 8 + int.from_bytes(before[6:8])
    elif before[10:] == b"eXIf":
        end = start + int.from_bytes(before[6:10])
    elif before[6:10] == b"EXIF":
        end = start + int.from_bytes(before[10:], "little")
    elif before[:4] == b"EXIF":
        end = start - 6 + int.from_bytes(before[4:8], "little")
    else:
        end = len(content)
    return min(end, len(content))


def _erase_gps(content: bytearray, start: int, at: int, limit: int, number: Callable[[str, int], int]) -> bool:
    """Write zeros over a GPS directory and its values; False, and nothing is changed, when it tells no place.

    Raises Irremovable for one that no program would write: what a damaged directory points at may be the picture.
    """
    count, tells, parts = number("H", at), False, list[tuple[int, int]]()
    if count > MAX_GPS_ENTRIES:
        raise Irremovable
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = number("H", entry), number("H", entry + 2)
        size = _UNIT_BYTES.get(kind, 1) * number("I", entry + 4)
        value_at = start + number("I", entry + 8) if size > 4 else entry + 8
        is_inside = value_at + size <= limit and abs(value_at - at) <= NEAR_BYTES
        if tag > MAX_GPS_TAG or size > MAX_GPS_VALUE_BYTES or not is_inside:
            raise Irremovable
        parts.append((value_at, size))
        # Zeros are what phones leave when they take the place out themselves; the denominators may stay.
        starts = range(value_at, value_at + size, 8 if kind == _RATIONAL else 4)
        tells = tells or (tag in _ANGLES and any(any(content[n : n + 4]) for n in starts))
        tells = tells or (tag == _AREA and any(content[value_at + 8 : value_at + size].strip(b" ")))
    if tells:
        for value_at, size in (*parts, (at, 2 + 12 * count + 4)):
            content[value_at : value_at + size] = bytes(size)
    return tells


def _remove_entry(content: bytearray, at: int, entry: int, end: int, order: str) -> None:
    """Take one entry out of a directory: what follows moves up, the place of the next directory too."""
    count = (end - at - 2) // 12 - 1
    content[entry : end + 4] = content[entry + 12 : end + 4] + bytes(12)
    content[at : at + 2] = struct.pack(f"{order}H", count)


def _blank_resource(content: bytearray, at: int) -> None:
    """IPTC in a resource of Photoshop's, whose name and length (both made even) begin here."""
    at += (content[at] + 2) // 2 * 2 if at < len(content) else 0
    _blank_records(content, at + 4, at + 4 + int.from_bytes(content[at : at + 4]))


def _blank_records(content: bytearray, at: int, end: int) -> None:
    while at + 5 <= min(end, len(content)) and content[at] == 0x1C:
        size = int.from_bytes(content[at + 3 : at + 5])
        if content[at + 1] == 2 and content[at + 2] in _IPTC_PLACES and at + 5 + size <= end:
            content[at + 5 : at + 5 + size] = b" " * size
        at += 5 + size


def _finish_png(content: bytes, changed: bytearray) -> None:
    """Right checksums for the chunks that changed; raises Irremovable for places in compressed text."""
    at = len(_PNG)
    while at + 12 <= len(content):
        size, name = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        end = at + 8 + size
        if name in (b"zTXt", b"iTXt", b"tEXt"):
            _check_png_text(name, content[at + 8 : end])
        if changed[at:end] != content[at:end]:
            changed[end : end + 4] = zlib.crc32(changed[at + 4 : end]).to_bytes(4)
        at = end + 4


def _check_png_text(name: bytes, body: bytes) -> None:
    """Compressed, or an older program's EXIF in hexadecimal: places in these cannot be taken out in place."""
    keyword, _, text = body.partition(b"\0")
    is_raw = keyword.startswith(b"Raw profile type")
    is_packed = name == b"zTXt" or (name == b"iTXt" and text[:1] == b"\1")
    if not is_raw and not is_packed:
        return  # plain text was looked at with the rest
    if name == b"iTXt":
        text = text[2:].split(b"\0", 2)[-1]
    if name == b"zTXt":
        text = text[1:]
    try:
        plain = zlib.decompressobj().decompress(text, MAX_PNG_TEXT_BYTES) if is_packed else text
    except zlib.error:
        return  # nobody can read it
    if is_raw:
        digits = re.sub(rb"\s", b"", plain.strip().split(b"\n", 2)[-1])
        plain = bytes.fromhex(digits.decode("ascii")) if re.fullmatch(rb"(?:[\da-fA-F]{2})*", digits) else b""
    records = bytearray(plain)
    _blank_records(records, 0, len(records))
    if records != plain or tells_location(plain) or without_location(plain) != plain:
        raise Irremovable
