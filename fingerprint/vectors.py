"""Self-test vectors: pictures that are made by whole-number arithmetic, and the fingerprints they must have."""

import json
from base64 import b64decode
from pathlib import Path

import numpy as np
from PIL import Image

from fingerprint.decode import picture_of
from fingerprint.features import ROOTSIFT, Points, distances, unpack
from fingerprint.hashes import fingerprint
from pipeline.record import Fingerprint, decode

# Processors with and without AVX2 round differently, and that moves a point now and then to another place in the order.
# With all such instructions switched off, all points of these pictures are found again, with at most one bit changed.
POINTS_IN_COMMON = 0.99
PLACE = 0.002  # of the side
BITS = 2  # of 128

VECTORS = Path(__file__).with_name("vectors.json")  # made by tests/golden/make_fingerprint.py


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


def expected() -> dict[str, Fingerprint]:
    """The fingerprint that each picture must have."""
    return {name: decode(Fingerprint, fact) for name, fact in json.loads(VECTORS.read_text()).items()}


def differences() -> dict[str, str]:
    """For each picture an empty text when its fingerprint is as expected, else what it is and what was expected."""
    shown = pictures()
    return {
        name: difference(fingerprint(picture_of(shown[name])), fact) if name in shown else "no such picture"
        for name, fact in expected().items()
    }


def difference(found: Fingerprint, wanted: Fingerprint) -> str:
    """Empty when two fingerprints are of the same pixels, else where they differ.

    All codes must be equal. Of the points 99 in 100, either way, must stand within 0.002 of the side of one of the
    other fingerprint's, with at most 2 of 128 bits changed.
    """
    here, there = _exact(found), _exact(wanted)
    wrong = [
        f"{name} is {here.get(name)}, expected {there.get(name)}"
        for name in there | here
        if here.get(name) != there.get(name)
    ]
    part = points_in_common(*(unpack(b64decode(each.value(ROOTSIFT))) for each in (found, wanted)))
    if part < POINTS_IN_COMMON:
        wrong.append(f"{ROOTSIFT} has {part:.1%} of the points in common")
    return "; ".join(wrong)


def points_in_common(one: Points, other: Points) -> float:
    """The part of the points, of those with fewer, that stand among the other's with nearly the same code, 0 to 1."""
    if not len(one) or not len(other):
        return float(len(one) == len(other))
    gap = np.abs(one.xy[:, None] - other.xy).max(axis=2)
    same = (gap <= PLACE) & (distances(one.codes, other.codes) <= BITS)
    return float(min(same.any(axis=axis).mean() for axis in (0, 1)))


def _exact(found: Fingerprint) -> dict[str, object]:
    """Everything but the points, by name."""
    codes = {binding.alg: binding.value for binding in found.soft_bindings if binding.alg != ROOTSIFT}
    whole: dict[str, object] = {name: getattr(found, name) for name in ("quality", "dimensions", "thumbnail_sha256")}
    return whole | codes


def hills(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Slopes and terraces without any symmetry, the same at every size but for the sampling."""
    y, x = (axis * 1000 // side for axis, side in zip(np.mgrid[:height, :width], (height, width), strict=True))
    red = (x * x // 700 + y * 3 // 7 + (x // 90) * (y // 140) * 23) % 256
    green = (y * y // 900 + x * y // 1500 + (x // 210) * 61) % 256
    blue = ((x + 2 * y) * (x // 3 + 40) // 900) % 256
    return np.dstack([red, green, blue]).astype(np.uint8)
