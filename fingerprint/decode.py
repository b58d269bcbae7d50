"""One decode per photo: everything that later stages look at comes from the two small pictures made here."""

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from fingerprint.exif import orientation_of
from fingerprint.features import Keypoints, keypoints
from fingerprint.formats import DAMAGE, media_type_of, open_photo, ours_to_mend, rejecting_damage
from pipeline.record import Dimensions

IMAGE_SIDE = 640  # enough for local features, and 1.2 MB
SMALL_SIDE = 512  # the global hashes' size
WORK_SIDE = 960  # whole-number reduction stops at 960 to 1919 px, so that the last step has detail to filter
THUMBNAIL_QUALITY = 80  # JPEG quality: 20 to 40 KB
BAND_PIXELS = 4_000_000  # colours are converted band by band, so that a conversion never doubles a large picture

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo, decoded once, and looked at once: upright, in sRGB, on white where it was transparent.

    `dimensions` are the photo's own after the EXIF turn. `image` has at most 640 px a side, `small` at most 512;
    neither is enlarged. `format` is the media type that the bytes tell.
    """

    dimensions: Dimensions
    image: Image.Image
    small: Image.Image
    format: str

    @cached_property
    def thumbnail(self) -> bytes:
        """A JPEG of at most 512 px a side, upright, without metadata."""
        out = io.BytesIO()
        self.small.save(out, "JPEG", quality=THUMBNAIL_QUALITY)
        return out.getvalue()

    @cached_property
    def keypoints(self) -> Keypoints:
        """Where the photo has detail, and what is there."""
        return keypoints(self.image)


def decode(path: Path) -> Picture:
    """Decode a photo: JPEG, PNG, WebP, TIFF, GIF (first frame), HEIC/HEIF, AVIF, or the JPEG preview of a DNG.

    A 12 MP JPEG is decoded at a quarter of its size. Raises Rejected, in words for the uploader, for what is no
    photo, is damaged or cut off, or has more pixels than formats.py allows (known before anything is decoded), and
    Unavailable when the system cannot read it.
    """
    with path.open("rb") as file:
        media_type = media_type_of(file)
        with rejecting_damage(media_type):
            image, stored, media_type = open_photo(file, media_type)
            profile = image.info.get("icc_profile")
            _load(image)
            turn = _orientation(image)
            upright = _in_srgb(_turned(_shrunk(image), turn), profile)
    if turn >= 5:
        stored = Dimensions(stored.height, stored.width)
    return _picture(upright, stored, media_type)


def picture_of(image: Image.Image) -> Picture:
    """The Picture of an image that is already in memory, upright and in sRGB."""
    return _picture(_in_srgb(_shrunk(image), None), Dimensions(*image.size), "image/png")


def _picture(image: Image.Image, dimensions: Dimensions, media_type: str) -> Picture:
    return Picture(dimensions, image, _fitted(image, SMALL_SIDE), media_type)


def _load(image: ImageFile.ImageFile) -> None:
    """Decode the first frame; a JPEG at the smallest scale that still has 960 px on its longer side."""
    if isinstance(image, JpegImageFile):
        scale = max(1, max(image.size) // WORK_SIDE)
        # draft compares each side by itself; this asks for the same scale on both, panoramas included.
        image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
    image.load()


def _orientation(image: ImageFile.ImageFile) -> int:
    """The turn that EXIF asks for. Damaged EXIF is no reason to refuse a photo: it then says nothing."""
    try:
        return orientation_of(image.getexif())
    except DAMAGE as error:  # Pillow's EXIF reader raises as many types as its decoders
        if ours_to_mend(error):
            raise
        return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _shrunk(image: Image.Image) -> Image.Image:
    """At most 640 px a side, eight bits a channel, in mode L, RGB, RGBA, CMYK or LAB.

    Averaging by a whole number, then bicubic: a draft and a full decode of one JPEG end within 2 of 256 PDQ bits. An
    area filter all the way (OpenCV's INTER_AREA, Pillow's BOX) is 3 ms cheaper and ends within 6 to 8 (measured).
    """
    low, high = _extent(image)
    factor = max(1, max(image.size) // WORK_SIDE)
    rows = max(1, BAND_PIXELS // (image.width * factor)) * factor
    if rows >= image.height:
        return _fitted(_reduced(_eight_bits(image, low, high), factor), IMAGE_SIDE)
    bands = []
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        bands.append(_reduced(_eight_bits(band, low, high), factor))
    return _fitted(_stacked(bands), IMAGE_SIDE)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    return image.reduce(factor) if factor > 1 else image


def _stacked(bands: list[Image.Image]) -> Image.Image:
    whole = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return whole


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """The image with at most `side` px a side, never enlarged, its proportions kept to the nearest pixel."""
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(1, round(each * side / longest)) for each in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _extent(image: Image.Image) -> tuple[float, float]:
    """The values that become black and white, for modes of more than eight bits.

    Sixteen bits are what the file says they are. 32-bit and float pictures do not say: their own darkest and
    brightest value count, unless these fit the usual ranges.
    """
    if image.mode.startswith("I;16"):
        return 0, 65535
    if image.mode not in ("I", "F"):
        return 0, 255
    low, high = image.getextrema()
    darkest, brightest = float(low), float(high)  # type: ignore[arg-type]
    if not (np.isfinite(darkest) and np.isfinite(brightest)):
        return 0, 1
    for usual in (1, 255, 65535) if image.mode == "F" else (255, 65535):
        if darkest >= 0 and brightest <= usual:
            return 0, usual
    return darkest, max(brightest, darkest + 1)


def _eight_bits(image: Image.Image, low: float, high: float) -> Image.Image:
    """In mode L, RGB, RGBA (whenever something is transparent), CMYK or LAB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # Image.convert would clip 16 bits at 255: PDQ is then off by 134 of 256 bits (measured).
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=low, posinf=high, neginf=low)
        scaled = np.clip((values - low) * (255 / (high - low)), 0, 255)
        return Image.fromarray(np.rint(scaled).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """In RGB, through the photo's colour profile if it has a usable one, on white where it is transparent."""
    converted = _through_profile(image, profile)
    if converted.mode == "RGBA":
        # convert("RGB") alone would show what the transparency hides: another photo, 84 bits away (measured).
        converted = Image.alpha_composite(Image.new("RGBA", converted.size, "white"), converted)
    rgb = converted.convert("RGB")
    rgb.info.clear()  # Pillow would write the upload's comment into the thumbnail
    return rgb


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    srgb = ImageCms.createProfile("sRGB")
    try:
        if profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        elif image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            return image
        return ImageCms.profileToProfile(image, source, srgb, outputMode=target) or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A broken profile, or one for another kind of picture, changes colours a little; refusing would lose a photo.
        return image if image.mode != "LAB" else image.getchannel(0)
