"""From pictures to the photos that they may be copies of, through real keypoints and a real inverted file."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from PIL import Image

from fingerprint.candidates import ranked
from fingerprint.features import POINT, Keypoints, keypoints, nearest_cells, pack
from fingerprint.inverted import PROBES, Hits, InvertedFile, Probes
from tests.fingerprint.point_rows import Rows, some_points
from tests.photos import picture

SIZE = (320, 240)


@cache
def seen(seed: int) -> Keypoints:
    return keypoints(picture(seed, *SIZE))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InvertedFile]:
    """Fifty-one registered pictures; the seed is the number less one."""
    folder = tmp_path_factory.mktemp("crowd")
    rows = Rows(folder / "points.sqlite")
    for seed in range(51):
        rows.add(pack(seen(seed).points(200)))
    yield InvertedFile(folder, rows)


def cropped_and_turned(seed: int, degrees: float) -> Image.Image:
    image = picture(seed, *SIZE)
    width, height = image.size
    part = image.crop((width // 5, height // 6, width, height))
    return part.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="grey").resize((288, 240))


@pytest.mark.parametrize(("seed", "degrees"), [(0, 0), (7, 25), (20, 100), (50, -140)])
def test_the_true_photo_ranks_first(crowd: InvertedFile, seed: int, degrees: float) -> None:
    probes = Probes.of(keypoints(cropped_and_turned(seed, degrees)))
    best = ranked(crowd.search(probes, None), probes, 20)
    assert len(best) <= 20
    assert best[0][0] == seed + 1
    assert best[0][1] > 1.5 * best[1][1]
    assert [votes for _, votes in best] == sorted((votes for _, votes in best), reverse=True)


def test_a_mirrored_photo_ranks_first_by_its_mirrored_points(crowd: InvertedFile) -> None:
    image = cropped_and_turned(9, 10).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    probes = Probes.of(keypoints(image).mirrored())
    assert ranked(crowd.search(probes, None), probes, 3)[0][0] == 10


def test_the_limit_keeps_the_best(crowd: InvertedFile) -> None:
    probes = Probes.of(keypoints(cropped_and_turned(3, 0)))
    hits = crowd.search(probes, None)
    assert ranked(hits, probes, 2) == ranked(hits, probes, 20)[:2]
    assert ranked(hits, probes, 0) == []


def test_without_hits_nobody_is_ranked(crowd: InvertedFile) -> None:
    probes = Probes.of(seen(1))
    assert ranked(crowd.search(probes, 1), probes, 20) == []


def test_votes_count_when_they_agree_on_one_turn_and_zoom() -> None:
    """Two photos with the same points: one's angles all differ by the same turn, the other's by anything."""
    asked = some_points(5, 40)
    probes = Probes(asked, np.arange(40), np.arange(40))
    stored = np.frombuffer(pack(asked), POINT)
    angles = np.concatenate([stored["angle"] + np.uint8(77), np.arange(0, 240, 6).astype(np.uint8)])
    numbers = np.repeat([1, 2], 40)
    hits = Hits(np.tile(np.arange(40), 2), numbers, np.full(80, 9, np.uint8), angles, np.tile(stored["size"], 2))
    (first, most), (second, fewer) = ranked(hits, probes, 5)
    assert (first, second) == (1, 2)
    assert most > 4 * fewer


def test_nearer_codes_and_rarer_points_have_more_votes() -> None:
    asked = some_points(5, 41)
    stored = np.frombuffer(pack(asked), POINT)
    probes = Probes(asked, np.arange(41), np.arange(41))
    place = np.concatenate([np.arange(20), np.arange(20), np.full(20, 40), np.arange(20, 40)])
    numbers = np.repeat([1, 2, 3, 4], 20)
    distance = np.repeat([30, 10, 10, 10], 20).astype(np.uint8)
    hits = Hits(place, numbers, distance, stored["angle"][place], stored["size"][place])
    votes = dict(ranked(hits, probes, 5))
    assert votes[2] > 3 * votes[1], "nearer"
    assert votes[4] > votes[2], "points that no other photo has"
    assert votes[4] > 3 * votes[3], "twenty points, not one point twenty times"


def test_a_photo_s_own_points_are_at_no_distance(crowd: InvertedFile) -> None:
    """What is stored of a real picture is found by the picture itself: its own cell is among those probed."""
    found = seen(1)
    probes = Probes.of(found)
    hits = crowd.search(probes, None)
    mine = (hits.number == 2) & (hits.distance == 0)
    assert set(range(200)) <= set(hits.asked[mine].tolist())


def test_probes_name_the_nearest_cells_of_each_point() -> None:
    found = seen(1)
    probes = Probes.of(found)
    assert np.all(np.diff(probes.cells) >= 0)
    near = nearest_cells(found.descriptors, PROBES)
    for k in range(0, len(found), 25):
        assert sorted(probes.cells[probes.asked == k]) == sorted(near[k].tolist())
        assert int(probes.points.cells[k]) in near[k]
