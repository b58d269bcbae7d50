"""Where a registered photo lies in another picture, from the points that the two have in common.

Each pair of points that look alike says by itself how the photo would have been moved, turned and zoomed. The pair that
most others agree with is taken, so nothing is drawn at random and the answer is the same every time; the map is then
loosened to an affine one and to a homography as far as there are points to bear it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fingerprint.features import Points, distances

MIN_INLIERS = 7
MIN_FIELDS = 5  # of a grid over what the points span: seven points on one letter are one point

FARTHEST = 1e7  # px: a corner beyond is near the horizon, and told to be there
MAX_DEPTH = 3.0  # times: how much nearer one corner may be than another
MAX_STRETCH = 3.0  # times: the longest side of what was a square against its shortest
MIN_CORNER = 0.5  # sine: what was a right angle has at least 30 degrees
MIN_SIDE = 0.06  # of the picture's longer side: smaller ones have no pixels to agree with

_LIKELY = 40  # bits: pairs that may say how the photo was moved
_POSSIBLE = 48  # bits: pairs that count when they stand where the map says
_NO_PAIR = 255
_GAP_BITS = 8  # a pair at the edge of where the map says counts as if it had this many bits more
_TURN = 30.0  # degrees by which two pairs of one map may differ
_ZOOM = 0.6  # octaves
_SLACK = 0.12  # of the distance between two pairs: what an error in angle and size can do
_NEAR = 0.012  # of the picture's longer side: an inlier's distance from where the map says
_AFFINE_FROM, _HOMOGRAPHY_FROM = 10, 20  # inliers: with fewer, a freer map follows the errors
_FIELDS = 4

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Frame:
    """Points in pixels of a picture whose longer side is `side`."""

    points: Points
    xy: Floats
    size: Floats
    side: float

    @classmethod
    def of(cls, points: Points, width: int, height: int) -> "Frame":
        side = max(width, height)
        return cls(points, points.xy.astype(float) * (width, height), points.size.astype(float) * side, side)


@dataclass(frozen=True, eq=False)
class Map:
    """A homography from the registered photo's pixels to the other's, 3 x 3, and the pairs that agree with it."""

    homography: Floats
    registered: Places
    asked: Places

    @property
    def inliers(self) -> int:
        return len(self.registered)


def align(registered: Frame, asked: Frame) -> Map | None:
    """The map that most pairs of points agree with, or None when fewer than 7, in 5 different places, do."""
    if min(len(registered.xy), len(asked.xy)) < MIN_INLIERS:
        return None
    bits = distances(registered.points.codes, asked.points.codes)
    likely = _pairs(bits)
    start = _most_agreed(registered, asked, *likely)
    if start is None:
        return None
    found = Map(start, *likely)
    a, b = np.nonzero(bits <= _POSSIBLE)
    possible = a, b, bits[a, b].astype(float)
    for near in (4 * _NEAR, 2 * _NEAR, _NEAR, _NEAR):
        kept = _inliers(found.homography, registered, asked, possible, near)
        if len(kept[0]) < MIN_INLIERS:
            return None
        fitted = _fitted(registered.xy[kept[0]], asked.xy[kept[1]], _NEAR * asked.side)
        if fitted is None:
            return None
        found = Map(fitted, *kept)
    spread = _is_spread(registered.xy[found.registered]) and _is_spread(asked.xy[found.asked])
    return found if spread and is_plausible(found.homography, registered.side, asked.side) else None


def is_plausible(homography: Floats, from_side: float, to_side: float) -> bool:
    """Whether a person or a program would lay a photo into a picture like that, rather than crush or tear it."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * from_side
    depth = np.column_stack((corners, np.ones(4))) @ homography[2]
    if not (np.isfinite(homography).all() and depth.min() > 0 and depth.max() < MAX_DEPTH * depth.min()):
        return False
    steps = np.diff(moved(homography, corners), axis=0, append=moved(homography, corners[:1]))
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    turns = steps[:, 0] * np.roll(steps[:, 1], -1) - steps[:, 1] * np.roll(steps[:, 0], -1)
    corner = turns / (lengths * np.roll(lengths, -1) + 1e-9)
    return bool(
        corner.min() > MIN_CORNER and MIN_SIDE * to_side < lengths.min() and lengths.max() < MAX_STRETCH * lengths.min()
    )


def moved(homography: Floats, xy: Floats) -> Floats:
    """Where the homography takes points: N x 2."""
    projected = np.column_stack((xy, np.ones(len(xy)))) @ homography.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(projected[:, :2] / projected[:, 2:])


def _pairs(bits: npt.NDArray[np.uint8]) -> tuple[Places, Places]:
    """For each registered point the two most alike: what is seen twice in a picture may be meant either time."""
    each = np.arange(len(bits))
    nearest = bits.argmin(axis=1)
    others = bits.copy()
    others[each, nearest] = _NO_PAIR
    rows, columns = np.repeat(each, 2), np.stack((nearest, others.argmin(axis=1)), axis=1).ravel()
    kept = bits[rows, columns] <= _LIKELY
    return rows[kept], columns[kept]


def _most_agreed(registered: Frame, asked: Frame, a: Places, b: Places) -> Floats | None:
    """The move, turn and zoom of the pair that most others agree with."""
    if len(a) < MIN_INLIERS:
        return None
    turn = asked.points.angle[b].astype(float) - registered.points.angle[a]
    zoom = asked.size[b] / registered.size[a]
    like = np.abs((turn[:, None] - turn + 180) % 360 - 180) < _TURN
    like &= np.abs(np.log2(zoom[:, None] / zoom)) < _ZOOM
    # Complex numbers: one product turns and zooms.
    p, q = registered.xy[a] @ (1, 1j), asked.xy[b] @ (1, 1j)
    spin = zoom * np.exp(1j * np.radians(turn))
    steps = (p - p[:, None]) * spin[:, None]
    error = np.abs(q[:, None] + steps - q)
    like &= error < _SLACK * np.abs(steps) + _NEAR * asked.side
    best = _widest(like, a)
    move = q[best] - spin[best] * p[best]
    c, s = spin[best].real, spin[best].imag
    return np.array([[c, -s, move.real], [s, c, move.imag], [0, 0, 1]])


