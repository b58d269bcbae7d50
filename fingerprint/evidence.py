"""The evidence as a picture: both photos side by side, what lies on what outlined, what differs shaded.

Pillow only: the API draws it, in a process that loads neither numpy nor OpenCV.
"""

import io
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from pipeline.record import Alignment, Corners, Dimensions, Match

PANEL_SIDE = 512  # pixels; both photos' longer sides are brought to it
DISAGREES_BELOW = 60  # percent of correlation; see docs/accuracy.md

_MARGIN = 16
_LABEL_HEIGHT = 28
_FONT_SIZE = 18
_FARTHEST = 100_000  # pixels: corners beyond are drawn there, because Pillow counts in 32 bits
_PAPER, _INK = "#ffffff", "#1a1f1c"
_LINES = ((6, "#111412"), (4, "#ffd400"))  # width in pixels and colour: seen on dark and on light
_DIMMED = 0.55  # of the brightness, where the photos do not overlap
_SHADE, _SHADE_OPACITY = "#e0218a", 130  # of 255
_COMPRESSION = 3  # of 9: a sixth larger than the default of 6, in less than half the time

_Points = Sequence[tuple[float, float]]


def side_by_side(query_thumbnail: bytes, other_thumbnail: bytes, match: Match, query_dimensions: Dimensions) -> bytes:
    """A PNG of the photo that was asked about, left, and the registered one, with the part they share outlined.

    Windows whose correlation is under 60 % are shaded in both. The thumbnails are upright JPEGs of the whole photos;
    `query_dimensions` are those of the photo that was asked about. Without an alignment nothing is outlined.
    """
    alignment = match.evidence.alignment
    query, other = (_opened(each) for each in (query_thumbnail, other_thumbnail))
    if alignment:
        differing = differing_windows(alignment)
        laid_over = [points for window in differing if (points := _projected(window, alignment.homography))]
        query = _marked(query, query_dimensions, alignment.box, laid_over)
        other = _marked(other, alignment.dimensions, alignment.reverse_box, differing)
    return _png(_sheet(query, other, label(match)))


def label(match: Match) -> str:
    """The match in a few words: its kind, and what speaks for it."""
    if match.kind == "exact_copy":
        return "exact copy: same bytes"
    alignment = match.evidence.alignment
    words = [match.kind.replace("_", " "), f"score {match.score_ppm / 1_000_000:.2f}"]
    if alignment and alignment.inliers:
        words.append(f"{alignment.inliers} points line up")
    return ", ".join(words)


def differing_windows(alignment: Alignment) -> list[_Points]:
    """The corners of the windows that disagree, in the registered photo's pixels."""
    rows = len(alignment.correlation)
    return [
        _window(alignment.dimensions, (row, rows), (column, len(values)))
        for row, values in enumerate(alignment.correlation)
        for column, value in enumerate(values)
        if value is not None and value < DISAGREES_BELOW
    ]


def _window(dimensions: Dimensions, row: tuple[int, int], column: tuple[int, int]) -> _Points:
    left, right = (dimensions.width * (column[0] + side) / column[1] for side in (0, 1))
    top, bottom = (dimensions.height * (row[0] + side) / row[1] for side in (0, 1))
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _projected(points: _Points, homography: tuple[str, ...]) -> _Points:
    """The points in the picture that was asked about; none when one of them lies behind it."""
    a, b, c, d, e, f, g, h, i = (float(number) for number in homography)
    depths = [g * x + h * y + i for x, y in points]
    # A homography counts up to a factor, its sign included: what matters is which side of the horizon a point is on.
    if min(depths) * max(depths) <= 0:
        return ()
    return [((a * x + b * y + c) / w, (d * x + e * y + f) / w) for (x, y), w in zip(points, depths, strict=True)]


def _opened(thumbnail: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(thumbnail), formats=("JPEG",)).convert("RGB")
    return ImageOps.contain(picture, (PANEL_SIDE, PANEL_SIDE), Image.Resampling.BICUBIC)


def _marked(picture: Image.Image, dimensions: Dimensions, box: Corners, differing: list[_Points]) -> Image.Image:
    """The picture with its part inside the box outlined, the rest dimmed, and the windows that differ shaded."""
    scale = picture.width / dimensions.width, picture.height / dimensions.height
    corners = _scaled([(x / 100, y / 100) for x, y in box], scale)
    inside = _mask(picture)
    ImageDraw.Draw(inside).polygon(corners, fill=255)
    marked = Image.composite(picture, picture.point(lambda value: round(value * _DIMMED)), inside)
    shade = _mask(picture)
    for window in differing:
        ImageDraw.Draw(shade).polygon(_scaled(window, scale), fill=_SHADE_OPACITY)
    marked.paste(_SHADE, mask=ImageChops.multiply(shade, inside))
    for width, colour in _LINES:
        marked.paste(colour, mask=ImageChops.multiply(_line(picture, corners, width), inside))
    return marked


def _line(picture: Image.Image, corners: _Points, width: int) -> Image.Image:
    """Along the box, and along the picture's own edge, which is where the box is cut off."""
    mask = _mask(picture)
    draw = ImageDraw.Draw(mask)
    draw.polygon(corners, outline=255, width=width)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=255, width=width)
    return mask


def _mask(picture: Image.Image) -> Image.Image:
    return Image.new("L", picture.size)


def _scaled(points: _Points, scale: tuple[float, float]) -> list[tuple[float, float]]:
    return [
        (max(-_FARTHEST, min(x * scale[0], _FARTHEST)), max(-_FARTHEST, min(y * scale[1], _FARTHEST)))
        for x, y in points
    ]


def _sheet(query: Image.Image, other: Image.Image, words: str) -> Image.Image:
    font = ImageFont.load_default(_FONT_SIZE)
    second = 2 * _MARGIN + PANEL_SIDE
    top = _MARGIN + _LABEL_HEIGHT
    height = top + max(query.height, other.height) + _MARGIN + _LABEL_HEIGHT
    sheet = Image.new("RGB", (second + PANEL_SIDE + _MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for left, picture, name in ((_MARGIN, query, "This picture"), (second, other, "The registered photo")):
        draw.text((left, _MARGIN), name, _INK, font)
        sheet.paste(picture, (left, top))
    draw.text((_MARGIN, height - _LABEL_HEIGHT - _MARGIN // 4), words, _INK, font)
    return sheet


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_COMPRESSION)
    return out.getvalue()
