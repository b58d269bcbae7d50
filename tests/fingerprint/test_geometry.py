"""Where a photo lies in another picture: maps that are recovered, maps that are refused, and areas."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.codes import ORIENTATIONS
from fingerprint.features import Points, Words
from fingerprint.geometry import (
    MIN_INLIERS,
    Floats,
    Frame,
    align,
    corners,
    is_plausible,
    moved,
    orientation_of,
    shared_part,
    turned,
)

WIDTH, HEIGHT = 800, 600
ASKED = 1000, 900  # pixels of the picture that the photo lies in

similarity = cv2.getRotationMatrix2D((400, 300), 35, 0.8)
MAPS: dict[str, Floats] = {
    "itself": np.eye(3),
    "moved, turned and shrunk": np.vstack((similarity, [0, 0, 1])),
    "shrunk to a third": np.diag([0.33, 0.33, 1]),
    "upside down": turned("rotated_180", (WIDTH, HEIGHT), ASKED),
    "sheared and stretched": np.array([[1.1, 0.25, 20], [-0.1, 0.8, 130], [0, 0, 1]]),
    "photographed from the side": np.array([[1.1, 0.1, 40], [0.15, 1.0, 30], [4e-4, 1e-4, 1]]),
}


def frame(xy: Floats, size: Floats, angle: Floats, codes: Words, width: int, height: int) -> Frame:
    cells = np.zeros(len(xy), np.uint16)
    parts = (xy / (width, height)).astype(np.float32)
    side = np.float32(max(width, height))
    return Frame.of(
        Points(parts, size.astype(np.float32) / side, angle.astype(np.float32), codes.astype(np.uint64), cells),
        width,
        height,
    )


def flipped(codes: Words, bits: int, random: np.random.Generator) -> Words:
    noise = np.zeros((len(codes), 128), np.uint8)
    for row in noise:
        row[random.choice(128, bits, replace=False)] = 1
    return np.bitwise_xor(codes, np.packbits(noise, axis=1).view(np.uint64))


def scene(homography: Floats, true: int, wrong: int, seed: int = 1) -> tuple[Frame, Frame]:
    """Two frames with `true` pairs that follow the map, to half a pixel, and `wrong` ones with like codes elsewhere."""
    random = np.random.default_rng(seed)
    count = true + wrong
    xy = random.random((count, 2)) * (WIDTH, HEIGHT)
    size, angle = np.exp2(random.uniform(2, 5, count)), random.uniform(0, 360, count)
    codes = random.integers(0, 2**64, (count, 2), np.uint64)
    ahead = xy + np.column_stack((np.cos(np.radians(angle)), np.sin(np.radians(angle))))
    there = moved(homography, xy)
    step = moved(homography, ahead) - there
    turned_to = np.degrees(np.arctan2(step[:, 1], step[:, 0])) + random.normal(0, 4, count)
    sizes = size * np.hypot(*step.T) * np.exp2(random.normal(0, 0.1, count))
    there += random.normal(0, 0.5, (count, 2))
    there[true:] = random.random((wrong, 2)) * ASKED
    turned_to[true:] = random.uniform(0, 360, wrong)
    sizes[true:] = np.exp2(random.uniform(2, 5, wrong))
    inside = ((there >= 0) & (there < ASKED)).all(axis=1)
    other = frame(there[inside], sizes[inside], turned_to[inside] % 360, flipped(codes, 20, random)[inside], *ASKED)
    return frame(xy, size, angle, codes, WIDTH, HEIGHT), other


def corner_error(found: Floats, true: Floats) -> float:
    """The farthest that a corner of the photo is off, in parts of the other picture's side."""
    quad = corners(WIDTH, HEIGHT)
    return float(np.hypot(*(moved(found, quad) - moved(true, quad)).T).max()) / max(ASKED)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_map_is_found_among_60_percent_wrong_pairs(name: str, seed: int) -> None:
    found = align(*scene(MAPS[name], 80, 120, seed))
    assert found is not None
    assert found.inliers >= 40
    assert corner_error(found.homography, MAPS[name]) < 0.01


def test_few_points_bear_a_move_turn_and_zoom() -> None:
    found = align(*scene(MAPS["moved, turned and shrunk"], 9, 30))
    assert found is not None
    assert MIN_INLIERS <= found.inliers <= 12
    assert corner_error(found.homography, MAPS["moved, turned and shrunk"]) < 0.03


def test_inliers_are_pairs_of_different_points_that_stand_where_the_map_says() -> None:
    registered, asked = scene(MAPS["sheared and stretched"], 60, 100)
    found = align(registered, asked)
    assert found is not None
    assert len(set(found.registered.tolist())) == len(set(found.asked.tolist())) == found.inliers
    gaps = moved(found.homography, registered.xy[found.registered]) - asked.xy[found.asked]
    assert np.hypot(*gaps.T).max() < 0.012 * max(ASKED) * 1.5  # the map was fitted once more to just these


