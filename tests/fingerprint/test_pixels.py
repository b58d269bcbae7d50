"""Whether two pictures agree where they overlap: copies do, other photos do not, and some windows are not asked."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from fingerprint.codes import ORIENTATIONS
from fingerprint.geometry import turned
from fingerprint.pixels import AGREES, PAGE, SIDE, STRIDE, WINDOW, Comparison, Grey, compare
from tests.fingerprint.test_hashes import turn
from tests.photos import picture

SIZE = WIDTH, HEIGHT = 480, 360
ITSELF = np.eye(3)


def grey(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L"), np.float32)


@cache
def photo(seed: int = 1) -> Image.Image:
    return picture(seed, *SIZE)


def overlaid(asked: Image.Image, negative: bool = False) -> Comparison:
    """The photo of seed 1 with a picture of the same size on top."""
    return compare(grey(photo()), grey(asked), ITSELF, SIZE, negative)


def page(width: int, height: int) -> Image.Image:
    """Text on paper."""
    image = Image.new("RGB", (width, height), (250, 250, 250))
    for y in range(6, height, 20):
        ImageDraw.Draw(image).text((10, y), "Quick brown foxes, 1234567890 " * 4, "black")
    return image


def test_a_photo_agrees_with_itself() -> None:
    found = overlaid(photo())
    assert found.windows > 200
    assert found.agreement == 1
    assert np.nanmin(found.correlation) > 0.99
    assert found.correlation.shape == found.drawn.shape
    assert found.correlation.shape == tuple(-(-(side - WINDOW + 1) // STRIDE) for side in (SIDE * 3 // 4, SIDE))


def test_a_negative_agrees_as_a_negative_only() -> None:
    negative = ImageOps.invert(photo())
    assert overlaid(negative, negative=True).agreement > 0.99
    assert overlaid(negative).agreement < 0.05
    assert overlaid(photo(), negative=True).agreement < 0.05


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_photo_does_not_agree(seed: int) -> None:
    for negative in (False, True):
        assert overlaid(photo(seed), negative).agreement < 0.3


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_and_resized_copy_agrees(orientation: str) -> None:
    copy = turn(photo().resize((300, 225)), orientation)
    found = compare(grey(photo()), grey(copy), turned(orientation, SIZE, copy.size), SIZE)
    assert found.windows > 200
    assert found.agreement > 0.95


def test_the_size_at_which_the_photo_is_kept_does_not_matter() -> None:
    """Coordinates are the registered photo's, though only its thumbnail is there."""
    thumbnail = photo().resize((320, 240), Image.Resampling.LANCZOS)
    found = compare(grey(thumbnail), grey(photo()), ITSELF, SIZE)
    assert found.agreement > 0.95


def test_a_pixel_or_two_is_forgiven_and_ten_are_not() -> None:
    """At the size of the comparison, which is about half of the photo's."""
    for pixels, agreement in ((2, True), (20, False)):
        moved = np.array([[1, 0, pixels], [0, 1, 0], [0, 0, 1]])
        found = compare(grey(photo()), grey(photo()), moved, SIZE)
        assert (found.agreement > 0.9) is agreement
        assert (found.agreement < 0.5) is not agreement


