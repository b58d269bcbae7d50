"""Pairs of different photos that something makes alike: a template, an overlay, a texture, nothing to see at all.

In each pair the left picture is registered and the right one asked about. To call one a near copy of the other, or to
say that one contains the other, is a false accusation. Every pair says whose pixels are in it, so that a true find (the
same photo under another template of the suite) is not counted as false.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from bench.copies import overlays, pages, screens, tone
from bench.copies.drawing import Painter
from bench.copies.geometry import covering, whole
from bench.copies.moves import Draw, caption

PAIRS = 26  # of each template: 520 in all
SHAPES = ((640, 480), (480, 640), (600, 600), (960, 540))
HALVES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Item:
    """A picture, and the parts of photos that are in it ("name/left", "name/right")."""

    image: Image.Image
    contents: frozenset[str]

    def shows(self, other: frozenset[str]) -> bool:
        """True when a part of the same photo is in both."""
        return not self.contents.isdisjoint(other)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures of one family that show different things."""

    family: str
    left: Item
    right: Item


Photos = Sequence[tuple[str, Image.Image]]
Maker = Callable[[Photos, Random], Pair]
Filled = Callable[[Image.Image, Random, Random], Image.Image]


def contents(name: str) -> frozenset[str]:
    """What a picture that shows the whole of this photo has in it."""
    return frozenset(f"{name}/{half}" for half in HALVES)


def pair(photos: Photos, family: str, number: int, seed: int) -> Pair:
    """One pair of a family, always the same for the same photos, number and seed."""
    return FAMILIES[family](photos, Random(f"bench.copies innocent {seed} {family} {number}"))


def _same_page(family: str, fill: Filled) -> Maker:
    """Two photos on one page: `fill(photo, page's chance, entries' chance)` draws the same page for the same chance."""

    def make(photos: Photos, rng: Random) -> Pair:
        page, shape = rng.getrandbits(64), rng.choice(SHAPES)
        return Pair(family, *(_item(photo, fill, page, shape, rng) for photo in rng.sample(photos, 2)))

    return make


def _item(photo: tuple[str, Image.Image], fill: Filled, page: int, shape: tuple[int, int], rng: Random) -> Item:
    name, image = photo
    picture = fill(covering(whole(image), *shape).image, Random(page), Random(rng.getrandbits(64)))
    return Item(tone.jpeg(70, 95)(picture, rng), contents(name))


def _over(painter: Painter) -> Filled:
    return lambda image, page, _: painter(image, page)


def _captioned(image: Image.Image, page: Random, _: Random) -> Image.Image:
    return caption(whole(image), Draw(page, ())).image


def _in_app(app: screens.App) -> Filled:
    return lambda image, page, _: screens.place(whole(image), app(page, image.width / image.height)).image


def _in_form(image: Image.Image, page: Random, entries: Random) -> Image.Image:
    return screens.place(whole(image), pages.form(page, entries)).image


def _on(draw: Callable[[Random], screens.Template]) -> Filled:
    return lambda image, page, _: screens.place(whole(image), draw(page)).image


def _halves(photos: Photos, rng: Random) -> Pair:
    """Two crops of one photo that share no pixel: the same texture, light and camera."""
    name, image = rng.choice(photos)
    cut = round(image.width * 0.48)
    boxes = ((0, 0, cut, image.height), (image.width - cut, 0, image.width, image.height))
    left, right = (
        Item(image.crop(box), frozenset({f"{name}/{half}"})) for box, half in zip(boxes, HALVES, strict=True)
    )
    return Pair("halves", left, right)


def _tiny(photos: Photos, rng: Random) -> Pair:
    """Two photos as icons of 24 to 60 px."""
    side = rng.randint(24, 60)
    left, right = (
        Item(covering(whole(image), side, side).image, contents(name)) for name, image in rng.sample(photos, 2)
    )
    return Pair("tiny", left, right)


def _flat(photos: Photos, rng: Random) -> Pair:
    """Two plain colours, or soft gradients."""
    left, right = (Item(_gradient(rng), frozenset()) for _ in HALVES)
    return Pair("flat", left, right)


def _gradient(rng: Random) -> Image.Image:
    width, height = rng.choice(SHAPES)
    if rng.random() < 0.5:
        return Image.new("RGB", (width, height), tuple(rng.randrange(256) for _ in range(3)))
    ends = [np.array([rng.randrange(256) for _ in range(3)], dtype=np.float32) for _ in range(2)]
    part = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    ramp = np.broadcast_to(ends[0] * (1 - part) + ends[1] * part, (height, width, 3))
    return Image.fromarray(np.ascontiguousarray(ramp.astype(np.uint8)))


def _noise(photos: Photos, rng: Random) -> Pair:
    """Two pictures of noise, white or in blobs."""
    left, right = (Item(_grain(rng), frozenset()) for _ in HALVES)
    return Pair("noise", left, right)


def _grain(rng: Random) -> Image.Image:
    width, height = rng.choice(SHAPES)
    blob = rng.choice([1, 2, 6])
    chance = np.random.default_rng(rng.getrandbits(32))
    small = chance.integers(0, 256, (height // blob, width // blob, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _families() -> dict[str, Maker]:
    drawn: dict[str, Filled] = {
        **{f"screenshot_{name}": _in_app(app) for name, app in screens.APPS.items()},
        "trail_camera": _over(overlays.trail_camera),
        "thermal_camera": _over(overlays.thermal_camera),
        "lower_third": _over(overlays.lower_third),
        "meme": _over(overlays.meme),
        "caption": _captioned,
        "date_stamp": _over(overlays.date_stamp),
        "logo": _over(overlays.logo),
        "watermark_tiled": _over(overlays.tiled_watermark),
        "watermark_large": _over(overlays.large_watermark),
        "stickers": _over(overlays.stickers),
        "ornament": _over(overlays.ornament),
        "form": _in_form,
        "dashboard": _on(pages.dashboard),
        "wallpaper": _on(pages.wallpaper),
    }
    return {family: _same_page(family, fill) for family, fill in drawn.items()}


TEMPLATES = _families()
FAMILIES: dict[str, Maker] = {**TEMPLATES, "halves": _halves, "tiny": _tiny, "flat": _flat, "noise": _noise}