def test_points_that_stand_twice_count_once() -> None:
    registered, asked = scene(MAPS["sheared and stretched"], 60, 0)
    points = Points(*(np.concatenate((column, column)) for column in vars(registered.points).values()))
    doubled = Frame.of(points, WIDTH, HEIGHT)
    for found in (align(doubled, asked), align(asked, doubled)):
        assert found is not None
        assert found.inliers <= len(asked.xy)


def test_the_same_question_gets_the_same_answer() -> None:
    one, other = (align(*scene(MAPS["photographed from the side"], 80, 120)) for _ in range(2))
    assert one is not None and other is not None
    assert np.array_equal(one.homography, other.homography)
    assert np.array_equal(one.registered, other.registered)


@pytest.mark.parametrize("seed", range(5))
def test_random_points_have_no_map(seed: int) -> None:
    assert align(*scene(np.eye(3), 0, 200, seed)) is None


@pytest.mark.parametrize("counts", [(0, 0), (0, 50), (6, 50), (50, 6), (50, 0)])
def test_too_few_points_have_no_map(counts: tuple[int, int]) -> None:
    registered, asked = scene(np.eye(3), 50, 0)
    assert align(_first(registered, counts[0]), _first(asked, counts[1])) is None
    assert align(registered, asked) is not None


def _first(held: Frame, count: int) -> Frame:
    points = Points(*(column[:count] for column in vars(held.points).values()))
    return Frame(points, held.xy[:count], held.size[:count], held.side)


def test_points_on_one_letter_are_no_map() -> None:
    """Thirty true pairs, all within a few pixels of three places."""
    registered, _ = scene(np.eye(3), 30, 0)
    random = np.random.default_rng(3)
    places = np.array([(100, 100), (140, 100), (100, 140)])
    registered.xy[:] = places[random.integers(0, 3, 30)] + random.normal(0, 0.5, (30, 2))
    assert align(registered, registered) is None


def test_a_mirrored_photo_is_found_by_mirrored_points_only() -> None:
    registered, asked = scene(turned("mirrored", (WIDTH, HEIGHT), (WIDTH, HEIGHT)), 100, 0)
    assert align(registered, asked) is None


@settings(max_examples=100, deadline=None)
@given(st.floats(0.1, 8), st.floats(-180, 180), st.floats(0.7, 1.4), st.floats(-0.3, 0.3))
def test_turned_zoomed_and_somewhat_bent_is_plausible(
    zoom: float, degrees: float, stretch: float, shear: float
) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    linear = zoom * np.array([[c, -s], [s, c]]) @ np.array([[stretch, shear], [0, 1]])
    homography = np.vstack((np.column_stack((linear, [300, -200])), [0, 0, 1]))
    assert is_plausible(homography, 800, 800)
    assert is_plausible(homography * 7, 800, 800)
    assert not is_plausible(homography @ np.diag([-1, 1, 1]), 800, 800)