def _widest(like: npt.NDArray[np.bool_], a: Places) -> int:
    """The row that agrees with the most different registered points."""
    begins = np.flatnonzero(np.diff(a, prepend=-1))  # pairs stand in the order of their registered points
    return int(np.logical_or.reduceat(like, begins, axis=1).sum(axis=1).argmax())


def _inliers(
    homography: Floats, registered: Frame, asked: Frame, pairs: tuple[Places, Places, Floats], near: float
) -> tuple[Places, Places]:
    """Pairs that stand where the map says, the most alike first; each point in at most one pair."""
    a, b, bits = pairs
    target = moved(homography, registered.xy)
    gap = np.hypot(*(target[a] - asked.xy[b]).T) / (near * asked.side)
    kept = np.flatnonzero(gap < 1)
    kept = kept[np.argsort((bits + _GAP_BITS * gap)[kept], kind="stable")]
    for column in (a, b):
        kept = kept[_firsts(column[kept])]
    return a[kept], b[kept]


def _firsts(values: Places) -> npt.NDArray[np.bool_]:
    """Where each value stands for the first time. Without sorting: this runs 80 times a question."""
    order = np.arange(len(values))
    first = np.zeros(int(values.max(initial=0)) + 1, np.intp)
    first[values[::-1]] = order[::-1]  # of several writes to one place the last counts
    return np.asarray(first[values] == order)


def _fitted(source: Floats, target: Floats, near: float) -> Floats | None:
    """The freest map that this many pairs bear."""
    if len(source) >= _HOMOGRAPHY_FROM:
        found, _ = cv2.findHomography(source, target, cv2.USAC_MAGSAC, near)
        return None if found is None else np.asarray(found)
    fit = cv2.estimateAffine2D if len(source) >= _AFFINE_FROM else cv2.estimateAffinePartial2D
    affine, _ = fit(source, target, method=cv2.RANSAC, ransacReprojThreshold=near)
    return None if affine is None else np.vstack((affine, [0, 0, 1]))


def _is_spread(xy: Floats) -> bool:
    low, span = xy.min(axis=0), np.ptp(xy, axis=0)
    fields = np.minimum(((xy - low) * _FIELDS / np.maximum(span, 1e-9)).astype(int), _FIELDS - 1)
    return len(np.unique(fields, axis=0)) >= MIN_FIELDS


# What each of codes.ORIENTATIONS does to directions; y grows downwards.
_TURNS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "upright": ((1, 0), (0, 1)),
    "rotated_90": ((0, -1), (1, 0)),
    "rotated_180": ((-1, 0), (0, -1)),
    "rotated_270": ((0, 1), (-1, 0)),
    "mirrored": ((-1, 0), (0, 1)),
    "flipped": ((1, 0), (0, -1)),
    "transposed": ((0, 1), (1, 0)),
    "transversed": ((0, -1), (-1, 0)),
}


def turned(orientation: str, source: tuple[int, int], target: tuple[int, int]) -> Floats:
    """The homography of a whole photo turned this way, stretched to another width and height."""
    linear = np.diag(target) @ np.array(_TURNS[orientation]) @ np.diag([1 / source[0], 1 / source[1]])
    move = np.array(target) / 2 - linear @ (np.array(source) / 2)
    return np.vstack((np.column_stack((linear, move)), [0, 0, 1]))


def orientation_of(homography: Floats, source: tuple[int, int]) -> str:
    """Which of the eight orientations comes nearest to what the homography does at the photo's centre."""
    centre = np.array(source) / 2
    middle, right, down = moved(homography, centre + np.array([(0, 0), (1, 0), (0, 1)]))
    steps = np.column_stack((right - middle, down - middle))
    return max(_TURNS, key=lambda name: float((steps * np.array(_TURNS[name])).sum()))


def corners(width: float, height: float) -> Floats:
    """Top left, top right, bottom right, bottom left: 4 x 2."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], float)


def shared_part(quad: Floats, width: float, height: float) -> float:
    """The part of a picture of this size that a four-cornered area covers, 0 to 1."""
    # Rounded: of corners that nearly coincide, OpenCV makes half the area, or twice as much.
    hull, frame = (cv2.convexHull(each.round(2).astype(np.float32)) for each in (quad, corners(width, height)))
    return float(cv2.intersectConvexConvex(hull, frame)[0]) / (width * height)


def visible_part(homography: Floats, photo: tuple[int, int], picture: tuple[int, int]) -> float:
    """The part of a photo that is in a picture, 0 to 1; `photo` and `picture` are width and height.

    Cut out in the picture and taken back: the picture's own corners may lie behind the photo's horizon.
    """
    quads = (np.clip(np.nan_to_num(moved(homography, corners(*photo))), -FARTHEST, FARTHEST), corners(*picture))
    hull, frame = (cv2.convexHull(each.round(2).astype(np.float32)) for each in quads)
    shared = cv2.intersectConvexConvex(hull, frame)[1]
    if shared is None:
        return 0.0
    back = moved(np.asarray(np.linalg.inv(homography), float), shared[:, 0].astype(float))
    inside = np.clip(np.nan_to_num(back), 0, photo).astype(np.float32)
    return float(cv2.contourArea(inside)) / (photo[0] * photo[1])
