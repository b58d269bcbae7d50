"""Local features: where a picture has detail, and a 128-bit code for what is there.

A keypoint is found and described by SIFT (Lowe 2004), its descriptor is rooted (Arandjelovic and Zisserman 2012),
whitened, turned, and cut to the signs of its 128 numbers. On pairs of photos that were not trained on, these codes find
91 % of the true neighbours at one false one in 100,000; the descriptors themselves find 89 % (docs/accuracy.md).
The matrices are data: trained/make.py makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

ROOTSIFT = "rootsift128-v1"
STORED = 200  # keypoints a photo; 4.8 KB. Half as many lose 2.5 % of copies, three times as many gain nothing
ASKED = 1000  # keypoints of a picture that is asked about: a small picture inside it must have its share of them
POINT_BYTES = 24
CELLS = 1 << 16  # of the inverted file: a byte for each half of the descriptor

_CONTRAST = 0.01  # SIFT's own 0.04 leaves soft photos with 100 keypoints
_GRID = 6  # the picture is cut into 6 x 6 fields, so that one busy corner does not take all the keypoints
_CROWDING = 0.15  # by this much a keypoint counts less for each stronger one in its field
SIZES_PER_OCTAVE = 16  # steps in which a keypoint's size is stored: 4 %
ANGLES = 256

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

POINT = np.dtype([("code", "<u8", 2), ("x", "<u2"), ("y", "<u2"), ("cell", "<u2"), ("size", "u1"), ("angle", "u1")])

# OpenCV's threads do not survive the fork that every job begins with, and two cores gain nothing from them.
cv2.setNumThreads(1)


@dataclass(frozen=True, eq=False)
class Points:
    """Keypoints with their codes. `xy`: N x 2 in parts of the picture's width and height; `size`: their diameter in
    parts of its longer side; `angle`: degrees, clockwise; `codes`: N x 2 words of 64 bits; `cells`: N cells."""

    xy: Floats
    size: Floats
    angle: Floats
    codes: Words
    cells: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.xy)


@dataclass(frozen=True, eq=False)
class Keypoints:
    """What was found in a picture, best first, each described once: `descriptors` is N x 128, rooted."""

    xy: Floats
    size: Floats
    angle: Floats
    descriptors: Floats

    def __len__(self) -> int:
        return len(self.xy)

    def points(self, limit: int = ASKED, cells: npt.NDArray[np.uint16] | None = None) -> Points:
        """The best of them with the codes under which they are stored and looked for; `cells` if they are known."""
        signs = (self.descriptors[:limit] - trained().mean) @ trained().code > 0
        codes = np.packbits(signs, axis=1).view("<u8")
        if cells is None:
            cells = nearest_cells(self.descriptors[:limit], 1)[:, 0]
        return Points(self.xy[:limit], self.size[:limit], self.angle[:limit], codes, cells)

    def mirrored(self) -> "Keypoints":
        """The keypoints of the mirror image, had without looking at it."""
        xy = np.stack((1 - self.xy[:, 0], self.xy[:, 1]), axis=1)
        return Keypoints(xy, self.size, (180 - self.angle) % 360, self.descriptors[:, _MIRROR])


def keypoints(image: Image.Image) -> Keypoints:
    """The picture's keypoints, at most ASKED, strong and large ones first but spread over the picture."""
    grey = np.asarray(image.convert("L"))
    sift = cv2.SIFT.create(nfeatures=0, contrastThreshold=_CONTRAST)
    found = sift.detect(grey, None)
    if not found:
        return Keypoints(*(np.zeros((0, *shape), np.float32) for shape in ((2,), (), (), (128,))))
    kept, descriptors = sift.compute(grey, [found[at] for at in _best(found, grey.shape)])
    height, width = grey.shape
    xy = np.asarray(np.array([each.pt for each in kept]) / (width, height), np.float32)
    size = np.array([each.size for each in kept], np.float32) / np.float32(max(width, height))
    angle = np.array([each.angle for each in kept], np.float32)
    return Keypoints(xy, size, angle, _rooted(np.asarray(descriptors, np.float32)))


def pack(points: Points) -> bytes:
    """24 bytes a point: the code, then little-endian x, y (65,536ths), cell, size and angle."""
    packed = np.zeros(len(points), POINT)
    packed["code"], packed["cell"] = points.codes, points.cells
    packed["x"], packed["y"] = np.rint(points.xy.T * 65535)
    packed["size"], packed["angle"] = packed_size(points.size), packed_angle(points.angle)
    return packed.tobytes()


