"""The rules of the C2PA conformance programme's asset rubric (0.2, for specification 2.4) and of its integrity rubric,
written as checks of our own over a manifest report in the standard form (crJSON).

Each check is named as the rubric's rule is, and answers with what it objects to: nothing, when the rule is kept. A
rule that only warns is kept like the others.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from c2pa import Context, Reader

from provenance.reader import offline_settings

Manifest = dict[str, Any]
Check = Callable[[Manifest], Iterable[Any]]

CHECKS: dict[str, Check] = {}

INCEPTION = {"c2pa.created", "c2pa.opened"}
NOT_EDITORIAL = {
    "c2pa.converted", "c2pa.published", "c2pa.repackaged", "c2pa.transcoded", "c2pa.resized.proportional",
    "c2pa.enhanced", "c2pa.edited.metadata", "c2pa.watermarked", "c2pa.watermarked.bound",
    "c2pa.watermarked.unbound", "c2pa.redacted",
}  # fmt: skip
ACTIONS = INCEPTION | NOT_EDITORIAL | {
    "c2pa.addedText", "c2pa.adjustedColor", "c2pa.changedSpeed", "c2pa.color_adjustments", "c2pa.cropped",
    "c2pa.deleted", "c2pa.drawing", "c2pa.dubbed", "c2pa.edited", "c2pa.filtered", "c2pa.mastered", "c2pa.mixed",
    "c2pa.orientation", "c2pa.placed", "c2pa.remixed", "c2pa.removed", "c2pa.resized", "c2pa.translated",
    "c2pa.trimmed", "c2pa.unknown",
}  # fmt: skip
OLD_ACTIONS = {
    "c2pa.copied", "c2pa.formatted", "c2pa.version_updated", "c2pa.printed", "c2pa.managed", "c2pa.produced",
    "c2pa.saved", "c2pa.color_adjustments", "c2pa.watermarked",
}  # fmt: skip
PARAMETERS = {
    "redacted", "ingredients", "ingredient", "description", "relatedAssertions", "sourceLanguage", "targetLanguage",
    "multipleInstances", "ranges", "weight", "width", "italic", "slant", "optical-size",
}  # fmt: skip
ASSERTIONS = {
    "c2pa.hash.data", "c2pa.hash.data.part", "c2pa.actions.v2", "c2pa.ingredient.v3", "c2pa.hash.boxes",
    "c2pa.hash.bmff.v3", "c2pa.hash.collection.data", "c2pa.soft-binding", "c2pa.cloud-data", "c2pa.embedded-data",
    "c2pa.metadata", "c2pa.certificate-status", "c2pa.asset-ref", "c2pa.asset-type.v2", "c2pa.hash.multi-asset",
    "c2pa.thumbnail.claim", "c2pa.thumbnail.ingredient", "c2pa.depthmap.GDepth", "c2pa.icon",
    "c2pa.alternative-content-representation", "c2pa.external-reference", "c2pa.session-keys",
    "c2pa.environmental-sustainability", "c2pa.repository-receipt", "c2pa.ai-disclosure", "c2pa.assertion.metadata",
    "c2pa.time-stamp",
}  # fmt: skip
OLD_ASSERTIONS = {
    "c2pa.claim", "c2pa.hash.bmff.v2", "c2pa.asset-type", "c2pa.ingredient", "c2pa.ingredient.v2", "c2pa.actions",
}  # fmt: skip
# Endings of the codes (C2PA 2.4, section 15.2) by which a manifest is not well formed, or does not hold together.
MALFORMED = (
    ".malformed", "labelMismatch", "external-reference.created", "Representation.missing", "cbor.invalid",
    "json.invalid", "hardBindings.missing", "claim.missing", "claim.multiple", "hashedURI.missing",
    "ingredient.manifest.missing", "unknownBox", "multipleHardBindings", "compressed.invalid", "multipleManifests",
    "manifest.inaccessible", "multipleParents", "emptyReference", "malformedReference", "multipleReferences",
    "noManifest", "noResolutionPath", "timestamp.invalid", "wrongParents", "update.invalid",
)  # fmt: skip
BROKEN = (
    "ingredientMismatch", "redactionMismatch", "Hash.mismatch", "hashMismatch", "hashedURI.mismatch",
    "hardBinding.redacted", "ingredient.manifest.mismatch", "claimSignature.missing",
    "ingredient.claimSignature.mismatch",
)  # fmt: skip
UNTRUSTED = (
    "claimSignature.mismatch", "claimSignature.outsideValidity", "signingCredential.invalid",
    "signingCredential.ocsp.revoked", "signingCredential.untrusted",
)  # fmt: skip


def active_manifest(signed: Path, library_format: str, anchors_pem: str) -> Manifest:
    """The manifest that counts, in the form that the rubrics are written for."""
    settings = offline_settings(anchors_pem)
    with (
        signed.open("rb") as opened,
        Context.from_dict(settings) as context,
        Reader(library_format, opened, context=context) as reader,
    ):
        content = json.loads(reader.crjson())
    manifest: Manifest = content["manifests"][0]
    return manifest


def objections(manifest: Manifest) -> dict[str, list[Any]]:
    """What each rule objects to; those that are kept are not among them."""
    found = {name: list(check(manifest)) for name, check in CHECKS.items()}
    return {name: objected for name, objected in found.items() if objected}


def rule(name: str) -> Callable[[Check], Check]:
    """Register a check under the rubric's name for it."""

    def register(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return register


def _assertions(manifest: Manifest) -> dict[str, Any]:
    return dict(manifest.get("assertions") or {})


def _objects(manifest: Manifest) -> Iterator[dict[str, Any]]:
    return (value for value in _assertions(manifest).values() if isinstance(value, dict))


def _actions(manifest: Manifest) -> list[dict[str, Any]]:
    return [action for assertion in _objects(manifest) for action in assertion.get("actions") or ()]


def _ingredients(manifest: Manifest) -> Iterator[dict[str, Any]]:
    return (assertion for assertion in _objects(manifest) if "relationship" in assertion)


def _generators(manifest: Manifest) -> list[dict[str, Any]]:
    info = manifest["claim.v2"].get("claim_generator_info") or {}
    return list(info) if isinstance(info, list) else [info]


def _failures(manifest: Manifest, endings: tuple[str, ...]) -> Iterator[str]:
    results = manifest.get("validationResults") or {"failure": [{"code": "none given.malformed"}]}
    return (status["code"] for status in results["failure"] if status["code"].endswith(endings))


def _is_custom(name: str) -> bool:
    return not name.startswith("c2pa.")


@rule("validation:mandatory_dst_for_perceptible_transformations")
def _source_of_edits(manifest: Manifest) -> Iterator[str]:
    for action in _actions(manifest):
        name = action["action"]
        free = _is_custom(name) or name in INCEPTION | NOT_EDITORIAL | {"c2pa.placed"}
        if not free and not action.get("digitalSourceType"):
            yield name


@rule("validation:mandatory_spec_version")
def _spec_version(manifest: Manifest) -> Iterator[Any]:
    version = _generators(manifest)[0].get("specVersion")
    if not isinstance(version, str) or version.split(".")[:2] != ["2", "4"]:
        yield version


@rule("validation:mandatory_all_actions_included")
def _says_whether_all(manifest: Manifest) -> Iterator[str]:
    for label, assertion in _assertions(manifest).items():
        if isinstance(assertion, dict) and "actions" in assertion and assertion.get("allActionsIncluded") is None:
            yield label


@rule("validation:no_dst_for_opened_action")
def _opened_has_no_source(manifest: Manifest) -> Iterator[str]:
    return (
        a["digitalSourceType"] for a in _actions(manifest) if a["action"] == "c2pa.opened" and "digitalSourceType" in a
    )


@rule("validation:well_formed_data_present")
@rule("validation:valid_data_present")
@rule("validation:trusted_data_present")
def _was_validated(manifest: Manifest) -> Iterator[str]:
    if manifest.get("validationResults") is None:
        yield "validationResults"


@rule("validation:well_formed_success")
def _well_formed(manifest: Manifest) -> Iterator[str]:
    return _failures(manifest, MALFORMED)


@rule("validation:valid_success")
def _holds_together(manifest: Manifest) -> Iterator[str]:
    return _failures(manifest, BROKEN)


@rule("validation:trusted_success")
def _trusted(manifest: Manifest) -> Iterator[str]:
    return _failures(manifest, UNTRUSTED)


@rule("validation:inception_action_position")
def _begins_at_the_beginning(manifest: Manifest) -> Iterator[str]:
    created = [entry["url"] for entry in manifest["claim.v2"].get("created_assertions") or ()]
    first = next((url for url in created if "c2pa.actions" in url), "no actions")
    if not first.endswith("c2pa.actions.v2"):
        yield first
    names = [action["action"] for action in _actions(manifest)]
    if "c2pa.created" in names and names[0] not in INCEPTION:
        yield names[0]


@rule("validation:no_deprecated_assertions")
def _no_old_assertions(manifest: Manifest) -> Iterator[str]:
    return (label for label in _assertions(manifest) if label.startswith("stds.") or label in OLD_ASSERTIONS)


@rule("validation:no_unsupported_assertions")
def _no_unknown_assertions(manifest: Manifest) -> Iterator[str]:
    for label in _assertions(manifest):
        if not _is_custom(label) and label.split("__")[0] not in ASSERTIONS | OLD_ASSERTIONS:
            yield label


@rule("validation:no_unrecognized_custom_assertions")
def _assertions_have_namespaces(manifest: Manifest) -> Iterator[str]:
    return (label for label in _assertions(manifest) if "." not in label)


@rule("validation:no_deprecated_actions")
def _no_old_actions(manifest: Manifest) -> Iterator[str]:
    return (action["action"] for action in _actions(manifest) if action["action"] in OLD_ACTIONS)


@rule("validation:no_unsupported_actions")
def _no_unknown_actions(manifest: Manifest) -> Iterator[str]:
    names = [action["action"] for action in _actions(manifest)]
    return (name for name in names if not _is_custom(name) and name not in ACTIONS)


@rule("validation:no_unrecognized_custom_actions")
def _actions_have_namespaces(manifest: Manifest) -> Iterator[str]:
    return (action["action"] for action in _actions(manifest) if "." not in action["action"])


@rule("validation:no_unrecognized_custom_action_parameters")
def _parameters_have_namespaces(manifest: Manifest) -> Iterator[str]:
    for action in _actions(manifest):
        yield from (key for key in action.get("parameters") or () if key not in PARAMETERS and "." not in key)


@rule("validation:discouraged_legacy_action_parameters")
def _no_old_parameters(manifest: Manifest) -> Iterator[str]:
    for action in _actions(manifest):
        yield from {"description", "ingredient"} & set(action.get("parameters") or ())


@rule("validation:active_manifest_urn")
def _urn(manifest: Manifest) -> Iterator[Any]:
    if not str(manifest.get("label")).startswith("urn:c2pa:"):
        yield manifest.get("label")


@rule("validation:review_ratings_datasource")
def _people_rate_nothing(manifest: Manifest) -> Iterator[Any]:
    for assertion in _objects(manifest):
        source = (assertion.get("dataSource") or {}).get("type")
        if assertion.get("reviewRatings") and source in ("humanEntry.anonymous", "humanEntry.credentialed"):
            yield source


@rule("validation:ingredient_v3_no_active_manifest")
def _nothing_to_judge(manifest: Manifest) -> Iterator[Any]:
    return (i for i in _ingredients(manifest) if "activeManifest" not in i and "validationResults" in i)


@rule("validation:ingredient_v3_mandatory_validation_results")
def _ingredients_are_judged(manifest: Manifest) -> Iterator[Any]:
    return (i for i in _ingredients(manifest) if "activeManifest" in i and "validationResults" not in i)


@rule("validation:ingredient_v3_choice")
def _source_or_manifest(manifest: Manifest) -> Iterator[Any]:
    return (i for i in _ingredients(manifest) if "activeManifest" in i and "digitalSourceType" in i)


@rule("validation:ingredient_relationship_values")
def _relationships(manifest: Manifest) -> Iterator[str]:
    known = ("parentOf", "inputTo", "componentOf")
    return (i["relationship"] for i in _ingredients(manifest) if i["relationship"] not in known)


@rule("validation:mandatory_dst_for_created_action")
def _created_has_a_source(manifest: Manifest) -> Iterator[str]:
    for action in _actions(manifest):
        if action["action"] == "c2pa.created" and not action.get("digitalSourceType"):
            yield "c2pa.created"


@rule("validation:no_deprecated_claim_fields")
def _no_old_claim_fields(manifest: Manifest) -> Iterator[str]:
    if "specVersion" in manifest["claim.v2"]:
        yield "specVersion"


@rule("validation:alternative_content_representation_choice")
def _one_alternative(manifest: Manifest) -> Iterator[Any]:
    kind = "exif.originalPreservationImage"
    for assertion in _objects(manifest):
        parameters = assertion.get("parameters") or {}
        if kind in (assertion.get("type"), parameters.get("type")):
            given = [key for key in ("multiAssetPartIndex", "embeddedOriginalPreservationImage") if key in parameters]
            if len(given) != 1:
                yield given


@rule("validation:forbidden_labels_in_external_references")
def _not_kept_elsewhere(manifest: Manifest) -> Iterator[str]:
    for assertion in _objects(manifest):
        label = assertion.get("label")
        if isinstance(label, str) and "url" in assertion and "relationship" not in assertion:
            listed = label in ("c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference")
            if listed or label.startswith(("c2pa.hash", "c2pa.ingredient")):
                yield label


@rule("validation:no_url_in_hashes")
def _hashes_have_no_url(manifest: Manifest) -> Iterator[str]:
    assertions = _assertions(manifest)
    return (label for label in ("c2pa.hash.data", "c2pa.hash.bmff.v3") if (assertions.get(label) or {}).get("url"))


@rule("validation:all_actions_included_opened")
def _opened_only_says_all(manifest: Manifest) -> Iterator[str]:
    all_included = (_assertions(manifest).get("c2pa.actions.v2") or {}).get("allActionsIncluded")
    names = [action["action"] for action in _actions(manifest)]
    if names == ["c2pa.opened"] and all_included is not True:
        yield "c2pa.opened"


@rule("validation:opened_action_ingredient_reference")
def _opened_names_its_parent(manifest: Manifest) -> Iterator[Any]:
    for action in _actions(manifest):
        named = (action.get("parameters") or {}).get("ingredients") or ()
        if action["action"] == "c2pa.opened" and len(named) != 1:
            yield named


@rule("validation:no_box_hash_for_tiff")
def _tiff_has_a_data_hash(manifest: Manifest) -> Iterator[str]:
    assertions = _assertions(manifest)
    kind = (assertions.get("c2pa.asset-type.v2") or {}).get("dc:format")
    if "c2pa.hash.boxes" in assertions and kind in ("image/tiff", "image/x-adobe-dng"):
        yield "c2pa.hash.boxes"
