"""The one thing in a photo's EXIF that its fingerprints depend on: which side is up."""

from PIL import Image
from PIL.ExifTags import Base


def orientation_of(exif: Image.Exif) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) for anything else."""
    value = exif.get(Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
