"""What may be claimed: every threshold from both sides, and the evidence as a fact."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.claim import (
    DRAWN_AGREEMENT,
    DRAWN_WINDOWS,
    FEW_AGREEMENT,
    FEW_INLIERS,
    FEW_WINDOWS,
    MAP_SIDE,
    PARALLAX,
    PARALLAX_SIDE,
    PHOTO_EVENNESS,
    REGION_INLIERS,
    REGION_WINDOWS,
    SHADED,
    STRANGE,
    SURE_AGREEMENT,
    SURE_INLIERS,
    SURE_WINDOWS,
    UNSHADED,
    WHOLE,
    Laid,
    alignment_of,
    kind_of,
    strength,
)
from fingerprint.codes import ORIENTATIONS
from fingerprint.geometry import Floats, corners, is_plausible, moved, turned
from fingerprint.pixels import Comparison, Grey
from pipeline.canonical import canonical_bytes
from pipeline.record import Alignment, Dimensions, decode, encode

PHOTO, PICTURE = Dimensions(800, 600), Dimensions(640, 480)
FITTED = turned("upright", (800, 600), (640, 480))


def compared(windows: int, agreeing: int, drawn: int = 0, evenness: float = 0.1) -> Comparison:
    """So many windows with so many that agree; the first `drawn` of them are drawn."""
    correlation = np.full(900, np.nan, np.float32)
    correlation[:windows] = 0.2
    correlation[windows - agreeing : windows] = 0.9
    return windowed(correlation.reshape(30, 30), (np.arange(900) < drawn).reshape(30, 30), evenness)


def windowed(correlation: Grey, drawn: npt.NDArray[np.bool_], evenness: float = 0.1) -> Comparison:
    """Windows that agree best exactly where they were laid, of pictures that are shaded alike."""
    shift = np.zeros((*correlation.shape, 2), np.int8)
    return Comparison(correlation, shift, drawn, evenness, side=256, strange=0, shading=1.0)


def laid(
    comparison: Comparison, inliers: int = SURE_INLIERS, homography: Floats = FITTED, resembles: bool = False
) -> Laid:
    return Laid(homography, PHOTO, PICTURE, inliers, comparison, resembles=resembles)


def inside(part: float) -> Floats:
    """The whole photo, as large as this part of the picture's area, in its middle."""
    zoom = part**0.5
    return np.array([[zoom, 0, 320 * (1 - zoom)], [0, zoom, 240 * (1 - zoom)], [0, 0, 1]]) @ FITTED


def crop(part: float) -> Floats:
    """The middle of the photo, this part of its area, fills the picture."""
    return inside(1 / part)


