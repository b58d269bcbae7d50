"""Where a photo was taken, through HTTP: its owner's alone, unless its owner wants otherwise."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from provenance.exif import read_shot
from provenance.keys import Identity
from provenance.location import tells_location
from tests.capture_api.test_proof import check
from tests.capture_api.test_signed import read_by_anybody
from tests.photos import encoded, picture
from tests.provenance.orders import signed_copy
from tests.provenance.test_exif import BERLIN, exif
from tests.service import Running


def located(seed: int, kind: str = "JPEG") -> bytes:
    return encoded(picture(seed), kind, exif=exif(gps=BERLIN).tobytes())


def place_in(photo: bytes, folder: Path) -> str | None:
    (folder / "photo").write_bytes(photo)
    return read_shot(folder / "photo").latitude


def bundle(service: Running, capture: dict[str, Any], folder: Path, query: str = "") -> tuple[int, str, bytes]:
    """The bundle's photo, and what its verifier says."""
    answer = service.ask("GET", f"/v1/captures/{capture['id']}/bundle{query}")
    assert answer.status == 200, answer.body
    zipfile.ZipFile(io.BytesIO(answer.body)).extractall(folder)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    return code, out, next(folder.glob("photo.*")).read_bytes()


@pytest.mark.parametrize(("seed", "kind"), [(720, "JPEG"), (721, "PNG"), (722, "WEBP")])
def test_others_get_the_photo_without_the_place_and_its_owner_gets_both(
    service: Running, tmp_path: Path, seed: int, kind: str
) -> None:
    upload, media_type = located(seed, kind), f"image/{kind.lower()}"
    capture = service.register(upload, media_type=media_type).json
    assert (capture["status"], capture["manifest"]["location"]) == ("anchored", "removed")
    reviewer = service.command("keys", "add", f"reviewer-{seed}", "--scope", "review").stdout.strip()
    public = service.ask("GET", capture["links"]["file"], key=reviewer).body
    assert hashlib.sha256(public).hexdigest() == capture["manifest"]["public"]["sha256"]
    assert place_in(public, tmp_path) is None and not tells_location(public)
    assert read_by_anybody(service, public, media_type)[0] == "Trusted"
    assert service.ask("GET", capture["links"]["signed"], key=reviewer).status in (403, 404)
    whole = service.ask("GET", capture["links"]["signed"]).body
    assert hashlib.sha256(whole).hexdigest() == capture["manifest"]["signed_sha256"] and place_in(whole, tmp_path)
    assert service.ask("GET", capture["links"]["file"]).body == public
    assert service.ask("GET", capture["links"]["original"]).body == upload


def test_the_manifest_is_that_of_the_file_one_may_have(service: Running) -> None:
    capture = service.register(located(723)).json
    reviewer = service.command("keys", "add", "reviewer-723", "--scope", "review").stdout.strip()
    digests = [
        hashlib.sha256(service.ask("GET", capture["links"]["manifest"], key=key).body).hexdigest()
        for key in ("", reviewer)
    ]
    made = capture["manifest"]
    assert digests == [made["sha256"], made["public"]["manifest_sha256"]]
    assert service.ask("GET", capture["links"]["receipt"]).json["manifest"]["sha256"] == made["sha256"]


def test_a_bundle_has_the_place_only_when_it_is_asked_for(service: Running, tmp_path: Path) -> None:
    capture = service.register(located(724)).json
    code, out, photo = bundle(service, capture, tmp_path / "public")
    assert (code, out.count("passed")) == (3, 7), out
    assert "not checked  photo        it is not the upload itself; that it was made from it, a C2PA validator" in out
    assert place_in(photo, tmp_path) is None
    code, out, photo = bundle(service, capture, tmp_path / "full", "?photo=full")
    assert (code, out.count("passed")) == (0, 8), out
    assert place_in(photo, tmp_path)


def test_another_photos_public_file_does_not_pass_for_this_one(service: Running, tmp_path: Path) -> None:
    ours, other = service.register(located(725)).json, service.register(located(726)).json
    (tmp_path / "photo.jpg").write_bytes(service.ask("GET", other["links"]["file"]).body)
    (tmp_path / "receipt.json").write_bytes(service.ask("GET", ours["links"]["receipt"]).body)
    done = service.command("verify", str(tmp_path / "receipt.json"), str(tmp_path / "photo.jpg"))
    assert done.returncode == 1 and "nor the photo signed from it" in done.stdout


def test_with_its_owners_consent_the_place_is_kept(service: Running, tmp_path: Path) -> None:
    wish = json.dumps({"keep_location": True})
    capture = service.register(located(727), Capture_Metadata=wish).json
    assert (capture["manifest"]["location"], capture["manifest"]["public"]) == ("kept", None)
    photo = service.ask("GET", capture["links"]["file"]).body
    assert place_in(photo, tmp_path)
    assert hashlib.sha256(photo).hexdigest() == capture["manifest"]["signed_sha256"]


def test_a_photo_that_tells_no_place_is_one_file(service: Running) -> None:
    made = service.register(encoded(picture(728), "JPEG")).json["manifest"]
    assert (made["location"], made["public"]) == ("absent", None)


def test_a_place_that_cannot_be_taken_out_is_its_owners_alone(service: Running, tmp_path: Path) -> None:
    signed, _ = signed_copy(located(729), "image/jpeg", tmp_path, Identity.load_or_make(tmp_path / "keys"))
    upload = signed.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    capture = service.register(upload).json
    assert (capture["status"], capture["manifest"]["location"]) == ("anchored", "withheld")
    assert "file" not in capture["links"]
    for name in ("file", "bundle"):
        refused = service.ask("GET", f"/v1/captures/{capture['id']}/{name}")
        assert (refused.status, refused.json["type"]) == (403, "/docs#problem-location-withheld")
    reviewer = service.command("keys", "add", "reviewer-729", "--scope", "review").stdout.strip()
    assert service.ask("GET", capture["links"]["manifest"], key=reviewer).status == 403
    assert service.ask("GET", capture["links"]["signed"]).body == upload
    assert bundle(service, capture, tmp_path / "bundle", "?photo=full")[0] == 0
    assert service.ask("GET", f"/a/{capture['id']}", key=None).status == 200
