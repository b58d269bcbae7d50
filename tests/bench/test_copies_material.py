"""The material of `make bench-copies`: always the same, and true to what it says about itself."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from bench.copies import material
from bench.copies.attacks import ATTACKS, REACH, attacked
from bench.copies.counting import Rate
from bench.copies.crew import as_jpeg, ask, register
from bench.copies.crowd import DonorJob, donor, fill
from bench.copies.distractors import POINTS, Donor, distractors
from bench.copies.engines import Place, engine, open_home
from bench.copies.geometry import (
    Matrix,
    corners,
    iou,
    moved,
    shift,
    straightened,
    stretch,
    transposed,
    turned,
    warped,
    whole,
)
from bench.copies.innocent import FAMILIES, PAIRS, TEMPLATES, Photos, contents, pair
from bench.copies.recall import Judged, Outcome, Trial
from bench.copies.report import Report
from bench.copies.scenes import LAYERS, real, second_shot, synthetic
from bench.copies.split import split
from fingerprint.features import POINT
from tests.photos import picture

PHOTO = picture(1, 400, 300)
OTHERS = [picture(seed, 500, 400) for seed in (2, 3, 4)]
NAMED: Photos = [(f"photo-{seed}", picture(seed, 480, 360)) for seed in range(10, 14)]


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_the_same_for_the_same_seed_only(name: str) -> None:
    first, again = (attacked(name, PHOTO, "key", 7, OTHERS) for _ in range(2))
    assert same(first.image, again.image)
    assert (first.matrix == again.matrix).all()
    assert first.image.mode == "RGB"


def test_another_seed_and_another_photo_draw_anew() -> None:
    sizes = {attacked("crop_8_30", PHOTO, key, seed, OTHERS).image.size for key in "ab" for seed in range(5)}
    assert len(sizes) > 5


def likeness(image: Image.Image, matrix: Matrix) -> float:
    """How well the photo, laid into the picture through this matrix, agrees with what is there; a negative too."""
    laid = np.asarray(warped(whole(PHOTO), matrix, *image.size, (0, 0, 0)).image.convert("L"), dtype=float)
    white = whole(Image.new("RGB", PHOTO.size, "white"))
    inside = np.asarray(warped(white, matrix, *image.size, (0, 0, 0)).image.convert("L")) > 250
    assert inside.sum() > 400
    return abs(float(np.corrcoef(laid[inside], np.asarray(image.convert("L"), dtype=float)[inside])[0, 1]))


@pytest.mark.parametrize("name", ATTACKS)
def test_the_photo_lies_where_the_attack_says(name: str) -> None:
    copy = attacked(name, PHOTO, "key", 2, OTHERS)
    here = likeness(copy.image, copy.matrix)
    width, height = np.ptp(copy.quad, axis=0) * 0.05
    for x, y in ((width, 0), (-width, 0), (0, height), (0, -height)):
        assert here > likeness(copy.image, shift(x, y) @ copy.matrix)
    middle = shift(PHOTO.width / 2, PHOTO.height / 2)
    mirrored = copy.matrix @ middle @ stretch(-1, 1) @ np.linalg.inv(middle)
    assert here > likeness(copy.image, mirrored)


def test_photos_are_attacked_at_messenger_size_and_the_truth_is_of_what_was_registered() -> None:
    large = PHOTO.resize((1600, 1200))
    copy = attacked("flip", large, "key", 1, OTHERS)
    assert (copy.image.size, copy.size) == ((1280, 960), (1600, 1200))
    np.testing.assert_allclose(copy.quad, [(1280, 0), (0, 0), (0, 960), (1280, 960)], atol=1e-6)


def test_every_row_has_attacks() -> None:
    assert {entry.row for entry in ATTACKS.values()} == set(REACH)


def test_mirrorings_take_corners_where_pillow_takes_pixels() -> None:
    marked = Image.new("RGB", (60, 40))
    marked.paste("red", (0, 0, 10, 10))
    for how in Image.Transpose:
        copy = transposed(whole(marked), how)
        x, y = moved(np.array([(5.0, 5.0)]), copy.matrix)[0]
        assert copy.image.getpixel((int(x), int(y))) == (255, 0, 0), how
        assert copy.quad.min() == 0


def test_turning_grows_and_straightening_fills_the_picture() -> None:
    white = whole(Image.new("RGB", (300, 200), "white"))
    assert turned(white, 20, (0, 0, 0)).image.width > 300
    assert np.asarray(straightened(white, 12).image)[3:-3, 3:-3].min() == 255


def test_iou() -> None:
    square = corners(10, 10)
    assert iou(square, square) == pytest.approx(1)
    assert iou(square, moved(square, shift(5, 0))) == pytest.approx(1 / 3)
    assert iou(square, moved(square, shift(20, 0))) == 0
    assert iou(square, square[[0, 2, 1, 3]]) == 0, "folded over itself"


def test_there_are_enough_templates_and_pairs() -> None:
    assert len(TEMPLATES) * PAIRS >= 500


@pytest.mark.parametrize("family", FAMILIES)
def test_an_innocent_pair_shows_different_photos_and_is_always_the_same(family: str) -> None:
    first, again = (pair(NAMED, family, 0, seed=5) for _ in range(2))
    assert same(first.left.image, again.left.image)
    assert same(first.right.image, again.right.image)
    assert not first.left.shows(first.right.contents)
    assert not same(first.left.image, first.right.image)


@pytest.mark.parametrize("family", ["form", "dashboard", "screenshot_feed", "wallpaper", "ornament"])
def test_a_template_is_the_same_around_both_photos(family: str) -> None:
    made = pair(NAMED, family, 1, seed=5)
    left, right = (np.asarray(item.image.convert("L"), dtype=float) for item in (made.left, made.right))
    assert left.shape == right.shape
    assert (np.abs(left - right) < 24).mean() > 0.3


def test_halves_of_a_photo_are_parts_of_it_but_not_of_each_other() -> None:
    made = pair(NAMED, "halves", 0, seed=5)
    name = next(iter(made.left.contents)).partition("/")[0]
    assert made.left.shows(contents(name))
    assert made.right.shows(contents(name))


def test_a_second_shot_moves_its_parts_by_different_amounts() -> None:
    shot, residual = second_shot(PHOTO, Random(3))
    again, _ = second_shot(PHOTO, Random(3))
    assert same(shot, again)
    assert 0 < residual < 0.06
    assert LAYERS > 2


def test_synthetic_scenes_say_that_they_are() -> None:
    scenes = list(synthetic(NAMED[:2], seed=1))
    assert all(scene.group.startswith("synthetic") for scene in scenes)


def test_material_that_is_not_there_is_named(tmp_path: Path) -> None:
    folders, missing = material.fetched(tmp_path, fetch=False)
    assert (folders, len(missing)) == ({}, len(material.PACKAGES))
    assert list(real(folders)) == []


def test_no_photo_is_in_two_parts_of_the_split(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.jpg").touch()
    (tmp_path / "list.tsv").touch()
    parts = split(tmp_path, 1, asked=10)
    every = [*parts.asked, *parts.pool, *parts.backgrounds, *parts.negatives]
    assert len(every) == len(set(every)) == 100
    assert parts == split(tmp_path, 1, asked=10)
    with pytest.raises(SystemExit, match="too few"):
        split(tmp_path, 1, asked=90)


def test_bounds_are_clopper_and_pearsons() -> None:
    assert (Rate(0, 10).low, Rate(10, 10).high) == (0, 1)
    assert Rate(0, 10).high == pytest.approx(0.3085, abs=1e-4)
    assert (Rate(5, 10).low, Rate(5, 10).high) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert Rate(0, 3000).at_most == pytest.approx(1e-3, rel=2e-3)
    assert Rate(1, 2) + Rate(0, 3) == Rate(1, 5)


def test_what_is_missed_is_remembered() -> None:
    report = Report()
    assert [report.require("a", True), report.require("b", False)] == ["met", "MISSED"]
    assert report.missed == ["b"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    home = str(tmp_path_factory.mktemp("bench"))
    services = open_home(home)
    services.database.migrate()
    services.close()
    return Place(home=home)


@pytest.fixture(scope="module")
def donated(place: Place, tmp_path_factory: pytest.TempPathFactory) -> list[Donor]:
    folder = tmp_path_factory.mktemp("photos")
    files = [folder / f"{name}.jpg" for name, _ in NAMED]
    for file, (_, image) in zip(files, NAMED, strict=True):
        file.write_bytes(as_jpeg(image))
    assert place.home
    return [donor(DonorJob(place.home, tuple(files), number, 0, seed=1)) for number in range(len(files))]


def test_distractors_are_whole_different_and_always_the_same(donated: list[Donor]) -> None:
    made, again = (list(distractors(donated, 1200, seed=2)) for _ in range(2))
    assert made == again
    assert len({each.points for each in made}) == len({each.pdq for each in made}) == 1200
    for each in made:
        points = np.frombuffer(each.points, POINT)
        assert len(points) == POINTS
        assert np.ptp(points["x"].astype(int)) > 1000


def test_a_registered_photo_is_found_among_distractors_and_a_stranger_is_not(
    place: Place, donated: list[Donor]
) -> None:
    known = register(place, as_jpeg(PHOTO), PHOTO)
    services = open_home(place.home or "")
    assert fill(services, distractors(donated, 1500, seed=3)) == 1500
    assert services.index.count(None) == 1501
    services.close()
    copy = attacked("flip", PHOTO, "key", 1, OTHERS)
    answer = ask(place, copy.image)
    trial = Trial(place, "flip", Path("photo"), 1, ())
    judged = Judged(trial, Outcome(answer, copy.quad), known.id, by_phash=False, by_pdq=False)
    assert judged.first
    assert judged.claimed
    assert judged.corners_named
    assert judged.iou is not None
    assert judged.iou > 0.95
    assert judged.wrong == []
    assert not any(each.accuses for each in ask(place, OTHERS[0]).found)


def test_the_same_bytes_keep_their_capture(place: Place) -> None:
    body = as_jpeg(OTHERS[1])
    assert engine(place).register(body) == engine(place).register(body)
