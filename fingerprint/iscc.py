"""Values of the soft binding `io.iscc.v0` (ISO 24138) as others send them. Standard library only.

A value is a sequence of ISCC units: of each a header of two bytes and its body, one after the other, in base64. That is
how the ISCC Foundation writes it into C2PA assertions (IEP-0020). The code as text, `ISCC:EEA…`, plain or in base64, is
taken too: older manifests of Capture's carry it so.
"""

import binascii
from base64 import b32decode, b64decode
from collections.abc import Iterator

from fingerprint.codes import ISCC_BYTES
from pipeline.errors import Rejected

BITS = 8 * ISCC_BYTES
RADIUS = 8  # bits of 64; what that finds, and what it finds wrongly, is measured in docs/soft-binding.md
MAX_BYTES = 1_000  # a sequence of every unit there is, at full length, has 170
_HEADER_BYTES = 2
_IMAGE = 0x21  # main type CONTENT, subtype IMAGE
_COMPOSITES = (5, 6, 7)  # ISCC-CODE, ISCC-ID, FLAKE: main types that are no units


def image_code(value: str) -> bytes:
    """The first 64 bits of the image code in a value of `io.iscc.v0`; longer codes begin with the shorter ones.

    Raises Rejected for what is no such value, and for one without an image code.
    """
    for header, body in tuple(_units(_bytes(value))):  # all of it is read: what follows must be units too
        if header[0] == _IMAGE and header[1] >> 4 == 0 and len(body) >= ISCC_BYTES:
            return body[:ISCC_BYTES]
    raise Rejected("the value has no image code of 64 bits or more (main type CONTENT, subtype IMAGE, version 0)")


def score(distance: int) -> int:
    """How near two codes are, as the soft binding API counts: the percentage of the 64 bits that agree."""
    return round(100 * (BITS - distance) / BITS)


def _bytes(value: str) -> bytes:
    text = value.strip()
    if text.startswith("ISCC:"):
        return _from_text(text)
    # An unescaped + arrives as a space; both alphabets of base64 are in use, and the padding is often left out.
    plain = text.rstrip("=").replace(" ", "+").replace("-", "+").replace("_", "/")
    if not plain or len(plain) > MAX_BYTES * 4 // 3:
        raise Rejected(f"the value is empty, or longer than {MAX_BYTES} bytes in base64")
    try:
        raw = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("the value is not base64") from None
    return _from_text(raw.decode("ascii", "replace")) if raw.startswith(b"ISCC:") else raw


def _from_text(code: str) -> bytes:
    letters = code.removeprefix("ISCC:").strip()
    try:
        return b32decode(letters + "=" * (-len(letters) % 8))
    except (binascii.Error, ValueError):
        raise Rejected("the value begins with ISCC: but no ISCC follows") from None


def _units(sequence: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Header and body of each unit. Raises Rejected unless it is units from the first byte to the last."""
    at = 0
    while at < len(sequence):
        header = sequence[at : at + _HEADER_BYTES]
        if len(header) < _HEADER_BYTES or any(byte & 0x88 for byte in header):
            raise Rejected(f"there is no header of an ISCC unit at byte {at} of the value")
        if header[0] >> 4 in _COMPOSITES:
            raise Rejected("the value is a whole ISCC-CODE or an ISCC-ID: send its units, or the image code alone")
        size = 4 * ((header[1] & 0x0F) + 1)
        at += _HEADER_BYTES + size
        if at > len(sequence):
            raise Rejected("the last ISCC unit of the value is cut off")
        yield header, sequence[at - size : at]
