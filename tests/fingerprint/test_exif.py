"""What EXIF says, and what it may not do."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from fingerprint.decode import decode, exif_claims
from fingerprint.exif import MAX_DEVICE_LETTERS, Claims
from tests.fingerprint.photos import photo


def photo_with(folder: Path, tags: dict[int, object], details: dict[int, object] | None = None) -> Path:
    exif = Image.Exif()
    exif.update(tags)
    exif.get_ifd(IFD.Exif).update(details or {})
    path = folder / "photo.jpg"
    photo(120, 90).save(path, exif=exif)
    return path


TAKEN = {Base.DateTimeOriginal: "2026:11:22 16:53:00"}


@pytest.mark.parametrize(
    ("tags", "details", "captured_at"),
    [
        ({}, TAKEN, "2026-11-22T16:53:00"),
        ({}, TAKEN | {Base.OffsetTimeOriginal: "+01:00"}, "2026-11-22T16:53:00+01:00"),
        ({}, TAKEN | {Base.OffsetTimeOriginal: "   :  "}, "2026-11-22T16:53:00"),
        ({Base.DateTime: "2020:02:29 01:02:03"}, {}, "2020-02-29T01:02:03"),
        ({Base.DateTime: "2020:02:29 01:02:03"}, TAKEN, "2026-11-22T16:53:00"),
        ({Base.DateTime: "0000:00:00 00:00:00"}, {}, None),
        ({Base.DateTime: "yesterday"}, {}, None),
        ({}, {}, None),
    ],
)
def test_when(tmp_path: Path, tags: dict[int, object], details: dict[int, object], captured_at: str | None) -> None:
    path = photo_with(tmp_path, tags, details)
    assert exif_claims(path) == Claims(captured_at, None)
    assert decode(path).captured_at == captured_at


@pytest.mark.parametrize(
    ("make", "model", "device"),
    [
        ("Apple", "iPhone 17", "Apple iPhone 17"),
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON\0\0", "Z 9\0rest", "NIKON Z 9"),
        ("", "Camera", "Camera"),
        ("Line\nbreak", "", "Linebreak"),
        ("", "", None),
    ],
)
def test_with_what(tmp_path: Path, make: str, model: str, device: str | None) -> None:
    path = photo_with(tmp_path, {Base.Make: make, Base.Model: model})
    assert exif_claims(path).device == decode(path).device == device


def test_a_device_name_has_an_end(tmp_path: Path) -> None:
    device = exif_claims(photo_with(tmp_path, {Base.Model: "x" * 9000})).device
    assert device == "x" * MAX_DEVICE_LETTERS


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_impossible_orientation_is_upright(tmp_path: Path, orientation: int) -> None:
    picture = decode(photo_with(tmp_path, {Base.Orientation: orientation}))
    assert (picture.dimensions.width, picture.dimensions.height) == (120, 90)


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo(120, 90).save(path, exif=b"Exif\0\0II*\0" + b"\xff" * 60)
    assert exif_claims(path) == Claims(None, None)
    assert decode(path).dimensions.width == 120
