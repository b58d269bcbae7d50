"""The public file: without the place, signed, with the whole signed photo as its parent, and nothing that leaks."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Reader, Signer

from pipeline.ports import Public, Signed
from provenance.assertions import FINGERPRINTS, RENDITION
from provenance.exif import read_shot
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.location import tells_location, without_location
from provenance.manifest import sign
from provenance.reader import offline_settings
from provenance.rendition import sign_public
from tests.photos import SHARED, encoded, jpeg, picture
from tests.provenance.orders import RIGHTS, order_for
from tests.provenance.test_location import KINDS, located, opened
from tests.provenance.test_manifest import active, assertion

LOG_PLACE = {"origin": "log.example"}


def made(
    upload: bytes, media_type: str, folder: Path, identity: Identity, **changes: Any
) -> tuple[Path, Signed, Path, Public]:
    """Sign these bytes and make their public file."""
    photo, signed, public = folder / "photo", folder / "signed", folder / "public"
    photo.write_bytes(upload)
    order = order_for(photo, media_type, identity, **changes)
    full = sign(photo, signed, order, RIGHTS, identity, log=LOG_PLACE)
    return signed, full, public, sign_public(signed, public, order, full, RIGHTS, identity, log=LOG_PLACE)


def media_type_of(kind: str) -> str:
    return "image/heic" if kind == "HEIF" else f"image/{kind.lower()}"


def without_last(store: bytes) -> bytes:
    """A manifest store as it was before its last manifest was added: boxes after the description (ISO 19566-5)."""
    at = last = 8
    while at < len(store):
        last, at = at, at + int.from_bytes(store[at : at + 4])
    assert at == len(store)
    return last.to_bytes(4) + store[4:last]


@pytest.mark.parametrize("kind", KINDS)
def test_the_public_file_is_trusted_and_tells_no_place(identity: Identity, tmp_path: Path, kind: str) -> None:
    upload, media_type = located(kind), media_type_of(kind)
    signed, _, public, result = made(upload, media_type, tmp_path, identity)
    assert result.location == "removed" and result.signed
    found = inspect(public, media_type, identity.root_pem)
    assert (found.state, found.worst, found.manifest_count) == ("trusted", "trusted", 2)
    assert read_shot(signed).latitude and read_shot(public).latitude is None
    assert not tells_location(public.read_bytes()) and without_location(public.read_bytes()) == public.read_bytes()
    assert np.array_equal(np.asarray(opened(public.read_bytes())), np.asarray(opened(upload)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_leaf_commits_to_can_be_cut_out_of_the_public_file(
    identity: Identity, tmp_path: Path, kind: str
) -> None:
    _, full, _, result = made(located(kind), media_type_of(kind), tmp_path, identity)
    assert result.signed and without_last(result.signed.store) == full.store


@pytest.mark.parametrize(
    ("label", "kind", "place"),
    [
        ("stds.schema-org.CreativeWork", "Json", {"locationCreated": {"name": "Mitteplatz"}, "@type": "CreativeWork"}),
        ("org.camera.place", "Cbor", {"latitude": 52.5206, "longitude": 13.41, "name": "Mitteplatz"}),
    ],
)
def test_a_place_in_the_words_of_schema_org_is_redacted_too(
    identity: Identity, tmp_path: Path, label: str, kind: str, place: dict[str, Any]
) -> None:
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem, None)
    said, out = {"claim_version": 2, "assertions": [{"label": label, "kind": kind, "data": place}]}, io.BytesIO()
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json(json.dumps(said), context) as builder,
    ):
        builder.set_intent(C2paBuilderIntent.EDIT)
        builder.sign("image/jpeg", io.BytesIO(jpeg(31, 320, 240)), out)
    signed, _, public, result = made(out.getvalue(), "image/jpeg", tmp_path, identity)
    assert result.location == "removed"
    assert b"Mitteplatz" in signed.read_bytes() and b"Mitteplatz" not in public.read_bytes()
    assert inspect(public, "image/jpeg", identity.root_pem).worst == "trusted"


def test_a_tiff_whose_iptc_alone_tells_the_place_has_a_public_file(identity: Identity, tmp_path: Path) -> None:
    upload = encoded(picture(12, 64, 48), "TIFF", tiffinfo={33723: b"\x1c\x02\x5a\0\x06Berlin"})
    signed, _, public, result = made(upload, "image/tiff", tmp_path, identity)
    assert result.location == "removed" and b"Berlin" in signed.read_bytes() and b"Berlin" not in public.read_bytes()
    assert inspect(public, "image/tiff", identity.root_pem).worst == "trusted"


def test_what_the_public_manifest_says(identity: Identity, tmp_path: Path) -> None:
    upload = located("JPEG")
    _, full, public, _ = made(upload, "image/jpeg", tmp_path, identity)
    manifest = active(public, "image/jpeg")
    (parent,) = manifest["ingredients"]
    assert (parent["relationship"], parent["active_manifest"]) == ("parentOf", full.label)
    said = assertion(manifest, RENDITION)
    assert said["created"] and said["data"]["of"] == {"alg": "sha256", "hash": hashlib.sha256(full.store).hexdigest()}
    actions = assertion(manifest, "c2pa.actions.v2")
    assert actions["created"] and actions["data"]["allActionsIncluded"] is True
    assert [a["action"] for a in actions["data"]["actions"]] == ["c2pa.opened", "c2pa.edited.metadata"]
    assert assertion(manifest, FINGERPRINTS)["data"]["upload"]["hash"] == hashlib.sha256(upload).hexdigest()
    stated = assertion(manifest, "c2pa.metadata")["data"]
    assert stated["tiff:Model"] == "FP5" and not any("GPS" in name for name in stated)


def test_no_assertion_and_no_thumbnail_of_the_whole_photo_tells_the_place(identity: Identity, tmp_path: Path) -> None:
    _, full, _, _ = made(located("JPEG"), "image/jpeg", tmp_path, identity)
    assert not tells_location(full.store) and without_location(full.store) == full.store


def test_a_photo_without_a_place_needs_no_second_file(identity: Identity, tmp_path: Path) -> None:
    _, _, public, result = made(jpeg(31, 320, 240), "image/jpeg", tmp_path, identity)
    assert result == Public("absent") and not public.exists()


def test_with_its_owners_consent_the_place_stays(identity: Identity, tmp_path: Path) -> None:
    signed, _, public, result = made(located("JPEG"), "image/jpeg", tmp_path, identity, keep_location=True)
    assert result == Public("kept") and not public.exists()
    assert "exif:GPSLatitude" in assertion(active(signed, "image/jpeg"), "c2pa.metadata")["data"]


def test_credentials_that_tell_the_place_are_redacted_as_c2pa_has_it(identity: Identity, tmp_path: Path) -> None:
    """A photo that its owner had signed with the place in the manifest, and now publishes without."""
    (tmp_path / "first").mkdir()
    signed, first, _, _ = made(located("JPEG"), "image/jpeg", tmp_path / "first", identity, keep_location=True)
    _, full, public, result = made(signed.read_bytes(), "image/jpeg", tmp_path, identity)
    assert tells_location(full.store) and result.location == "removed"
    assert inspect(public, "image/jpeg", identity.root_pem).worst == "trusted"
    with public.open("rb") as file, Reader("image/jpeg", file) as reader:
        manifests = json.loads(reader.json())["manifests"]
    assert "c2pa.metadata" not in [a["label"] for a in manifests[first.label]["assertions"]]
    assert FINGERPRINTS in [a["label"] for a in manifests[first.label]["assertions"]]
    redacted = assertion(active(public, "image/jpeg"), "c2pa.actions.v2")["data"]["actions"][-1]
    assert (redacted["action"], redacted["reason"]) == ("c2pa.redacted", "c2pa.PII.present")
    assert redacted["parameters"]["redacted"].endswith(f"{first.label}/c2pa.assertions/c2pa.metadata")


@pytest.mark.parametrize(
    "place", [{"photoshop:City": "Ulm"}, {"Iptc4xmpExt:LocationCreated": [{"Iptc4xmpExt:City": "Ulm"}]}]
)
def test_a_town_that_credentials_name_is_a_place_too(identity: Identity, tmp_path: Path, place: Any) -> None:
    """As newsrooms write it: no coordinates, only names, and in the statements of the manifest alone."""
    (tmp_path / "first").mkdir()
    photo, signed = tmp_path / "first" / "photo", tmp_path / "first" / "signed"
    photo.write_bytes(jpeg(33, 320, 240))
    spaces = {
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }
    said = RIGHTS | {"cawg.metadata": {"@context": spaces} | place}
    sign(photo, signed, order_for(photo, "image/jpeg", identity), said, identity, log=LOG_PLACE)
    _, full, public, result = made(signed.read_bytes(), "image/jpeg", tmp_path, identity)
    assert b"Ulm" in full.store and result.location == "removed"
    assert b"Ulm" not in public.read_bytes()
    assert inspect(public, "image/jpeg", identity.root_pem).worst == "trusted"


def test_a_cameras_own_credentials_are_redacted_too(identity: Identity, tmp_path: Path) -> None:
    fixture = SHARED / "c2pa" / "nikon-20221019-building.jpeg"
    if not fixture.is_file():
        pytest.skip("the fixture is not among the shared ones here")
    came = inspect(fixture, "image/jpeg", identity.root_pem)
    _, full, public, result = made(fixture.read_bytes(), "image/jpeg", tmp_path, identity)
    assert tells_location(full.store) and result.location == "removed"
    found = inspect(public, "image/jpeg", identity.root_pem)
    assert (found.state, found.worst, found.manifest_count) == ("trusted", came.worst, came.manifest_count + 2)
    assert not tells_location(public.read_bytes())


def test_a_place_in_a_thumbnail_of_the_credentials_is_withheld(identity: Identity, tmp_path: Path) -> None:
    """A thumbnail is a picture of somebody else's making: nothing in it is changed, so nobody else gets the file."""
    (tmp_path / "first").mkdir()
    signed, *_ = made(jpeg(32, 320, 240), "image/jpeg", tmp_path / "first", identity, thumbnail=located("JPEG"))
    *_, result = made(signed.read_bytes(), "image/jpeg", tmp_path, identity)
    assert result == Public("withheld")


