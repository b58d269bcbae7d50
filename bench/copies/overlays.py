"""What people and programs draw over a photo: memes, stickers, watermarks, logos, banners. None moves the photo.

A painter draws the same for the same Random on pictures of the same size: that is how two different photos get one
template.
"""

import math
from random import Random

from PIL import Image, ImageDraw

from bench.copies.drawing import any_face, colour, font, grey, layered, words
from bench.copies.geometry import BLACK, WHITE, Colour


def meme(image: Image.Image, rng: Random) -> Image.Image:
    """Capitals with an outline at the top, the bottom or both."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    face, part, inks = any_face(rng), rng.uniform(0.06, 0.13), rng.choice([WHITE, WHITE, (255, 230, 60)])
    size = max(9, int(image.height * part))
    for at, anchor in rng.choice([((0.03, "ma"),), ((0.97, "md"),), ((0.03, "ma"), (0.97, "md"))]):
        line = words(rng, rng.randint(2, 4)).upper()
        fitted = min(size, int(size * image.width * 0.94 / max(1, draw.textlength(line, font=font(face, size)))))
        where = (image.width / 2, image.height * at)
        draw.text(
            where, line, inks, font(face, fitted), anchor=anchor, stroke_width=max(1, fitted // 12), stroke_fill=BLACK
        )
    return image


def stickers(image: Image.Image, rng: Random) -> Image.Image:
    """One to five emoji-like drawings anywhere."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 5)):
        radius = min(image.size) * rng.uniform(0.06, 0.16)
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
        rng.choice([_face, _heart, _star, _bubble, _arrow])(draw, x, y, radius, rng)
    return image


def _face(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, rng: Random) -> None:
    thin = max(1, int(radius / 14))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), (250, 200, 40), (150, 100, 0), thin)
    for side in (-0.36, 0.36):
        left, top, eye = x + side * radius, y - 0.25 * radius, radius * rng.uniform(0.09, 0.2)
        draw.ellipse((left - eye, top - eye * 1.3, left + eye, top + eye * 1.3), (70, 40, 10))
    mouth = (x - 0.55 * radius, y - 0.3 * radius, x + 0.55 * radius, y + 0.65 * radius)
    draw.chord(mouth, 20, 160, rng.choice([(120, 30, 20), WHITE]), (70, 40, 10), thin)


def _heart(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, rng: Random) -> None:
    points = []
    for step in range(40):
        t = step * math.tau / 40
        across = 16 * math.sin(t) ** 3
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x + across * radius / 17, y - up * radius / 17))
    draw.polygon(points, colour(rng, 0.9, 0.9))


def _star(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, rng: Random) -> None:
    turn, tips = rng.uniform(0, 1), rng.randint(5, 9)
    points = []
    for step in range(2 * tips):
        far = radius * (0.45 if step % 2 else 1)
        points.append(
            (x + far * math.cos(turn + step * math.pi / tips), y + far * math.sin(turn + step * math.pi / tips))
        )
    draw.polygon(points, colour(rng, 0.8, 1.0), BLACK)


def _bubble(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, rng: Random) -> None:
    box = (x - 1.6 * radius, y - 0.6 * radius, x + 1.6 * radius, y + 0.6 * radius)
    draw.polygon([(x, y), (x + radius * 0.5, y), (x + radius * rng.uniform(-1, 1), y + 1.2 * radius)], WHITE)
    draw.rounded_rectangle(box, radius * 0.4, WHITE)
    draw.text((x, y), words(rng, 2), BLACK, font(any_face(rng), int(radius * 0.45)), anchor="mm")


def _arrow(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, rng: Random) -> None:
    angle, ink = rng.uniform(0, math.tau), colour(rng, 1.0, 0.9)
    end = (x + 2 * radius * math.cos(angle), y + 2 * radius * math.sin(angle))
    draw.line([(x, y), end], ink, max(2, int(radius / 4)))
    tips = [
        (end[0] + radius * 0.7 * math.cos(angle + by), end[1] + radius * 0.7 * math.sin(angle + by))
        for by in (0, 2.4, -2.4)
    ]
    draw.polygon(tips, ink)


