"""The single attacks: each takes a picture that knows where the photo lies in it, and draws its parameters anew."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from bench.copies import screens, tone
from bench.copies.drawing import Painter, any_face, colour, font, grey, paragraph, words
from bench.copies.geometry import (
    BLACK,
    WHITE,
    Colour,
    Copy,
    containing,
    covering,
    cropped,
    framed,
    onto,
    pasted,
    resized,
    scaled,
    straightened,
    transposed,
    turned,
    whole,
)


@dataclass(frozen=True)
class Draw:
    """Where an attack's chance comes from: a Random, and photos that are never registered."""

    rng: Random
    others: Sequence[Image.Image]

    def other(self) -> Image.Image:
        """An unrelated photo."""
        return self.rng.choice(self.others)

    def between(self, low: float, high: float) -> float:
        """A number in this range."""
        return self.rng.uniform(low, high)


Attack = Callable[[Copy, Draw], Copy]


def paints(painter: Painter) -> Attack:
    """The attack that changes pixels and moves nothing."""
    return lambda copy, draw: copy.painted(painter(copy.image, draw.rng))


def chain(*attacks: Attack) -> Attack:
    """One after the other."""

    def run(copy: Copy, draw: Draw) -> Copy:
        for attack in attacks:
            copy = attack(copy, draw)
        return copy

    return run


def to_side(low: int, high: int) -> Attack:
    """The longer side scaled to this many pixels."""
    return lambda copy, draw: scaled(copy, draw.rng.randint(low, high))


def stretched(copy: Copy, draw: Draw) -> Copy:
    """Other proportions: one side 0.7 to 1.4 times as long."""
    by = 2 ** draw.between(-0.5, 0.5)
    return resized(copy, round(copy.image.width * by), copy.image.height)


def mirror(how: Image.Transpose) -> Attack:
    """One of Pillow's seven mirrorings and quarter turns."""
    return lambda copy, draw: transposed(copy, how)


def crop(low: float, high: float) -> Attack:
    """A window anywhere; `low` to `high` of the area is lost; the proportions change by up to a fifth."""

    def run(copy: Copy, draw: Draw) -> Copy:
        keep, skew = 1 - draw.between(low, high), draw.between(-0.18, 0.18)
        across, down = min(1.0, math.sqrt(keep) * math.exp(skew)), min(1.0, math.sqrt(keep) * math.exp(-skew))
        width, height = round(copy.image.width * across), round(copy.image.height * down)
        left = draw.rng.randint(0, copy.image.width - width)
        return cropped(copy, left, draw.rng.randint(0, copy.image.height - height), width, height)

    return run


def turn(copy: Copy, draw: Draw) -> Copy:
    """Turned by -20 to 20 degrees on a plain ground."""
    return turned(copy, draw.between(-20, 20), _ground(draw))


def straighten(copy: Copy, draw: Draw) -> Copy:
    """Turned by -15 to 15 degrees and cut to a rectangle."""
    return straightened(copy, draw.between(-15, 15))


def any_angle(copy: Copy, draw: Draw) -> Copy:
    """Turned by anything: 20 to 340 degrees."""
    return turned(copy, draw.between(20, 340), _ground(draw))


def _ground(draw: Draw) -> Colour:
    return draw.rng.choice([BLACK, WHITE, grey(128), colour(draw.rng)])


def border(copy: Copy, draw: Draw) -> Copy:
    """A frame of 2 to 16 % of the longer side, wider below, sometimes."""
    rim = round(max(copy.image.size) * draw.between(0.02, 0.16))
    return framed(copy, rim, rim, rim, round(rim * draw.rng.choice([1, 1, 2.5])), _ground(draw))


