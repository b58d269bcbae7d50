"""What a photo says about itself (EXIF): claims that nobody checked. Read from headers; no pixel is decoded."""

import mmap
import re
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

MAX_TEXT_CHARACTERS = 100  # a maker's name; anything longer is not one
_LOOK_BYTES = 4 << 20  # how far into a file of the HEIF family its EXIF is looked for
_SOURCE_TYPE = re.compile(rb"newscodes/digitalsourcetype/(\w{1,64})")
_EXIF_START = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)")
# What Pillow's parsers raise for damaged headers. A job's time-out or a lack of memory is none of these and must pass.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    LookupError,
    ArithmeticError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class Shot:
    """`taken_at` is RFC 3339, without zone when the camera stated none. `width`, `height`: stored pixels, unturned.

    `latitude`, `longitude` are XMP text such as "52,31.234500N". `location_zeroed`: there is a place for them, and it
    holds nothing but zeros, which no camera writes.
    """

    taken_at: str | None = None
    make: str | None = None
    model: str | None = None
    width: int | None = None
    height: int | None = None
    latitude: str | None = None
    longitude: str | None = None
    location_zeroed: bool = False

    @property
    def device(self) -> str | None:
        """Maker and model, without saying the maker twice ("NIKON CORPORATION" makes the "NIKON Z 9")."""
        if self.make and self.model and self.make.split()[0].lower() != self.model.split()[0].lower():
            return f"{self.make} {self.model}"
        return self.model or self.make


def read_shot(photo: Path) -> Shot:
    """What the headers say; what is absent, zeroed or damaged is None. Raises nothing for a bad file."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of damage, and of sizes that are judged elsewhere
            return _open(photo)
    except DAMAGE:  # a claim that is unreadable is absent
        return Shot()


def stated_source_types(photo: Path) -> frozenset[str]:
    """The IPTC digital source types that stand anywhere in the file as plain text: "digitalCapture" and so on.

    Raises OSError when the file cannot be read.
    """
    with photo.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return frozenset(found[1].decode() for found in _SOURCE_TYPE.finditer(content))


def clean_text(value: Any, max_characters: int = MAX_TEXT_CHARACTERS) -> str | None:
    """Text from a stranger's file: no control or format characters, one line, short; None when nothing is left."""
    if not isinstance(value, str):
        return None
    kept = "".join(c if unicodedata.category(c)[0] not in "C" else " " for c in value.replace("\u2028", " "))
    return " ".join(kept.split())[:max_characters].strip() or None


def _open(photo: Path) -> Shot:
    try:
        with Image.open(photo) as image:
            # Pillow decodes a whole PNG to look for EXIF that comes after the pixels: not worth it.
            if image.format == "PNG" and "exif" not in image.info:
                return _shot(Image.Exif(), image.size)
            return _shot(image.getexif(), image.size)  # while it is open: parts are read when they are asked for
    except OSError:
        return _shot(_exif_in(photo), None)


def _exif_in(photo: Path) -> Image.Exif:
    """The EXIF item of a file that Pillow cannot open by itself (HEIC): found by its signature."""
    exif = Image.Exif()
    with photo.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = _EXIF_START.search(content, 0, min(len(content), _LOOK_BYTES))
        if start:
            exif.load(content[start.start() : start.start() + 65536])
    return exif


def _shot(exif: Image.Exif, size: tuple[int, int] | None) -> Shot:
    details = exif.get_ifd(ExifTags.IFD.Exif)
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    latitude, longitude = _location(gps)
    return Shot(
        taken_at=_taken_at(details.get(ExifTags.Base.DateTimeOriginal), details.get(ExifTags.Base.OffsetTimeOriginal)),
        make=clean_text(exif.get(ExifTags.Base.Make)),
        model=clean_text(exif.get(ExifTags.Base.Model)),
        width=size[0] if size else None,
        height=size[1] if size else None,
        latitude=latitude,
        longitude=longitude,
        location_zeroed=all(_is_zeroed(gps.get(tag)) for tag in (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)),
    )


def _taken_at(stated: Any, offset: Any) -> str | None:
    try:
        moment = datetime.strptime(clean_text(stated) or "", "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 — cameras keep no zone
    except ValueError:
        return None  # "0000:00:00 00:00:00" is how cameras and phones say: not known
    zone = clean_text(offset) or ""
    return moment.isoformat() + (zone if re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d|Z", zone) else "")


def _location(gps: Mapping[int, Any]) -> tuple[str | None, str | None]:
    latitude = _angle(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", 90)
    longitude = _angle(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", 180)
    # Zero, zero is what is left when a phone's system took the location out.
    if latitude is None or longitude is None or latitude[:-1] == longitude[:-1] == "0,0.000000":
        return None, None
    return latitude, longitude


def _is_zeroed(parts: Any) -> bool:
    """Whether all bytes of an angle are zero: 0/0 is no number, and 0/1 would be the equator."""
    try:
        return bool(parts) and all(part.numerator == 0 and part.denominator == 0 for part in parts)
    except (AttributeError, TypeError):
        return False


def _angle(parts: Any, ref: Any, letters: str, limit: int) -> str | None:
    """Degrees, minutes and seconds as XMP writes them: "DDD,MM.mmmmmmR"."""
    letter = clean_text(ref)
    if not isinstance(parts, tuple) or len(parts) != 3 or not letter or letter not in letters:
        return None
    try:
        degrees, minutes, seconds = (Fraction(int(p.numerator), int(p.denominator)) for p in parts)
    except (AttributeError, ValueError, ZeroDivisionError):
        return None
    millionths = round((degrees * 60 + minutes + seconds / 60) * 10**6)
    if not 0 <= millionths <= limit * 60 * 10**6:
        return None
    whole, rest = divmod(millionths, 60 * 10**6)
    return f"{whole},{rest // 10**6}.{rest % 10**6:06d}{letter}"
