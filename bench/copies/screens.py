"""Screens and pages with a place for one photo: apps on a phone, light and dark, upright and lying, and other frames.

Drawn anew for each Random: no two draws have the same words, names, colours or proportions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from bench.copies.drawing import any_face, colour, font, grey, paragraph, words
from bench.copies.geometry import WHITE, Colour, Copy, containing, covering, pasted


@dataclass(frozen=True, eq=False)
class Template:
    """A drawn page, and the slot (left, top, width, height) that a photo fills, or is fitted into whole."""

    page: Image.Image
    slot: tuple[int, int, int, int]
    fills: bool = True


@dataclass(frozen=True, eq=False)
class Screen:
    """A phone's screen while it is being drawn; `unit` is a hundredth of its shorter side."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    rng: Random
    unit: float
    paper: Colour
    ink: Colour
    accent: Colour
    face: str

    def px(self, units: float) -> int:
        """Hundredths of the shorter side as pixels."""
        return round(self.unit * units)

    def text(self, x: float, y: float, text: str, size: float, fill: Colour | None = None, anchor: str = "la") -> None:
        """Text of `size` units at pixels (x, y)."""
        self.draw.text((x, y), text, fill or self.ink, font(self.face, self.px(size)), anchor=anchor)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """A filled circle, pixels."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill)

    def status_bar(self) -> None:
        """Clock, signal, battery."""
        width, y = self.image.width, self.px(2)
        self.text(self.px(5), y, f"{self.rng.randint(0, 23)}:{self.rng.randint(0, 59):02}", 4)
        for bar in range(4):
            left = width - self.px(22 - 1.6 * bar)
            self.draw.rectangle((left, y + self.px(3.4 - bar), left + self.px(1), y + self.px(4)), self.ink)
        battery = (width - self.px(13), y, width - self.px(5), y + self.px(4))
        self.draw.rounded_rectangle(battery, self.px(1), None, self.ink, max(1, self.px(0.4)))
        full = battery[0] + self.px(8) * self.rng.randint(1, 10) / 10
        self.draw.rectangle((battery[0], y + self.px(1), full, y + self.px(3)), self.ink)


App = Callable[[Random, float], Template]


def place(copy: Copy, template: Template) -> Copy:
    """The photo in the template's slot."""
    left, top, width, height = template.slot
    fitted = (covering if template.fills else containing)(copy, width, height)
    across, down = (width - fitted.image.width) // 2, (height - fitted.image.height) // 2
    return pasted(fitted, template.page, left + across, top + down)


def phone(rng: Random, lying: bool = False) -> Screen:
    """An empty screen in a light or dark theme."""
    shorter = rng.choice([480, 540, 640, 720, 828])
    longer = round(shorter * rng.uniform(1.85, 2.2))
    paper, ink = rng.choice(
        [(grey(255), grey(20)), (grey(245), grey(40)), (grey(18), grey(235)), ((15, 22, 32), grey(220))]
    )
    image = Image.new("RGB", (longer, shorter) if lying else (shorter, longer), paper)
    return Screen(image, ImageDraw.Draw(image), rng, shorter / 100, paper, ink, colour(rng, 0.7, 0.75), any_face(rng))


def feed(rng: Random, aspect: float) -> Template:
    """A social network's feed: author, photo across the screen, buttons, likes, comments, tab bar."""
    screen = phone(rng)
    width = screen.image.width
    screen.status_bar()
    top = screen.px(22)
    screen.disc(screen.px(9), screen.px(15), screen.px(5), screen.accent)
    screen.text(screen.px(17), screen.px(11), f"{words(rng, 1)}.{words(rng, 1)}", 4)
    screen.text(screen.px(17), screen.px(16), words(rng, 2), 3)
    height = int(min(width / aspect, width * 1.25))
    y = top + height + screen.px(4)
    for icon in range(4):
        x = screen.px(4 + 11 * icon) if icon < 3 else width - screen.px(12)
        _icon(screen, x, y, 7)
    screen.text(screen.px(4), y + screen.px(10), f"{rng.randint(2, 9999)} likes", 3.6)
    box = (screen.px(4), y + screen.px(16), width - screen.px(4), screen.image.height - screen.px(16))
    paragraph(
        screen.draw, box, words(rng, rng.randint(8, 60)), font(screen.face, screen.px(3.4)), screen.ink, screen.px(5)
    )
    _tabs(screen)
    return Template(screen.image, (0, top, width, height))


