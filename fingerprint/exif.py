"""What a photo's EXIF says about itself: claims that nobody checked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

MAX_DEVICE_LETTERS = 120  # longer than any camera's name; EXIF text has no limit of its own


@dataclass(frozen=True, slots=True)
class Claims:
    """When and with what the photo says it was taken. `captured_at` is RFC 3339, without zone when EXIF has none."""

    captured_at: str | None
    device: str | None


def orientation_of(exif: Image.Exif) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) for anything else."""
    value = exif.get(Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def claims_of(exif: Image.Exif) -> Claims:
    """The claims in EXIF that was read from a photo; None for what is not there or makes no sense."""
    details = exif.get_ifd(IFD.Exif)
    taken = details.get(Base.DateTimeOriginal) or exif.get(Base.DateTime)
    zone = details.get(Base.OffsetTimeOriginal) if Base.DateTimeOriginal in details else details.get(Base.OffsetTime)
    return Claims(_moment(taken, zone), _device(exif.get(Base.Make), exif.get(Base.Model)))


def _moment(taken: Any, zone: Any) -> str | None:
    try:
        moment = datetime.strptime(_text(taken), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF may have no zone
    except ValueError:
        return None
    try:
        return datetime.fromisoformat(moment.isoformat() + _text(zone)).isoformat()
    except ValueError:
        return moment.isoformat()


def _device(make: Any, model: Any) -> str | None:
    """Make and model in one text; many models repeat the make."""
    make_text, model_text = _text(make), _text(model)
    if model_text.lower().startswith(make_text.lower()):
        make_text = ""
    return f"{make_text} {model_text}".strip()[:MAX_DEVICE_LETTERS] or None


def _text(value: Any) -> str:
    """EXIF text without its closing NUL and without control characters."""
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value.split("\0")[0] if letter.isprintable()).strip()
