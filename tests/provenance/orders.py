"""Real orders for real photos: everything but the photo's bytes is made up here."""

import hashlib
import io
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image

from pipeline.ports import Signed, SigningOrder
from pipeline.record import Asset, Dimensions, Fingerprint, Rights, SoftBinding, Verdict
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.manifest import sign
from tests.photos import encoded, picture

ISCC = "ISCC:EEA4GQZQTY6J5DTH"
PDQ = "f0" * 32
RIGHTS: dict[str, dict[str, Any]] = {
    "cawg.metadata": {
        "@context": {"dc": "http://purl.org/dc/elements/1.1/"},
        "dc:creator": ["Ada Lovelace"],
    },
    "cawg.training-mining": {"entries": {"cawg.ai_training": {"use": "notAllowed"}}},
}
DNG_VERSION = 50706

# Every format that Capture signs: media type and the Pillow format that makes one.
FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
    "image/gif": "GIF",
    "image/x-adobe-dng": "DNG",
}


def photo_of(media_type: str, seed: int = 1, width: int = 320, height: int = 240) -> bytes:
    """A small photo in this format."""
    image, kind = picture(seed, width, height), FORMATS[media_type]
    if kind == "HEIF":
        out = io.BytesIO()
        pillow_heif.from_pillow(image).save(out)
        return out.getvalue()
    if kind == "DNG":  # what makes a TIFF a DNG is this tag; the pixels are a plain image
        return encoded(image, "TIFF", tiffinfo={DNG_VERSION: b"\x01\x04\x00\x00"})
    return encoded(image, kind)


def thumbnail() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (512, 384), (10, 90, 160)).save(out, "JPEG")
    return out.getvalue()


def order_for(photo: Path, media_type: str, identity: Identity, **changes: Any) -> SigningOrder:
    """What the stages before signing would hand over for this photo."""
    content = photo.read_bytes()
    parts: dict[str, Any] = {
        "asset": Asset(hashlib.sha256(content).digest(), media_type, len(content)),
        "credentials": inspect(photo, media_type, identity.root_pem),
        "fingerprint": Fingerprint(
            (SoftBinding("pdq256-v1", PDQ), SoftBinding("phash64-v1", "0f" * 8), SoftBinding("io.iscc.v0", ISCC)),
            quality=88,
            dimensions=Dimensions(320, 240),
        ),
        "verdict": Verdict("original", (), 0, ""),
        "rights": Rights(),
        "thumbnail": thumbnail(),
        "keep_location": False,
        "registered_at": datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    }
    return SigningOrder(**(parts | changes))


def signed_copy(
    content: bytes, media_type: str, folder: Path, identity: Identity, **changes: Any
) -> tuple[Path, Signed]:
    """Sign these bytes; the signed file and what signing returned."""
    photo, signed = folder / "photo", folder / "signed"
    photo.write_bytes(content)
    order = order_for(photo, media_type, identity, **changes)
    return signed, sign(photo, signed, order, RIGHTS, identity)


def jpeg_parts(content: bytes) -> tuple[bytes, bytes]:
    """The manifest store in a JPEG's APP11 segments, and the file without them (ISO 19566-5, by hand)."""
    at, store, rest = 2, b"", content[:2]
    while content[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", content, at + 2)
        segment = content[at : at + 2 + size]
        if segment[1] == 0xEB and segment[4:6] == b"JP":
            (number,) = struct.unpack_from(">I", segment, 8)
            store += segment[12 if number == 1 else 20 :]
        else:
            rest += segment
        at += 2 + size
    return store, rest + content[at:]


def png_parts(content: bytes) -> tuple[bytes, bytes]:
    """The manifest store in a PNG's caBX chunk, and the file without it."""
    at, store, rest = 8, b"", content[:8]
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at)
        chunk = content[at : at + 12 + size]
        if chunk[4:8] == b"caBX":
            store += chunk[8:-4]
        else:
            rest += chunk
        at += 12 + size
    return store, rest