def packed_size(size: Floats) -> npt.NDArray[np.uint8]:
    """Sizes as they are stored: steps of a 16th octave below the picture's longer side."""
    return np.asarray(np.clip(np.rint(-np.log2(size) * SIZES_PER_OCTAVE), 0, 255), np.uint8)


def packed_angle(angle: Floats) -> npt.NDArray[np.uint8]:
    """Degrees as 256ths of a turn."""
    return np.asarray(np.rint(angle * (ANGLES / 360)).astype(int) % ANGLES, np.uint8)


def unpack(packed: bytes) -> Points:
    """What `pack` packed. Raises ValueError when the bytes are no whole number of points."""
    rows = np.frombuffer(packed, POINT)
    xy = np.stack((rows["x"], rows["y"]), axis=1).astype(np.float32) / np.float32(65535)
    size = np.exp2(-rows["size"].astype(np.float32) / SIZES_PER_OCTAVE)
    angle = rows["angle"].astype(np.float32) * np.float32(360 / ANGLES)
    return Points(xy, size, angle, np.ascontiguousarray(rows["code"]), rows["cell"])


def distances(asked: Words, stored: Words) -> npt.NDArray[np.uint8]:
    """Hamming distances between codes: N x 2 and M x 2 words give N x M, 0 to 128."""
    first: npt.NDArray[np.uint8] = np.bitwise_count(asked[:, None, 0] ^ stored[None, :, 0])
    second: npt.NDArray[np.uint8] = np.bitwise_count(asked[:, None, 1] ^ stored[None, :, 1])
    return first + second


def nearest_cells(descriptors: Floats, count: int) -> npt.NDArray[np.uint16]:
    """For each rooted descriptor the `count` cells whose centres are nearest, in no order: N x count."""
    left, right = _halves(descriptors)
    tried = min(256, count + 4)  # more of one half's centres than this cannot be among the nearest pairs
    a, b = (np.argpartition(half, tried - 1, axis=1)[:, :tried] for half in (left, right))
    sums = np.take_along_axis(left, a, 1)[:, :, None] + np.take_along_axis(right, b, 1)[:, None, :]
    cells = (a[:, :, None] * 256 + b[:, None, :]).reshape(-1, tried * tried)
    nearest = np.argpartition(sums.reshape(-1, tried * tried), count - 1, axis=1)[:, :count]
    return np.take_along_axis(cells, nearest, 1).astype(np.uint16)


@dataclass(frozen=True, eq=False)
class Trained:
    """Means and matrices that the codes and cells are made with."""

    mean: Floats
    code: Floats  # 128 x 128: whitens, then turns, so that each bit says equally much
    halves: Floats  # 2 x 128 x 16: the strongest 32 principal components, dealt out in turn
    centres: Floats  # 2 x 256 x 16: of k-means over each half


@cache
def trained() -> Trained:
    """The shipped matrices, read once."""
    with np.load(Path(__file__).parent / "trained" / f"{ROOTSIFT}.npz", allow_pickle=False) as arrays:
        return Trained(**{name: arrays[name] for name in ("mean", "code", "halves", "centres")})


def _best(found: Sequence[cv2.KeyPoint], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """The places of the best ASKED keypoints, best first."""
    strength = np.array([each.response * each.size**0.5 for each in found])
    xy = np.array([each.pt for each in found])
    field = np.minimum((xy * _GRID / (shape[1], shape[0])).astype(int), _GRID - 1) @ (1, _GRID)
    order = np.lexsort((-strength, field))
    starts = np.searchsorted(field[order], field[order])
    rank = np.empty(len(found))
    rank[order] = np.arange(len(found)) - starts
    return np.argsort(-strength / (1 + _CROWDING * rank), kind="stable")[:ASKED]


def _rooted(descriptors: Floats) -> Floats:
    return np.asarray(np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9)), np.float32)


def _halves(descriptors: Floats) -> tuple[Floats, Floats]:
    """Squared distances, but for a constant, from each descriptor's halves to their 256 centres."""
    centred = descriptors - trained().mean
    left, right = (
        (centre**2).sum(axis=1) - 2 * (centred @ half) @ centre.T
        for half, centre in zip(trained().halves, trained().centres, strict=True)
    )
    return left, right


def _mirror() -> npt.NDArray[np.intp]:
    """How the 4 x 4 x 8 numbers of a descriptor change places in a mirror: columns and turning sense are reversed."""
    place = np.arange(128).reshape(4, 4, 8)
    return np.ascontiguousarray(place[::-1][:, :, (8 - np.arange(8)) % 8]).reshape(128)


_MIRROR = _mirror()
