"""The drawn evidence: what is outlined, dimmed and shaded, read back from the pixels."""

import dataclasses
import io
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fingerprint import pixels
from fingerprint.evidence import DISAGREES_BELOW, PANEL_SIDE, differing_windows, label, side_by_side
from pipeline.record import Alignment, Corners, Dimensions, Evidence, Match, MatchKind
from tests.photos import encoded

GREY = 128
QUERY = Dimensions(2000, 1000)
REGISTERED = Dimensions(800, 600)
LEFT, TOP = 16, 44  # where the first picture begins on the sheet
SECOND = LEFT + PANEL_SIDE + 16

# The registered photo lies at half its size at (500, 200) in the picture that was asked about.
INSIDE = Alignment(
    homography=("0.5", "0", "500", "0", "0.5", "200", "0", "0", "1"),
    box=((50_000, 20_000), (90_000, 20_000), (90_000, 50_000), (50_000, 50_000)),
    reverse_box=((-100_000, -40_000), (300_000, -40_000), (300_000, 160_000), (-100_000, 160_000)),
    dimensions=REGISTERED,
    visible_ppm=1_000_000,
    covers_ppm=60_000,
    inliers=57,
    windows=3,
    agreement_ppm=666_667,
    correlation=((95, 12), (None, 60)),  # two by two windows: the one at the top right disagrees
)


def thumbnail(dimensions: Dimensions, grey: int = GREY) -> bytes:
    scale = 512 / max(dimensions.width, dimensions.height)
    size = round(dimensions.width * scale), round(dimensions.height * scale)
    return encoded(Image.new("RGB", size, (grey, grey, grey)), "JPEG", quality=95)


def found(alignment: Alignment | None, kind: MatchKind = "contains") -> Match:
    return Match("other", kind, 940_000, 120, Evidence("rootsift128-v1", "upright", 256, alignment=alignment))


def drawn(match: Match, query: Dimensions = QUERY) -> Image.Image:
    png = side_by_side(thumbnail(query), thumbnail(REGISTERED), match, query)
    assert png.startswith(b"\x89PNG")
    return Image.open(io.BytesIO(png))


def at(sheet: Image.Image, x: float, y: float, second: bool = False) -> str:
    """What is at this place of a photo's own pixels: plain, dim, line or shade."""
    width = REGISTERED.width if second else QUERY.width
    place = ((SECOND if second else LEFT) + round(x * 512 / width), TOP + round(y * 512 / width))
    pixel = sheet.getpixel(place)
    assert isinstance(pixel, tuple)
    red, green, blue = pixel[:3]
    if red > 200 and green > 170 and blue < 60:
        return "line"
    if red - green > 40 and blue - green > 20:
        return "shade"
    return "plain" if abs(red - GREY) < 10 else "dim" if red < GREY * 0.7 else str(pixel)


def test_the_registered_photo_is_outlined_in_the_picture_and_the_rest_is_dimmed() -> None:
    sheet = drawn(found(INSIDE))
    assert [at(sheet, *place) for place in ((600, 300), (508, 300), (600, 492), (100, 100), (1000, 300))] == [
        "plain", "line", "line", "dim", "dim",
    ]  # fmt: skip


def test_all_of_the_registered_photo_is_outlined_along_its_edge_when_all_of_it_is_visible() -> None:
    sheet = drawn(found(INSIDE))
    assert [at(sheet, *place, second=True) for place in ((3, 300), (400, 3), (200, 100), (200, 450))] == [
        "line", "line", "plain", "plain",
    ]  # fmt: skip


def test_the_windows_that_disagree_are_shaded_in_both() -> None:
    sheet = drawn(found(INSIDE))
    assert [at(sheet, *place, second=True) for place in ((600, 150), (200, 150), (200, 450), (600, 450))] == [
        "shade", "plain", "plain", "plain",
    ]  # fmt: skip
    assert [at(sheet, *place) for place in ((800, 260), (600, 260), (800, 420))] == ["shade", "plain", "plain"]


