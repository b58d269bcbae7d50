"""A hundred thousand other photos, by synthesis: their fingerprints are composed from real ones, no pixels are drawn.

Real photos are warped and blended, a few hundred times, and their points extracted by the real code. Each distractor
is put together from clusters of neighbouring points of one to four of them: moved, turned and zoomed as a whole, shaken
one by one, with some bits of every code flipped. So each point looks like one of a photo's and stands among points
that it would stand among, but no two distractors are alike. What is synthetic here is weaker than real photos in one
way: the variety of what is seen is that of the photos it came from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.copies import tone
from bench.copies.geometry import covering, straightened, whole
from bench.copies.moves import Draw, crop
from fingerprint.features import ANGLES, SIZES_PER_OCTAVE

POINTS = 200  # a distractor, as a photo has at most
MIN_POINTS = 120  # of a donor; those with fewer give none
CLUSTERS = ((200,), (120, 80), (80, 60, 60), (50, 50, 50, 50))
BATCH = 500
EDGE = 65535  # of the stored coordinates
PDQ_BITS = 256

Packed = npt.NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Donor:
    """What was extracted from one picture: packed points, the 32-byte PDQ code, size, and its thumbnail's digest."""

    points: Packed
    pdq: bytes
    size: tuple[int, int]
    thumbnail_sha256: bytes


@dataclass(frozen=True)
class Distractor:
    """The fingerprint of a photo that does not exist; the thumbnail is that of the donor of most of its points."""

    points: bytes
    pdq: bytes
    iscc: bytes
    size: tuple[int, int]
    thumbnail_sha256: bytes


def variant(photos: Sequence[Image.Image], number: int, turn: int, seed: int) -> Image.Image:
    """One of the photos, cropped, turned, toned, and blended with another: a new one for each `turn`."""
    return _variant(photos[number], Draw(Random(f"bench.copies distractor {seed} {number} {turn}"), photos))


def _variant(image: Image.Image, draw: Draw) -> Image.Image:
    copy = straightened(crop(0.2, 0.6)(whole(image), draw), draw.between(-25, 25))
    side = draw.rng.choice([(640, 480), (480, 640)])
    picture = tone.tinted(covering(copy, *side).image, draw.rng)
    other = covering(crop(0.2, 0.6)(whole(draw.other()), draw), *side).image
    return Image.blend(picture, other, draw.between(0.1, 0.4))


def distractors(sources: Sequence[Donor], count: int, seed: int) -> Iterator[Distractor]:
    """`count` distractors, always the same for the same sources and seed."""
    sources = [source for source in sources if len(source.points) >= MIN_POINTS]
    rng = np.random.default_rng(seed)
    points = np.stack([np.resize(source.points, POINTS) for source in sources])
    order = np.stack([_nearest(each) for each in points])
    for start in range(0, count, BATCH):
        number = min(BATCH, count - start)
        chosen = rng.integers(0, len(sources), (number, len(CLUSTERS[-1])))
        composed = _composed(points, order, chosen, CLUSTERS[start // BATCH % len(CLUSTERS)], rng)
        for row, first in zip(composed, chosen[:, 0], strict=True):
            yield _distractor(row, sources[first], rng)


def _nearest(points: Packed) -> npt.NDArray[np.intp]:
    """For each point all of them, the nearest first: POINTS x POINTS."""
    x, y = points["x"].astype(np.float32), points["y"].astype(np.float32)
    return np.argsort(np.hypot(x[:, None] - x, y[:, None] - y), axis=1)


def _composed(
    points: Packed, order: npt.NDArray[np.intp], chosen: npt.NDArray[np.int64], sizes: Sequence[int],
    rng: np.random.Generator,
) -> Packed:  # fmt: skip
    """A batch: for each row one cluster of each size, of the donors chosen for the row."""
    clusters = []
    for place, size in enumerate(sizes):
        donor = chosen[:, place]
        centre = rng.integers(0, POINTS, len(chosen))
        members = order[donor, centre, :size]
        cluster = points[donor[:, None], members]
        clusters.append(_shaken(_flipped(_moved(cluster, place, rng), rng), rng))
    return np.concatenate(clusters, axis=1)


def _moved(cluster: Packed, place: int, rng: np.random.Generator) -> Packed:
    """Each row's cluster turned, zoomed and shifted as a whole; the first one little, to fit its thumbnail."""
    rows, wide = len(cluster), 0.15 if place == 0 else 1.0
    angle, zoom = rng.normal(0, wide, (rows, 1)), np.exp2(rng.normal(0, wide * 0.7, (rows, 1)))
    x, y = cluster["x"].astype(float), cluster["y"].astype(float)
    middle_x, middle_y = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    dx, dy = (x - middle_x) * zoom, (y - middle_y) * zoom
    to_x, to_y = (rng.normal(0, wide * EDGE / 4, (rows, 1)) for _ in range(2))
    cluster["x"] = np.clip(middle_x + to_x + dx * np.cos(angle) - dy * np.sin(angle), 0, EDGE)
    cluster["y"] = np.clip(middle_y + to_y + dx * np.sin(angle) + dy * np.cos(angle), 0, EDGE)
    cluster["angle"] = (cluster["angle"] + np.rint(angle / (2 * np.pi) * ANGLES)) % ANGLES
    cluster["size"] = np.clip(cluster["size"] - np.rint(np.log2(zoom) * SIZES_PER_OCTAVE), 0, 255)
    return cluster


def _flipped(cluster: Packed, rng: np.random.Generator) -> Packed:
    """Each bit of the codes flipped with a chance of 4 to 16 %, its own for each row; some cells are others'."""
    rows, size = cluster.shape
    chance = rng.uniform(0.04, 0.16, (rows, 1, 1))
    flips = np.packbits(rng.random((rows, size, 128), dtype=np.float32) < chance, axis=2)
    cluster["code"] ^= flips.view("<u8")
    strays = rng.random((rows, size)) < 0.25
    cluster["cell"] = np.where(strays, np.roll(cluster["cell"], 1, axis=0), cluster["cell"])
    return cluster


def _shaken(cluster: Packed, rng: np.random.Generator) -> Packed:
    """Every point a little off by itself: half a percent of the picture, a few degrees, a tenth in size."""
    for name, spread, top in (("x", 330, EDGE), ("y", 330, EDGE), ("size", 2, 255)):
        cluster[name] = np.clip(cluster[name] + rng.normal(0, spread, cluster.shape), 0, top)
    cluster["angle"] = (cluster["angle"] + np.rint(rng.normal(0, 4, cluster.shape))) % ANGLES
    return cluster


def _distractor(points: Packed, donor: Donor, rng: np.random.Generator) -> Distractor:
    """Its PDQ code is the donor's with 10 to 50 % of the bits flipped: from a likeness to a stranger."""
    bits = np.unpackbits(np.frombuffer(donor.pdq, np.uint8)) ^ (rng.random(PDQ_BITS) < rng.uniform(0.1, 0.5))
    return Distractor(points.tobytes(), np.packbits(bits).tobytes(), rng.bytes(8), donor.size, donor.thumbnail_sha256)
