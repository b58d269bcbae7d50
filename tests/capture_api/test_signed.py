"""Every kind of photo, through HTTP: registered, signed, read back by anybody; nothing that it came with is lost."""

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from c2pa import Context, Reader

from provenance.assertions import LOG
from provenance.reader import offline_settings
from tests.capture_api.test_proof import check, unpacked
from tests.photos import SHARED, small_jpeg
from tests.provenance.orders import FORMATS, photo_of
from tests.service import Running

FIXTURES = {
    "adobe-20220124-A.jpg": "none", "adobe-20220124-CAICA.jpg": "valid", "adobe-20220124-XCA.jpg": "invalid",
    "nikon-20221019-building.jpeg": "invalid", "rs_cloud.jpg": "remote_only", "rs_no_alg.jpg": "malformed",
    "rs_prerelease.jpg": "malformed", "rs_sample1.png": "none", "rs_sample1.webp": "none", "rs_sample1.heic": "none",
    "rs_sample1.heif": "none", "rs_sample1.avif": "none", "rs_TUSCANY.TIF": "none", "py_C.dng": "valid",
}  # fmt: skip
KINDS = {"jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff", "dng": "x-adobe-dng"}


def fixture(name: str) -> tuple[bytes, str]:
    """Somebody else's photo and its media type."""
    file = SHARED / "c2pa" / name
    if not file.is_file():
        pytest.skip(f"{name} is not among the shared fixtures here")
    ending = name.rpartition(".")[2].lower()
    return file.read_bytes(), f"image/{KINDS.get(ending, ending)}"


def read_by_anybody(service: Running, photo: bytes, media_type: str, sidecar: bytes | None = None) -> Any:
    """What the library says of a photo, to whoever trusts the service's root: its verdict, and its own manifest."""
    settings = offline_settings((service.home / "keys/c2pa/root.pem").read_text())
    with (
        Context.from_dict(settings) as context,
        Reader(media_type, io.BytesIO(photo), sidecar, context) as reader,
    ):
        content = json.loads(reader.json())
        return reader.get_validation_state(), content["manifests"][content["active_manifest"]]


# Not the DNG of our own making, which has no preview to fingerprint: py_C.dng below is a real one.
@pytest.mark.parametrize("media_type", [kind for kind in FORMATS if kind != "image/x-adobe-dng"])
def test_every_format_is_registered_and_trusted(service: Running, media_type: str) -> None:
    capture = service.register(photo_of(media_type, 700), media_type=media_type).json
    assert (capture["status"], capture["manifest"]["embedded"]) == ("anchored", True)
    answer = service.ask("GET", capture["links"]["file"])
    assert answer.headers["Content-Type"] == capture["asset"]["media_type"]
    assert read_by_anybody(service, answer.body, capture["asset"]["media_type"])[0] == "Trusted"


@pytest.mark.parametrize("name", FIXTURES)
def test_other_peoples_photos_go_all_the_way(service: Running, name: str) -> None:
    photo, media_type = fixture(name)
    capture = service.register(photo, media_type=media_type).json
    assert capture["credentials"]["state"] == FIXTURES[name]
    assert capture["status"] == "anchored", capture["rejection"]
    assert capture["manifest"]["embedded"] is (FIXTURES[name] != "malformed")
    file = service.ask("GET", capture["links"]["file"]).body
    sidecar = None if capture["manifest"]["embedded"] else service.ask("GET", capture["links"]["manifest"]).body
    assert read_by_anybody(service, file, media_type, sidecar)[0] == "Trusted"
    assert service.ask("GET", capture["links"]["original"]).body == photo


@pytest.mark.parametrize("name", ["rs_no_alg.jpg", "rs_prerelease.jpg"])
def test_credentials_that_nobody_can_read_are_quarantined_and_the_photo_is_not(
    service: Running, tmp_path: Path, name: str
) -> None:
    photo, _ = fixture(name)
    capture = service.register(photo).json
    assert capture["manifest"]["embedded"] is False
    assert capture["manifest"]["signed_sha256"] == capture["asset"]["sha256"]
    assert service.ask("GET", capture["links"]["file"]).body == photo
    folder = unpacked(service, capture, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert (code, out.count("passed")) == (0, 8), out
    assert (folder / "credentials.c2pa").read_bytes() == service.ask("GET", capture["links"]["manifest"]).body


def test_a_bundle_has_credentials_apart_only_where_the_photo_has_them_not(service: Running) -> None:
    capture = service.register(small_jpeg(701)).json
    names = zipfile.ZipFile(io.BytesIO(service.ask("GET", capture["links"]["bundle"]).body)).namelist()
    assert "credentials.c2pa" not in names


def test_the_photo_alone_says_where_to_look_for_its_anchor(service: Running) -> None:
    capture = service.register(small_jpeg(702)).json
    _, manifest = read_by_anybody(service, service.ask("GET", capture["links"]["file"]).body, "image/jpeg")
    (said,) = (a["data"] for a in manifest["assertions"] if a["label"] == LOG)
    anchor = capture["anchor"]
    assert (said["chain_id"], said["contract"], said["local"]) == (anchor["chain_id"], anchor["contract"], True)
    assert said["origin"] == service.ask("GET", "/log/checkpoint").body.decode().split("\n")[0]


@pytest.mark.parametrize("declared", ["video/mp4", "video/quicktime", "image/jpeg"])
def test_videos_are_refused_with_what_is_taken_instead(service: Running, declared: str) -> None:
    video = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 8, b"mdat")
    answer = service.ask("POST", "/v1/captures", video, Content_Type=declared)
    assert (answer.status, answer.json["type"]) == (415, "/docs#problem-wrong-media-type")
    assert "Videos are not taken" in answer.json["detail"] and "image/heic" in answer.json["detail"]
