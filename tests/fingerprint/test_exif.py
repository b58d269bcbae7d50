"""What EXIF may do to a photo, and what it may not."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import Base

from fingerprint.decode import decode
from fingerprint.exif import orientation_of
from tests.fingerprint.photos import photo


@pytest.mark.parametrize("value", [*range(1, 9)])
def test_an_orientation_is_read(value: int) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = value
    assert orientation_of(exif) == value


@pytest.mark.parametrize("value", [0, 9, -1, "6", None, (6, 6), 6.5])
def test_what_is_no_orientation_is_upright(value: object) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = value
    assert orientation_of(exif) == 1
    assert orientation_of(Image.Exif()) == 1


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_impossible_orientation_is_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    photo(120, 90).save(tmp_path / "photo.jpg", exif=exif)
    picture = decode(tmp_path / "photo.jpg")
    assert (picture.dimensions.width, picture.dimensions.height) == (120, 90)


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo(120, 90).save(path, exif=b"Exif\0\0II*\0" + b"\xff" * 60)
    assert decode(path).dimensions.width == 120
