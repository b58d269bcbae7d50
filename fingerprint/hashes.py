"""The photo's soft bindings: PDQ in all eight orientations, imagehash's pHash and the ISCC image code.

Everything that leaves this file is text or a whole number; floats differ between machines.
"""

from base64 import b64encode
from typing import Protocol

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
from iscc_lib import gen_image_code_v0
from PIL import Image, ImageChops

from fingerprint.codes import ISCC, ORIENTATIONS, PDQ, PDQ_TURNED, PHASH
from fingerprint.features import ROOTSIFT, STORED, Keypoints, keypoints, pack
from pipeline.record import Dimensions, Fingerprint, SoftBinding

MIN_QUALITY = 50  # PDQ's authors discard below it: flat pictures share codes
MIN_POINTS = 50  # of a picture that PDQ finds flat
MIN_SIDE = 64  # PDQ samples 64 x 64 points: below that it would hash its own interpolation
NOISE = 0.3  # of the contrast is left at an eighth of the size: less is noise
ISCC_BITS = 64  # the default of ISO 24138 and of its reference implementation
ISCC_SIDE = 32

Bits = npt.NDArray[np.uint8]


class Decoded(Protocol):
    """What is needed of a picture: the photo's own size, and its RGB copy of at most 512 px a side."""

    @property
    def dimensions(self) -> Dimensions: ...

    @property
    def small(self) -> Image.Image: ...

    @property
    def keypoints(self) -> Keypoints: ...


def fingerprint(picture: Decoded) -> Fingerprint:
    """Every soft binding of the photo, and PDQ's quality: 0 for photos with a side under 64 px, and for noise.

    `pdq256-v1` is 64 hex digits; `pdq256-turned-v1` has the codes of the photo turned the seven other ways of
    ORIENTATIONS, 448 hex digits; `phash64-v1` 16 hex digits; `io.iscc.v0` an ISCC image code of 64 bits;
    `rootsift128-v1` the 200 best points in base64, as features.pack packs them; none for a photo without detail.
    """
    codes, quality = pdq_in_all_orientations(picture.small)
    if is_tiny_or_noise(picture):
        quality = 0
    detailed = not has_too_little_detail(quality, picture)
    points = pack(picture.keypoints.points(STORED)) if detailed else b""
    bindings = (
        SoftBinding(ISCC, iscc_image_code(picture.small)),
        SoftBinding(PDQ, codes[0].hex()),
        SoftBinding(PDQ_TURNED, b"".join(codes[1:]).hex()),
        SoftBinding(PHASH, phash(picture.small)),
        SoftBinding(ROOTSIFT, b64encode(points).decode()),
    )
    return Fingerprint(bindings, quality, picture.dimensions)


def has_too_little_detail(quality: int, picture: Decoded) -> bool:
    """Whether a photo can be told from others by its bytes only: flat, noise, or smaller than 64 px."""
    return is_tiny_or_noise(picture) or (quality < MIN_QUALITY and len(picture.keypoints) < MIN_POINTS)


def is_tiny_or_noise(picture: Decoded) -> bool:
    """Whether it has too few pixels, or grain and nothing else: of a photo at least 60 % of the contrast outlives being
    shrunk to an eighth (297 photos), of noise in single pixels 15 %, in blobs of two 25 %."""
    if min(picture.dimensions.width, picture.dimensions.height) < MIN_SIDE:
        return True
    grey = picture.small.convert("L")
    coarse = grey.resize((max(1, grey.width // 8), max(1, grey.height // 8)), Image.Resampling.BOX)
    return bool(np.asarray(coarse, np.float32).std() < NOISE * np.asarray(grey, np.float32).std())


def pdq_in_all_orientations(image: Image.Image) -> tuple[tuple[bytes, ...], int]:
    """The PDQ codes (32 bytes each) of an RGB image turned each way of ORIENTATIONS, and the quality, 0 to 100.

    PDQ samples off centre, so a mirrored picture's code cannot be had from the upright one: from its bits alone
    it is wrong by 6 to 15 of 256 on average and 34 at worst, from PDQ's own coefficients (compute_dihedral) by up to
    26. Four mirrorings are hashed from pixels; transposing a picture transposes its code exactly (300 photos).
    """
    pixels = np.asarray(image)
    upright, quality = _pdq(pixels)
    mirrored, flipped, half_turn = (_pdq(each)[0] for each in (pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]))
    by_name = {
        "upright": upright,
        "rotated_90": flipped.T,
        "rotated_180": half_turn,
        "rotated_270": mirrored.T,
        "mirrored": mirrored,
        "flipped": flipped,
        "transposed": upright.T,
        "transversed": half_turn.T,
    }
    return tuple(np.packbits(by_name[name]).tobytes() for name in ORIENTATIONS), quality


def phash(image: Image.Image) -> str:
    """imagehash's 64-bit perceptual hash as 16 hex digits."""
    # As text at once: ImageHash objects collide as dictionary keys and compare 87 times slower than integers.
    return str(imagehash.phash(image))


def iscc_image_code(image: Image.Image) -> str:
    """The ISCC image code (ISO 24138) of an RGB image, "ISCC:" included.

    Prepared like the ISCC reference: uniform border cut, grey, 32 x 32 px with a bicubic filter.
    """
    grey = _without_border(image).convert("L")
    pixels = grey.resize((ISCC_SIDE, ISCC_SIDE), Image.Resampling.BICUBIC).tobytes()
    return str(gen_image_code_v0(pixels, ISCC_BITS).iscc)


def warm() -> None:
    """Load everything that the first photo would load (scipy: 0.9 s), so that a worker does it before it forks."""
    square = Image.new("RGB", (MIN_SIDE, MIN_SIDE))
    pdq_in_all_orientations(square)
    phash(square)
    iscc_image_code(square)
    keypoints(square).points()


def _pdq(pixels: npt.NDArray[np.uint8]) -> tuple[Bits, int]:
    # pdqhash reads the memory row by row: a mirrored view must be laid out anew.
    bits, quality = pdqhash.compute(np.ascontiguousarray(pixels))
    return np.asarray(bits, dtype=np.uint8).reshape(16, 16), int(quality)


def _without_border(image: Image.Image) -> Image.Image:
    """Without the margin that has exactly the colour of the top left pixel; a flat picture stays whole."""
    corner = Image.new(image.mode, image.size, image.getpixel((0, 0)))
    box = ImageChops.difference(image, corner).getbbox()
    return image.crop(box) if box else image
