"""The media type from the first bytes."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.sniff import SNIFF_BYTES, sniff
from tests.fingerprint.photos import photo, shared


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"])
def test_tells_what_pillow_wrote(pillow_name: str) -> None:
    out = io.BytesIO()
    photo(80, 60).save(out, pillow_name)
    assert sniff(out.getvalue()[:SNIFF_BYTES]) == f"image/{pillow_name.lower()}"


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"heic\0\0\0\0mif1heic", "image/heic"),
        (b"mif1\0\0\0\0mif1heic", "image/heif"),
        (b"mif1\0\0\0\0mif1avif", "image/avif"),
        (b"avif\0\0\0\0avifmif1", "image/avif"),
        (b"isom\0\0\0\0isomavif", None),  # a film
        (b"qt  \0\0\0\0qt  ", None),
    ],
)
def test_iso_files_go_by_brand(brands: bytes, expected: str | None) -> None:
    box = (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands
    assert sniff(box.ljust(SNIFF_BYTES, b"\0")) == expected


def test_brands_after_the_box_do_not_count() -> None:
    box = (20).to_bytes(4, "big") + b"ftypmif1\0\0\0\0mif1" + b"avif" * 8
    assert sniff(box) == "image/heif"


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_dng_is_told_when_its_tag_is_in_the_first_bytes(order: str) -> None:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if order == "little" else "big")

    head = (b"II" if order == "little" else b"MM") + number(42, 2) + number(8, 4) + number(2, 2)
    other, dng = number(254, 2) + bytes(10), number(50706, 2) + bytes(10)
    assert sniff((head + other + dng).ljust(SNIFF_BYTES, b"\0")) == "image/x-adobe-dng"
    assert sniff((head + other + other).ljust(SNIFF_BYTES, b"\0")) == "image/tiff"
    # The directory has two entries: what follows it is not a third.
    assert sniff((head + other + other + dng).ljust(SNIFF_BYTES, b"\0")) == "image/tiff"


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is text", b"%PDF-1.7", b"BM" + bytes(60), b"<svg xmlns=", b"RIFF\0\0\0\0WAVEfmt "]
)
def test_other_files_are_nothing(content: bytes) -> None:
    assert sniff(content) is None


@given(st.binary(max_size=SNIFF_BYTES), st.sampled_from([b"", b"II*\0", b"MM\0*", b"\0\0\0\x18ftyp", b"RIFF"]))
def test_never_raises(content: bytes, start: bytes) -> None:
    assert sniff(start + content) is None or str(sniff(start + content)).startswith("image/")


@pytest.mark.parametrize("kind", ["heic", "heif", "avif", "webp", "png"])
def test_shared_samples(kind: str) -> None:
    with shared(f"c2pa/rs_sample1.{kind}").open("rb") as file:
        assert sniff(file.read(SNIFF_BYTES)) == f"image/{kind}"


@pytest.mark.parametrize("module", ["sniff", "codes"])
def test_the_api_process_loads_no_numbers_and_no_decoder(module: str) -> None:
    heavy = "{'numpy', 'PIL', 'cv2', 'scipy', 'faiss', 'pdqhash', 'imagehash', 'iscc_lib'}"
    program = f"import sys, fingerprint.{module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
