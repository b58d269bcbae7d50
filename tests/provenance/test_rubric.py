"""The conformance programme's rules over our own manifests: none is broken, and each would be noticed."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenance.container import FORMATS as LIBRARY_FORMATS
from provenance.keys import Identity
from tests.photos import SHARED
from tests.provenance import rubric
from tests.provenance.orders import FORMATS, photo_of, signed_copy
from tests.provenance.rubric import CHECKS, Manifest, active_manifest, objections

LISTS = {
    "$inception_actions": rubric.INCEPTION,
    "$non_editorial_actions": rubric.NOT_EDITORIAL,
    "$allowed_actions": rubric.ACTIONS,
    "$deprecated_action_labels": rubric.OLD_ACTIONS,
    "$standard_parameters": rubric.PARAMETERS,
    "$allowed_assertions": rubric.ASSERTIONS | {"font.info"},
    "$deprecated_assertion_labels": rubric.OLD_ASSERTIONS,
}

RUBRICS = SHARED.parent / "specs" / "c2pa-conformance"


def signed_manifest(media_type: str, times: int, folder: Path, identity: Identity) -> Manifest:
    content = photo_of(media_type)
    for _ in range(times):
        signed, _result = signed_copy(content, media_type, folder, identity)
        content = signed.read_bytes()
    return active_manifest(signed, LIBRARY_FORMATS[media_type], identity.root_pem)


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("times", [1, 2])  # a photo without credentials, and one that has some
def test_no_rule_is_broken(identity: Identity, tmp_path: Path, media_type: str, times: int) -> None:
    assert objections(signed_manifest(media_type, times, tmp_path, identity)) == {}


@pytest.mark.parametrize("media_type", FORMATS)
def test_no_rule_is_broken_by_what_a_device_vouches_for(identity: Identity, tmp_path: Path, media_type: str) -> None:
    signed, _ = signed_copy(photo_of(media_type), media_type, tmp_path, identity, attested=True)
    manifest = active_manifest(signed, LIBRARY_FORMATS[media_type], identity.root_pem)
    assert [action["action"] for action in manifest["assertions"]["c2pa.actions.v2"]["actions"]] == ["c2pa.created"]
    assert objections(manifest) == {}


def test_a_stranger_is_not_trusted(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    stranger = Identity.load_or_make(tmp_path / "stranger")
    found = objections(active_manifest(signed, "image/jpeg", stranger.root_pem))
    assert found == {"validation:trusted_success": ["signingCredential.untrusted"]}


def test_a_changed_pixel_breaks_the_rule_of_validity(identity: Identity, tmp_path: Path) -> None:
    signed, _ = signed_copy(photo_of("image/jpeg"), "image/jpeg", tmp_path, identity)
    content = bytearray(signed.read_bytes())
    content[-30] ^= 1
    signed.write_bytes(content)
    found = objections(active_manifest(signed, "image/jpeg", identity.root_pem))
    assert found == {"validation:valid_success": ["assertion.dataHash.mismatch"]}


def _first_action(manifest: Manifest) -> dict[str, Any]:
    action: dict[str, Any] = manifest["assertions"]["c2pa.actions.v2"]["actions"][0]
    return action


def _act(name: str, **more: Any) -> Callable[[Manifest], object]:
    return lambda m: m["assertions"]["c2pa.actions.v2"]["actions"].append({"action": name, **more})


def _add(label: str, content: dict[str, Any]) -> Callable[[Manifest], object]:
    return lambda m: m["assertions"].update({label: content})


def _fail(code: str) -> Callable[[Manifest], object]:
    return lambda m: m["validationResults"]["failure"].append({"code": code})


def _ingredient(**content: Any) -> Callable[[Manifest], object]:
    return lambda m: m["assertions"]["c2pa.ingredient.v3"].update(content)


# For each rule, what breaks it: a check that objects to nothing would be worth nothing.
BREAKS: dict[str, Callable[[Manifest], object]] = {
    "mandatory_dst_for_perceptible_transformations": _act("c2pa.cropped"),
    "mandatory_spec_version": lambda m: m["claim.v2"]["claim_generator_info"].update(specVersion="2.2.0"),
    "mandatory_all_actions_included": lambda m: m["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    "no_dst_for_opened_action": lambda m: _first_action(m).update(digitalSourceType="x"),
    "well_formed_data_present": lambda m: m.pop("validationResults"),
    "valid_data_present": lambda m: m.pop("validationResults"),
    "trusted_data_present": lambda m: m.pop("validationResults"),
    "well_formed_success": _fail("assertion.dataHash.malformed"),
    "valid_success": _fail("assertion.hashedURI.mismatch"),
    "trusted_success": _fail("claimSignature.outsideValidity"),
    "inception_action_position": lambda m: m["claim.v2"].update(created_assertions=[]),
    "no_deprecated_assertions": _add("stds.exif", {}),
    "no_unsupported_assertions": _add("c2pa.nonsense", {}),
    "no_unrecognized_custom_assertions": _add("nonsense", {}),
    "no_deprecated_actions": _act("c2pa.saved"),
    "no_unsupported_actions": _act("c2pa.nonsense", digitalSourceType="x"),
    "no_unrecognized_custom_actions": _act("nonsense"),
    "no_unrecognized_custom_action_parameters": lambda m: _first_action(m)["parameters"].update(nonsense=1),
    "discouraged_legacy_action_parameters": lambda m: _first_action(m)["parameters"].update(description="x"),
    "active_manifest_urn": lambda m: m.update(label="urn:uuid:1"),
    "review_ratings_datasource": _add("org.x", {"reviewRatings": [1], "dataSource": {"type": "humanEntry.anonymous"}}),
    "ingredient_v3_no_active_manifest": lambda m: m["assertions"]["c2pa.ingredient.v3"].pop("activeManifest"),
    "ingredient_v3_mandatory_validation_results": (
        lambda m: m["assertions"]["c2pa.ingredient.v3"].pop("validationResults")
    ),
    "ingredient_v3_choice": _ingredient(digitalSourceType="x"),
    "ingredient_relationship_values": _ingredient(relationship="cousinOf"),
    "mandatory_dst_for_created_action": _act("c2pa.created"),
    "no_deprecated_claim_fields": lambda m: m["claim.v2"].update(specVersion="2.4.0"),
    "alternative_content_representation_choice": _add("org.x", {"type": "exif.originalPreservationImage"}),
    "forbidden_labels_in_external_references": _add("org.x", {"label": "c2pa.actions", "url": "x"}),
    "no_url_in_hashes": lambda m: m["assertions"]["c2pa.hash.data"].update(url="x"),
    "all_actions_included_opened": lambda m: m["assertions"]["c2pa.actions.v2"].update(allActionsIncluded=False),
    "opened_action_ingredient_reference": lambda m: _first_action(m)["parameters"].update(ingredients=[]),
    "no_box_hash_for_tiff": lambda m: m["assertions"].update(
        {"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}}
    ),
}


@pytest.fixture(scope="module")
def edited(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return signed_manifest("image/jpeg", 2, tmp_path_factory.mktemp("rubric"), identity)


@pytest.mark.parametrize("name", CHECKS)
def test_each_rule_objects_when_it_is_broken(edited: Manifest, name: str) -> None:
    broken = copy.deepcopy(edited)
    BREAKS[name.removeprefix("validation:")](broken)
    assert name in objections(broken)


def official() -> str:
    """The text of the programme's own rubrics."""
    files = sorted(RUBRICS.glob("asset-rubric-*.yml"))
    if not files:
        pytest.skip("the official rubrics are not here")
    return "\n".join(file.read_text() for file in files)


def test_every_official_rule_has_a_check() -> None:
    assert set(re.findall(r"^- id: (\S+)$", official(), re.MULTILINE)) == set(CHECKS)


@pytest.mark.parametrize(
    ("listed", "rule"),
    [
        ("$well_formed_error_codes", "well_formed_success"),
        ("$valid_error_codes", "valid_success"),
        ("$trust_error_codes", "trusted_success"),
    ],
)
def test_every_official_failure_breaks_its_rule(edited: Manifest, listed: str, rule: str) -> None:
    found = re.search(rf"^  {re.escape(listed)}:\n((?:  - \S+\n)+)", official(), re.MULTILINE)
    assert found
    codes = [code for code in re.findall(r"- (\S+)", found[1]) if "." in code]
    assert len(codes) >= 5
    for code in codes:
        broken = copy.deepcopy(edited)
        _fail(code)(broken)
        assert objections(broken)[f"validation:{rule}"] == [code]


def test_official_words_are_known() -> None:
    lists = dict(re.findall(r"^  (\$\w+):\n((?:  - \S+\n)+)", official(), re.MULTILINE))
    for listed, ours in LISTS.items():
        assert set(re.findall(r"- (\S+)", lists[listed])) == ours, listed
