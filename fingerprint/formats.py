"""Opening a photo's file: the real format, the limits that hold before a pixel is decoded, and damage in words."""

import errno
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fingerprint.sniff import SNIFF_BYTES, sniff
from pipeline.errors import Rejected, Unavailable
from pipeline.record import Dimensions

MAX_PIXELS = 210_000_000  # the largest phone sensors give 16,320 x 12,240; baseline JPEG decodes at an eighth of that
MAX_WHOLE_PIXELS = 100_000_000  # formats that decode whole take 4 bytes a pixel: 400 MB at worst

# Pillow's own line, which refuses at twice this. It holds for WebP, whose decoder reserves memory while it is opened.
Image.MAX_IMAGE_PIXELS = MAX_WHOLE_PIXELS

_DNG_VERSION, _SUB_IFDS, _SUBFILE_TYPE, _CROP_SIZE = 50706, 330, 254, 50720
_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _COUNTS = 256, 257, 259, 262, 273, 279
_JPEG_COMPRESSIONS, _SENSOR_VALUES = (6, 7), (32803, 34892)  # colour filter array, linear raw

# What Pillow's and libheif's decoders raise for damaged bytes. Anything else (a job's time-out, MemoryError, a fault of
# ours) is not the photo's doing, and must not become its refusal: a refusal is for ever.
DAMAGE = (
    OSError,  # without a number, see ours_to_mend
    SyntaxError,
    ValueError,
    TypeError,  # a tag of another kind than its name promises
    RuntimeError,
    EOFError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


def _open_heif(file: BinaryIO) -> ImageFile.ImageFile:
    # Imported when the first HEIF comes: 16 MB that most workers never need.
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


# Classes, not Image.open: a file is read by the decoder of the format it has, and by no other of Pillow's forty.
_OPENERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "image/jpeg": JpegImageFile,
    "image/png": PngImageFile,
    "image/webp": WebPImageFile,
    "image/gif": GifImageFile,
    "image/tiff": TiffImageFile,
    "image/x-adobe-dng": TiffImageFile,
    "image/avif": AvifImageFile,
    "image/heic": _open_heif,
    "image/heif": _open_heif,
}


def media_type_of(file: BinaryIO) -> str:
    """The media type that the file's bytes tell. Raises Rejected for what is no photo."""
    first = file.read(SNIFF_BYTES)
    file.seek(0)
    if not first:
        raise Rejected("the file is empty: send the photo's bytes")
    found = sniff(first)
    if found is None:
        raise Rejected("this is no photo of a known format: send JPEG, PNG, HEIC, AVIF, WebP, TIFF, GIF or DNG")
    return found


def open_photo(file: BinaryIO, media_type: str) -> tuple[ImageFile.ImageFile, Dimensions, str]:
    """The opened, not yet decoded photo, its dimensions before any turn, and its media type, told exactly.

    Raises Rejected when it has more pixels than may be decoded. A DNG gives the largest preview that it carries,
    under the dimensions of the raw picture.
    """
    image = _OPENERS[media_type](file)
    if isinstance(image, TiffImageFile) and _DNG_VERSION in image.tag_v2:
        preview, dimensions = _dng_preview(file, image)
        _check_pixels(preview, *preview.size)
        return preview, dimensions, "image/x-adobe-dng"
    _check_pixels(image, *image.size)
    return image, Dimensions(*image.size), media_type


@contextmanager
def rejecting_damage(media_type: str) -> Iterator[None]:
    """Say Rejected for what a decoder raises for damaged bytes, and keep its warnings from leaking.

    Raises Unavailable when the system, and not the photo, is at fault (a disk, too many open files); what no decoder
    raises passes as it is.
    """
    name = media_type.removeprefix("image/").removeprefix("x-adobe-").upper()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise Rejected(f"the {name} has too many pixels: {error}") from error
    except DAMAGE as error:
        if ours_to_mend(error):
            raise Unavailable(f"reading the stored upload: {error}") from error
        text = " ".join(str(error).split())
        if "truncated" in text.lower() or "end of file" in text.lower():
            raise Rejected(f"the {name} ends early: it was cut off, send the whole file") from error
        raise Rejected(f"the {name} is damaged or cut off and cannot be decoded: {text}") from error


def ours_to_mend(error: Exception) -> bool:
    """True for what the operating system reports, which it does by a number; Pillow's own OSErrors have none."""
    # EINVAL is a seek to before the file's start: an offset in the photo is wrong.
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def _check_pixels(image: ImageFile.ImageFile, width: int, height: int) -> None:
    # A progressive JPEG keeps all its coefficients in memory, whatever the scale it is decoded at.
    scaled = isinstance(image, JpegImageFile) and not image.info.get("progressive")
    limit = MAX_PIXELS if scaled else MAX_WHOLE_PIXELS
    if width * height > limit:
        raise Rejected(f"{width}x{height} is over {limit} pixels")
    if width < 1 or height < 1:
        raise Rejected(f"{width}x{height} has no pixels")


def _dng_preview(file: BinaryIO, image: TiffImageFile) -> tuple[ImageFile.ImageFile, Dimensions]:
    directories = [image.tag_v2]
    offsets = image.tag_v2.get(_SUB_IFDS, ())
    for offset in offsets if isinstance(offsets, tuple) else (offsets,):
        directory = TiffImagePlugin.ImageFileDirectory_v2(image.tag_v2.prefix + b"*\0\x08\0\0\0")
        file.seek(offset)
        directory.load(file)
        directories.append(directory)
    main = next((each for each in directories if each.get(_SUBFILE_TYPE, 0) == 0), image.tag_v2)
    previews = [each for each in directories if _is_whole_jpeg(each)]
    if not previews:
        raise Rejected("the DNG carries no JPEG preview to fingerprint: export it with one, or as JPEG")
    largest = max(previews, key=lambda each: int(each[_WIDTH]) * int(each[_LENGTH]))
    file.seek(largest[_OFFSETS][0])
    jpeg = JpegImageFile(io.BytesIO(file.read(largest[_COUNTS][0])))
    jpeg.getexif().update({274: image.tag_v2.get(274, 1)})  # the turn is the whole file's
    return jpeg, _dimensions(main.get(_CROP_SIZE), main.get(_WIDTH), main.get(_LENGTH), jpeg.size)


def _dimensions(crop: Any, width: Any, length: Any, preview: tuple[int, int]) -> Dimensions:
    """The photo's size as the DNG states it; the preview's, when that is not the size of the same picture."""
    try:
        stated = (round(crop[0]), round(crop[1])) if crop else (round(width), round(length))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return Dimensions(*preview)
    enlarged = [one / other for one, other in zip(stated, preview, strict=True)]
    same = min(enlarged) > 0.9 and max(enlarged) < 1.1 * min(enlarged) and stated[0] * stated[1] <= MAX_PIXELS
    return Dimensions(*(stated if same else preview))


def _is_whole_jpeg(directory: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """True for a picture (not sensor values) that lies in the file as one JPEG."""
    return (
        directory.get(_COMPRESSION) in _JPEG_COMPRESSIONS
        and directory.get(_PHOTOMETRIC) not in _SENSOR_VALUES
        and len(directory.get(_OFFSETS, ())) == 1
        and len(directory.get(_COUNTS, ())) == 1
    )
