"""What manifests say, told to people: AI, actions, wishes, bytes outside the hash, a location that was zeroed."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Signer

from pipeline.credentials import TrainingUse
from pipeline.record import Credentials, decode, encode
from provenance.claims import MAX_TEXT, ai_origin
from provenance.inspect import MAX_LISTED, inspect
from provenance.judge import judge
from provenance.keys import Identity
from provenance.reader import Report, offline_settings
from tests.photos import SHARED, encoded, jpeg, picture
from tests.provenance.orders import FORMATS, photo_of, signed_copy
from tests.provenance.test_exif import BERLIN, exif

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
FIXTURES = SHARED / "c2pa"


def claimed(identity: Identity, photo: bytes, *assertions: dict[str, Any], **definition: Any) -> bytes:
    """The photo with a manifest that says this; without actions, as opened."""
    out = io.BytesIO()
    signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem)
    whole = {"claim_generator_info": [{"name": "t"}], "assertions": list(assertions), **definition}
    with (
        Context.from_dict(offline_settings(identity.root_pem), signer=signer) as context,
        Builder.from_json(json.dumps(whole), context) as builder,
    ):
        if not any(one["label"] == "c2pa.actions" for one in assertions):
            builder.set_intent(C2paBuilderIntent.EDIT)
        builder.sign("image/jpeg", io.BytesIO(photo), out)
    return out.getvalue()


def actions(*told: dict[str, Any]) -> dict[str, Any]:
    return {"label": "c2pa.actions", "data": {"actions": list(told)}}


def judged(identity: Identity, folder: Path, photo: bytes) -> Credentials:
    (folder / "judged").write_bytes(photo)
    found = inspect(folder / "judged", "image/jpeg", identity.root_pem)
    assert decode(Credentials, json.loads(json.dumps(encode(found)))) == found
    return found


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("trainedAlgorithmicMedia", "made_by_ai"),
        ("compositeWithTrainedAlgorithmicMedia", "edited_with_ai"),
        ("digitalCapture", "captured"),
        ("computationalCapture", "captured"),
        ("algorithmicMedia", "not_said"),
    ],
)
def test_the_origin_in_plain_words(identity: Identity, tmp_path: Path, source: str, origin: str) -> None:
    told = actions({"action": "c2pa.created", "digitalSourceType": SOURCE + source, "when": "2026-02-03T04:05:06Z"})
    found = judged(identity, tmp_path, claimed(identity, jpeg(1, 64, 48), told))
    assert (found.state, found.ai, found.digital_source_types) == ("trusted", origin, (source,))
    assert (found.actions[0].action, found.edited) == ("c2pa.created", False)
    assert (found.signed_at, found.time_source) == ("2026-02-03T04:05:06Z", "signer_clock")
    (tmp_path / "again").mkdir()
    again = signed_copy((tmp_path / "judged").read_bytes(), "image/jpeg", tmp_path / "again", identity)[0]
    later = judged(identity, tmp_path, again.read_bytes())
    assert (later.ai, later.actions[1].depth) == (origin, 1), "what it was made from says so still"


def test_an_edit_with_ai_of_a_captured_photo(identity: Identity, tmp_path: Path) -> None:
    camera = claimed(
        identity, jpeg(1, 64, 48), actions({"action": "c2pa.created", "digitalSourceType": f"{SOURCE}digitalCapture"})
    )
    assert judged(identity, tmp_path, camera).ai == "captured"
    fill = {"action": "c2pa.edited", "digitalSourceType": f"{SOURCE}trainedAlgorithmicMedia", "softwareAgent": "Fill"}
    edited = judged(
        identity, tmp_path, claimed(identity, camera, {"label": "c2pa.actions.v2", "data": {"actions": [fill]}})
    )
    assert (edited.ai, edited.edited) == ("edited_with_ai", True)
    assert "Fill" in [one.software for one in edited.actions]


def test_an_ai_picture_as_a_part_is_an_edit(tmp_path: Path) -> None:
    parts = [{"relationship": "componentOf", "active_manifest": "part", "label": "c2pa.ingredient"}]
    made = {"label": "c2pa.actions", "data": {"actions": [{"action": "c2pa.created",
            "digitalSourceType": f"{SOURCE}trainedAlgorithmicMedia"}]}}  # fmt: skip
    report = Report("Trusted", "top", {"top": {"ingredients": parts}, "part": {"assertions": [made]}}, ())
    from provenance.claims import all_actions
    from provenance.judge import tree

    assert ai_origin(all_actions(report, tree(report))) == "edited_with_ai"


def test_wishes_about_training(identity: Identity, tmp_path: Path) -> None:
    entries = {
        "cawg.ai_training": {"use": "constrained", "constraint_info": "ask\u202e me \n first"},
        "cawg.data_mining": {"use": "notAllowed"},
    }
    older = {"c2pa.ai_training": {"use": "allowed"}, "cawg.data_mining": {"use": "allowed"}}
    photo = claimed(identity, jpeg(1, 64, 48), {"label": "c2pa.training-mining", "data": {"entries": older}})
    photo = claimed(identity, photo, {"label": "cawg.training-mining", "data": {"entries": entries}})
    found = {use.entry: use for use in judged(identity, tmp_path, photo).training_mining}
    assert found == {
        "cawg.ai_training": TrainingUse("cawg.ai_training", "constrained", "ask me first"),
        "cawg.data_mining": TrainingUse("cawg.data_mining", "notAllowed", None),  # the newer manifest's word
        "c2pa.ai_training": TrainingUse("c2pa.ai_training", "allowed", None),
    }


def test_what_a_stranger_writes_is_cleaned_and_cut(identity: Identity, tmp_path: Path) -> None:
    begun = {"action": "c2pa.created", "digitalSourceType": f"{SOURCE}digitalCapture"}
    steps = ({"action": f"org.x.step{n}", "description": "a\u0007b" + "x" * 9000} for n in range(99))
    found = judged(identity, tmp_path, claimed(identity, jpeg(1, 64, 48), actions(begun, *steps)))
    assert len(found.actions) == MAX_LISTED and found.omitted == 100 - MAX_LISTED
    description = found.actions[1].description
    assert description is not None and description.startswith("a b") and len(description) == MAX_TEXT


@pytest.mark.parametrize("media_type", FORMATS)
def test_only_the_credentials_are_outside_of_our_hash(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, _ = signed_copy(photo_of(media_type), media_type, tmp_path, identity)
    found = inspect(signed, media_type, identity.root_pem)
    assert (found.state, found.unhashed_bytes) == ("trusted", 0)
    assert found.exclusions and found.certificate == "in_force" and found.certificate_ends


def test_bytes_outside_of_the_hash_are_counted(identity: Identity, tmp_path: Path) -> None:
    signed, signing = signed_copy(jpeg(1, 64, 48), "image/jpeg", tmp_path, identity)
    found = inspect(signed, "image/jpeg", identity.root_pem)
    from provenance.inspect import _unhashed

    (exclusion,) = found.exclusions
    assert exclusion.length is not None and 0 <= exclusion.length - len(signing.store) <= 64
    assert _unhashed([*found.exclusions, *found.exclusions], len(signing.store) + 20) >= len(signing.store)


def located(identity: Identity, folder: Path) -> bytes:
    photo = encoded(picture(1, 320, 240), "JPEG", exif=exif(gps=BERLIN).tobytes())
    return signed_copy(photo, "image/jpeg", folder, identity)[0].read_bytes()


def test_a_zeroed_location_is_named_and_accuses_nobody(identity: Identity, tmp_path: Path) -> None:
    photo = located(identity, tmp_path)
    whole = judged(identity, tmp_path, photo)
    assert (whole.state, whole.location_zeroed) == ("trusted", False)
    zeroed = photo
    for angle in ((52, 1, 31, 1, 25, 2), (13, 1, 24, 1, 36, 1)):  # as the system does: the values, in place
        value = struct.pack(">6I", *angle)
        assert photo.count(value) == 1
        zeroed = zeroed.replace(value, bytes(24))
    assert len(zeroed) == len(photo)
    found = judged(identity, tmp_path, zeroed)
    assert (found.state, found.location_zeroed) == ("invalid", True)
    assert found.reason is not None and "a phone's system zeroes it" in found.reason
    assert "cannot be told" in found.reason and "changed after it was signed" not in found.reason


def test_another_change_is_not_excused_by_a_location_that_was_never_there(identity: Identity, tmp_path: Path) -> None:
    photo = bytearray(located(identity, tmp_path))
    photo[-100] ^= 1
    found = judged(identity, tmp_path, bytes(photo))
    assert (found.state, found.location_zeroed) == ("invalid", False)
    assert found.reason == "the file was changed after it was signed"


@pytest.mark.parametrize(
    ("name", "signed_at", "time_source", "certificate"),
    [
        ("nikon-20221019-building.jpeg", None, None, "expired"),
        ("rs_ocsp.jpg", "2025-08-13T16:30:55+00:00", "time_stamp", "expired_since"),
        ("adobe-20220124-CA.jpg", "2023-01-24T14:48:56+00:00", "time_stamp", "in_force"),
        ("cawg_success.jpg", "1985-04-12T23:20:50.52Z", "signer_clock", "in_force"),
    ],
)
def test_time_and_certificate_of_the_fixtures(
    identity: Identity, name: str, signed_at: str | None, time_source: str | None, certificate: str
) -> None:
    if not (FIXTURES / name).is_file():
        pytest.skip(f"{name} is not among the shared fixtures here")
    found = inspect(FIXTURES / name, "image/jpeg", identity.root_pem)
    assert (found.signed_at, found.time_source, found.certificate) == (signed_at, time_source, certificate)


def test_a_delta_is_the_ingredients_own(identity: Identity) -> None:
    uri = "self#jumbf=/c2pa/top/c2pa.assertions/c2pa.ingredient__1"
    parts = [{"relationship": "componentOf", "title": name, "active_manifest": name, "label": label}
             for name, label in (("good", "c2pa.ingredient"), ("bad", "c2pa.ingredient__1"))]  # fmt: skip
    delta = {"ingredientAssertionURI": uri, "validationDeltas": {"failure": [{"code": "assertion.missing"}]}}
    results = {"activeManifest": {"failure": []}, "ingredientDeltas": [delta]}
    report = Report("Trusted", "top", {"top": {"ingredients": parts}}, ("assertion.missing",), results)
    assert judge(report) == ("trusted", "invalid", ['a picture in it ("bad"): a signed statement is missing'])
