"""Signing what goes out, by the real library, read back by it and by a small reader that knows nothing of it."""

import dataclasses
import hashlib
import io
import json
import os
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Reader, Signer
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.errors import Rejected, Unavailable
from pipeline.ports import Signed
from pipeline.record import Credentials, CredentialState
from provenance.assertions import FINGERPRINTS, LOG
from provenance.container import manifest_store
from provenance.inspect import inspect
from provenance.keyfiles import LocalKey
from provenance.keys import Identity
from provenance.manifest import sign
from provenance.reader import offline_settings, read_report
from tests.photos import SHARED, encoded, jpeg, picture
from tests.provenance.orders import (
    FORMATS,
    ISCC,
    PDQ,
    RIGHTS,
    jpeg_parts,
    order_for,
    photo_of,
    png_parts,
    signed_copy,
    thumbnail,
)
from tests.provenance.test_exif import BERLIN, exif


def active(signed: Path, media_type: str) -> dict[str, Any]:
    """The active manifest as the library shows it to anyone, without our settings."""
    with signed.open("rb") as opened, Reader(media_type, opened) as reader:
        content = json.loads(reader.json())
    manifest: dict[str, Any] = content["manifests"][content["active_manifest"]]
    return manifest


def assertion(manifest: dict[str, Any], label: str) -> dict[str, Any]:
    found = [a for a in manifest["assertions"] if a["label"] == label]
    assert len(found) == 1, f"{len(found)} of {label}"
    content: dict[str, Any] = found[0]
    return content


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_format_is_signed_and_trusted(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, result = signed_copy(photo_of(media_type), media_type, tmp_path, identity)
    found = inspect(signed, media_type, identity.root_pem)
    assert (found.state, found.worst, found.manifest_count) == ("trusted", "trusted", 1)
    assert result.label.startswith("urn:c2pa:") and result.label == active(signed, media_type)["label"]
    assert (result.signer, result.media_type) == ("Capture claim signer (Capture)", media_type)
    assert result.store == manifest_store(signed, media_type)


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_format_is_signed_again_with_its_parent_kept(identity: Identity, tmp_path: Path, media_type: str) -> None:
    once, first = signed_copy(photo_of(media_type), media_type, tmp_path, identity)
    (tmp_path / "2").mkdir()
    twice, second = signed_copy(once.read_bytes(), media_type, tmp_path / "2", identity)
    found = inspect(twice, media_type, identity.root_pem)
    assert (found.state, found.worst, found.manifest_count) == ("trusted", "trusted", 2)
    parents = active(twice, media_type)["ingredients"]
    assert [(p["relationship"], p["active_manifest"]) for p in parents] == [("parentOf", first.label)]
    # Byte for byte: the parent's manifest box stands in the new store as it stood in its own.
    assert first.store[first.store.index(b"jumb", 20) :] in second.store


@pytest.mark.parametrize(("media_type", "parts"), [("image/jpeg", jpeg_parts), ("image/png", png_parts)])
@pytest.mark.parametrize("thumbnail_bytes", [4_000, 200_000])  # 200 kB need several APP11 segments
def test_the_store_is_the_segment_and_the_rest_is_the_upload(
    identity: Identity, tmp_path: Path, media_type: str, parts: Any, thumbnail_bytes: int
) -> None:
    upload = photo_of(media_type)
    padded = thumbnail() + os.urandom(thumbnail_bytes)
    signed, result = signed_copy(upload, media_type, tmp_path, identity, thumbnail=padded)
    assert parts(signed.read_bytes()) == (result.store, upload)
    assert len(result.store) > thumbnail_bytes


def test_what_the_manifest_says(identity: Identity, tmp_path: Path) -> None:
    upload = jpeg(7, 320, 240)
    signed, _ = signed_copy(upload, "image/jpeg", tmp_path, identity)
    manifest = active(signed, "image/jpeg")
    generator = manifest["claim_generator_info"][0]
    assert (manifest["claim_version"], generator["name"], generator["specVersion"]) == (2, "Capture", "2.4.0")
    binding = assertion(manifest, "c2pa.soft-binding")
    assert binding["created"] and binding["data"]["alg"] == "io.iscc.v0"
    assert [block["value"] for block in binding["data"]["blocks"]] == [ISCC]
    own = assertion(manifest, FINGERPRINTS)["data"]
    assert own["upload"] == {"alg": "sha256", "hash": hashlib.sha256(upload).hexdigest(), "size": len(upload)}
    assert [b["alg"] for b in own["soft_bindings"]] == ["pdq256-v1", "phash64-v1"]
    assert own["soft_bindings"][0]["value"] == PDQ and own["quality"] == 88
    for label, content in RIGHTS.items():
        stated = assertion(manifest, label)
        assert stated["data"] == content and not stated.get("created")


@pytest.mark.parametrize("with_parent", [False, True])
def test_nobody_claims_to_have_created_the_photo(identity: Identity, tmp_path: Path, with_parent: bool) -> None:
    upload = jpeg(8, 320, 240)
    if with_parent:
        upload = signed_copy(upload, "image/jpeg", tmp_path, identity)[0].read_bytes()
    signed, _ = signed_copy(upload, "image/jpeg", tmp_path, identity)
    actions = assertion(active(signed, "image/jpeg"), "c2pa.actions.v2")
    assert [action["action"] for action in actions["data"]["actions"]] == ["c2pa.opened"]
    assert actions["created"] and actions["data"]["allActionsIncluded"] is True
    assert b"digitalCapture" not in signed.read_bytes() and b"digitalSourceType" not in signed.read_bytes()


def test_the_thumbnail_is_ours_byte_for_byte(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(jpeg(9, 320, 240), "image/jpeg", tmp_path, identity)
    out = io.BytesIO()
    with signed.open("rb") as opened, Reader("image/jpeg", opened) as reader:
        content = json.loads(reader.json())
        reader.resource_to_stream(content["manifests"][content["active_manifest"]]["thumbnail"]["identifier"], out)
    assert out.getvalue() == thumbnail()


@pytest.mark.parametrize("keep_location", [False, True])
def test_location_goes_in_only_when_it_is_asked_for(identity: Identity, tmp_path: Path, keep_location: bool) -> None:
    upload = encoded(picture(10, 320, 240), "JPEG", exif=exif(gps=BERLIN).tobytes())
    signed, _ = signed_copy(upload, "image/jpeg", tmp_path, identity, keep_location=keep_location)
    stated = assertion(active(signed, "image/jpeg"), "c2pa.metadata")["data"]
    assert stated["exif:DateTimeOriginal"] == "2026-02-28T23:59:58+01:00"
    assert (stated["tiff:Make"], stated["tiff:Model"]) == ("Fairphone", "FP5")
    assert (stated["exif:PixelXDimension"], stated["exif:PixelYDimension"]) == (320, 240)
    location = {name: value for name, value in stated.items() if "GPS" in name}
    expected = {"exif:GPSLatitude": "52,31.208333N", "exif:GPSLongitude": "13,24.600000E"}
    assert location == (expected if keep_location else {})


def test_two_signings_of_one_photo_have_labels_of_their_own(identity: Identity, tmp_path: Path) -> None:
    labels = {signed_copy(jpeg(11, 64, 48), "image/jpeg", tmp_path, identity)[1].label for _ in range(3)}
    assert len(labels) == 3


def test_signing_works_in_a_forked_child(identity: Identity, tmp_path: Path) -> None:
    signed_copy(jpeg(12, 320, 240), "image/jpeg", tmp_path, identity)  # the parent has used the library
    photo, signed = tmp_path / "photo", tmp_path / "from-child"
    order = order_for(photo, "image/jpeg", identity)
    child = os.fork()
    if child == 0:
        try:
            sign(photo, signed, order, RIGHTS, identity)
        finally:
            os._exit(0 if signed.exists() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert inspect(signed, "image/jpeg", identity.root_pem).state == "trusted"


def test_a_kind_of_file_that_cannot_carry_credentials_is_told(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="image/bmp cannot carry Content Credentials; send one of image/jpeg"):
        signed_copy(encoded(picture(1, 32, 32), "BMP"), "image/bmp", tmp_path, identity)


@pytest.mark.parametrize("name", ["rs_no_alg.jpg", "rs_prerelease.jpg"])
def test_credentials_that_cannot_be_kept_are_not_signed_away(identity: Identity, tmp_path: Path, name: str) -> None:
    fixture = SHARED / "c2pa" / name
    if not fixture.is_file():
        pytest.skip(f"{name} is not among the shared fixtures here")
    beside_and_trusted(fixture.read_bytes(), "image/jpeg", tmp_path, identity)


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_poisoned_manifest_is_left_where_it_is(identity: Identity, tmp_path: Path, media_type: str) -> None:
    beside_and_trusted(poisoned(media_type, tmp_path, identity), media_type, tmp_path, identity)


def test_a_sidecar_holds_for_every_byte_of_the_photo(identity: Identity, tmp_path: Path) -> None:
    upload = poisoned("image/jpeg", tmp_path, identity)
    _, result = signed_copy(upload, "image/jpeg", tmp_path, identity)
    for at in (20, upload.index(b"c2pa.claim.v9"), len(upload) // 2, len(upload) - 3):
        changed = upload[:at] + bytes([upload[at] ^ 1]) + upload[at + 1 :]
        assert read_report(io.BytesIO(changed), "image/jpeg", identity.root_pem, result.store).state == "Invalid"
    longer = io.BytesIO(upload + b"\0")
    assert read_report(longer, "image/jpeg", identity.root_pem, result.store).state == "Invalid"


def test_a_sidecar_says_what_it_could_not_read(identity: Identity, tmp_path: Path) -> None:
    upload = poisoned("image/jpeg", tmp_path, identity)
    _, result = signed_copy(upload, "image/jpeg", tmp_path, identity)
    said = read_report(io.BytesIO(upload), "image/jpeg", identity.root_pem, result.store).active
    (parent,) = said["ingredients"]
    assert (parent["relationship"], parent["format"]) == ("parentOf", "image/jpeg")
    assert "cannot be read" in parent["description"] and "active_manifest" not in parent
    actions = assertion(dict(said), "c2pa.actions.v2")["data"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened"]
    assert assertion(dict(said), FINGERPRINTS)["data"]["upload"]["hash"] == hashlib.sha256(upload).hexdigest()


def poisoned(media_type: str, folder: Path, identity: Identity) -> bytes:
    """A photo with a manifest of ours that no reader knows what to make of."""
    signed, _ = signed_copy(photo_of(media_type, 13), media_type, folder, identity)
    content = signed.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    if media_type == "image/png":  # an honest checksum, so that the manifest is all that is wrong
        at, size = content.index(b"caBX"), int.from_bytes(content[(start := content.index(b"caBX") - 4) : start + 4])
        end = at + 4 + size
        content = content[:end] + zlib.crc32(content[at:end]).to_bytes(4, "big") + content[end + 4 :]
    signed.unlink()
    signed.write_bytes(content)
    assert inspect(signed, media_type, identity.root_pem).state == "malformed"
    signed.unlink()
    return content


def beside_and_trusted(upload: bytes, media_type: str, folder: Path, identity: Identity) -> None:
    signed, result = signed_copy(upload, media_type, folder, identity)
    assert signed.read_bytes() == upload and result.embedded is False
    report = read_report(io.BytesIO(upload), media_type, identity.root_pem, result.store)
    assert (report.state, report.failures, report.active_label) == ("Trusted", (), result.label)


@pytest.mark.parametrize(("state", "count"), [("valid", 1), ("invalid", 2), ("malformed", 0)])
def test_what_inspection_saw_is_in_the_result_or_stays_in_the_file(
    identity: Identity, tmp_path: Path, state: CredentialState, count: int
) -> None:
    """A library that loses what inspection had seen gets no say in it."""
    photo, signed = tmp_path / "photo", tmp_path / "signed"
    photo.write_bytes(jpeg(14, 320, 240))
    seen = Credentials(state, state, "Somebody", None, None, count, None, None)
    result = sign(photo, signed, order_for(photo, "image/jpeg", identity, credentials=seen), RIGHTS, identity)
    assert result.embedded is False and signed.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("name", ["rs_cloud.jpg", "nikon-20221019-building.jpeg", "adobe-20220124-XCA.jpg"])
def test_what_came_is_kept_in_place_whatever_its_verdict(identity: Identity, tmp_path: Path, name: str) -> None:
    fixture = SHARED / "c2pa" / name
    if not fixture.is_file():
        pytest.skip(f"{name} is not among the shared fixtures here")
    came = inspect(fixture, "image/jpeg", identity.root_pem)
    signed, result = signed_copy(fixture.read_bytes(), "image/jpeg", tmp_path, identity)
    found = inspect(signed, "image/jpeg", identity.root_pem)
    assert result.embedded and (found.state, found.worst) == ("trusted", came.worst)
    assert found.manifest_count == came.manifest_count + 1


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_capture_that_the_device_attests_is_created(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, _ = signed_copy(photo_of(media_type), media_type, tmp_path, identity, attested=True)
    manifest = active(signed, media_type)
    (action,) = assertion(manifest, "c2pa.actions.v2")["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    assert assertion(manifest, "c2pa.actions.v2")["data"]["allActionsIncluded"] is True
    assert not manifest.get("ingredients")
    assert inspect(signed, media_type, identity.root_pem).worst == "trusted"


@pytest.mark.parametrize("stated", ["trainedAlgorithmicMedia", "computationalCapture", "digitalCapture"])
@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
def test_an_attested_photo_that_states_another_source_is_not_called_a_capture(
    identity: Identity, tmp_path: Path, media_type: str, stated: str
) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{stated}"/></rdf:RDF></x:xmpmeta>'
    ).encode()
    photo = encoded(picture(23, 320, 240), media_type.removeprefix("image/").upper(), **with_xmp(media_type, packet))
    signed, _ = signed_copy(photo, media_type, tmp_path, identity, attested=True)
    told = assertion(active(signed, media_type), "c2pa.actions.v2")["data"]["actions"]
    assert [each["action"] for each in told] == ["c2pa.created" if stated == "digitalCapture" else "c2pa.opened"]


def with_xmp(media_type: str, packet: bytes) -> dict[str, Any]:
    """How Pillow is told to write it."""
    if media_type != "image/png":
        return {"xmp": packet}
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {"pnginfo": info}


def test_an_attested_photo_with_credentials_keeps_them(identity: Identity, tmp_path: Path) -> None:
    once, first = signed_copy(jpeg(21, 320, 240), "image/jpeg", tmp_path, identity)
    (tmp_path / "2").mkdir()
    twice, _ = signed_copy(once.read_bytes(), "image/jpeg", tmp_path / "2", identity, attested=True)
    manifest = active(twice, "image/jpeg")
    assert [i["active_manifest"] for i in manifest["ingredients"]] == [first.label]
    assert b"digitalCapture" not in twice.read_bytes()


def test_the_manifest_says_where_its_log_is_anchored(identity: Identity, tmp_path: Path) -> None:
    photo, signed = tmp_path / "photo", tmp_path / "signed"
    photo.write_bytes(jpeg(22, 320, 240))
    place = {"origin": "log.example/capture", "chain_id": 8453, "contract": "0x" + "ab" * 20, "local": False}
    sign(photo, signed, order_for(photo, "image/jpeg", identity), RIGHTS, identity, log=place)
    said = assertion(active(signed, "image/jpeg"), LOG)
    assert said["created"] and said["data"] == {"version": 1, **place}


def test_a_key_that_is_not_the_certificates_is_an_engines_fault(identity: Identity, tmp_path: Path) -> None:
    strange = dataclasses.replace(identity, _key=LocalKey(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(Unavailable, match="the signer"):
        signed_copy(jpeg(15, 64, 48), "image/jpeg", tmp_path, strange)


def test_a_root_that_is_not_ours_fails_the_read_back(identity: Identity, tmp_path: Path) -> None:
    other = Identity.load_or_make(tmp_path / "other")
    strange = dataclasses.replace(identity, root_pem=other.root_pem)
    with pytest.raises(Unavailable, match="own signature is not trusted"):
        signed_copy(jpeg(16, 64, 48), "image/jpeg", tmp_path, strange)
    assert not (tmp_path / "signed").exists()


def test_a_place_that_cannot_be_written_is_an_engines_fault(identity: Identity, tmp_path: Path) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(jpeg(18, 64, 48))
    order = order_for(photo, "image/jpeg", identity)
    with pytest.raises(Unavailable, match="the disk"):
        sign(photo, tmp_path / "no" / "folder" / "signed", order, RIGHTS, identity)


def test_the_librarys_create_would_have_lost_the_manifest(identity: Identity, tmp_path: Path) -> None:
    """The trap that signing as opened avoids: should this fail one day, the library has changed."""
    signed, first = signed_copy(jpeg(19, 320, 240), "image/jpeg", tmp_path, identity)
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem)
    out = io.BytesIO()
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json('{"claim_generator_info": [{"name": "t"}]}', context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.CREATE)
        builder.sign("image/jpeg", io.BytesIO(signed.read_bytes()), out)
    assert first.label.encode() not in out.getvalue()


def test_a_phone_sized_photo_costs_little(identity: Identity, tmp_path: Path) -> None:
    """Target 100 ms of CPU at 12 megapixels (measured: 26); the bound here is loose, for a busy machine."""
    image = picture(20, 1000, 750).resize((4000, 3000), Image.Resampling.NEAREST)
    photo = tmp_path / "photo"
    photo.write_bytes(encoded(image, "JPEG", quality=92))
    order = order_for(photo, "image/jpeg", identity)
    before = time.process_time()
    result: Signed = sign(photo, tmp_path / "signed", order, RIGHTS, identity)
    assert time.process_time() - before < 0.4
    assert len(result.store) - len(order.thumbnail) < 20_000
