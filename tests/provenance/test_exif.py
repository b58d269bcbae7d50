"""What the photo says about itself: read when it is there, never believed to be well formed."""

from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from provenance.exif import Shot, clean_text, read_shot
from tests.photos import encoded, picture

Ifd = ExifTags.IFD
Base = ExifTags.Base
GPS = ExifTags.GPS


def exif(
    make: str = "Fairphone",
    model: str = "FP5",
    taken: str = "2026:02:28 23:59:58",
    offset: str = "+01:00",
    gps: dict[int, Any] | None = None,
) -> Image.Exif:
    tags = Image.Exif()
    tags[Base.Make], tags[Base.Model] = make, model
    tags.get_ifd(Ifd.Exif).update({Base.DateTimeOriginal: taken, Base.OffsetTimeOriginal: offset})
    if gps:
        tags.get_ifd(Ifd.GPSInfo).update(gps)
    return tags


BERLIN: dict[int, Any] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (52.0, 31.0, 12.5),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (13.0, 24.0, 36.0),
}


def shot_of(tmp_path: Path, tags: Image.Exif, kind: str = "JPEG") -> Shot:
    photo = tmp_path / "photo"
    photo.write_bytes(encoded(picture(1, 64, 48), kind, exif=tags.tobytes()))
    return read_shot(photo)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_tells_time_and_device(tmp_path: Path, kind: str) -> None:
    shot = shot_of(tmp_path, exif(), kind)
    assert (shot.taken_at, shot.device) == ("2026-02-28T23:59:58+01:00", "Fairphone FP5")
    assert (shot.width, shot.height) == (64, 48)


def test_heic_is_read_without_its_decoder(tmp_path: Path) -> None:
    image = pillow_heif.from_pillow(picture(1, 64, 48))
    image.info["exif"] = exif().tobytes()
    image.save(tmp_path / "photo")
    assert read_shot(tmp_path / "photo").device == "Fairphone FP5"


@pytest.mark.parametrize(
    ("make", "model", "device"),
    [
        ("NIKON CORPORATION", "NIKON Z 9", "NIKON Z 9"),
        ("Apple", "iPhone 17", "Apple iPhone 17"),
        ("", "FP5", "FP5"),
        ("Canon", "", "Canon"),
        ("\x1b[31mEvil\x00", "Cam\u202eera\n2", "[31mEvil Cam era 2"),
        ("", "\x01\x02", None),
        ("x" * 500, "", "x" * 100),
    ],
)
def test_devices(tmp_path: Path, make: str, model: str, device: str | None) -> None:
    # Pillow writes text as Latin-1; what is beyond it is what a hostile writer would put there as UTF-8.
    if "\u202e" in model:
        assert Shot(make=clean_text(make), model=clean_text(model)).device == "[31mEvil Cam era 2"
    else:
        assert shot_of(tmp_path, exif(make, model)).device == device


@pytest.mark.parametrize(
    ("taken", "offset", "expected"),
    [
        ("2026:02:28 23:59:58", "", "2026-02-28T23:59:58"),
        ("2026:02:28 23:59:58", "Z", "2026-02-28T23:59:58Z"),
        ("2026:02:28 23:59:58", "+99:00", "2026-02-28T23:59:58"),
        ("0000:00:00 00:00:00", "+00:00", None),
        ("2026:02:30 10:00:00", "", None),
        ("    :  :     :  :  ", "", None),
        ("yesterday", "", None),
    ],
)
def test_times(tmp_path: Path, taken: str, offset: str, expected: str | None) -> None:
    assert shot_of(tmp_path, exif(taken=taken, offset=offset)).taken_at == expected


def test_location_is_read_exactly(tmp_path: Path) -> None:
    shot = shot_of(tmp_path, exif(gps=BERLIN))
    assert (shot.latitude, shot.longitude) == ("52,31.208333N", "13,24.600000E")


@pytest.mark.parametrize(
    "change",
    [
        {GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (91.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (52.0, 31.0)},
        {GPS.GPSLatitudeRef: "X"},
        {GPS.GPSLongitudeRef: ""},
    ],
)
def test_a_zeroed_or_senseless_location_is_none(tmp_path: Path, change: dict[int, Any]) -> None:
    shot = shot_of(tmp_path, exif(gps=BERLIN | change))
    assert (shot.latitude, shot.longitude) == (None, None)


def test_a_photo_without_exif_says_nothing(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(picture(1, 64, 48), "PNG"))
    assert read_shot(photo) == Shot(width=64, height=48)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff\xe1\x00\x80Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0"]))
def test_no_bytes_make_it_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes) -> None:
    photo = tmp_path_factory.getbasetemp() / "any"
    photo.write_bytes(start + content)
    device = read_shot(photo).device
    assert device is None or device.isprintable()


@given(st.text(max_size=300))
def test_clean_text_is_short_printable_and_stable(text: str) -> None:
    cleaned = clean_text(text)
    if cleaned is not None:
        assert 0 < len(cleaned) <= 100
        assert all(character.isprintable() for character in cleaned)
        assert clean_text(cleaned) == cleaned
