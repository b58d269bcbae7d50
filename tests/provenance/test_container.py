"""Finding the manifest store without the library that wrote it."""

import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Rejected
from provenance.container import manifest_store
from provenance.keys import Identity
from provenance.reader import read_report
from tests.photos import encoded, picture
from tests.provenance.orders import FORMATS, photo_of, signed_copy


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_photo_without_credentials_has_no_store(tmp_path: Path, media_type: str) -> None:
    (tmp_path / "photo").write_bytes(photo_of(media_type))
    with pytest.raises(Rejected, match="carries no manifest store"):
        manifest_store(tmp_path / "photo", media_type)


def test_an_unknown_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"BM")
    with pytest.raises(Rejected, match="image/bmp cannot carry"):
        manifest_store(tmp_path / "photo", "image/bmp")


@pytest.mark.parametrize("media_type", FORMATS)
def test_the_store_starts_with_its_box(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, result = signed_copy(photo_of(media_type, 2), media_type, tmp_path, identity)
    store = manifest_store(signed, media_type)
    assert store == result.store
    assert int.from_bytes(store[:4], "big") == len(store) and store[4:8] == b"jumb"


def test_big_tiff_and_big_endian_are_found(identity: Identity, tmp_path: Path) -> None:
    upload = encoded(picture(1, 64, 48), "TIFF", big_tiff=True)
    signed, result = signed_copy(upload, "image/tiff", tmp_path, identity)
    assert manifest_store(signed, "image/tiff") == result.store


def test_an_animated_gif_with_comments_is_walked(identity: Identity, tmp_path: Path) -> None:
    frames = [picture(seed, 64, 48).quantize(64) for seed in range(3)]
    upload = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"C2PA_GIF is not here", loop=0)
    signed, result = signed_copy(upload, "image/gif", tmp_path, identity)
    assert manifest_store(signed, "image/gif") == result.store


def test_a_text_chunk_that_looks_like_a_store_is_none(tmp_path: Path) -> None:
    png = photo_of("image/png")
    chunk = b"tEXtcaBX\0" + b"jumb"
    fake = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "photo").write_bytes(png[:33] + fake + png[33:])
    with pytest.raises(Rejected, match="no manifest store"):
        manifest_store(tmp_path / "photo", "image/png")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    media_type=st.sampled_from(sorted(FORMATS)),
    start=st.sampled_from([b"", b"\xff\xd8", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"RIFF0000WEBP"]),
    content=st.binary(min_size=1, max_size=200),
)
def test_no_bytes_hang_or_crash_it(tmp_path: Path, media_type: str, start: bytes, content: bytes) -> None:
    (tmp_path / "photo").write_bytes(start + content)
    try:
        assert manifest_store(tmp_path / "photo", media_type)
    except Rejected as rejected:
        assert str(tmp_path) not in str(rejected)


@pytest.mark.parametrize(
    ("at", "length", "put"),
    [
        (0, 0, b"\xff\xff"),  # fill bytes
        (0, 0, b"\xff\x01"),  # a marker without a segment
        (4, 2, b"JQ"),
        (8, 4, b"\0\0\0\2"),  # the first packet's number
    ],
)
def test_a_jpegs_store_is_found_wherever_the_library_finds_it(
    identity: Identity, tmp_path: Path, at: int, length: int, put: bytes
) -> None:
    """Else a file could have its bombs, and its signer's revocation, looked for where there are none."""
    signed, result = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    content = signed.read_bytes()
    at += content.index(b"\xff\xeb")
    signed.write_bytes(content[:at] + put + content[at + length :])
    with signed.open("rb") as opened:
        assert read_report(opened, "image/jpeg", identity.root_pem).active_label == result.label
    assert manifest_store(signed, "image/jpeg") == result.store
