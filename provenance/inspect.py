"""What Content Credentials came with a photo, judged over the whole tree of what it was made from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import Unavailable
from pipeline.record import Credentials, CredentialState
from provenance.container import FORMATS
from provenance.exif import clean_text, read_shot
from provenance.reader import Report, Unreadable, failure_codes, ingredients, read_report
from provenance.revocation import revoked_since

# From the best to the worst that may be found in a tree. An ingredient without credentials accuses nobody.
SEVERITY: tuple[CredentialState, ...] = ("none", "trusted", "valid", "remote_only", "malformed", "invalid")

_STATES: dict[str, CredentialState] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}

_REMOTE = "its credentials are kept elsewhere, and an address that a photo names is never fetched"
_CANNOT_CARRY = "this kind of file cannot carry Content Credentials"

# Failure codes (C2PA 2.4, section 15.2) in words. A code that is not here is told as it is.
_WORDS = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "a signed statement was changed",
    "assertion.missing": "a signed statement is missing",
    "claimSignature.mismatch": "the signature does not fit what was signed",
    "claimSignature.missing": "the signature is missing",
    "signingCredential.expired": "the signer's certificate had ended",
    "signingCredential.invalid": "the signer's certificate may not sign this",
    "signingCredential.ocsp.revoked": "the signer's certificate was revoked",
    "signingCredential.untrusted": "the signer is on none of our trust lists",
    "manifest.inaccessible": _REMOTE,
}

# Not knowing a signer is no fault of the photo.
_UNTRUSTED = frozenset({"signingCredential.untrusted", "timeStamp.untrusted"})
# What older manifests record in one list together with failures (C2PA 1.x, section 15.2.1).
_SUCCESS_ENDINGS = (".validated", ".trusted", ".match", ".accessible", ".insideValidity", ".notRevoked")
_REMARKS = frozenset(
    {"algorithm.deprecated", "ingredient.unknownProvenance", "signingCredential.ocsp.skipped", "manifest.unreferenced"}
)
_RELATIONS = {"parentOf": "the photo it was made from", "componentOf": "a picture in it", "inputTo": "an input"}
MAX_FAULTS = 5  # more than these help nobody


def inspect(photo: Path, media_type: str, own_roots_pem: str, crl_pem: str = "") -> Credentials:
    """Judge the credentials of a photo; nothing is fetched, and nothing in the file makes this raise.

    `state` is the verdict over the photo's own manifest with `own_roots_pem` as trust anchors; `worst` is taken over
    every ingredient as well: a tampered photo that somebody signs again is `trusted` or `valid`, and its worst
    `invalid`. Ingredients are judged by what their signer recorded and by what can still be checked; pixels of an
    ingredient are not in the file, so a signer who lied about them is not found out here.

    `crl_pem`: our own revocation list, "" for none.

    Raises Unavailable when the file is not there to be read.
    """
    shot = read_shot(photo)
    state: CredentialState = "none"
    try:
        report = _read(photo, media_type, own_roots_pem)
    except Unreadable as unreadable:
        state, reason = _unreadable(unreadable.kind)
        return Credentials(state, state, None, None, reason, 0, shot.taken_at, shot.device)
    if report is None:
        return Credentials(state, state, None, None, _CANNOT_CARRY, 0, shot.taken_at, shot.device)
    state, worst, faults = with_revocations(report, crl_pem, *judge(report))
    return Credentials(
        state=state,
        worst=worst,
        signer=signer_name(report.active),
        claim_generator=_claim_generator(report.active),
        reason="; ".join(faults[:MAX_FAULTS]) or None,
        manifest_count=len(report.manifests),
        captured_at=shot.taken_at,
        device=shot.device,
    )


def judge(report: Report) -> tuple[CredentialState, CredentialState, list[str]]:
    """The state of the photo's own manifest, the worst state in its tree, and what was found wrong, in words."""
    state = _STATES.get(report.state, "malformed")
    # What is wrong comes before what is merely not known.
    faults = [_in_words(code) for code in sorted(report.failures, key=_UNTRUSTED.__contains__)]
    worst = state
    for ingredient in _tree(report):
        found, codes = _ingredient_state(ingredient)
        worst = max(worst, found, key=SEVERITY.index)
        if found not in ("none", "trusted"):
            faults += [f"{_ingredient_name(ingredient)}: {_in_words(code)}" for code in codes]
    return state, worst, list(dict.fromkeys(faults))