IMPLAUSIBLE: dict[str, list[list[float]]] = {
    "mirrored": [[-1, 0, 800], [0, 1, 0], [0, 0, 1]],
    "flipped": [[1, 0, 0], [0, -1, 800], [0, 0, 1]],
    "crushed to a point": [[0.01, 0, 5], [0, 0.01, 5], [0, 0, 1]],
    "crushed to a line": [[1, 0, 0], [0, 0.05, 0], [0, 0, 1]],
    "stretched": [[4, 0, 0], [0, 1, 0], [0, 0, 1]],
    "sheared flat": [[1, 2, 0], [0, 1, 0], [0, 0, 1]],
    "torn at one corner": [[1, 0, 0], [0, 1, 0], [1.5e-3, 1.5e-3, 1]],
    "partly behind the camera": [[1, 0, 0], [0, 1, 0], [-2e-3, 0, 1]],
    "wholly behind the camera": [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "on the horizon": [[1, 0, 0], [0, 1, 0], [-1 / 800, 0, 1]],
    "nothing": [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
    "not a number": [[1, 0, float("nan")], [0, 1, 0], [0, 0, 1]],
    "without end": [[1, 0, float("inf")], [0, 1, 0], [0, 0, 1]],
}


@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_what_nobody_would_do_to_a_photo_is_implausible(name: str) -> None:
    assert not is_plausible(np.array(IMPLAUSIBLE[name], float), 800, 800)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("source", [(800, 600), (600, 800), (500, 500), (1500, 100)])
@pytest.mark.parametrize("target", [(800, 600), (600, 800), (64, 900), (3000, 2000)])
def test_orientations_are_told_from_their_homographies(
    orientation: str, source: tuple[int, int], target: tuple[int, int]
) -> None:
    homography = turned(orientation, source, target)
    assert orientation_of(homography, source) == orientation
    landed = moved(homography, corners(*source))
    assert np.allclose(sorted(landed.tolist()), sorted(corners(*target).tolist()))


@pytest.mark.parametrize(
    ("orientation", "top_left", "top_right"),
    [
        ("upright", (0, 0), (1, 0)), ("rotated_90", (1, 0), (1, 1)), ("rotated_180", (1, 1), (0, 1)),
        ("rotated_270", (0, 1), (0, 0)), ("mirrored", (1, 0), (0, 0)), ("flipped", (0, 1), (1, 1)),
        ("transposed", (0, 0), (0, 1)), ("transversed", (1, 1), (1, 0)),
    ],
)  # fmt: skip
def test_where_the_upper_corners_go(orientation: str, top_left: tuple[int, int], top_right: tuple[int, int]) -> None:
    landed = moved(turned(orientation, (800, 600), (300, 200)), corners(800, 600)) / (300, 200)
    assert np.allclose(landed[:2], [top_left, top_right])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("degrees", [-40, -15, 0, 15, 40])
def test_the_nearest_orientation_is_told(orientation: str, degrees: float) -> None:
    turn = np.vstack((cv2.getRotationMatrix2D((150, 150), degrees, 0.7), [0, 0, 1]))
    assert orientation_of(turn @ turned(orientation, (800, 600), (300, 300)), (800, 600)) == orientation


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(5, 85), min_size=4, max_size=4),
    st.tuples(st.floats(-50, 200), st.floats(-50, 150)),
    st.tuples(st.floats(5, 200), st.floats(5, 200)),
    st.booleans(),
)
def test_the_shared_part_is_what_counting_pixels_says(
    angles: list[float], centre: tuple[float, float], radii: tuple[float, float], is_clockwise: bool
) -> None:
    around = np.radians(np.array(angles) + 90 * np.arange(4))  # a corner in each quarter of an ellipse: convex
    quad = np.column_stack((np.cos(around), np.sin(around))) * radii + centre
    assert shared_part(quad if is_clockwise else quad[::-1], 150, 100) == pytest.approx(_counted(quad), abs=0.015)


@pytest.mark.parametrize(
    ("quad", "part"),
    [
        ([(0, 0), (150, 0), (150, 100), (0, 100)], 1.0),
        ([(0, 100), (0, 0), (150, 0), (150, 100)], 1.0),
        ([(150, 0), (0, 0), (0, 100), (150, 100)], 1.0),
        ([(0, 0), (75, 0), (75, 100), (0, 100)], 0.5),
        ([(0, 0), (75, 0), (75, 50), (0, 50)], 0.25),
        ([(75, 50), (300, 50), (300, 200), (75, 200)], 0.25),
        ([(-900, -900), (900, -900), (900, 900), (-900, 900)], 1.0),
        ([(150, 0), (300, 0), (300, 100), (150, 100)], 0.0),
        ([(500, 500), (600, 500), (600, 600), (500, 600)], 0.0),
        ([(75, -50), (150, 50), (75, 150), (0, 50)], 0.75),
        ([(0, 0), (150, 100), (0, 0), (150, 100)], 0.0),
    ],
)
def test_shared_parts_with_common_edges(quad: list[tuple[float, float]], part: float) -> None:
    assert shared_part(np.array(quad, float), 150, 100) == pytest.approx(part, abs=1e-3)


@pytest.mark.parametrize("off", [1e-20, 1e-13, 1e-9, 1e-6, 1e-3, 0.02])
@pytest.mark.parametrize("part", [(1.0, 1.0), (0.5, 1.0), (0.5, 0.5)])
def test_shared_parts_with_edges_that_nearly_coincide(part: tuple[float, float], off: float) -> None:
    random = np.random.default_rng(1)
    for _ in range(100):
        quad = corners(640, 480) * part + random.normal(0, off, (4, 2)) * random.integers(0, 2, (4, 2))
        assert shared_part(quad, 640, 480) == pytest.approx(part[0] * part[1], abs=2e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("size", [(640, 481), (333, 1000), (4032, 3024)])
def test_a_whole_turned_photo_covers_all(orientation: str, size: tuple[int, int]) -> None:
    quad = moved(turned(orientation, (800, 600), size), corners(800, 600))
    assert shared_part(quad, *size) == pytest.approx(1, abs=1e-3)


def _counted(quad: Floats) -> float:
    """The part of 150 x 100 pixels whose middles lie on one side of all edges."""
    y, x = np.mgrid[0.5:100, 0.5:150]
    sides = [
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        for a, b in zip(quad, np.roll(quad, -1, axis=0), strict=True)
    ]
    return float(((np.min(sides, axis=0) >= 0) | (np.max(sides, axis=0) <= 0)).mean())
