"""Keypoints and their codes: what survives packing, mirrors and copying, and what does not."""

import io
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fingerprint.decode import decode
from fingerprint.features import (
    ASKED,
    CELLS,
    POINT_BYTES,
    Keypoints,
    Points,
    distances,
    keypoints,
    nearest_cells,
    pack,
    trained,
    unpack,
)
from tests.fingerprint.photos import shared
from tests.photos import picture

SIZE = (480, 360)
CHANCE = 128 / 2 - 4 * 128**0.5 / 2  # bits: of two codes without any relation one pair in 30,000 is nearer


@cache
def seen(seed: int) -> Keypoints:
    return keypoints(picture(seed, *SIZE))


def found_again(one: Points, other: Points, gap: float, bits: int) -> float:
    """The part of one's points that the other has, too, in the same place."""
    near = np.abs(one.xy[:, None] - other.xy).max(axis=2) <= gap
    return float((near & (distances(one.codes, other.codes) <= bits)).any(axis=1).mean())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_what_was_packed_is_unpacked(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = Points(
        random.random((count, 2), np.float32),
        np.exp2(-random.uniform(0, 15.9, count)).astype(np.float32),
        random.uniform(0, 360, count).astype(np.float32),
        random.integers(0, 2**64, (count, 2), np.uint64),
        random.integers(0, CELLS, count).astype(np.uint16),
    )
    packed = pack(points)
    again = unpack(packed)
    assert len(packed) == count * POINT_BYTES
    assert np.abs(again.xy - points.xy).max(initial=0) <= 1 / 65535
    assert np.abs(np.log2(again.size / points.size)).max(initial=0) <= 1 / 16
    assert np.abs((again.angle - points.angle + 180) % 360 - 180).max(initial=0) <= 360 / 256
    assert np.array_equal(again.codes, points.codes)
    assert np.array_equal(again.cells, points.cells)
    assert pack(again) == packed


@pytest.mark.parametrize("length", [1, POINT_BYTES - 1, POINT_BYTES + 1])
def test_half_a_point_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="size"):
        unpack(bytes(length))


@pytest.mark.parametrize(
    "image", [Image.new("RGB", (300, 200), "teal"), Image.new("RGB", (1, 1)), Image.new("L", (3, 900))]
)
def test_a_flat_picture_has_no_points(image: Image.Image) -> None:
    found = keypoints(image)
    assert len(found) == 0
    assert pack(found.points()) == pack(found.mirrored().points()) == b""
    assert len(unpack(b"")) == 0
    assert nearest_cells(found.descriptors, 4).shape == (0, 4)


def test_noise_has_as_many_points_as_are_asked_for() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (480, 640), dtype=np.uint8))
    found = keypoints(noise)
    assert len(found) == len(found.points()) == ASKED
    assert len(found.points(200)) == 200


def test_points_lie_in_the_picture() -> None:
    found = seen(1)
    assert len(found) > 200
    assert found.xy.min() >= 0 and found.xy.max() <= 1
    assert found.size.min() > 0 and found.size.max() < 1
    assert found.angle.min() >= 0 and found.angle.max() <= 360
    assert np.allclose((found.descriptors**2).sum(axis=1), 1, atol=0.01)


def test_the_best_points_are_spread_over_the_picture() -> None:
    """One corner is full of detail, the rest has little: the rest must have its share."""
    image = picture(1, *SIZE)
    busy = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image.paste(Image.fromarray(busy).resize((160, 120), Image.Resampling.BICUBIC), (0, 0))
    best = keypoints(image).points(200)
    outside = (best.xy[:, 0] > 1 / 3) | (best.xy[:, 1] > 1 / 3)
    assert outside.mean() > 0.4  # by strength alone: 0.24
    assert len(np.unique((best.xy * 6).astype(int), axis=0)) >= 28  # by strength alone: 22


def test_fewer_points_are_the_first_of_more() -> None:
    all_of_them, some = seen(1).points(), seen(1).points(50)
    assert pack(some) == pack(all_of_them)[: 50 * POINT_BYTES]