def test_half_of_enough_windows_must_agree() -> None:
    assert kind_of(laid(compared(SURE_WINDOWS, SURE_WINDOWS // 2))) == "near_copy"
    assert kind_of(laid(compared(SURE_WINDOWS, SURE_WINDOWS // 2 - 1))) != "near_copy"
    assert kind_of(laid(compared(900, 450))) == "near_copy"
    assert kind_of(laid(compared(900, 449))) == "shares_region"


@pytest.mark.parametrize("inliers", [FEW_INLIERS, 3, 0])
def test_with_few_points_nearly_all_must_agree(inliers: int) -> None:
    assert kind_of(laid(compared(100, round(FEW_AGREEMENT * 100)), inliers)) == "near_copy"
    assert kind_of(laid(compared(100, round(FEW_AGREEMENT * 100) - 1), inliers)) is None


def test_the_more_points_the_fewer_windows_must_agree() -> None:
    least = []
    for inliers in range(FEW_INLIERS, SURE_INLIERS + 5):
        kinds = [kind_of(laid(compared(100, agreeing), inliers)) == "near_copy" for agreeing in range(101)]
        least.append(kinds.index(True))
        assert all(kinds[least[-1] :]), "more agreement never takes a claim away"
    assert least == sorted(least, reverse=True)
    assert (least[0], least[-1]) == (round(FEW_AGREEMENT * 100), round(SURE_AGREEMENT * 100))


def test_fewer_than_20_windows_decide_nothing() -> None:
    assert kind_of(laid(compared(FEW_WINDOWS - 1, FEW_WINDOWS - 1), inliers=500)) == "shares_region"
    assert kind_of(laid(compared(FEW_WINDOWS, FEW_WINDOWS), inliers=500)) == "near_copy"
    assert kind_of(laid(compared(FEW_WINDOWS, FEW_WINDOWS * 8 // 10), inliers=500)) == "shares_region"


def test_what_resembles_as_a_whole_needs_no_points() -> None:
    assert kind_of(laid(compared(100, 50), 0, resembles=True)) == "near_copy"
    assert kind_of(laid(compared(100, 49), 0, resembles=True)) is None
    assert kind_of(laid(compared(0, 0), 0, resembles=True)) == "near_copy"
    assert kind_of(laid(compared(0, 0), 0)) is None
    assert kind_of(laid(compared(10, 5), 0, resembles=True)) == "near_copy"
    assert kind_of(laid(compared(10, 4), 0, resembles=True)) is None


def test_what_is_shaded_otherwise_must_agree_more() -> None:
    """Two photos under one heavy watermark: its letters agree, light and dark do not."""
    for shading, wanted in ((SHADED, 50), ((SHADED + UNSHADED) / 2, 68), (UNSHADED, 85), (-1.0, 85)):
        short, enough = (laid(replace(compared(100, agreeing), shading=shading)) for agreeing in (wanted - 1, wanted))
        assert (kind_of(short), kind_of(enough)) == ("shares_region", "near_copy"), shading


def test_much_that_is_only_in_the_picture_outweighs_what_agrees() -> None:
    """A banner across an empty sky is also across a dog."""
    found = compared(128, 64)
    assert kind_of(laid(replace(found, strange=round(STRANGE * 64)))) == "near_copy"
    assert kind_of(laid(replace(found, strange=round(STRANGE * 64) + 1))) == "shares_region"


def test_windows_that_moved_apart_are_another_shot() -> None:
    """Parallax: what is near moves farther than what is far. Only where the map is well known and not too small."""
    correlation, shift = np.full((30, 30), 0.9, np.float32), np.zeros((30, 30, 2), np.int8)
    shift[5:18, 8:25, 0] = 2  # something near, before a far ground
    found = replace(windowed(correlation, np.zeros((30, 30), bool)), shift=shift)
    assert found.unrest > PARALLAX
    assert kind_of(laid(found)) == "same_scene"
    assert kind_of(laid(found, inliers=SURE_INLIERS - 1)) == "near_copy"
    assert kind_of(laid(replace(found, side=PARALLAX_SIDE - 1))) == "near_copy"


def test_a_picture_that_is_bent_smoothly_is_no_other_shot() -> None:
    rows, columns = np.indices((30, 30)) / 30 - 0.5
    shift = np.zeros((30, 30, 2), np.int8)
    shift[..., 0] = np.rint(12 * columns * (rows**2 + columns**2))
    found = replace(windowed(np.full((30, 30), 0.9, np.float32), np.zeros((30, 30), bool)), shift=shift)
    assert np.ptp(shift) >= 4
    assert found.unrest < PARALLAX
    assert kind_of(laid(found)) == "near_copy"


def test_even_pictures_must_agree_more() -> None:
    assert kind_of(laid(compared(100, 60, evenness=PHOTO_EVENNESS))) == "near_copy"
    assert kind_of(laid(compared(100, 60, evenness=0.5))) == "shares_region"
    assert kind_of(laid(compared(100, 84, evenness=0.9))) == "shares_region"
    assert kind_of(laid(compared(100, 85, evenness=0.9))) == "near_copy"


def test_what_agrees_must_be_photographed() -> None:
    """A template's frame agrees all around a photo that does not."""
    assert kind_of(laid(compared(400, 0))) is None
    framed = compared(400, 300, drawn=0)
    around = replace(framed, drawn=framed.correlation > 0.6)
    assert around.agreement == 0.75
    assert kind_of(laid(framed)) == "near_copy"
    assert kind_of(laid(around)) == "shares_region"


def test_where_nearly_all_is_drawn_everything_must_agree() -> None:
    all_drawn = compared(200, round(200 * DRAWN_AGREEMENT), drawn=900)
    assert kind_of(laid(all_drawn)) == "near_copy"
    assert kind_of(laid(compared(200, round(200 * DRAWN_AGREEMENT) - 1, drawn=900))) == "shares_region"
    assert kind_of(laid(compared(DRAWN_WINDOWS, DRAWN_WINDOWS, drawn=900))) == "near_copy"
    assert kind_of(laid(compared(DRAWN_WINDOWS - 1, DRAWN_WINDOWS - 1, drawn=900))) == "shares_region"


def test_a_drawn_patch_of_both_is_nothing_but_a_shared_region() -> None:
    aside = np.array([[1, 0, 320], [0, 1, 240], [0, 0, 1]]) @ FITTED
    assert kind_of(laid(compared(200, 200, drawn=900), homography=aside)) == "shares_region"


def test_a_patch_that_is_less_than_half_of_both_must_agree_more() -> None:
    aside = np.array([[1, 0, 320], [0, 1, 0], [0, 0, 1]])  # at most half of each
    half = laid(compared(100, 84), homography=np.array([[1, 0, 10], [0, 1, 0], [0, 0, 1]]) @ aside @ FITTED)
    assert max(half.covers, half.visible) < 0.5
    assert kind_of(half) == "shares_region"
    assert kind_of(replace(half, comparison=compared(100, 85))) == "contains"


@pytest.mark.parametrize(
    ("inliers", "windows", "agreeing", "kind"),
    [
        (REGION_INLIERS, 100, REGION_WINDOWS, "shares_region"),
        (REGION_INLIERS - 1, 100, REGION_WINDOWS, None),
        (REGION_INLIERS, 100, REGION_WINDOWS - 1, None),
        (500, 0, 0, None),
    ],
)
def test_what_is_shown_to_a_person(inliers: int, windows: int, agreeing: int, kind: str | None) -> None:
    assert kind_of(laid(compared(windows, agreeing), inliers)) == kind


@pytest.mark.parametrize(
    ("homography", "kind"),
    [
        (FITTED, "near_copy"),
        (inside(WHOLE + 0.01), "near_copy"),
        (inside(WHOLE - 0.01), "contains"),
        (inside(0.1), "contains"),
        (crop(WHOLE + 0.01), "near_copy"),
        (crop(WHOLE - 0.01), "contained_in"),
        (crop(0.1), "contained_in"),
        (inside(0.5) @ np.array([[2, 0, 0], [0, 1, 0], [0, 0, 1]]), "contains"),
    ],
)
def test_how_the_two_lie_decides_the_kind(homography: Floats, kind: str) -> None:
    assert kind_of(laid(compared(300, 300), homography=homography)) == kind


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_whole_turned_copy_covers_all_and_is_all_there(orientation: str) -> None:
    found = laid(compared(300, 300), homography=turned(orientation, (800, 600), (640, 480)))
    assert found.covers == pytest.approx(1, abs=1e-3)
    assert found.visible == pytest.approx(1, abs=1e-3)
    assert found.orientation == orientation
    assert kind_of(found) == "near_copy"


@pytest.mark.parametrize("part", [0.05, 0.3, 0.9])
def test_covers_and_visible_are_parts_of_areas(part: float) -> None:
    small, large = laid(compared(0, 0), homography=inside(part)), laid(compared(0, 0), homography=crop(part))
    assert (small.covers, small.visible) == pytest.approx((part, 1), abs=1e-3)
    assert (large.covers, large.visible) == pytest.approx((1, part), abs=1e-3)


def test_a_photo_seen_from_the_side_is_visible_whole() -> None:
    """The picture reaches beyond the horizon of the plane in which the photo lies."""
    homography = np.array([[0.75, 0, 10], [0, 0.5, 100], [1.5e-3, 0, 1]])
    found = laid(compared(300, 300), homography=homography)
    depth = np.linalg.inv(homography)[2] @ np.column_stack((corners(640, 480), np.ones(4))).T
    assert is_plausible(homography, 800, 640)
    assert depth.min() < 0 < depth.max()
    assert found.covers < WHOLE
    assert found.visible == pytest.approx(1, abs=1e-3)


def test_an_alignment_is_a_fact() -> None:
    found = alignment_of(laid(compared(400, 300), 77, inside(0.4)))
    assert decode(Alignment, encode(found)) == found
    assert canonical_bytes(encode(found))  # refuses floats
    assert (found.inliers, found.windows, found.agreement_ppm, found.dimensions) == (77, 400, 750_000, PHOTO)
    assert found.visible_ppm == pytest.approx(1_000_000, abs=1000)
    assert found.covers_ppm == pytest.approx(400_000, abs=1000)
    homography = np.array([float(each) for each in found.homography]).reshape(3, 3)
    assert homography == pytest.approx(inside(0.4), rel=1e-6)
    assert np.array(found.box) / 100 == pytest.approx(moved(homography, corners(800, 600)), abs=0.01)
    back = np.array(found.reverse_box) / 100
    assert moved(homography, back) == pytest.approx(corners(640, 480), abs=0.02)


def test_a_homography_counts_up_to_a_factor() -> None:
    one, other = (alignment_of(laid(compared(9, 9), homography=inside(0.3) * factor)) for factor in (1, -3.5))
    assert encode(one) == encode(other)
    assert one.homography[8] == "1"


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.05, 20), st.floats(-180, 180), st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(-3e-4, 3e-4)
)
def test_every_plausible_map_makes_a_fact(zoom: float, degrees: float, x: float, y: float, tilt: float) -> None:
    c, s = zoom * np.cos(np.radians(degrees)), zoom * np.sin(np.radians(degrees))
    found = laid(compared(100, 50), homography=np.array([[c, -s, x], [s, c, y], [tilt, 0, 1]]))
    fact = alignment_of(found)
    assert decode(Alignment, encode(fact)) == fact
    assert canonical_bytes(encode(fact))
    assert 0 <= fact.visible_ppm <= 1_000_000
    assert 0 <= fact.covers_ppm <= 1_000_000


@pytest.mark.parametrize("shape", [(1, 1), (24, 24), (25, 3), (40, 26), (49, 48), (100, 7)])
def test_the_map_has_at_most_24_rows_and_columns(shape: tuple[int, int]) -> None:
    correlation = np.linspace(-1, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    correlation[0, 0] = np.nan
    comparison = windowed(correlation, np.zeros(shape, bool))
    drawn = alignment_of(laid(comparison)).correlation
    assert 1 <= len(drawn) <= MAP_SIDE
    assert {len(row) for row in drawn} <= set(range(1, MAP_SIDE + 1))
    assert len({len(row) for row in drawn}) == 1
    assert max(len(drawn), len(drawn[0])) >= min(max(shape), MAP_SIDE // 2)
    values = [value for row in drawn for value in row]
    assert values[0] is None
    assert all(value is not None and -100 <= value <= 100 for value in values[1:])
    every = -(-max(shape) // MAP_SIDE)
    assert values[1:] == [round(float(each) * 100) for each in correlation[::every, ::every].ravel()[1:]]


def test_more_agreement_more_windows_and_more_points_are_stronger() -> None:
    base = strength(laid(compared(50, 30), 20))
    assert strength(laid(compared(50, 31), 20)) > base
    assert strength(laid(compared(50, 30), 21)) > base
    assert strength(laid(compared(55, 33), 20)) > base
    assert strength(laid(compared(900, 540), 20)) == pytest.approx(strength(laid(compared(60, 36), 20)))
