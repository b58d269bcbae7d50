"""What phones send keeps all that is in it, in the upload and in the signed file, and it is told."""

from pathlib import Path

import pytest

from provenance.parts import read_contents
from tests.provenance import phone_files as phones
from tests.service import Running

HDR_AND_DEPTH = phones.with_pictures(8103, (0, phones.gain_map(2)), (0, phones.depth(3)))
PHOTOS = {
    "motion": (phones.motion_photo(8100), "image/jpeg", ["motion_video"]),
    "motion of the first kind": (phones.old_motion_photo(8101), "image/jpeg", ["motion_video"]),
    "motion, Samsung": (phones.samsung_motion_photo(8102), "image/jpeg", ["motion_video"]),
    "HDR and depth": (HDR_AND_DEPTH, "image/jpeg", ["gain_map", "depth_map"]),
    "pair and burst, JPEG": (phones.apple_photo(8104), "image/jpeg", []),
    "pair and burst, HEIC": (phones.apple_photo(8105, "HEIF"), "image/heic", []),
}  # fmt: skip


@pytest.mark.parametrize("name", PHOTOS)
def test_what_else_is_in_it_is_told_and_kept(service: Running, tmp_path: Path, name: str) -> None:
    photo, media_type, kinds = PHOTOS[name]
    capture = service.register(photo, media_type=media_type).json
    assert capture["status"] == "anchored"
    contents = capture["credentials"]["contents"]
    assert [part["kind"] for part in contents["parts"]] == kinds
    if "pair" in name:
        assert (contents["pair"], contents["burst"]) == (phones.PAIR_ID, phones.BURST_ID)
        assert contents["colour_profile"] == "Display P3"
    assert service.ask("GET", f"/v1/captures/{capture['id']}/original").body == photo
    signed = service.ask("GET", f"/v1/captures/{capture['id']}/signed").body
    (tmp_path / "signed").write_bytes(signed)
    kept = read_contents(tmp_path / "signed")
    assert kept is not None and [part.kind for part in kept.parts] == kinds
    for before, after in zip(contents["parts"], kept.parts, strict=True):
        assert after.start is not None and after.length is not None and after.length == before["length"]
        original = photo[before["start"] : before["start"] + before["length"]]
        assert signed[after.start : after.start + after.length] == original
