"""How far apart are the `io.iscc.v0` codes of a photo and its copies, and of different photos (docs/soft-binding.md)?

`make bench-soft-binding PHOTOS=folder`: prints two tables. Flat photos are left out, as the index leaves them out.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from fingerprint.decode import decode
from fingerprint.hashes import MIN_QUALITY, fingerprint, iscc_image_code
from fingerprint.iscc import image_code
from pipeline.errors import Rejected

RADII = (0, 2, 4, 6, 8, 10, 12)
SIDE = 512  # codes are made from copies of that size


def _compressed(image: Image.Image, side: int, quality: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=quality)
    return Image.open(out)


def _cut(image: Image.Image, percent: float) -> Image.Image:
    x, y = round(image.width * percent / 200), round(image.height * percent / 200)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "640 px, JPEG 50": lambda image: _compressed(image, 640, 50),
    "320 px, JPEG 30": lambda image: _compressed(image, 320, 30),
    "a quarter brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 300)),
    "white border of 5 %": lambda image: ImageOps.expand(image, image.width // 20, "white"),
    "2 % cut off": lambda image: _cut(image, 2),
    "5 % cut off": lambda image: _cut(image, 5),
}


def code(image: Image.Image) -> int:
    """The image code's 64 bits as a number."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return int.from_bytes(image_code(iscc_image_code(small)))


def detailed(folder: Path) -> Iterator[Image.Image]:
    """The photos of a folder that are not flat, upright, in RGB."""
    for file in sorted(folder.iterdir()):
        try:
            if fingerprint(decode(file)).quality >= MIN_QUALITY:
                yield ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        except (Rejected, OSError):
            continue


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    codes: list[int] = []
    found: dict[str, list[int]] = {name: [] for name in CHANGES}
    for image in detailed(parser.parse_args().photos):
        codes.append(code(image))
        for name, change in CHANGES.items():
            found[name].append((code(change(image)) ^ codes[-1]).bit_count())
    bits = np.array(codes, np.uint64)
    apart = np.bitwise_count(bits[:, None] ^ bits[None, :])[np.triu_indices(len(bits), 1)]
    print(f"{len(codes)} photos, {len(apart)} pairs of different ones; the nearest {apart.min()} bits apart\n")
    print(f"| within bits | {' | '.join(map(str, RADII))} |\n|{'---|' * (len(RADII) + 1)}")
    for name, distances in found.items():
        print(f"| {name} | {' | '.join(f'{np.mean(np.array(distances) <= r):.3f}' for r in RADII)} |")
    print(f"| pairs of different photos | {' | '.join(str(int((apart <= r).sum())) for r in RADII)} |")


if __name__ == "__main__":
    main()
