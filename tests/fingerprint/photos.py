"""Pictures for these tests, and where shared pictures are when they are there."""

from functools import lru_cache
from pathlib import Path

import pytest
from PIL import Image

from fingerprint.decode import Picture
from fingerprint.hashes import pdq_in_all_orientations
from fingerprint.vectors import hills

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def photo(width: int = 900, height: int = 700) -> Image.Image:
    """A picture with detail and without symmetry."""
    return _photo(width, height).copy()


@lru_cache(maxsize=16)
def _photo(width: int, height: int) -> Image.Image:
    return Image.fromarray(hills(width, height))


def shared(name: str) -> Path:
    """A shared file or folder; the test is skipped, and says so, where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not here")
    return path


def pdq(picture: Picture) -> int:
    """The upright code as a number."""
    return int.from_bytes(pdq_in_all_orientations(picture.small)[0][0])


def bits_apart(one: int, other: int) -> int:
    """The Hamming distance."""
    return (one ^ other).bit_count()
