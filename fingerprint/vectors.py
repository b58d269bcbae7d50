"""Self-test vectors: pictures that are made by whole-number arithmetic, and the fingerprints they must have."""

import numpy as np
from PIL import Image

from fingerprint.decode import picture_of
from fingerprint.hashes import fingerprint
from pipeline.canonical import digest_of
from pipeline.record import Fingerprint, encode

# Name: quality, pHash, ISCC and the digest of the whole fingerprint fact, all eight PDQ codes included.
EXPECTED = {
    "hills": "100 820711111fbeb6f7 ISCC:EEAYEBYRCEP35NXX"
    " 170601cec43abf0dcde0b1edc0e6bd9edef2b58df564fa38708d4be84dcd5ae1",
    "hills-on-glass": "100 a8adb839be3e160c ISCC:EEA2RLNYHG7D4FQM"
    " ad761a312287b7eef6b39d757e6fc04d1e26f5065b86197bcbdeea06e85fbea7",
    "hills-in-16-bits": "100 8507151f1cb6f4b6 ISCC:EEAYKBYVD4OLN5FW"
    " 85363f52cee8672f6e8c521bcae67b4908535d26c21853f00d7db0765c857dee",
    "hills-at-2400": "100 820711111fbeb6f7 ISCC:EEAYEBYRCEP35NXX"
    " bfb19b0ce78a5c8e7f75fa3dd4c37469bdaaa6454cf4b69cd250d4fde82fcc25",
    "flat": "0 8000000000000000 ISCC:EEAYAAAAAAAAAAAA 4f5166ac359826ce8a0f623812bcbdd0e9cd18d5b5925f5f2d00bb7c41724534",
}


def pictures() -> dict[str, Image.Image]:
    """The pictures by name: colour, see-through, sixteen bits deep, large enough to be shrunk, flat."""
    slopes = hills(480, 360)
    return {
        "hills": Image.fromarray(slopes),
        "hills-on-glass": Image.fromarray(np.dstack([slopes, slopes[:, ::-1, 1]])),
        "hills-in-16-bits": Image.fromarray(slopes[:, :, 1].astype(np.uint16) * 257),
        "hills-at-2400": Image.fromarray(hills(2400, 1700)),
        "flat": Image.new("RGB", (96, 96), (120, 130, 140)),
    }


def differences() -> dict[str, str]:
    """For each picture an empty text when its fingerprint is as expected, else what it is and what was expected."""
    found = {name: summary(fingerprint(picture_of(image))) for name, image in pictures().items()}
    return {
        name: "" if found.get(name) == expected else f"is {found.get(name)}, expected {expected}"
        for name, expected in EXPECTED.items()
    }


def summary(found: Fingerprint) -> str:
    """A fingerprint in one line: quality, the short codes, and the digest of the whole."""
    codes = (found.value("phash64-v1"), found.value("io.iscc.v0"), digest_of(encode(found)).hex())
    return " ".join((str(found.quality), *codes))


def hills(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Slopes and terraces without any symmetry, the same at every size but for the sampling."""
    y, x = (axis * 1000 // side for axis, side in zip(np.mgrid[:height, :width], (height, width), strict=True))
    red = (x * x // 700 + y * 3 // 7 + (x // 90) * (y // 140) * 23) % 256
    green = (y * y // 900 + x * y // 1500 + (x // 210) * 61) % 256
    blue = ((x + 2 * y) * (x // 3 + 40) // 900) % 256
    return np.dstack([red, green, blue]).astype(np.uint8)
