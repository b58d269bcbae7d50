"""Photos that the tests make themselves: textured like a camera's, different for each seed, of any kind and size."""

import io
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"  # other people's photos, when they are there


def picture(seed: int, width: int = 800, height: int = 600) -> Image.Image:
    """Blobs, edges and grain: enough detail for every fingerprint."""
    return _drawn(seed, width, height).copy()


def side_by_side(*seeds: int) -> bytes:
    """Pictures beside each other, each 640 x 480, as a JPEG."""
    sheet = Image.new("RGB", (640 * len(seeds), 480))
    for place, seed in enumerate(seeds):
        sheet.paste(picture(seed, 640, 480), (640 * place, 0))
    return encoded(sheet, "JPEG", quality=90)


@lru_cache(maxsize=128)  # 1.4 MB each; a file's tests ask for the same few again and again, and one takes 30 ms
def _drawn(seed: int, width: int, height: int) -> Image.Image:
    draw_from = random.Random(seed)
    image = Image.new("RGB", (width, height), tuple(draw_from.randrange(40, 200) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = draw_from.randrange(width), draw_from.randrange(height)
        size = draw_from.randrange(min(width, height) // 20, min(width, height) // 3)
        colour = tuple(draw_from.randrange(256) for _ in range(3))
        shape = draw.ellipse if draw_from.random() < 0.5 else draw.rectangle
        shape((x - size, y - size // 2, x + size, y + size // 2), fill=colour)
    image = image.filter(ImageFilter.GaussianBlur(max(1, width // 400)))
    grain = np.random.default_rng(seed).normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8))


def jpeg(seed: int, width: int = 800, height: int = 600, quality: int = 90, **save: object) -> bytes:
    """The picture of this seed as a JPEG file."""
    return encoded(picture(seed, width, height), "JPEG", quality=quality, **save)


def small_jpeg(seed: int) -> bytes:
    """A photo for tests in which nothing hangs on what it shows: its fingerprint takes half the time."""
    return jpeg(seed, 400, 300)


def encoded(image: Image.Image, kind: str, **save: object) -> bytes:
    """An image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()