def with_revocations(
    report: Report, crl_pem: str, state: CredentialState, worst: CredentialState, faults: list[str]
) -> tuple[CredentialState, CredentialState, list[str]]:
    """What `judge` found, or worse where a signer of ours was revoked: no time-stamp says that it signed before."""
    for label, manifest in report.manifests.items() if crl_pem else ():
        serial = str((manifest.get("signature_info") or {}).get("cert_serial_number"))
        found = revoked_since(int(serial), crl_pem.encode()) if serial.isascii() and serial.isdigit() else None
        if found:
            own = label == report.active_label
            worst, state, whose = "invalid", "invalid" if own else state, "" if own else "an ingredient: "
            since = f"{found.since:%Y-%m-%d %H:%M} UTC ({found.reason})"
            faults = [f"{whose}the signer's certificate was revoked since {since}", *faults]
    return state, worst, faults


def signer_name(manifest: Mapping[str, Any]) -> str | None:
    """The signer as the certificate names it: common name, and the organisation when it says more."""
    info = manifest.get("signature_info") or {}
    name, issuer = clean_text(info.get("common_name")), clean_text(info.get("issuer"))
    if name and issuer and issuer != name:
        return f"{name} ({issuer})"
    return name or issuer


def _read(photo: Path, media_type: str, own_roots_pem: str) -> Report | None:
    if media_type not in FORMATS:
        return None
    try:
        with photo.open("rb") as opened:
            content: BinaryIO = opened
            return read_report(content, FORMATS[media_type], own_roots_pem)
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None


def _unreadable(kind: str) -> tuple[CredentialState, str | None]:
    if kind == "ManifestNotFound":
        return "none", None
    if kind in ("Remote", "RemoteManifest"):
        return "remote_only", _REMOTE
    return "malformed", f"the file, or the credentials in it, cannot be read ({kind})"


def _tree(report: Report) -> Iterator[Mapping[str, Any]]:
    """Every ingredient of the active manifest and, by their own manifests, of its ingredients, each manifest once."""
    seen: set[str] = set()
    open_labels = [report.active_label]
    while open_labels:
        label = open_labels.pop()
        if label in seen or label not in report.manifests:
            continue
        seen.add(label)
        for ingredient in ingredients(report.manifests[label]):
            yield ingredient
            if ingredient.get("active_manifest"):
                open_labels.append(str(ingredient["active_manifest"]))


def _ingredient_state(ingredient: Mapping[str, Any]) -> tuple[CredentialState, list[str]]:
    codes = [*failure_codes(ingredient.get("validation_results") or {}), *_old_failures(ingredient)]
    bad = [code for code in codes if code not in _UNTRUSTED]
    if bad == ["manifest.inaccessible"]:
        return "remote_only", bad
    if bad:
        return "invalid", bad
    if not ingredient.get("active_manifest"):
        return "none", []
    return ("trusted" if _was_trusted(ingredient) and not codes else "valid"), codes


def _was_trusted(ingredient: Mapping[str, Any]) -> bool:
    results = (ingredient.get("validation_results") or {}).get("activeManifest") or {}
    return any(status.get("code") == "signingCredential.trusted" for status in results.get("success", ()))


def _old_failures(ingredient: Mapping[str, Any]) -> Iterator[str]:
    for status in ingredient.get("validation_status") or ():
        code = str(status.get("code"))
        if not code.endswith(_SUCCESS_ENDINGS) and code not in _REMARKS:
            yield code


def _in_words(code: str) -> str:
    return _WORDS.get(code) or clean_text(code) or "something unnamed"


def _ingredient_name(ingredient: Mapping[str, Any]) -> str:
    relation = _RELATIONS.get(str(ingredient.get("relationship")), "an ingredient")
    title = clean_text(ingredient.get("title"))
    return f'{relation} ("{title}")' if title else relation


def _claim_generator(manifest: Mapping[str, Any]) -> str | None:
    for generator in manifest.get("claim_generator_info") or ():
        name, version = clean_text(generator.get("name")), clean_text(generator.get("version"))
        if name:
            return f"{name} {version}" if version else name
    return clean_text(manifest.get("claim_generator"))
