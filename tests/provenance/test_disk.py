"""A disk that fails is tried again; only what the photo did is held against the photo."""

import contextlib
import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from c2pa import C2paError
from PIL import Image

from pipeline.errors import Unavailable
from provenance.exif import Shot, read_shot
from provenance.keys import Identity
from provenance.manifest import sign
from provenance.reader import Source, Unreadable, read_report
from tests.photos import jpeg
from tests.provenance.orders import RIGHTS, order_for


class Failing(io.BytesIO):
    """A disk that breaks after so many reads."""

    def __init__(self, content: bytes, number: int, reads: int) -> None:
        super().__init__(content)
        self._number, self._left = number, reads

    def readinto(self, buffer: Any) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(self._number, os.strerror(self._number))
        return super().readinto(buffer)


@pytest.mark.parametrize("reads", [0, 1, 2])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_breaks_while_it_is_read_is_not_the_photos_damage(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: int, number: int
) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(jpeg(21, 64, 48))
    order, content = order_for(photo, "image/jpeg", identity), photo.read_bytes()
    with pytest.raises(Unavailable, match=os.strerror(number)):
        read_report(Failing(content, number, reads), "image/jpeg", identity.root_pem)
    whole_open = Path.open

    def failing_open(path: Path, *arguments: Any, **options: Any) -> Any:
        return Failing(content, number, reads) if path == photo else whole_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", failing_open)  # the system's call, and for the photo alone
    with pytest.raises(Unavailable, match=os.strerror(number)):
        sign(photo, tmp_path / "signed", order, RIGHTS, identity)


def test_a_photo_that_sends_the_reader_before_its_start_is_damaged(identity: Identity) -> None:
    with pytest.raises(Unreadable):
        read_report(Failing(jpeg(22, 64, 48), errno.EINVAL, 1), "image/jpeg", identity.root_pem)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("Io: No space left on device (os error 28)", True),
        ("Io: Too many open files (os error 24)", True),
        ("Io: failed to fill whole buffer", False),
        ("Io: Invalid argument (os error 22)", False),
        ("Verify: the photo's own words (os error 28)", False),
    ],
)
def test_an_error_of_the_system_is_told_from_one_of_the_photo(text: str, ours: bool) -> None:
    source = Source(io.BytesIO(b"photo"))
    with pytest.raises(Unavailable, match="the disk") if ours else contextlib.nullcontext():
        source.check(C2paError(text))


def test_the_number_is_not_believed_after_a_failed_seek() -> None:
    source = Source(io.BytesIO(b"photo"))
    with pytest.raises(ValueError, match="negative"):
        source.seek(-1)
    source.check(C2paError("Io: No space left on device (os error 28)"))


class TimedOut(Exception):
    """Like the queue's time-out, which may come at any moment."""


@pytest.mark.parametrize("raised", [TimedOut("60 s"), MemoryError()])
def test_a_time_out_is_not_lost_among_unreadable_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def interrupted(_: object) -> None:
        raise raised

    (tmp_path / "photo").write_bytes(jpeg(23, 64, 48))
    monkeypatch.setattr(Image, "open", interrupted)
    with pytest.raises(type(raised)):
        read_shot(tmp_path / "photo")


def test_damaged_headers_say_nothing(tmp_path: Path) -> None:
    for content in (b"", b"II*\0" + b"\xff" * 90, jpeg(24, 64, 48)[:25]):
        (tmp_path / "photo").write_bytes(content)
        assert read_shot(tmp_path / "photo") == Shot()
