"""The verdict over a manifest and everything that it was made from: nothing is better than its worst ingredient."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.record import CredentialState
from provenance.exif import clean_text
from provenance.reader import Report, failure_codes, ingredients

# From the best to the worst that may be found in a tree. An ingredient without credentials accuses nobody.
SEVERITY: tuple[CredentialState, ...] = ("none", "trusted", "valid", "remote_only", "malformed", "invalid")
REMOTE = "its credentials are kept elsewhere, and an address that a photo names is never fetched"

_STATES: dict[str, CredentialState] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
CHANGED = frozenset({"assertion.dataHash.mismatch", "assertion.bmffHash.mismatch", "assertion.boxesHash.mismatch"})

# Failure codes (C2PA 2.4, section 15.2) in words. A code that is not here is told as it is.
_WORDS = {
    **dict.fromkeys(CHANGED, "the file was changed after it was signed"),
    "assertion.hashedURI.mismatch": "a signed statement was changed",
    "assertion.missing": "a signed statement is missing",
    "claimSignature.mismatch": "the signature does not fit what was signed",
    "claimSignature.missing": "the signature is missing",
    "signingCredential.expired": "the signer's certificate had ended",
    "signingCredential.invalid": "the signer's certificate may not sign this",
    "signingCredential.ocsp.revoked": "the signer's certificate was revoked",
    "signingCredential.untrusted": "the signer is on none of our trust lists",
    "timeStamp.untrusted": "the time-stamp's authority is on none of our trust lists",
    "manifest.inaccessible": REMOTE,
}

# Not knowing a signer is no fault of the photo.
_UNTRUSTED = frozenset({"signingCredential.untrusted", "timeStamp.untrusted"})
# What older manifests record in one list together with failures (C2PA 1.x, section 15.2.1).
_SUCCESS_ENDINGS = (".validated", ".trusted", ".match", ".accessible", ".insideValidity", ".notRevoked")
_REMARKS = frozenset(
    {"algorithm.deprecated", "ingredient.unknownProvenance", "signingCredential.ocsp.skipped", "manifest.unreferenced"}
)
_RELATIONS = {"parentOf": "the photo it was made from", "componentOf": "a picture in it", "inputTo": "an input"}
_TRUSTED, _UNKNOWN_SIGNER = "signingCredential.trusted", "signingCredential.untrusted"

IsListed = Callable[[str], bool | None]  # of a manifest's label; None: cannot be told


def _as_recorded(_label: str) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class Judged:
    """An ingredient, its state, and why in codes. `depth` 1 is what the photo itself was made from.

    `is_parent`: the photo, or what it was made from, grew out of it; else it is only a part or an input.
    """

    content: Mapping[str, Any]
    state: CredentialState
    codes: tuple[str, ...]
    depth: int
    is_parent: bool

    @property
    def manifest_label(self) -> str | None:
        """The label of its own manifest, when it has one."""
        label = self.content.get("active_manifest")
        return str(label) if label else None

    @property
    def name(self) -> str:
        """What a person may call it."""
        relation = _RELATIONS.get(str(self.content.get("relationship")), "an ingredient")
        title = clean_text(self.content.get("title"))
        return f'{relation} ("{title}")' if title else relation

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, in words; nothing for one that is trusted or came without credentials."""
        return [in_words(code) for code in self.codes] if self.state not in ("none", "trusted") else []


def judge(report: Report, is_listed: IsListed = _as_recorded) -> tuple[CredentialState, CredentialState, list[str]]:
    """The state of the photo's own manifest, the worst state in its tree, and what was found wrong, in words.

    `is_listed` tells of a manifest whether our lists name its signer; without it the library and the records are asked.
    """
    state, found = own_state(report, is_listed), tree(report, is_listed)
    # What is wrong comes before what is merely not known.
    faults = [in_words(code) for code in sorted(own_failures(report), key=_UNTRUSTED.__contains__)]
    if state == "valid" and not faults:
        faults = [in_words(_UNKNOWN_SIGNER)]
    for ingredient in sorted(found, key=lambda one: SEVERITY.index(one.state), reverse=True):
        faults += [f"{ingredient.name}: {fault}" for fault in ingredient.faults]
    return state, worst_of(state, found), list(dict.fromkeys(faults))