def test_a_place_that_only_other_readers_find_is_withheld(identity: Identity, tmp_path: Path) -> None:
    *_, result = made(located("TIFF", big_tiff=True), "image/tiff", tmp_path, identity)
    assert result == Public("withheld")


def test_a_place_beside_credentials_that_nobody_can_read_is_withheld(identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    signed, *_ = made(located("JPEG"), "image/jpeg", tmp_path / "first", identity)
    poisoned = signed.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    signed, full, _, result = made(poisoned, "image/jpeg", tmp_path, identity)
    assert (full.embedded, result) == (False, Public("withheld"))
    assert signed.read_bytes() == poisoned


@pytest.mark.parametrize("located_or_not", [True, False])
def test_each_signing_adds_less_than_20_kilobytes(identity: Identity, tmp_path: Path, located_or_not: bool) -> None:
    upload = located("JPEG") if located_or_not else jpeg(33, 320, 240)
    signed, _, public, result = made(upload, "image/jpeg", tmp_path, identity)
    thumbnail = len(order_for(tmp_path / "photo", "image/jpeg", identity).thumbnail)
    assert signed.stat().st_size - len(upload) - thumbnail < 20_000
    if result.signed:
        assert public.stat().st_size - signed.stat().st_size - thumbnail < 20_000


def test_the_pixels_thumbnail_of_the_public_file_is_ours(identity: Identity, tmp_path: Path) -> None:
    _, _, public, _ = made(located("JPEG"), "image/jpeg", tmp_path, identity)
    out = io.BytesIO()
    with public.open("rb") as file, Reader("image/jpeg", file) as reader:
        reader.resource_to_stream(active(public, "image/jpeg")["thumbnail"]["identifier"], out)
    assert out.getvalue() == order_for(tmp_path / "photo", "image/jpeg", identity).thumbnail
