"""One decode per photo: every kind of pixel, upright, in sRGB, and the same to the eye whatever the format."""

import io
import struct
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms
from PIL.ExifTags import Base

from fingerprint.decode import BAND_PIXELS, IMAGE_SIDE, SMALL_SIDE, decode, picture_of
from pipeline.record import Dimensions
from tests.fingerprint.photos import bits_apart, pdq, photo, shared
from tests.photos import jpeg

FAR = 60  # bits: what two pictures are apart that look different


def saved(folder: Path, image: Image.Image, suffix: str, **options: Any) -> Path:
    path = folder / f"photo.{suffix}"
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "options", "media_type", "most_bits"),
    [
        ("jpg", {"quality": 92}, "image/jpeg", 4),
        ("jpg", {"quality": 92, "progressive": True}, "image/jpeg", 4),
        ("png", {}, "image/png", 0),
        ("tiff", {}, "image/tiff", 0),
        ("tiff", {"compression": "tiff_lzw"}, "image/tiff", 0),
        ("webp", {"quality": 90}, "image/webp", 6),
        ("webp", {"lossless": True}, "image/webp", 0),
        ("avif", {"quality": 80}, "image/avif", 8),
        ("gif", {}, "image/gif", 12),
    ],
)
def test_every_format_gives_the_same_picture(
    tmp_path: Path, suffix: str, options: dict[str, object], media_type: str, most_bits: int
) -> None:
    picture = decode(saved(tmp_path, photo(), suffix, **options))
    assert picture.format == media_type
    assert picture.dimensions == Dimensions(900, 700)
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) <= most_bits


def test_heic(tmp_path: Path) -> None:
    from pillow_heif import from_pillow

    path = tmp_path / "photo.heic"
    from_pillow(photo()).save(path, quality=90)
    picture = decode(path)
    assert picture.format == "image/heic"
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) <= 6


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "I;16B"])
def test_every_mode_gives_the_same_picture(tmp_path: Path, mode: str) -> None:
    picture = decode(saved(tmp_path, in_mode(mode), "tiff"))
    assert picture.image.mode == picture.small.mode == "RGB"
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) <= (8 if mode == "LAB" else 2)


@pytest.mark.parametrize(("mode", "most_bits"), [("L", 0), ("LA", 0), ("RGBA", 0), ("P", 18), ("I;16", 0), ("1", 18)])
def test_every_png_mode_gives_the_same_picture(tmp_path: Path, mode: str, most_bits: int) -> None:
    picture = decode(saved(tmp_path, in_mode(mode), "png"))
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) <= most_bits


