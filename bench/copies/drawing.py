"""What overlays and templates are drawn with: fonts, words, colours, wrapped text. Everything comes from one Random."""

import colorsys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFont

from bench.copies.geometry import Colour

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Painter = Callable[[Image.Image, Random], Image.Image]

_FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/liberation")
_WORDS = (
    "river", "market", "window", "paper", "garden", "signal", "winter", "coffee", "harbour", "letter", "copper",
    "engine", "morning", "shadow", "ticket", "orange", "bridge", "corner", "silver", "planet", "kitchen", "meadow",
    "number", "camera", "thunder", "pocket", "village", "theatre", "puzzle", "candle", "and", "the", "with", "from",
    "never", "always", "maybe", "today", "again", "almost", "really", "everyone", "nobody", "something", "before",
    "after",
)  # fmt: skip


@cache
def faces() -> tuple[str, ...]:
    """Font files of this machine; "" is Pillow's own, which is always there."""
    found = sorted(str(file) for folder in _FOLDERS for file in Path(folder).glob("*.ttf"))
    return ("", *found)


@cache
def font(face: str, size: int) -> Font:
    """A font of this size in pixels."""
    size = max(7, size)
    return ImageFont.truetype(face, size) if face else ImageFont.load_default(size)


def any_face(rng: Random) -> str:
    """Pillow's own font half of the time, else one of the machine's."""
    return "" if rng.random() < 0.5 else rng.choice(faces())


def words(rng: Random, count: int) -> str:
    """That many words, in no order."""
    return " ".join(rng.choice(_WORDS) for _ in range(count))


def colour(rng: Random, saturation: float = 0.7, value: float = 0.8) -> Colour:
    """Any hue."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def grey(value: int) -> Colour:
    """A grey of 0 to 255."""
    return value, value, value


def paragraph(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], text: str, face: Font, fill: Colour, line: int
) -> int:
    """Text wrapped into a box (left, top, right, bottom), `line` pixels a line; the y below its last line."""
    left, y, right, bottom = box
    row = ""
    for word in [*text.split(), ""]:
        longer = f"{row} {word}".strip()
        if word and draw.textlength(longer, font=face) <= right - left:
            row = longer
            continue
        if row and y + line <= bottom:
            draw.text((left, y), row, font=face, fill=fill)
            y += line
        row = word
    return y


def layered(image: Image.Image, paint: Callable[[ImageDraw.ImageDraw], None], turn: float = 0) -> Image.Image:
    """The image with a translucent layer on top, turned by degrees."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    paint(ImageDraw.Draw(layer))
    if turn:
        layer = layer.rotate(turn, Image.Resampling.BICUBIC)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
