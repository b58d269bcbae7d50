"""Drawn pages that are the same around different photos: forms, dashboards with a map, wallpapers. All artificial."""

import math
from random import Random

from PIL import Image, ImageDraw

from bench.copies.drawing import any_face, colour, font, grey, paragraph, words
from bench.copies.geometry import BLACK, WHITE
from bench.copies.screens import Template

FIELDS = ("Surname", "Given names", "Date of birth", "Place of birth", "Number", "Valid until", "Signature")


def form(rng: Random, filled_by: Random) -> Template:
    """A document form: frame, crest, labels, fine lines, a portrait's place; `filled_by` fills the fields in."""
    width, height = rng.choice([(900, 600), (640, 900)])
    page = Image.new("RGB", (width, height), colour(rng, 0.08, 0.98))
    draw = ImageDraw.Draw(page)
    face, tint = any_face(rng), colour(rng, 0.6, 0.5)
    _guilloche(draw, width, height, rng)
    draw.rectangle((8, 8, width - 8, height - 8), None, tint, 3)
    draw.rectangle((8, 8, width - 8, 70), tint)
    draw.regular_polygon((45, 39, 24), rng.randint(5, 8), 0, WHITE)
    draw.text((90, 39), f"{words(rng, 3).upper()} / {words(rng, 2).upper()}", WHITE, font(face, 26), anchor="lm")
    across = round(width * rng.uniform(0.26, 0.36))
    slot = (30, 100, across, round(across * 1.25))
    left, y = (across + 60, 100) if width > height else (30, 130 + slot[3])
    step = (height - y - 30) // len(FIELDS)
    for field in FIELDS:
        draw.text((left, y), field, tint, font(face, 13))
        draw.text((left, y + 16), _entry(filled_by), BLACK, font("", 20))
        draw.line([(left, y + step - 4), (width - 30, y + step - 4)], tint, 1)
        y += step
    return Template(page, slot)


def _entry(rng: Random) -> str:
    return words(rng, rng.randint(1, 3)).upper() if rng.random() < 0.6 else str(rng.randint(10**5, 10**9))


def _guilloche(draw: ImageDraw.ImageDraw, width: int, height: int, rng: Random) -> None:
    """The wavy lines of security paper."""
    ink, phase, swing = colour(rng, 0.2, 0.85), rng.uniform(0, 6), rng.uniform(10, 40)
    for line in range(-2, height // 14 + 2):
        points = [(x, line * 14 + swing * math.sin(x / 60 + phase + line / 3)) for x in range(0, width + 8, 8)]
        draw.line(points, ink, 1)


def dashboard(rng: Random) -> Template:
    """A control room's page: a street map, charts, a table of numbers, and one camera's picture."""
    page = Image.new("RGB", (1000, 640), grey(rng.choice([24, 40, 245])))
    draw = ImageDraw.Draw(page)
    ink = WHITE if page.getpixel((0, 0)) < grey(128) else BLACK  # type: ignore[operator]
    face = any_face(rng)
    draw.text((16, 12), words(rng, 4).title(), ink, font(face, 26))
    _map(draw, (16, 60, 496, 400), rng)
    for chart in range(3):
        _chart(draw, (16 + 165 * chart, 420, 166 + 165 * chart, 620), rng)
    for row in range(8):
        text = f"{words(rng, 1):12} {rng.randint(0, 9999):6} {rng.uniform(0, 99):6.1f}"
        draw.text((524, 424 + 24 * row), text, ink, font(face, 17))
    return Template(page, (516, 60, 468, 340))


def _map(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], rng: Random) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, (228, 226, 215))
    for _ in range(6):
        x, y, size = rng.randint(left, right - 60), rng.randint(top, bottom - 60), rng.randint(20, 60)
        draw.rectangle((x, y, x + size, y + size), rng.choice([(190, 220, 170), (170, 205, 230)]))
    for _ in range(22):
        along, thick = rng.uniform(0, 1), rng.choice([2, 3, 6])
        across = min(1.0, max(0.0, along + rng.uniform(-0.3, 0.3)))
        lying = rng.random() < 0.5
        first, last = (round(part * (bottom - top if lying else right - left)) for part in (along, across))
        ends = (left, top + first, right, top + last) if lying else (left + first, top, left + last, bottom)
        draw.line(ends, rng.choice([WHITE, (250, 210, 120), grey(170)]), thick)
    for _ in range(12):
        at = (rng.randint(left, right - 70), rng.randint(top, bottom - 14))
        draw.text(at, words(rng, 1).title(), grey(60), font("", 12))


def _chart(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], rng: Random) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, None, grey(128), 1)
    if rng.random() < 0.5:
        for x in range(left + 6, right - 8, 14):
            draw.rectangle((x, rng.randint(top + 10, bottom - 10), x + 9, bottom - 2), colour(rng))
        return
    points = [(x, rng.randint(top + 10, bottom - 10)) for x in range(left + 4, right, 12)]
    draw.line(points, colour(rng, 0.9, 0.9), 3)


def wallpaper(rng: Random) -> Template:
    """A drawn backdrop, the same behind every photo of a series: shapes, stripes, a title, sometimes a paragraph."""
    width, height = rng.choice([(800, 600), (720, 900), (1000, 560)])
    page = Image.new("RGB", (width, height), colour(rng, 0.3, 0.9))
    draw = ImageDraw.Draw(page)
    for _ in range(rng.randint(20, 60)):
        x, y, size = rng.randint(0, width), rng.randint(0, height), rng.randint(8, 70)
        sides, ink = rng.randint(3, 8), colour(rng, rng.uniform(0.2, 0.9), 0.9)
        draw.regular_polygon((x, y, size), sides, rng.randint(0, 360), ink, BLACK if rng.random() < 0.5 else None)
    across, down = round(width * rng.uniform(0.5, 0.7)), round(height * rng.uniform(0.5, 0.7))
    left, top = rng.randint(10, width - across - 10), rng.randint(60, height - down)
    title = (12, 8, width - 12, 60)
    paragraph(draw, title, words(rng, 4).upper(), font(any_face(rng), 34), BLACK, 44)
    return Template(page, (left, top, across, down))