def _icon(screen: Screen, x: float, y: float, size: float) -> None:
    box = (x, y, x + screen.px(size), y + screen.px(size))
    thick = max(2, screen.px(0.7))
    kind = screen.rng.randrange(3)
    if kind == 0:
        screen.draw.ellipse(box, None, screen.ink, thick)
    elif kind == 1:
        screen.draw.polygon(
            [(box[0], box[3]), ((box[0] + box[2]) / 2, box[1]), (box[2], box[3])], None, screen.ink, thick
        )
    else:
        screen.draw.rounded_rectangle(box, screen.px(1.5), None, screen.ink, thick)


def _tabs(screen: Screen) -> None:
    top, count = screen.image.height - screen.px(14), screen.rng.randint(3, 5)
    screen.draw.line([(0, top), (screen.image.width, top)], grey(128), 1)
    for tab in range(count):
        _icon(screen, screen.image.width * (tab + 0.5) / count - screen.px(3.5), top + screen.px(3), 7)


def chat(rng: Random, aspect: float) -> Template:
    """A messenger: bubbles left and right, the photo in one of them."""
    screen = phone(rng)
    width = screen.image.width
    screen.draw.rectangle((0, 0, width, screen.px(21)), screen.accent)
    screen.status_bar()
    screen.disc(screen.px(16), screen.px(14), screen.px(5), grey(200))
    screen.text(screen.px(25), screen.px(11), words(rng, 2).title(), 4.5)
    y = screen.px(25)
    for _ in range(rng.randint(1, 3)):
        y = _bubble(screen, y)
    across = int(width * rng.uniform(0.6, 0.8))
    height = int(min(across / aspect, width * 0.95))
    left = rng.choice([screen.px(4), width - across - screen.px(4)])
    around = (left - screen.px(1), y, left + across + screen.px(1), y + height + screen.px(7))
    screen.draw.rounded_rectangle(around, screen.px(2), _tone(screen, 40))
    slot = (left, y + screen.px(1), across, height)
    y += height + screen.px(10)
    while y < screen.image.height - screen.px(32):
        y = _bubble(screen, y)
    foot = (
        screen.px(3),
        screen.image.height - screen.px(13),
        width - screen.px(16),
        screen.image.height - screen.px(3),
    )
    screen.draw.rounded_rectangle(foot, screen.px(5), _tone(screen, 30))
    screen.disc(width - screen.px(8), screen.image.height - screen.px(8), screen.px(5), screen.accent)
    return Template(screen.image, slot)


def _bubble(screen: Screen, y: int) -> int:
    count = screen.rng.randint(2, 14)
    across, lines = screen.px(min(70, 16 + 10 * count)), 1 + count // 6
    left = screen.px(4) if screen.rng.random() < 0.5 else screen.image.width - across - screen.px(4)
    bottom = y + screen.px(5 + 5 * lines)
    screen.draw.rounded_rectangle((left, y, left + across, bottom), screen.px(3), _tone(screen, 35))
    box = (left + screen.px(2), y + screen.px(2), left + across - screen.px(2), bottom)
    paragraph(screen.draw, box, words(screen.rng, count), font(screen.face, screen.px(3.6)), screen.ink, screen.px(5))
    return bottom + screen.px(3)


