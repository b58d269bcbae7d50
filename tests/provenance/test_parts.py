"""What lies in a phone's file beside its picture is found where it is, and nowhere else."""

import io
import random
import struct
from pathlib import Path

import pytest
from PIL import Image

from pipeline.credentials import Contents, Part
from pipeline.record import decode, encode
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.parts import read_contents
from tests.photos import jpeg, picture
from tests.provenance import phone_files as phones


def contents(tmp_path: Path, photo: bytes) -> Contents:
    (tmp_path / "photo").write_bytes(photo)
    return read_contents(tmp_path / "photo") or Contents()


def heic(**save: object) -> bytes:
    out = io.BytesIO()
    picture(3, 256, 192).save(out, "HEIF", **save)
    return out.getvalue()


@pytest.mark.parametrize("make", [phones.motion_photo, phones.old_motion_photo, phones.samsung_motion_photo])
def test_the_video_of_a_moving_photo_is_found(tmp_path: Path, make: object) -> None:
    photo = make(1)  # type: ignore[operator]
    (part,) = contents(tmp_path, photo).parts
    assert part == Part("motion_video", photo.index(phones.VIDEO), len(phones.VIDEO))


@pytest.mark.parametrize(
    "photo",
    [jpeg(1), phones.motion_photo(1, video=b""), phones.motion_photo(1, stated=17), phones.motion_photo(1, stated=0),
     phones.motion_photo(1, video=b"no video at all " * 400)],
    ids=["plain", "cut off", "elsewhere", "nowhere", "no video"],
)  # fmt: skip
def test_a_video_that_is_only_announced_is_none(tmp_path: Path, photo: bytes) -> None:
    assert contents(tmp_path, photo).parts == ()


def test_pictures_behind_the_first_are_named_by_what_they_say(tmp_path: Path) -> None:
    others = [
        (0x000000, phones.gain_map(2)),
        (0x000000, phones.depth(3)),
        (0x010001, jpeg(4, 320, 240)),
        (0, jpeg(5, 64, 64)),
    ]
    photo = phones.with_pictures(1, *others)
    parts = contents(tmp_path, photo).parts
    assert [part.kind for part in parts] == ["gain_map", "depth_map", "preview", "image"]
    for part, (_, other) in zip(parts, others, strict=True):
        assert part.start is not None and part.length is not None
        assert photo[part.start : part.start + part.length] == other


def test_a_pictures_index_that_points_outside_names_nothing(tmp_path: Path) -> None:
    photo = phones.with_pictures(1, (0, phones.gain_map(2)))
    assert contents(tmp_path, photo[: -len(phones.gain_map(2))]).parts == ()


@pytest.mark.parametrize("kind", ["JPEG", "HEIF"])
def test_what_belongs_together_and_the_colours_are_told(tmp_path: Path, kind: str) -> None:
    found = contents(tmp_path, phones.apple_photo(6, kind))
    assert (found.pair, found.burst, found.colour_profile) == (phones.PAIR_ID, phones.BURST_ID, "Display P3")


def test_parts_of_a_heic(tmp_path: Path) -> None:
    plain = heic()
    assert contents(tmp_path, plain) == Contents()
    moving = plain + struct.pack(">I4s", 8 + len(phones.VIDEO), b"mpvd") + phones.VIDEO
    assert contents(tmp_path, moving).parts == (Part("motion_video", len(plain) + 8, len(phones.VIDEO)),)
    out = io.BytesIO()
    transparent = picture(3, 256, 192).convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    transparent.save(out, "HEIF")
    alpha = out.getvalue()
    name = b"urn:mpeg:hevc:2015:auxid:1"
    assert name in alpha and contents(tmp_path, alpha).parts == (), "transparency is a part of the picture"
    assert contents(tmp_path, alpha.replace(name, name[:-1] + b"2")).parts == (Part("depth_map"),)


def test_the_colours_of_a_heic_by_their_number(tmp_path: Path) -> None:
    photo = heic()
    at = photo.index(b"nclx")
    p3 = photo[: at + 4] + struct.pack(">H", 12) + photo[at + 6 :]
    assert contents(tmp_path, p3).colour_profile == "Display P3"


def test_nothing_in_a_file_makes_it_raise_or_take_long(tmp_path: Path) -> None:
    chance = random.Random(5)
    whole = [phones.motion_photo(1), phones.samsung_motion_photo(1), phones.apple_photo(2), heic(),
             phones.with_pictures(1, (0, phones.gain_map(2)))]  # fmt: skip
    for _ in range(600):
        photo = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 30)):
            photo[chance.randrange(min(len(photo), 3000))] = chance.randrange(256)
        contents(tmp_path, bytes(photo[: chance.choice([len(photo), chance.randrange(len(photo))])]))
    assert contents(tmp_path, b"") == Contents()


def test_it_stands_in_the_credentials_fact_and_old_facts_have_none(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "photo").write_bytes(phones.motion_photo(1))
    fact = inspect(tmp_path / "photo", "image/jpeg", identity.root_pem)
    assert fact.contents and fact.contents.parts[0].kind == "motion_video"
    assert decode(type(fact), encode(fact)) == fact
    old = encode(fact)
    del old["contents"]
    assert decode(type(fact), old).contents is None
