"""Our own attack suite: each attack draws its parameters anew for each photo and seed, and knows where the photo went.

Independent of any other suite: other parameters, other drawings. Grouped into the rows of docs/accuracy.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from bench.copies import overlays, screens, tone
from bench.copies.geometry import Copy, scaled, whole
from bench.copies.moves import (
    Attack,
    Draw,
    any_angle,
    border,
    caption,
    chain,
    collage,
    crop,
    inset,
    letterbox,
    mirror,
    paints,
    perspective,
    photo_of_screen,
    screenshot,
    square,
    straighten,
    stretched,
    to_side,
    turn,
)

ATTACK_SIDE = 1280  # px: photos are attacked at this size, as a phone's messenger would send them

EXACT = "codec, tone, filter, resize, flips, quarter turns, negative"
SHAPE = "crops up to 70 %, free turns, borders, captions, screenshots"
MIXED = "collages, photo of a screen, meme, emoji, watermark"
INSET = "picture in picture 30 % and more, the two hard chains"
WORST = "picture in picture 20 %, crop of 85 %, mirrored hard chain"
OTHER = "perspective, social networks, other overlays (no reach named)"
REACH = {EXACT: 1.0, SHAPE: 0.99, MIXED: 0.98, INSET: 0.95, WORST: 0.80, OTHER: None}


@dataclass(frozen=True)
class Entry:
    """An attack, and the row of the table that it counts in."""

    row: str
    attack: Attack


def attacked(name: str, photo: Image.Image, key: str, seed: int, others: Sequence[Image.Image]) -> Copy:
    """The photo (named `key`) after this attack: the same for the same arguments and fonts."""
    draw = Draw(Random(f"bench.copies {seed} {name} {key}"), others)
    if max(photo.size) > ATTACK_SIDE:
        smaller = scaled(whole(photo), ATTACK_SIDE)
        return ATTACKS[name].attack(smaller, draw)
    return ATTACKS[name].attack(whole(photo), draw)


MIRRORED = mirror(Image.Transpose.FLIP_LEFT_RIGHT)
SMALL_JPEG = chain(to_side(420, 640), paints(tone.jpeg(30, 60)))
ANY_SHOT: Attack = lambda copy, draw: screenshot(draw.rng.choice(["feed", "chat", "gallery"]))(copy, draw)  # noqa: E731
CROP_CHAIN = chain(
    crop(0.2, 0.4), MIRRORED, paints(tone.tinted), straighten, paints(overlays.stickers), caption, SMALL_JPEG
)
INSET_CHAIN = (crop(0.1, 0.25), inset(0.5, 0.7), paints(overlays.meme))

ATTACKS: dict[str, Entry] = {
    "jpeg_5_20": Entry(EXACT, paints(tone.jpeg(5, 20))),
    "jpeg_20_95": Entry(EXACT, paints(tone.jpeg(20, 95))),
    "webp": Entry(EXACT, paints(tone.webp)),
    "avif": Entry(EXACT, paints(tone.avif)),
    "palette": Entry(EXACT, paints(tone.palette)),
    "to_120_320_px": Entry(EXACT, to_side(120, 320)),
    "to_320_1080_px": Entry(EXACT, to_side(320, 1080)),
    "stretched": Entry(EXACT, stretched),
    "grey_or_sepia": Entry(EXACT, paints(tone.greyscale)),
    "brightness": Entry(EXACT, paints(tone.brightness)),
    "contrast": Entry(EXACT, paints(tone.contrast)),
    "saturation": Entry(EXACT, paints(tone.saturation)),
    "gamma": Entry(EXACT, paints(tone.gamma)),
    "tinted": Entry(EXACT, paints(tone.tinted)),
    "equalized": Entry(EXACT, paints(tone.equalized)),
    "negative": Entry(EXACT, paints(tone.negative)),
    "blurred": Entry(EXACT, paints(tone.blurred)),
    "sharpened": Entry(EXACT, paints(tone.sharpened)),
    "noisy": Entry(EXACT, paints(tone.noisy)),
    "flip": Entry(EXACT, MIRRORED),
    "flip_upside_down": Entry(EXACT, mirror(Image.Transpose.FLIP_TOP_BOTTOM)),
    "quarter_turn": Entry(EXACT, mirror(Image.Transpose.ROTATE_90)),
    "half_turn": Entry(EXACT, mirror(Image.Transpose.ROTATE_180)),
    "three_quarter_turn": Entry(EXACT, mirror(Image.Transpose.ROTATE_270)),
    "transposed": Entry(EXACT, mirror(Image.Transpose.TRANSPOSE)),
    "crop_8_30": Entry(SHAPE, crop(0.08, 0.30)),
    "crop_30_50": Entry(SHAPE, crop(0.30, 0.50)),
    "crop_50_70": Entry(SHAPE, crop(0.50, 0.70)),
    "turn_20": Entry(SHAPE, turn),
    "turn_any": Entry(SHAPE, any_angle),
    "straighten_15": Entry(SHAPE, straighten),
    "border": Entry(SHAPE, border),
    "letterbox": Entry(SHAPE, letterbox),
    "caption": Entry(SHAPE, caption),
    **{f"screenshot_{app}": Entry(SHAPE, screenshot(app)) for app in screens.APPS},
    **{f"collage_{count}": Entry(MIXED, collage(count)) for count in (2, 3, 4, 6)},
    "photo_of_screen": Entry(MIXED, photo_of_screen),
    "meme": Entry(MIXED, paints(overlays.meme)),
    "stickers": Entry(MIXED, paints(overlays.stickers)),
    "watermark_tiled": Entry(MIXED, paints(overlays.tiled_watermark)),
    "watermark_large": Entry(MIXED, paints(overlays.large_watermark)),
    "inset_50": Entry(INSET, inset(0.45, 0.55)),
    "inset_30": Entry(INSET, inset(0.28, 0.32)),
    "chain_crop_mirror": Entry(INSET, CROP_CHAIN),
    "chain_inset_meme_shot": Entry(INSET, chain(*INSET_CHAIN, ANY_SHOT, SMALL_JPEG)),
    "inset_20": Entry(WORST, inset(0.19, 0.21)),
    "crop_85": Entry(WORST, crop(0.84, 0.86)),
    "chain_mirrored": Entry(WORST, chain(*INSET_CHAIN, MIRRORED, ANY_SHOT, SMALL_JPEG)),
    "perspective": Entry(OTHER, perspective),
    "logo": Entry(OTHER, paints(overlays.logo)),
    "lower_third": Entry(OTHER, paints(overlays.lower_third)),
    "scribbles": Entry(OTHER, paints(overlays.scribbles)),
    "ornament": Entry(OTHER, paints(overlays.ornament)),
    "messenger_twice": Entry(
        OTHER, chain(to_side(1000, 1280), paints(tone.jpeg(60, 75)), to_side(700, 960), paints(tone.jpeg(50, 70)))
    ),
    "square_filtered": Entry(OTHER, chain(square, paints(tone.tinted), to_side(500, 720), paints(tone.jpeg(60, 80)))),
    "flipped_crop": Entry(OTHER, chain(crop(0.1, 0.3), MIRRORED, paints(tone.jpeg(50, 85)))),
}