def _tone(screen: Screen, by: int) -> Colour:
    """The paper, a little nearer to the ink."""
    red, green, blue = ((p * (200 - by) + i * by) // 200 for p, i in zip(screen.paper, screen.ink, strict=True))
    return red, green, blue


def gallery(rng: Random, aspect: float) -> Template:
    """The phone's own gallery: the photo whole on black, date above, buttons and a film strip below."""
    screen = phone(rng)
    return _viewer(screen, screen.px(26), screen.image.height - screen.px(36))


def lying_gallery(rng: Random, aspect: float) -> Template:
    """A phone held sideways: the photo as high as the screen, buttons at the sides."""
    screen = phone(rng, lying=True)
    return _viewer(screen, 0, screen.image.height)


def _viewer(screen: Screen, top: int, bottom: int) -> Template:
    width = screen.image.width
    screen.status_bar()
    screen.text(width / 2, screen.px(14), f"{words(screen.rng, 1)} {screen.rng.randint(1, 28)}", 4, anchor="mm")
    x = screen.px(2)
    while x < width and bottom < screen.image.height:
        screen.draw.rectangle(
            (x, bottom + screen.px(4), x + screen.px(8), bottom + screen.px(14)), colour(screen.rng, 0.3, 0.6)
        )
        x += screen.px(9)
    for icon in range(4):
        _icon(screen, width * (icon + 0.5) / 4 - screen.px(3), screen.image.height - screen.px(14), 6)
    return Template(screen.image, (0, top, width, bottom - top), fills=False)


def article(rng: Random, aspect: float) -> Template:
    """A news site in a browser: address, headline, photo, caption, columns of text."""
    screen = phone(rng)
    width, margin = screen.image.width, screen.px(rng.uniform(0, 6))
    screen.status_bar()
    screen.draw.rounded_rectangle(
        (screen.px(4), screen.px(8), width - screen.px(4), screen.px(17)), screen.px(4), _tone(screen, 25)
    )
    screen.text(width / 2, screen.px(12.5), f"{words(rng, 1)}-{words(rng, 1)}.example", 3.6, anchor="mm")
    box = (screen.px(6), screen.px(22), width - screen.px(6), screen.px(60))
    top = paragraph(
        screen.draw,
        box,
        words(rng, rng.randint(5, 11)).capitalize(),
        font(screen.face, screen.px(7)),
        screen.ink,
        screen.px(8.5),
    )
    top += screen.px(3)
    across = width - 2 * margin
    height = int(min(across / aspect, width))
    box = (screen.px(6), top + height + screen.px(3), width - screen.px(6), screen.image.height)
    paragraph(screen.draw, box, words(rng, 160), font(screen.face, screen.px(3.8)), screen.ink, screen.px(5.6))
    return Template(screen.image, (margin, top, across, height))


def listing(rng: Random, aspect: float) -> Template:
    """A marketplace: the photo at the top, price, title, seller, a big button."""
    screen = phone(rng)
    width = screen.image.width
    height = int(min(width / aspect, width * 1.1))
    y = height + screen.px(5)
    screen.text(screen.px(5), y, f"{rng.randint(3, 900)}.{rng.randint(0, 99):02} €", 8, screen.accent)
    screen.text(screen.px(5), y + screen.px(12), words(rng, 4).capitalize(), 5)
    box = (screen.px(5), y + screen.px(22), width - screen.px(5), screen.image.height - screen.px(22))
    paragraph(screen.draw, box, words(rng, 50), font(screen.face, screen.px(3.6)), screen.ink, screen.px(5.4))
    button = (
        screen.px(5),
        screen.image.height - screen.px(19),
        width - screen.px(5),
        screen.image.height - screen.px(6),
    )
    screen.draw.rounded_rectangle(button, screen.px(6), screen.accent)
    screen.text(width / 2, screen.image.height - screen.px(12.5), words(rng, 2).upper(), 5, WHITE, "mm")
    return Template(screen.image, (0, 0, width, height))


APPS: dict[str, App] = {
    "feed": feed,
    "chat": chat,
    "gallery": gallery,
    "lying_gallery": lying_gallery,
    "article": article,
    "listing": listing,
}