def test_only_where_the_other_picture_reaches_is_compared() -> None:
    crop = photo().crop((WIDTH // 2, 0, WIDTH, HEIGHT))
    found = compare(grey(photo()), grey(crop), np.array([[1, 0, -WIDTH / 2], [0, 1, 0], [0, 0, 1]]), SIZE)
    middle = found.correlation.shape[1] // 2
    assert found.windows > 80
    assert found.agreement > 0.98
    assert np.isnan(found.correlation[:, :middle]).all()


def test_a_half_covered_photo_disagrees_in_the_covered_half_only() -> None:
    half = photo().copy()
    half.paste(picture(60, WIDTH // 2, HEIGHT), (WIDTH // 2, 0))
    found = overlaid(half)
    middle = found.correlation.shape[1] // 2
    left, right = found.correlation[:, : middle - 2], found.correlation[:, middle + 2 :]
    assert np.nanmin(left) > 0.95
    assert np.sum(right > AGREES) < 0.15 * np.isfinite(right).sum()


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_photo_has_no_windows(level: int) -> None:
    flat = grey(Image.new("L", SIZE, level))
    for one, other in ((flat, grey(photo())), (flat, flat)):
        found = compare(one, other, ITSELF, SIZE)
        assert (found.windows, found.agreement) == (0, 0)
        assert found.evenness == pytest.approx(1)
        assert found.drawn.all()


def test_a_photo_under_a_flat_picture_disagrees() -> None:
    found = overlaid(Image.new("L", SIZE, 90))
    assert found.windows == overlaid(photo()).windows
    assert found.agreement == 0


def _waves(right: float, down: float) -> Grey:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(128 + 50 * np.sin(x * right + y * down), np.float32)


@pytest.mark.parametrize(("right", "down"), [(0.3, 0.0), (0.0, 0.3), (0.2, 0.2), (0.25, -0.12)])
def test_windows_with_lines_in_one_direction_are_not_asked(right: float, down: float) -> None:
    stripes = _waves(right, down)
    assert compare(stripes, stripes, ITSELF, SIZE).windows == 0
    crossed = np.asarray((stripes + _waves(-down, right)) / 2, np.float32)
    found = compare(crossed, crossed, ITSELF, SIZE)
    assert found.windows > 0.9 * found.correlation.size
    assert found.agreement == 1


def test_smooth_shading_is_not_asked() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shading = np.asarray((x + y) * 255 / (WIDTH + HEIGHT), np.float32)
    assert compare(shading, shading, ITSELF, SIZE).windows == 0


def test_text_on_paper_is_marked_drawn() -> None:
    text = grey(page(*SIZE))
    found = compare(text, text, ITSELF, SIZE)
    assert found.windows > 100
    assert found.drawn[np.isfinite(found.correlation)].all()
    assert found.photographic.windows == 0
    assert found.photographic.agreement == 0
    assert found.evenness > 0.6


def test_of_a_photo_under_a_caption_the_caption_is_drawn() -> None:
    meme = photo().copy()
    meme.paste(page(WIDTH, HEIGHT // 3), (0, 0))
    found = compare(grey(meme), grey(meme), ITSELF, SIZE)
    third = len(found.drawn) // 3
    assert found.drawn[: third - 2].mean() > 0.95
    assert found.drawn[third + 2 :].mean() < 0.15
    only = found.photographic
    assert 100 < only.windows < found.windows
    assert np.isnan(only.correlation[only.drawn]).all()
    assert np.array_equal(only.correlation[~found.drawn], found.correlation[~found.drawn], equal_nan=True)


def test_two_photos_under_one_caption_agree_in_the_caption_only() -> None:
    one, other = photo(1).copy(), photo(2).copy()
    for image in (one, other):
        image.paste(page(WIDTH, HEIGHT // 3), (0, 0))
    found = compare(grey(one), grey(other), ITSELF, SIZE)
    assert found.agreement > 0.25
    assert found.photographic.agreement < 0.1


def test_photos_are_less_even_than_pages() -> None:
    assert overlaid(photo()).evenness < 0.35
    assert PAGE < compare(grey(page(*SIZE)), grey(photo()), ITSELF, SIZE).evenness <= 1


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(0, 2**32 - 1),
)
def test_any_two_sizes_can_be_compared(
    kept: tuple[int, int], asked: tuple[int, int], dimensions: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    one, other = (random.uniform(0, 255, size[::-1]).astype(np.float32) for size in (kept, asked))
    found = compare(one, other, turned("upright", dimensions, asked), dimensions)
    assert 0 <= found.agreement <= 1
    assert 0 <= found.windows <= found.correlation.size
    assert found.correlation.dtype == np.float32
    held = found.correlation[np.isfinite(found.correlation)]
    assert (np.abs(held) <= 1.001).all()


def test_the_same_question_gets_the_same_answer() -> None:
    one, other = (overlaid(photo(2)).correlation for _ in range(2))
    assert one.tobytes() == other.tobytes()
