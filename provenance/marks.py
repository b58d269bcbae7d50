"""Two marks that phones leave: the name of a colour profile, and Apple's identifiers of what belongs together."""

import io
import re
import struct

from PIL import ImageCms

from provenance.exif import clean_text

MAX_PROFILE_BYTES = 4 << 20
APPLE = b"Apple iOS\0"
PAIR, BURST = 0x0011, 0x000B  # of Apple's maker notes: the content identifier, and the burst's
_IDENTIFIER = re.compile(r"[0-9A-Za-z-]{8,64}")


def profile_name(icc: object) -> str | None:
    """The name of an ICC profile, such as Display P3; None when there is none or it is damaged."""
    if not isinstance(icc, bytes) or len(icc) > MAX_PROFILE_BYTES:
        return None
    try:
        return clean_text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))))
    except (ImageCms.PyCMSError, OSError):
        return None


def apple_names(note: bytes) -> dict[int, str]:
    """The two texts of an Apple maker note that say what belongs together: a directory of TIFF's form, big-endian."""
    if not note.startswith(APPLE) or note[12:14] != b"MM":
        return {}
    names = {}
    (count,) = struct.unpack_from(">H", note, 14)
    for at in range(16, min(16 + 12 * count, len(note) - 11), 12):
        tag, kind, length, start = struct.unpack_from(">HHII", note, at)
        if tag in (PAIR, BURST) and kind == 2 and length > 4:
            text = note[start : start + length].rstrip(b"\0").decode("ascii", "replace")
            if _IDENTIFIER.fullmatch(text):
                names[tag] = text
    return names