def test_without_an_alignment_both_pictures_stand_as_they_are() -> None:
    sheet = drawn(found(None, "exact_copy"))
    assert {at(sheet, x, y) for x in range(10, 2000, 100) for y in range(10, 1000, 100)} == {"plain"}
    assert {at(sheet, x, y, True) for x in range(10, 800, 50) for y in range(10, 600, 50)} == {"plain"}


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (found(None, "exact_copy"), "exact copy: same bytes"),
        (found(None, "near_copy"), "near copy, score 0.94"),
        (found(INSIDE), "contains, score 0.94, 57 points line up"),
        (found(dataclasses.replace(INSIDE, inliers=0), "near_copy"), "near copy, score 0.94"),
        (found(INSIDE, "shares_region"), "shares region, score 0.94, 57 points line up"),
        (found(INSIDE, "same_scene"), "same scene, score 0.94, 57 points line up"),
    ],
)
def test_the_label_names_the_kind_and_what_speaks_for_it(match: Match, words: str) -> None:
    assert label(match) == words


def test_the_label_is_on_the_sheet() -> None:
    long, short = (drawn(found(INSIDE, kind)) for kind in ("shares_region", "contains"))
    below = (0, TOP + 384, long.width, long.height)
    assert long.size == short.size
    assert long.crop(below).tobytes() != short.crop(below).tobytes()
    assert long.crop((0, 0, long.width, TOP)).tobytes() == short.crop((0, 0, long.width, TOP)).tobytes()


def test_a_window_behind_the_picture_is_left_out() -> None:
    # Half of the registered photo lies beyond the horizon of this homography.
    beyond = dataclasses.replace(
        INSIDE, homography=("1", "0", "0", "0", "1", "0", "-0.0025", "0", "1"), correlation=((0, 100), (100, 100))
    )
    sheet = drawn(found(dataclasses.replace(beyond, correlation=((100, 0), (100, 100)))))
    assert "shade" not in {at(sheet, x, y) for x in range(0, 1999, 40) for y in range(0, 999, 40)}
    assert at(drawn(found(beyond)), 600, 300, second=True) == "plain"


_FAR = st.integers(-(10**12), 10**12)
_CORNERS: st.SearchStrategy[Corners] = st.tuples(*[st.tuples(_FAR, _FAR)] * 4)
_GRID = st.lists(st.lists(st.none() | st.integers(-100, 100), min_size=3, max_size=3).map(tuple), max_size=3).map(tuple)
_NUMBER = st.floats(-1e9, 1e9).map(str)


@settings(max_examples=60, deadline=None)
@given(box=_CORNERS, reverse=_CORNERS, grid=_GRID, homography=st.tuples(*[_NUMBER] * 9))
def test_no_alignment_is_too_wild_to_be_drawn(
    box: Corners, reverse: Corners, grid: tuple[tuple[int | None, ...], ...], homography: tuple[str, ...]
) -> None:
    wild = dataclasses.replace(INSIDE, box=box, reverse_box=reverse, correlation=grid, homography=homography)
    assert drawn(found(wild)).size == (2 * PANEL_SIDE + 48, TOP + 384 + 44)
    assert len(differing_windows(wild)) == sum(value is not None and value < 60 for row in grid for value in row)


def test_small_and_narrow_pictures_are_brought_to_the_same_size() -> None:
    tiny = Dimensions(64, 200)
    png = side_by_side(encoded(Image.new("RGB", (64, 200)), "JPEG"), thumbnail(REGISTERED), found(None), tiny)
    assert Image.open(io.BytesIO(png)).height == TOP + 512 + 44


def test_what_is_no_jpeg_is_not_opened() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        side_by_side(encoded(Image.new("RGB", (64, 64)), "PNG"), thumbnail(REGISTERED), found(None), QUERY)


def test_drawing_needs_neither_numpy_nor_opencv() -> None:
    script = "import sys, fingerprint.evidence; print(*({'numpy', 'cv2', 'imagehash', 'faiss'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_what_is_shaded_is_what_the_verdict_did_not_count() -> None:
    """The same threshold twice: the process that draws must not load OpenCV for it."""
    assert round(pixels.AGREES * 100) == DISAGREES_BELOW
