"""Write tests/golden/fingerprint.json and fingerprint/vectors.json: `python -m tests.golden.make_fingerprint`.

Tests hold the code against both, the points of detail with the tolerance of fingerprint/vectors.py. Any other change
there means that photos registered earlier are no longer found: such a change needs a new algorithm name.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from fingerprint.decode import decode, picture_of
from fingerprint.hashes import fingerprint
from fingerprint.vectors import VECTORS, hills, pictures
from pipeline.canonical import digest_of
from pipeline.record import encode

GOLDEN = Path(__file__).parent / "fingerprint.json"


def golden() -> dict[str, Any]:
    """The fingerprint fact of each photo as JSON, and its digest as the leaf commits to it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in PHOTOS.items():
            path = Path(folder) / name
            write(path)
            fact = encode(fingerprint(decode(path)))
            found[name] = {"fingerprint": fact, "digest": digest_of(fact).hex()}
    return found


def vectors() -> dict[str, Any]:
    """The fingerprint fact of each self-test picture as JSON."""
    return {name: encode(fingerprint(picture_of(image))) for name, image in pictures().items()}


def as_text(found: dict[str, Any]) -> str:
    """A golden file's text."""
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    Image.fromarray(hills(800, 600)).save(path, exif=exif)


def _see_through(path: Path) -> None:
    Image.fromarray(np.dstack([hills(500, 500), hills(500, 500)[::-1, :, 0]])).save(path)


PHOTOS: dict[str, Callable[[Path], None]] = {
    "colour.png": lambda path: Image.fromarray(hills(800, 600)).save(path),
    "grey.png": lambda path: Image.fromarray(hills(800, 600)[:, :, 1]).save(path),
    "deep.png": lambda path: Image.fromarray(hills(640, 480)[:, :, 1].astype(np.uint16) * 257).save(path),
    "palette.png": lambda path: Image.fromarray(hills(800, 600)).quantize(64).save(path),
    "see-through.png": _see_through,
    "turned.png": _turned,
    "ink.tiff": lambda path: Image.fromarray(hills(700, 900)).convert("CMYK").save(path),
    "large.tiff": lambda path: Image.fromarray(hills(3000, 2000)).save(path),
    "photo.jpg": lambda path: Image.fromarray(hills(2000, 1500)).save(path, quality=90),
    "flat.png": lambda path: Image.new("RGB", (200, 200), "teal").save(path),
    "tiny.png": lambda path: Image.fromarray(hills(40, 30)).save(path),
}

if __name__ == "__main__":
    GOLDEN.write_text(as_text(golden()))
    VECTORS.write_text(as_text(vectors()))
