"""Many registered photos that look alike: what they share must hide nothing, and cost no more than it may."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fingerprint import inverted
from fingerprint.features import keypoints, pack
from fingerprint.inverted import InvertedFile, Probes
from fingerprint.match import CLOSER
from tests.fingerprint.point_rows import Rows
from tests.fingerprint.test_match import Register
from tests.photos import picture

LINES = (
    "Messages   Profile   Settings   Search the archive",
    "Follow us for more pictures every single day",
    "Terms of service and privacy policy apply here",
    "Comments are closed. Read the older discussion",
)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register(tmp_path / "home")
    yield register
    register.services.close()


def page(photo: Image.Image) -> Image.Image:
    """A photo on an app's page full of text."""
    made = Image.new("RGB", (600, 1000), "white")
    draw = ImageDraw.Draw(made)
    for place, y in enumerate([*range(10, 330, 32), *range(700, 980, 32)]):
        draw.text((20, y), f"{LINES[place % 4]} {place}", fill="black", font_size=22)
    made.paste(photo.resize((420, 315)), (20, 340))
    return made


def test_pages_of_one_app_do_not_hide_the_photo_on_the_next_and_a_crowd_is_told(register: Register) -> None:
    mine = register.add(picture(1))
    pages = [register.add(page(picture(2000 + seed))) for seed in range(CLOSER + 5)]
    verdict = register.judge(page(picture(1)))
    assert (verdict.matches[0].id, verdict.kind) == (mine, "contains")
    assert {match.kind for match in verdict.matches if match.id in pages} <= {"shares_region"}
    for seed in range(len(pages), 3 * CLOSER + 2):
        register.add(page(picture(2000 + seed)))
    assert "More than 60 registered photos share points with it" in register.judge(page(picture(1))).note


def test_a_texture_that_is_registered_often_costs_a_bounded_search(tmp_path: Path) -> None:
    tile = picture(5, 40, 40)
    texture = Image.new("RGB", (640, 480))
    for x in range(0, 640, 40):
        for y in range(0, 480, 40):
            texture.paste(tile, (x, y))
    found = keypoints(texture)
    rows = Rows(tmp_path / "points.sqlite")
    for _ in range(120):
        rows.add(pack(found.points(200)))
    hits = InvertedFile(tmp_path, rows).search(Probes.of(found), None)
    counts = np.bincount(hits.asked)
    assert 0 < counts.max() < inverted.MOST_HITS + inverted.CHUNK
    assert len(hits.asked) < 2_000_000
    assert hits.number.min() == 1, "the oldest stay"