def letterbox(copy: Copy, draw: Draw) -> Copy:
    """Bars until the picture has a screen's proportions, 9:21 to 21:9."""
    width, height = copy.image.size
    wanted = draw.rng.choice([9 / 21, 9 / 16, 4 / 5, 1.0, 16 / 9, 21 / 9])
    across, down = max(0, round(height * wanted) - width), max(0, round(width / wanted) - height)
    return framed(copy, across // 2, down // 2, across - across // 2, down - down // 2, _ground(draw))


def caption(copy: Copy, draw: Draw) -> Copy:
    """A bar with text above, below or on both sides of the photo, 10 to 35 % of its height."""
    above, below = draw.rng.choice([(1, 0), (0, 1), (1, 1)])
    bar = round(copy.image.height * draw.between(0.1, 0.35))
    paper, ink = draw.rng.choice([(WHITE, BLACK), (BLACK, WHITE), (grey(240), grey(50))])
    copy = framed(copy, 0, bar * above, 0, bar * below, paper)
    image, size = copy.image.copy(), max(8, int(bar * draw.between(0.16, 0.4)))
    for top in ([0] if above else []) + ([image.height - bar] if below else []):
        box = (size // 2, top + size // 3, image.width - size // 2, top + bar)
        face = font(any_face(draw.rng), size)
        paragraph(ImageDraw.Draw(image), box, words(draw.rng, 14), face, ink, size * 5 // 4)
    return copy.painted(image)


def screenshot(app: str) -> Attack:
    """A phone's screenshot of this app, stored as JPEG or shown as it is."""

    def run(copy: Copy, draw: Draw) -> Copy:
        template = screens.APPS[app](draw.rng, copy.image.width / copy.image.height)
        shot = screens.place(copy, template)
        return shot if draw.rng.random() < 0.4 else paints(tone.jpeg(60, 92))(shot, draw)

    return run


def inset(low: float, high: float) -> Attack:
    """A picture in a picture: the photo on an unrelated one, `low` to `high` of its width."""

    def run(copy: Copy, draw: Draw) -> Copy:
        ground = draw.other()
        fitted = containing(copy, round(ground.width * draw.between(low, high)), round(ground.height * 0.92))
        left = draw.rng.randint(0, ground.width - fitted.image.width)
        return pasted(fitted, ground, left, draw.rng.randint(0, ground.height - fitted.image.height))

    return run


def collage(count: int) -> Attack:
    """The photo among `count` - 1 others in a grid with gutters, at a random place."""

    def run(copy: Copy, draw: Draw) -> Copy:
        columns = draw.rng.choice([c for c in (1, 2, 3) if count % c == 0 and count // c <= 3])
        width, height = draw.rng.randint(260, 420), draw.rng.randint(220, 380)
        gutter, mine = draw.rng.randint(0, 14), draw.rng.randrange(count)
        size = (columns * (width + gutter) + gutter, count // columns * (height + gutter) + gutter)
        sheet, places = Image.new("RGB", size, draw.rng.choice([WHITE, BLACK, colour(draw.rng)])), []
        for cell in range(count):
            left, top = gutter + cell % columns * (width + gutter), gutter + cell // columns * (height + gutter)
            places.append((left, top))
            sheet.paste(covering(whole(draw.other()), width, height).image, (left, top))
        return pasted(covering(copy, width, height), sheet, *places[mine])

    return run


def perspective(copy: Copy, draw: Draw) -> Copy:
    """Seen from the side: each corner moves by up to 14 %, on a plain ground."""
    return _tilted(copy, draw, 0.14)


def _tilted(copy: Copy, draw: Draw, most: float) -> Copy:
    width, height = copy.image.size
    by = [(draw.between(0, most) * width, draw.between(0, most) * height) for _ in range(4)]
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    target = whole(copy.image).quad
    for corner, ((x, y), (right, down)) in enumerate(zip(by, signs, strict=True)):
        target[corner] += (x * right, y * down)
    return onto(copy, target, width, height, _ground(draw))


def photo_of_screen(copy: Copy, draw: Draw) -> Copy:
    """Shown on a monitor with a bezel, photographed by hand."""
    copy = scaled(copy, draw.rng.randint(700, 1100))
    rim = round(max(copy.image.size) * draw.between(0.02, 0.08))
    copy = framed(copy, rim, rim, rim, rim, grey(draw.rng.randint(8, 60)))
    around = round(max(copy.image.size) * draw.between(0, 0.12))
    copy = framed(copy, around, around, around, around, colour(draw.rng, 0.2, 0.5))
    return paints(tone.screen_look)(_tilted(copy, draw, 0.09), draw)


def square(copy: Copy, draw: Draw) -> Copy:
    """The middle square."""
    side = min(copy.image.size)
    return cropped(copy, (copy.image.width - side) // 2, (copy.image.height - side) // 2, side, side)