def test_the_same_picture_has_the_same_points() -> None:
    assert pack(keypoints(picture(1, *SIZE)).points()) == pack(seen(1).points())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mirrored_keypoints_are_those_of_the_mirror_image(seed: int) -> None:
    looked_at = keypoints(ImageOps.mirror(picture(seed, *SIZE))).points()
    derived = seen(seed).mirrored().points()
    assert found_again(derived, looked_at, 0.004, 12) >= 0.85
    assert found_again(looked_at, derived, 0.004, 12) >= 0.85
    assert found_again(seen(seed).points(), looked_at, 0.004, 12) < 0.05


def test_twice_mirrored_is_as_before() -> None:
    again = seen(1).mirrored().mirrored()
    assert np.allclose(again.xy, seen(1).xy, atol=1e-6)
    assert np.array_equal(again.size, seen(1).size)
    assert np.allclose((again.angle - seen(1).angle + 180) % 360, 180, atol=1e-3)
    assert np.array_equal(again.descriptors, seen(1).descriptors)


def test_a_mirrored_point_looks_the_other_way() -> None:
    """Matched by code, the mirror image's angles are 180 degrees less ours."""
    looked_at, derived = (k.points() for k in (keypoints(ImageOps.mirror(picture(1, *SIZE))), seen(1).mirrored()))
    near = np.abs(derived.xy[:, None] - looked_at.xy).max(axis=2) <= 0.004
    a, b = np.nonzero(near & (distances(derived.codes, looked_at.codes) <= 12))
    off = np.abs((derived.angle[a] - looked_at.angle[b] + 180) % 360 - 180)
    assert np.quantile(off, 0.95) < 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_codes_of_a_copy_are_near_and_of_another_picture_are_not(seed: int) -> None:
    out = io.BytesIO()
    picture(seed, *SIZE).resize((360, 270), Image.Resampling.BICUBIC).save(out, "JPEG", quality=60)
    copy, other = (keypoints(image).points() for image in (Image.open(out), picture(seed + 50, *SIZE)))
    mine = seen(seed).points(200)
    assert found_again(mine, copy, 0.01, 36) > 0.6
    # Drawn corners resemble each other more than photographed ones: there it is one pair in 100,000.
    assert np.mean(distances(mine.codes, other.codes) <= 36) < 0.005
    assert np.median(distances(mine.codes, other.codes)) > CHANCE


def test_points_of_different_photos_are_hardly_ever_near() -> None:
    photos = [decode(path) for path in sorted(shared("photos").glob("*.jpg"))[:200:25]]
    points = [keypoints(photo.image.reduce(2)).points(200) for photo in photos]
    apart = [distances(one.codes, other.codes) for one, other in combinations(points, 2)]
    near = sum(int((each <= 36).sum()) for each in apart)
    assert near / sum(each.size for each in apart) < 3e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_distances_count_bits(n: int, m: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = (random.integers(0, 2**64, (count, 2), np.uint64) for count in (n, m))
    found = distances(one, other)
    for i in range(n):
        for j in range(m):
            xor = int.from_bytes(one[i].tobytes()) ^ int.from_bytes(other[j].tobytes())
            assert found[i, j] == xor.bit_count()
    assert not np.diagonal(distances(one, one)).any()
    assert distances(one, ~one).max() == 128


@pytest.mark.parametrize("count", [1, 4, 8])
def test_the_nearest_cells_are_those_of_a_brute_force(count: int) -> None:
    descriptors = seen(1).descriptors[:40]
    centred = descriptors - trained().mean
    left, right = (
        ((centred @ half)[:, None] - centre[None]).astype(float) ** 2
        for half, centre in zip(trained().halves, trained().centres, strict=True)
    )
    sums = (left.sum(axis=2)[:, :, None] + right.sum(axis=2)[:, None, :]).reshape(len(descriptors), CELLS)
    found = nearest_cells(descriptors, count)
    assert found.shape == (40, count)
    for row, cells in zip(sums, found, strict=True):
        assert len(set(cells.tolist())) == count
        assert np.allclose(np.sort(row[cells]), np.sort(row)[:count], atol=1e-4)


def test_codes_say_the_same_in_any_company() -> None:
    """A point's code does not depend on which other points are described with it, but for rounding."""
    alone = Keypoints(*(np.ascontiguousarray(column[10:11]) for column in vars(seen(1)).values())).points()
    assert distances(alone.codes, seen(1).points().codes[10:11]).max() <= 1
    assert alone.cells.shape == (1,)
