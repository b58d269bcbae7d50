"""What is refused, in words, and before it costs memory."""

import errno
import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fingerprint.decode import decode
from fingerprint.formats import MAX_PIXELS, MAX_WHOLE_PIXELS, rejecting_damage
from pipeline.errors import Rejected, Unavailable
from tests.fingerprint.photos import photo

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")


def encoded(pillow_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    photo(300, 200).save(out, pillow_name, **options)
    return out.getvalue()


def refused(folder: Path, content: bytes, name: str = "photo.jpg") -> str:
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(Rejected) as refusal:
        decode(path)
    return str(refusal.value)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def png_bomb(width: int, height: int) -> bytes:
    """A whole PNG of one colour: a thousandth of its pixels in bytes."""
    packer, parts = zlib.compressobj(9), []
    line = bytes(1 + 3 * width)
    parts = [packer.compress(line) for _ in range(height)] + [packer.flush()]
    return png_header(width, height) + png_chunk(b"IDAT", b"".join(parts)) + png_chunk(b"IEND", b"")


def test_a_header_that_promises_too_much_is_refused_by_its_numbers(tmp_path: Path) -> None:
    tiny = png_header(30_000, 30_000) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    assert refused(tmp_path, tiny) == f"30000x30000 is over {MAX_WHOLE_PIXELS} pixels"


def decoded_elsewhere(path: Path) -> tuple[str, int]:
    """What a fresh process says of the photo, and the most memory (KiB) it held at any time."""
    program = (
        "import sys; from pathlib import Path; from fingerprint.decode import decode\n"
        "try: picture = decode(Path(sys.argv[1])); print(picture.dimensions, picture.image.getpixel((9, 9)))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        # VmHWM and not ru_maxrss: that one starts with what the parent had when it forked.
        "print(next(line.split()[1] for line in Path('/proc/self/status').open() if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, peak_kib = done.stdout.splitlines()
    return said, int(peak_kib)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_real_bomb_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_bomb(30_000, 12_000))
    said, peak_kib = decoded_elsewhere(tmp_path / "bomb.png")
    assert said == f"Rejected 30000x12000 is over {MAX_WHOLE_PIXELS} pixels"
    assert peak_kib < 100_000


def with_jpeg_size(content: bytes, width: int, height: int) -> bytes:
    """The same JPEG with other numbers in its frame header."""
    start = next(at for at in (content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) if at > 0)
    return content[: start + 5] + struct.pack(">HH", height, width) + content[start + 9 :]


def test_a_baseline_jpeg_may_be_larger_than_a_progressive_one(tmp_path: Path) -> None:
    width, height = 16_320, 12_240  # the largest phone sensors
    assert MAX_WHOLE_PIXELS < width * height < MAX_PIXELS
    progressive = with_jpeg_size(encoded("JPEG", progressive=True), width, height)
    assert refused(tmp_path, progressive) == f"16320x12240 is over {MAX_WHOLE_PIXELS} pixels"
    huge = with_jpeg_size(encoded("JPEG"), 65_500, 65_500)
    assert refused(tmp_path, huge) == f"65500x65500 is over {MAX_PIXELS} pixels"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_200_megapixel_jpeg_takes_the_memory_of_a_small_one(tmp_path: Path) -> None:
    # The decoder fills what the file does not have with grey, at an eighth of the size.
    (tmp_path / "huge.jpg").write_bytes(with_jpeg_size(encoded("JPEG"), 16_320, 12_240))
    said, peak_kib = decoded_elsewhere(tmp_path / "huge.jpg")
    assert said.startswith("Dimensions(width=16320, height=12240)")
    assert peak_kib < 130_000


def test_a_webp_bomb_is_refused_while_it_is_opened(tmp_path: Path) -> None:
    size = (16_382).to_bytes(3, "little") * 2
    head = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + size
    content = b"WEBP" + head + bytes(100)
    assert "pixels" in refused(tmp_path, b"RIFF" + len(content).to_bytes(4, "little") + content)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_large_photo_within_the_limit_stays_within_memory(tmp_path: Path) -> None:
    # 48 MP with transparency: 4 bytes a pixel once, not twice.
    image = Image.new("RGBA", (8064, 6048), (200, 30, 40, 128))
    image.save(tmp_path / "large.png", compress_level=1)
    said, peak_kib = decoded_elsewhere(tmp_path / "large.png")
    assert said == "Dimensions(width=8064, height=6048) (227, 142, 147)"
    assert peak_kib < 340_000


@pytest.mark.parametrize("pillow_name", FORMATS)
@pytest.mark.parametrize("kept", [0.03, 0.5, 0.9])
def test_cut_off_files_are_refused(tmp_path: Path, pillow_name: str, kept: float) -> None:
    whole = encoded(pillow_name)
    reason = refused(tmp_path, whole[: int(len(whole) * kept)])
    assert reason.startswith(f"the {pillow_name} ") or "no photo" in reason
    assert "cut off" in reason


def test_cut_off_progressive_jpeg_and_heic(tmp_path: Path) -> None:
    from pillow_heif import from_pillow

    out = io.BytesIO()
    from_pillow(photo(300, 200)).save(out)
    heic, progressive = out.getvalue(), encoded("JPEG", progressive=True)
    assert refused(tmp_path, heic[: len(heic) // 2]) == "the HEIC ends early: it was cut off, send the whole file"
    assert "ends early" in refused(tmp_path, progressive[: len(progressive) // 2])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"I am text and call myself a photo.", "no photo"),
        (b"<html><body>not found</body></html>", "no photo"),
        (b"\xff\xd8\xff" + b"text behind three honest bytes" * 9, "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "damaged"),
        (b"II*\0" + b"\xff" * 100, "TIFF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100, "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no photo"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refused(tmp_path, content)


def test_the_name_of_the_file_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("JPEG"))
    assert decode(path).format == "image/jpeg"


def test_a_dng_without_preview_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.dng"
    Image.fromarray(np.zeros((80, 90), np.uint16)).save(path, "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(Rejected, match="no JPEG preview"):
        decode(path)


def test_a_file_that_is_missing_is_not_a_bad_photo(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "absent.jpg")


class TimedOut(Exception):
    """Like the queue's time-out, which no decoder raises."""


@pytest.mark.parametrize("raised", [TimedOut("60 s"), MemoryError(), Unavailable("the disk"), AttributeError("ours")])
def test_what_no_decoder_raises_is_not_the_photos_fault(raised: Exception) -> None:
    with pytest.raises(type(raised)) as caught, rejecting_damage("image/jpeg"):
        raise raised
    assert caught.value is raised


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ESTALE])
def test_what_the_system_reports_is_tried_again(number: int) -> None:
    with pytest.raises(Unavailable, match="reading the stored upload"), rejecting_damage("image/jpeg"):
        raise OSError(number, "the disk")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has a file whose first page cannot be read")
def test_a_read_that_fails_is_tried_again() -> None:
    unavailable = pytest.raises(Unavailable, match="Input/output error")
    with Path("/proc/self/mem").open("rb") as file, unavailable, rejecting_damage("image/jpeg"):
        file.read(9)


def test_an_offset_before_the_files_start_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(b"photo")
    with path.open("rb") as file, pytest.raises(Rejected, match="damaged"), rejecting_damage("image/tiff"):
        file.seek(-5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), pillow_name=st.sampled_from(FORMATS))
def test_damage_never_shows_another_error(tmp_path: Path, data: st.DataObject, pillow_name: str) -> None:
    content = bytearray(SAMPLES[pillow_name])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 600)))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert decode(path) is not None
        except Rejected as refusal:
            assert str(refusal)


SAMPLES = {name: encoded(name) for name in FORMATS}


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
def test_no_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encoded("TIFF"))
    decode(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for content in (encoded("TIFF"), encoded("GIF"), encoded("JPEG"), encoded("PNG")[:400]):
        path.write_bytes(content)
        try:
            decode(path)
        except Rejected:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before