def in_mode(mode: str) -> Image.Image:
    grey = np.asarray(photo().convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I;16B":
        return Image.frombytes("I;16B", (900, 700), (grey.astype(">u2") * 257).tobytes())
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        return ImageCms.applyTransform(photo(), transform) or photo()
    return photo().convert(mode)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    small = np.asarray(decode(saved(tmp_path, Image.fromarray(ramp), "png")).small)[32, :, 0]
    assert small[0] == 0
    assert small[128] in (127, 128, 129)
    assert small[255] == 255


def test_sixteen_bit_colour_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(sixteen_bit_png(np.asarray(photo(300, 200)).astype(np.uint16) * 257))
    assert bits_apart(pdq(decode(path)), pdq(picture_of(photo(300, 200)))) <= 2


def sixteen_bit_png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    """Pillow cannot write this kind: colour type 2, 16 bits."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_float_pictures_beyond_the_usual_ranges(tmp_path: Path) -> None:
    values = np.asarray(photo().convert("L")).astype(np.float32) * 40 - 5000
    picture = decode(saved(tmp_path, Image.fromarray(values), "tiff"))
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) <= 2


def test_transparent_parts_are_white_whatever_they_hide(tmp_path: Path) -> None:
    hidden = photo().convert("RGBA")
    hidden.putalpha(Image.linear_gradient("L").resize((900, 700)).point(lambda level: 255 if level < 128 else 0))
    picture = decode(saved(tmp_path, hidden, "png"))
    assert picture.image.getpixel((300, picture.image.height - 5)) == (255, 255, 255)
    upper = photo().copy()
    upper.paste("white", (0, 352, 900, 700))
    assert bits_apart(pdq(picture), pdq(picture_of(upper))) <= 12
    assert bits_apart(pdq(picture), pdq(picture_of(photo()))) > FAR


@pytest.mark.parametrize(("width", "height"), [(400, 300), (3200, 2600)])
@pytest.mark.parametrize("kind", ["palette", "grey key", "colour key"])
def test_a_transparent_colour_is_white(tmp_path: Path, kind: str, width: int, height: int) -> None:
    assert (width * height > BAND_PIXELS) == (width > 3000)  # both the whole and the banded way
    image = Image.new("RGB", (width, height), (10, 20, 30))
    image.paste((200, 0, 0), (0, 0, width, height // 2))
    if kind == "palette":
        image = image.quantize(2)
        key: object = image.getpixel((5, height - 5))
    else:
        image = image.convert("L") if kind == "grey key" else image
        key = image.getpixel((5, height - 5))
    picture = decode(saved(tmp_path, image, "png", transparency=key))
    assert picture.image.getpixel((50, picture.image.height - 9)) == (255, 255, 255)
    assert picture.image.getpixel((50, 9)) != (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp", "avif"])
def test_exif_turned_photos_come_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    undo: dict[int, Callable[[Image.Image], Image.Image]] = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    path = saved(tmp_path, undo[orientation](photo(600, 400)), suffix, exif=exif, quality=90)
    picture = decode(path)
    assert picture.dimensions == Dimensions(600, 400)
    assert bits_apart(pdq(picture), pdq(picture_of(photo(600, 400)))) <= 8
    assert Image.open(io.BytesIO(picture.thumbnail)).size == (512, 341)


# Red, green and blue in CIE XYZ adapted to D50, as DCI-P3's (Apple's "Display P3") and Adobe's profiles state them.
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp", "avif"])
def test_a_colour_profile_is_applied(tmp_path: Path, suffix: str, primaries: tuple[tuple[float, ...], ...]) -> None:
    colour = (140, 180, 120)
    image = Image.new("RGB", (128, 128), colour)
    profile = icc_profile(primaries, gamma=2.2)
    picture = decode(saved(tmp_path, image, suffix, icc_profile=profile, quality=100))
    found = np.array(picture.small.getpixel((60, 60)))
    linear = np.linalg.inv(np.array(SRGB).T) @ np.array(primaries).T @ (np.array(colour) / 255) ** 2.2
    expected = 255 * np.where(linear > 0.0031308, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055, 12.92 * linear)
    assert np.abs(found - expected.clip(0, 255)).max() <= 6  # lossy formats move a colour by up to 5
    assert np.abs(found - colour).max() > 6


def test_a_transparent_picture_keeps_its_profile(tmp_path: Path) -> None:
    image = Image.new("RGBA", (128, 128), (140, 180, 120, 255))
    profile = icc_profile(ADOBE_RGB, gamma=2.2)
    clear = decode(saved(tmp_path, image, "png", icc_profile=profile)).small.getpixel((60, 60))
    solid = decode(saved(tmp_path, image.convert("RGB"), "png", icc_profile=profile)).small.getpixel((60, 60))
    assert clear == solid


def icc_profile(primaries: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    """A minimal matrix profile (ICC.1:2001): three primaries, one gamma, white D50."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)

    white = (0.9642, 1.0, 0.8249)
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)
    text = b"desc\0\0\0\0" + (5).to_bytes(4, "big") + b"Test\0" + bytes(79)
    red, green, blue = primaries
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": xyz(white), b"rXYZ": xyz(red)}
    tags |= {b"gXYZ": xyz(green), b"bXYZ": xyz(blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = len(tags).to_bytes(4, "big"), b""
    for name, content in tags.items():
        table += name + (132 + 12 * len(tags) + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content.ljust((len(content) + 3) // 4 * 4, b"\0")
    head = bytes(8) + b"\x02\x40\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(fixed(value) for value in white) + bytes(48)
    return (len(head) + len(table) + len(body)).to_bytes(4, "big") + head[4:] + table + body


@pytest.mark.parametrize("profile", [b"", b"not a profile", b"\0" * 200])
def test_a_broken_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    picture = decode(saved(tmp_path, photo(), "png", icc_profile=profile))
    assert ImageChops.difference(picture.image, decode(saved(tmp_path, photo(), "png")).image).getbbox() is None


def test_a_profile_of_another_kind_of_picture_is_ignored(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert pdq(decode(saved(tmp_path, photo().convert("L"), "png", icc_profile=srgb))) == pdq(picture_of(photo()))


def test_the_first_frame_counts(tmp_path: Path) -> None:
    other = photo().transpose(Image.Transpose.ROTATE_180)
    for suffix, most_bits in (("gif", 12), ("webp", 8), ("png", 0), ("tiff", 0)):
        path = saved(tmp_path, photo(), suffix, save_all=True, append_images=[other])
        assert bits_apart(pdq(decode(path)), pdq(picture_of(photo()))) <= most_bits


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 900), (5000, 3), (640, 640), (641, 640), (1921, 1080)])
def test_sizes_are_bounded_and_never_enlarged(tmp_path: Path, width: int, height: int) -> None:
    picture = decode(saved(tmp_path, photo(width, height), "png"))
    assert picture.dimensions == Dimensions(width, height)
    assert max(picture.image.size) == min(IMAGE_SIDE, max(width, height))
    assert max(picture.small.size) == min(SMALL_SIDE, max(width, height))


def test_a_draft_decode_ends_where_a_full_one_does(tmp_path: Path) -> None:
    jpeg = saved(tmp_path, photo(4000, 3000), "jpg", quality=92)
    png = saved(tmp_path, Image.open(jpeg), "png", compress_level=1)
    assert bits_apart(pdq(decode(jpeg)), pdq(decode(png))) <= 2


def test_bands_do_not_show(tmp_path: Path) -> None:
    large = photo(2400, 2000)
    assert large.width * large.height > BAND_PIXELS
    banded = decode(saved(tmp_path, large, "png")).image
    at_once = large.reduce(2).resize(banded.size, Image.Resampling.BICUBIC)
    assert ImageChops.difference(banded, at_once).getbbox() is None


def test_the_thumbnail_tells_nothing_but_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Make] = "Secret"
    picture = decode(saved(tmp_path, photo(), "jpg", exif=exif, comment=b"Secret"))
    thumbnail = Image.open(io.BytesIO(picture.thumbnail))
    assert thumbnail.format == "JPEG"
    assert max(thumbnail.size) == 512
    assert not thumbnail.getexif()
    assert b"Secret" not in picture.thumbnail
    assert picture.thumbnail is picture.thumbnail


def test_a_picture_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        picture_of(photo(80, 80)).format = "image/jpeg"  # type: ignore[misc]


@pytest.mark.parametrize("mode", ["1.png", "CMYK.jpg", "L.png", "LA.png", "P.png", "YCbCr.jpg"])
def test_shared_modes_agree(mode: str) -> None:
    reference = decode(shared("vectors/pdq/modes/mode-RGB.jpg"))
    assert bits_apart(pdq(decode(shared(f"vectors/pdq/modes/mode-{mode}"))), pdq(reference)) <= 4


def dng(jpeg: bytes, size: tuple[int, int], crop: tuple[int, int]) -> bytes:
    """A DNG that is one JPEG, and says of itself that it has been cropped to this size."""
    entries, first = 12, 8 + 2 + 12 * 12 + 4
    longs = {254: 1, 256: size[0], 257: size[1], 273: first + 16, 278: size[1], 279: len(jpeg), 50706: 0x0401}
    shorts = {259: 7, 262: 6, 277: 3}
    rows = [
        struct.pack("<HHII", tag, 4 if tag != 50706 else 1, 1 if tag != 50706 else 4, v) for tag, v in longs.items()
    ]
    rows += [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()]
    rows += [struct.pack("<HHII", 258, 3, 3, first), struct.pack("<HHII", 50720, 4, 2, first + 8)]
    body = b"".join(sorted(rows, key=lambda row: struct.unpack_from("<H", row)))
    head = b"II*\0" + struct.pack("<IH", 8, entries) + body + bytes(4)
    return head + struct.pack("<4H", 8, 8, 8, 0) + struct.pack("<II", *crop) + jpeg


@pytest.mark.parametrize("crop", [(1, 1), (0, 0), (2**32 - 1, 2**32 - 1), (800, 100), (400, 300)])
def test_a_dng_that_lies_about_its_size_is_taken_at_its_pictures(tmp_path: Path, crop: tuple[int, int]) -> None:
    """A size of one pixel would call it too small to compare."""
    file = tmp_path / "photo.dng"
    file.write_bytes(dng(jpeg(1, 800, 600), (800, 600), crop))
    assert decode(file).dimensions == Dimensions(800, 600)


def test_a_dng_says_how_large_it_is(tmp_path: Path) -> None:
    file = tmp_path / "photo.dng"
    file.write_bytes(dng(jpeg(1, 800, 600), (800, 600), (3992, 2992)))
    assert decode(file).dimensions == Dimensions(3992, 2992)


def test_a_shared_dng_gives_its_preview() -> None:
    picture = decode(shared("c2pa/py_C.dng"))
    assert picture.format == "image/x-adobe-dng"
    assert picture.dimensions == Dimensions(2048, 1365)
    # A gradient, whose fingerprint says little: the pixels themselves agree with the same picture as JPEG.
    other = decode(shared("c2pa/adobe-20220124-C.jpg"))
    difference = np.abs(np.asarray(picture.small).astype(int) - np.asarray(other.small).astype(int))
    assert difference.mean() < 2
