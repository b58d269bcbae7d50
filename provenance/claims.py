"""What a manifest says: actions, where the picture came from, wishes about training. Said, not checked.

Every text is a stranger's: cleaned, and cut to what a person reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.credentials import Action, AiOrigin, TrainingUse
from provenance.exif import clean_text
from provenance.judge import Judged
from provenance.reader import Report

MAX_TEXT = 200  # characters of a description or a constraint
# IPTC digital source types (cv.iptc.org/newscodes/digitalsourcetype), by what they mean to people
MADE_BY_AI = frozenset({"trainedAlgorithmicMedia", "trainedAlgorithmicData"})
WITH_AI = frozenset({"compositeWithTrainedAlgorithmicMedia"})
CAPTURED = frozenset({"digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print"})
_ORIGINS = frozenset({"c2pa.created", "c2pa.opened"})
# Actions that leave the picture as it is (C2PA 2.4, table of actions); every other one tells of a change.
_NO_EDITS = _ORIGINS | {
    "c2pa.published", "c2pa.repackaged", "c2pa.transcoded", "c2pa.converted", "c2pa.watermarked", "c2pa.produced",
    "c2pa.watermarked.bound", "c2pa.watermarked.unbound", "c2pa.metadata", "c2pa.edited.metadata",
}  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def all_actions(report: Report, found: list[Judged]) -> list[tuple[Action, bool]]:
    """The actions of every manifest in the tree, the photo's own first; and whether they befell the photo itself."""
    places = [(report.active_label, 0, True)]
    places += [(one.manifest_label, one.depth, one.is_parent) for one in found if one.manifest_label]
    seen: set[str] = set()
    told = []
    for label, depth, in_line in places:
        if label not in seen and label in report.manifests:
            seen.add(label)
            told += [(_action(one, depth), in_line) for one in _actions(report.manifests[label])]
    return told


def ai_origin(told: Iterable[tuple[Action, bool]], types_of_parts: Iterable[str] = ()) -> AiOrigin:
    """In plain words what the source types say: made by AI, edited with AI, captured by a device, or nothing."""
    told = list(told)
    kinds = {action.digital_source_type for action, _ in told} | set(types_of_parts)
    begun = {action.digital_source_type for action, in_line in told if in_line and action.action in _ORIGINS}
    if begun & MADE_BY_AI:
        return "made_by_ai"
    if kinds & (MADE_BY_AI | WITH_AI):
        return "edited_with_ai"
    return "captured" if begun & CAPTURED else "not_said"


def is_edited(told: Iterable[tuple[Action, bool]]) -> bool:
    """Whether any action tells that the photo itself was changed."""
    return any(in_line and action.action not in _NO_EDITS for action, in_line in told)


def training_uses(report: Report, found: list[Judged]) -> list[TrainingUse]:
    """Wishes about training and mining; what the photo's own manifest says goes before what its parents' do."""
    labels = [report.active_label, *(one.manifest_label for one in found if one.is_parent and one.manifest_label)]
    uses: dict[str, TrainingUse] = {}
    for label in dict.fromkeys(labels):
        for content in _assertions(report.manifests.get(label) or {}, ("cawg.training-mining", "c2pa.training-mining")):
            for use in _uses(content.get("entries")):
                uses.setdefault(use.entry, use)
    return list(uses.values())


def source_type(value: Any) -> str | None:
    """A digital source type by its own name: the last part of its address."""
    text = clean_text(value, MAX_TEXT)
    return text.rstrip("/").rsplit("/", 1)[-1] or None if text else None


def moment(value: Any) -> str | None:
    """A time as it is written (RFC 3339), or None for what is none."""
    text = clean_text(value)
    return text if text and _MOMENT.fullmatch(text) else None


def claim_generator(manifest: Mapping[str, Any]) -> str | None:
    """The program that made the manifest, with its version."""
    for generator in manifest.get("claim_generator_info") or ():
        name, version = clean_text(generator.get("name")), clean_text(generator.get("version"))
        if name:
            return f"{name} {version}" if version else name
    return clean_text(manifest.get("claim_generator"))


def signer_name(manifest: Mapping[str, Any]) -> str | None:
    """The signer as the certificate names it: common name, and the organisation when it says more."""
    info = manifest.get("signature_info") or {}
    name, issuer = clean_text(info.get("common_name")), clean_text(info.get("issuer"))
    if name and issuer and issuer != name:
        return f"{name} ({issuer})"
    return name or issuer


def stated_moment(manifest: Mapping[str, Any]) -> str | None:
    """The latest time that the manifest itself states: the signer's clock, which nobody checked."""
    stated = [moment(action.get("when")) for action in _actions(manifest)]
    stated += [moment(one.get("dateTime")) for one in manifest.get("metadata") or () if isinstance(one, Mapping)]
    return max(filter(None, stated), default=None)


def _action(content: Mapping[str, Any], depth: int) -> Action:
    agent, parameters = content.get("softwareAgent"), content.get("parameters")
    described = content.get("description") or (parameters if isinstance(parameters, Mapping) else {}).get("description")
    return Action(
        action=clean_text(content.get("action")) or "unnamed",
        when=moment(content.get("when")),
        software=clean_text(agent.get("name") if isinstance(agent, Mapping) else agent),
        digital_source_type=source_type(content.get("digitalSourceType")),
        description=clean_text(described, MAX_TEXT),
        depth=depth,
    )


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for content in _assertions(manifest, ("c2pa.actions",)):
        yield from (one for one in content.get("actions") or () if isinstance(one, Mapping))


def _assertions(manifest: Mapping[str, Any], beginnings: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    for assertion in manifest.get("assertions") or ():
        content = assertion.get("data")
        if str(assertion.get("label")).startswith(beginnings) and isinstance(content, Mapping):
            yield content


def _uses(entries: Any) -> Iterator[TrainingUse]:
    for name, content in entries.items() if isinstance(entries, Mapping) else ():
        entry = clean_text(name)
        if entry and isinstance(content, Mapping):
            constraint = content.get("constraint_info") or content.get("constraints_info")
            yield TrainingUse(entry, clean_text(content.get("use")) or "not said", clean_text(constraint, MAX_TEXT))