def own_state(report: Report, is_listed: IsListed = _as_recorded) -> CredentialState:
    """The library's verdict over the photo's own manifest; trusted only when a list for signers says so."""
    state = _STATES.get(report.state, "malformed")
    return "valid" if state == "trusted" and is_listed(report.active_label) is False else state


def worst_of(state: CredentialState, found: list[Judged]) -> CredentialState:
    """The worst of the photo's own state and its ingredients'."""
    return max((state, *(one.state for one in found)), key=SEVERITY.index)


def tree(report: Report, is_listed: IsListed = _as_recorded) -> list[Judged]:
    """Every ingredient of the active manifest and, by their own manifests, of its ingredients, each manifest once."""
    deltas = _deltas(report)
    seen: set[str] = set()
    waiting, found = [(report.active_label, 1, True)], []
    while waiting:
        label, depth, in_line = waiting.pop(0)
        if label in seen or label not in report.manifests:
            continue
        seen.add(label)
        for content in ingredients(report.manifests[label]):
            delta = deltas.get(f"self#jumbf=/c2pa/{label}/c2pa.assertions/{content.get('label')}", {})
            is_parent = in_line and content.get("relationship") == "parentOf"
            listed = is_listed(str(content.get("active_manifest")))
            judged = Judged(content, *_ingredient_state(content, delta, listed), depth, is_parent)
            found.append(judged)
            if judged.manifest_label:
                waiting.append((judged.manifest_label, depth + 1, is_parent))
    return found


def own_failures(report: Report) -> tuple[str, ...]:
    """The failure codes that are no ingredient's."""
    active = (report.results.get("activeManifest") or {}).get("failure")
    return report.failures if active is None else tuple(str(status.get("code")) for status in active)


def in_words(code: str) -> str:
    """A failure code as a person reads it."""
    return _WORDS.get(code) or clean_text(code) or "something unnamed"


def _deltas(report: Report) -> dict[str, Mapping[str, Any]]:
    """What we find of ingredients otherwise than their signers recorded, by the address of their assertion."""
    found = report.results.get("ingredientDeltas") or ()
    return {str(delta.get("ingredientAssertionURI")): delta.get("validationDeltas") or {} for delta in found}


def _ingredient_state(
    content: Mapping[str, Any], delta: Mapping[str, Any], is_listed: bool | None
) -> tuple[CredentialState, tuple[str, ...]]:
    """Judged by what its signer recorded, corrected by what the library can still check of it under our lists."""
    recorded = content.get("validation_results") or {}
    codes = [*failure_codes(recorded), *_old_failures(content), *_codes(delta, "failure")]
    is_trusted = _TRUSTED in (*_codes(recorded.get("activeManifest") or {}, "success"), *_codes(delta, "success"))
    if is_listed is None:
        is_listed = _TRUSTED in _codes(delta, "success") or _UNKNOWN_SIGNER not in codes
    codes = [code for code in codes if code != _UNKNOWN_SIGNER]
    bad = tuple(dict.fromkeys(code for code in codes if code not in _UNTRUSTED))
    if bad == ("manifest.inaccessible",):
        return "remote_only", bad
    if bad:
        return "invalid", bad
    if not content.get("active_manifest"):
        return "none", ()
    if is_trusted and is_listed:
        return ("valid" if codes else "trusted"), tuple(dict.fromkeys(codes))
    return "valid", (*(() if is_listed else (_UNKNOWN_SIGNER,)), *dict.fromkeys(codes))


def _codes(results: Mapping[str, Any], kind: str) -> list[str]:
    return [str(status.get("code")) for status in results.get(kind) or ()]


def _old_failures(ingredient: Mapping[str, Any]) -> Iterator[str]:
    for status in ingredient.get("validation_status") or ():
        code = str(status.get("code"))
        if not code.endswith(_SUCCESS_ENDINGS) and code not in _REMARKS:
            yield code