def tiled_watermark(image: Image.Image, rng: Random) -> Image.Image:
    """A translucent name over and over, in slanted rows, as stock agencies do."""
    face, size = any_face(rng), int(min(image.size) * rng.uniform(0.05, 0.11))
    text, alpha, ink = f"© {words(rng, 1)}{words(rng, 1)}", rng.randint(60, 130), rng.choice([WHITE, BLACK])
    across, down = rng.uniform(0.3, 0.6) * image.width, rng.uniform(0.12, 0.26) * image.height

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for row in range(-3, int(image.height / down) + 4):
            for column in range(-3, int(image.width / across) + 4):
                at = ((column + row % 2 / 2) * across, row * down)
                draw.text(at, text, (*ink, alpha), font(face, size))

    return layered(image, paint, rng.uniform(-35, 35))


def large_watermark(image: Image.Image, rng: Random) -> Image.Image:
    """One translucent name across the middle, with two crossing lines."""
    face, size = any_face(rng), int(image.width * rng.uniform(0.09, 0.16))
    text, alpha = words(rng, 1).upper(), rng.randint(80, 150)

    def paint(draw: ImageDraw.ImageDraw) -> None:
        width, height = image.size
        draw.line([(0, 0), (width, height)], (255, 255, 255, alpha), 2)
        draw.line([(0, height), (width, 0)], (255, 255, 255, alpha), 2)
        draw.text((width / 2, height / 2), text, (255, 255, 255, alpha), font(face, size), anchor="mm")

    return layered(image, paint)


