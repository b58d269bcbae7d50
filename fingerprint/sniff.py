"""What kind of picture some bytes begin. Standard library only: the HTTP door uses it and stays small."""

SNIFF_BYTES = 64  # enough for an ISO file's brand list and a TIFF's first entries

_BRANDS = {
    b"avif": "image/avif", b"avis": "image/avif",
    b"heic": "image/heic", b"heix": "image/heic", b"heim": "image/heic", b"heis": "image/heic",
    b"hevc": "image/heic", b"hevx": "image/heic",
    b"mif1": "image/heif", b"msf1": "image/heif",
}  # fmt: skip
_DNG_VERSION = 50706  # the tag that every DNG's first directory has (DNG specification 1.7, chapter 4)


def sniff(first_bytes: bytes) -> str | None:
    """The media type that the first bytes (64 or more) tell, whatever the file is called; None for anything else.

    A DNG is a TIFF with one more tag, which may lie beyond these bytes: it is then called image/tiff.
    """
    if first_bytes.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if first_bytes.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if first_bytes.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if first_bytes.startswith(b"RIFF") and first_bytes[8:12] == b"WEBP":
        return "image/webp"
    if first_bytes.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "image/x-adobe-dng" if _has_dng_version(first_bytes) else "image/tiff"
    if first_bytes[4:8] == b"ftyp":
        return _iso_media_type(first_bytes)
    return None


def _iso_media_type(first_bytes: bytes) -> str | None:
    """By the major brand; a generic one (mif1) yields to an AVIF brand among the compatible ones (ISO 23008-12)."""
    end = min(int.from_bytes(first_bytes[:4], "big"), len(first_bytes))
    compatible = {first_bytes[at : at + 4] for at in range(16, end - 3, 4)}
    major = _BRANDS.get(first_bytes[8:12])
    if major == "image/heif" and compatible & {b"avif", b"avis"}:
        return "image/avif"
    return major


def _has_dng_version(first_bytes: bytes) -> bool:
    order = "little" if first_bytes.startswith(b"II") else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(first_bytes[at : at + size], "little" if order == "little" else "big")

    start = number(4, 4)
    entries = range(start + 2, min(start + 2 + 12 * number(start, 2), len(first_bytes) - 1), 12)
    return any(number(at, 2) == _DNG_VERSION for at in entries)
