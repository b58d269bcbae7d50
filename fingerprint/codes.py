"""The names of the algorithms and of the eight orientations, and a fingerprint's codes in all of them.

Standard library only: the index and the verdict use it in processes that never decode a picture.
"""

from pipeline.record import Fingerprint

# A name is never given a new meaning: another algorithm gets another name (STYLE 7).
PDQ = "pdq256-v1"
PDQ_TURNED = "pdq256-turned-v1"
PHASH = "phash64-v1"
ISCC = "io.iscc.v0"  # from C2PA's list of soft binding algorithms

PDQ_BITS = 256
PDQ_BYTES = 32
ISCC_BYTES = 8  # the body of an ISCC image code of 64 bits

MIN_QUALITY = 50  # PDQ's authors discard below it: flat pictures share codes, one such code took 6 % of an index
MAX_QUALITY = 100

# Quarter turns are clockwise; "mirrored" swaps left and right, "flipped" top and bottom; "transposed" and
# "transversed" mirror along the falling and the rising diagonal. The order is that of the stored codes.
ORIENTATIONS = (
    "upright", "rotated_90", "rotated_180", "rotated_270", "mirrored", "flipped", "transposed", "transversed",
)  # fmt: skip

_UNDOES = {"rotated_90": "rotated_270", "rotated_270": "rotated_90"}


def undoing(orientation: str) -> str:
    """The orientation that takes a picture turned by this one back to upright."""
    return _UNDOES.get(orientation, orientation)


def pdq_codes(fingerprint: Fingerprint) -> bytes:
    """The photo's PDQ codes in all ORIENTATIONS, 32 bytes each, one after the other: 256 bytes.

    Raises KeyError when the photo was not fingerprinted with them.
    """
    return bytes.fromhex(fingerprint.value(PDQ) + fingerprint.value(PDQ_TURNED))


def turned(fingerprint: Fingerprint) -> tuple[tuple[str, bytes], ...]:
    """What the photo's PDQ code becomes when the photo is turned: name and 32 bytes for each orientation."""
    codes = pdq_codes(fingerprint)
    cut = (codes[at : at + PDQ_BYTES] for at in range(0, len(codes), PDQ_BYTES))
    return tuple(zip(ORIENTATIONS, cut, strict=True))