def logo(image: Image.Image, rng: Random) -> Image.Image:
    """A channel's badge in one corner."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    width, height = image.width * rng.uniform(0.16, 0.36), image.height * rng.uniform(0.08, 0.16)
    x = rng.choice([0.02 * image.width, 0.98 * image.width - width])
    y = rng.choice([0.02 * image.height, 0.98 * image.height - height])
    draw.rounded_rectangle((x, y, x + width, y + height), height * rng.choice([0, 0.2, 0.5]), colour(rng, 0.9, 0.7))
    draw.ellipse((x + height * 0.15, y + height * 0.15, x + height * 0.85, y + height * 0.85), WHITE)
    label = f"{words(rng, 1).upper()} {rng.randint(1, 99)}"
    draw.text((x + height, y + height / 2), label, WHITE, font(any_face(rng), int(height * 0.4)), anchor="lm")
    return image


def lower_third(image: Image.Image, rng: Random) -> Image.Image:
    """A news programme's name strap, ticker and clock."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    width, height = image.size
    face, tint, top = any_face(rng), colour(rng, 0.9, 0.55), int(height * rng.uniform(0.72, 0.8))
    strap, ticker = int(height * 0.1), int(height * 0.06)
    draw.rectangle((0, top, width, top + strap), tint)
    draw.rectangle((0, top, int(width * 0.2), top + strap), (200, 20, 30))
    draw.text((width * 0.1, top + strap / 2), "LIVE", WHITE, font(face, strap // 2), anchor="mm")
    draw.text((width * 0.22, top + strap / 2), words(rng, 4).upper(), WHITE, font(face, strap // 2), anchor="lm")
    draw.rectangle((0, top + strap, width, top + strap + ticker), grey(240))
    draw.text((8, top + strap + ticker / 2), words(rng, 14), BLACK, font(face, ticker * 3 // 5), anchor="lm")
    _clock(draw, width * 0.9, height * 0.05, int(height * 0.05), rng)
    return image


def _clock(draw: ImageDraw.ImageDraw, x: float, y: float, size: int, rng: Random) -> None:
    draw.rectangle((x - size * 1.5, y - size * 0.7, x + size * 1.5, y + size * 0.7), grey(30))
    draw.text((x, y), f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}", WHITE, font("", size), anchor="mm")


def trail_camera(image: Image.Image, rng: Random) -> Image.Image:
    """A trail camera's black band: maker, temperature, moon, date and time."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    width, height = image.size
    band, face = int(height * rng.uniform(0.06, 0.11)), any_face(rng)
    top = rng.choice([0, height - band])
    draw.rectangle((0, top, width, top + band), rng.choice([BLACK, grey(25), WHITE]))
    ink: Colour = (230, 150, 20) if rng.random() < 0.5 else grey(150)
    moon = (width * 0.5, top + band * 0.2, width * 0.5 + band * 0.6, top + band * 0.8)
    draw.ellipse(moon, grey(200), ink)
    day = f"20{rng.randint(10, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    date = f"{day}  {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:07"
    pieces = ((0.02, words(rng, 1).upper()), (0.22, f"{rng.randint(-9, 30)}°C M {rng.randint(1, 9)}/9"), (0.6, date))
    for at, text in pieces:
        draw.text((width * at, top + band / 2), text, ink, font(face, int(band * 0.45)), anchor="lm")
    return image


def thermal_camera(image: Image.Image, rng: Random) -> Image.Image:
    """A thermal camera's screen: cross, spot reading, colour scale with its ends, maker's mark."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    width, height = image.size
    size, face = max(9, int(height * 0.05)), any_face(rng)
    middle, arm = (width / 2, height / 2), height * 0.06
    for by in ((arm, 0), (0, arm)):
        draw.line([(middle[0] - by[0], middle[1] - by[1]), (middle[0] + by[0], middle[1] + by[1])], WHITE, 2)
    draw.ellipse((middle[0] - arm / 2, middle[1] - arm / 2, middle[0] + arm / 2, middle[1] + arm / 2), None, WHITE, 2)
    left, top, bottom = int(width * 0.94), int(height * 0.14), int(height * 0.86)
    for row in range(top, bottom):
        part = (bottom - row) / (bottom - top)
        draw.line(
            [(left, row), (width * 0.98, row)], (round(255 * part), round(255 * part**2), round(255 * (1 - part) ** 2))
        )
    low, high = sorted(rng.uniform(-5, 90) for _ in range(2))
    readings = ((0.02, 0.06, f"{(low + high) / 2:.1f} °C"), (0.86, 0.08, f"{high:.1f}"), (0.86, 0.93, f"{low:.1f}"))
    for x, y, text in (*readings, (0.02, 0.93, words(rng, 1).upper())):
        draw.text(
            (width * x, height * y), text, WHITE, font(face, size), anchor="lm", stroke_width=1, stroke_fill=BLACK
        )
    return image


def date_stamp(image: Image.Image, rng: Random) -> Image.Image:
    """A compact camera's orange date."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    text = f"'{rng.randint(95, 99)} {rng.randint(1, 12):2} {rng.randint(1, 28):2}"
    at = (image.width * 0.96, image.height * 0.96)
    draw.text(at, text, (255, 140, 30), font("", int(image.height * rng.uniform(0.04, 0.08))), anchor="rd")
    return image


def scribbles(image: Image.Image, rng: Random) -> Image.Image:
    """A finger's drawing: thick lines and a black bar."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
        points = [(x, y)]
        for _ in range(rng.randint(4, 12)):
            x, y = x + rng.gauss(0, 0.1) * image.width, y + rng.gauss(0, 0.1) * image.height
            points.append((x, y))
        draw.line(points, colour(rng, 1, 1), max(2, min(image.size) // rng.randint(25, 60)), joint="curve")
    x, y = rng.uniform(0, 0.8) * image.width, rng.uniform(0, 0.9) * image.height
    draw.rectangle((x, y, x + image.width * rng.uniform(0.1, 0.3), y + image.height * 0.07), BLACK)
    return image


def ornament(image: Image.Image, rng: Random) -> Image.Image:
    """A decorative frame over the rim: bands, diamonds and corner flowers."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    width, height = image.size
    rim = int(min(image.size) * rng.uniform(0.06, 0.12))
    tint, spots = colour(rng, 0.5, 0.5), colour(rng, 0.6, 0.95)
    for inset, ink in ((0, tint), (rim * 2 // 3, WHITE), (rim * 5 // 6, BLACK)):
        draw.rectangle(
            (inset, inset, width - inset, height - inset), None, ink, max(2, rim - inset if inset == 0 else rim // 8)
        )
    step = max(6, int(rim * rng.uniform(0.8, 1.6)))
    along = [(x, y) for x in range(step // 2, width, step) for y in (rim // 3, height - rim // 3)]
    down = [(x, y) for y in range(step // 2, height, step) for x in (rim // 3, width - rim // 3)]
    for x, y in along + down:
        draw.regular_polygon((x, y, rim / 5), 4, 45, spots, BLACK)
    for x, y in ((rim, rim), (width - rim, rim), (rim, height - rim), (width - rim, height - rim)):
        _star(draw, x, y, rim * 0.9, Random(rim))
    return image
