"""What Content Credentials came with a photo, judged over the whole tree of what it was made from."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from cryptography import x509
from PIL import Image

from pipeline.credentials import Action, CertificateState, Credentials, CredentialState, Exclusion, Ingredient
from pipeline.errors import Unavailable
from provenance.claims import (
    ai_origin,
    all_actions,
    claim_generator,
    is_edited,
    moment,
    signer_name,
    source_type,
    stated_moment,
    training_uses,
)
from provenance.container import FORMATS, found_store
from provenance.cose import signing_chains
from provenance.exif import Shot, clean_text, read_shot
from provenance.judge import CHANGED, REMOTE, Judged, in_words, judge, own_failures, tree
from provenance.jumbf import TooMuch, check_store
from provenance.parts import read_contents
from provenance.reader import Report, Unreadable, read_report
from provenance.revocation import Revocation
from provenance.trust import TrustLists

__all__ = ["inspect", "judge", "signer_name"]

Listed = TypeVar("Listed", Action, Ingredient)

MAX_FAULTS = 5  # in the reason; more than these help nobody
MAX_LISTED = 40  # actions, ingredients, wishes, exclusions: of each
MAX_LISTED_DEPTH = 8

_BY_A_LIST = "timestamp cert trusted: "  # how the library begins to tell of a time-stamp that a list vouches for
_CANNOT_CARRY = "this kind of file cannot carry Content Credentials"
_LOCATION_ZEROED = (
    "the file is not as it was signed, and its location is all zeros: a phone's system zeroes it for apps that may not "
    "see it, and that alone breaks the seal; whether anything else was changed cannot be told"
)


def inspect(photo: Path, media_type: str, trust: TrustLists | str) -> Credentials:
    """Judge the credentials of a photo; nothing is fetched, and nothing in the file makes this raise.

    `state` is the verdict over the photo's own manifest under our trust lists; `worst` is taken over every ingredient
    as well: a tampered photo that somebody signs again is `trusted` or `valid`, and its worst `invalid`. Ingredients
    are judged by what their signer recorded and by what can still be checked; pixels of an ingredient are not in the
    file, so a signer who lied about them is not found out here. `trust` as text is our own root alone.

    Raises Unavailable when the file is not there to be read.
    """
    contents = read_contents(photo)
    return replace(_verdict(photo, media_type, trust), contents=contents)


def _verdict(photo: Path, media_type: str, trust: TrustLists | str) -> Credentials:
    shot = read_shot(photo)
    if isinstance(trust, str):
        trust = TrustLists.load(trust, ())
    try:
        store, wrapping = _store(photo, media_type)
        check_store(store)
        report = _read(photo, media_type, trust)
        if report is None:
            return _bare("none", _CANNOT_CARRY, shot)
        return _judged(report, store, wrapping, shot, trust)
    except TooMuch as too_much:
        return _bare("malformed", f"the credentials in it are beyond what is read: {too_much}", shot)
    except Unreadable as unreadable:
        return _bare(*_unreadable(unreadable.kind), shot)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return _bare(*_unreadable(type(error).__name__), shot)


def warm(trust: TrustLists) -> None:
    """Pay once, before the forks, for what the first verdict of each work horse would pay for again: some 10 ms."""
    Image.preinit()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        Image.new("RGB", (16, 16)).save(file, "JPEG", exif=Image.Exif())
        file.flush()
        inspect(Path(file.name), "image/jpeg", trust)
    trust.names(x509.load_pem_x509_certificates(trust.lists[0].pem.encode()))  # the first signature checked costs 14 ms


def _bare(state: CredentialState, reason: str | None, shot: Shot) -> Credentials:
    return Credentials(state, state, None, None, reason, 0, shot.taken_at, shot.device)


def _judged(report: Report, store: bytes, wrapping: int, shot: Shot, trust: TrustLists) -> Credentials:
    chains = _chains(report, store)

    def is_listed(label: str) -> bool:
        # Certificates that cannot be read here, or were found elsewhere than the library did, vouch for nobody.
        return label in chains and trust.names(chains[label]) is not None

    state, worst, faults = judge(report, is_listed)
    found = tree(report, is_listed)
    signed_at, time_source = _signed_at(report, trust)
    chain = chains.get(report.active_label, ())
    revoked = trust.revoked(chain)
    certificate = _certificate(report, chain, revoked, signed_at if time_source == "trusted_time_stamp" else None)
    if revoked and certificate == "revoked":
        state, worst = "invalid", "invalid"
        faults.insert(0, _revoked_in_words(revoked))
    # No time-stamp of an ingredient's is checked here, so nothing says that its signature is older.
    inner = [trust.revoked(other) for label, other in chains.items() if label != report.active_label]
    for one in filter(None, inner):
        worst = "invalid"
        faults.append(f"an ingredient: {_revoked_in_words(one)}")
    zeroed = shot.location_zeroed and not CHANGED.isdisjoint(own_failures(report))
    if zeroed:
        faults = [_LOCATION_ZEROED, *(fault for fault in faults if fault != in_words(next(iter(CHANGED))))]
    said = _said(report, found)
    exclusions = _exclusions(report)
    return Credentials(
        state=state,
        worst=worst,
        signer=signer_name(report.active),
        claim_generator=claim_generator(report.active),
        reason="; ".join(faults[:MAX_FAULTS]) or None,
        manifest_count=len(report.manifests),
        captured_at=shot.taken_at,
        device=shot.device,
        signed_at=signed_at,
        time_source=time_source,
        certificate=certificate,
        certificate_ends=f"{chain[0].not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" if chain else None,
        trusted_by=trust.names(chain) if state == "trusted" else None,
        trust_lists=trust.digest,
        exclusions=tuple(exclusions[:MAX_LISTED]),
        unhashed_bytes=_unhashed(exclusions, len(store) + wrapping),
        location_zeroed=zeroed,
        **said,
    )


def _chains(report: Report, store: bytes) -> dict[str, tuple[x509.Certificate, ...]]:
    """By manifest, the certificates that the library judged it by: a file may hold others, for readers like us."""

    def is_its_own(label: str, chain: tuple[x509.Certificate, ...]) -> bool:
        signature = report.manifests.get(label, {}).get("signature_info") or {}
        return bool(chain) and signature.get("cert_serial_number") == str(chain[0].serial_number)

    return {label: chain for label, chain in signing_chains(store).items() if is_its_own(label, chain)}


def _said(report: Report, found: list[Judged]) -> dict[str, Any]:
    """What the manifests of the whole tree say, cut to what a person reads."""
    told = all_actions(report, found)
    types = [kind for action, _ in told if (kind := action.digital_source_type)]
    types += [kind for one in found if (kind := source_type(one.content.get("digitalSourceType")))]
    actions = _shallow([action for action, _ in told])
    parts = _shallow([_ingredient(one, report) for one in found])
    return {
        "ai": ai_origin(told, types),
        "edited": is_edited(told),
        "digital_source_types": tuple(dict.fromkeys(types))[:MAX_LISTED],
        "actions": actions,
        "ingredients": parts,
        "training_mining": tuple(training_uses(report, found)[:MAX_LISTED]),
        "omitted": len(told) + len(found) - len(actions) - len(parts),
    }


def _store(photo: Path, media_type: str) -> tuple[bytes, int]:
    if media_type not in FORMATS:
        return b"", 0
    try:
        return found_store(photo, media_type)
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None


def _read(photo: Path, media_type: str, trust: TrustLists) -> Report | None:
    if media_type not in FORMATS:
        return None
    try:
        with photo.open("rb") as opened:
            content: BinaryIO = opened
            return read_report(content, FORMATS[media_type], trust.library_settings())
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None


def _unreadable(kind: str) -> tuple[CredentialState, str | None]:
    if kind == "ManifestNotFound":
        return "none", None
    if kind in ("Remote", "RemoteManifest"):
        return "remote_only", REMOTE
    return "malformed", f"the file, or the credentials in it, cannot be read ({kind})"


def _signed_at(report: Report, trust: TrustLists) -> tuple[str | None, Any]:
    """When it was signed, and who says so. An authority that no list of ours names is one more stranger's clock."""
    stamped = moment((report.active.get("signature_info") or {}).get("time"))
    if stamped:
        return stamped, "trusted_time_stamp" if _is_listed_stamp(report, trust) else "time_stamp"
    stated = stated_moment(report.active)
    return stated, "signer_clock" if stated else None


def _is_listed_stamp(report: Report, trust: TrustLists) -> bool:
    # Not the code timeStamp.trusted alone: old time-stamps get it from the library whoever made them, without a list.
    # Nor how the text ends: of old ones it ends with the authority's name, which is a stranger's.
    said = (report.results.get("activeManifest") or {}).get("success", ())
    told = [str(one.get("explanation")) for one in said if one.get("code") == "timeStamp.trusted"]
    names = {one.name for one in trust.lists if one.kind == "tsa"}
    return any(text.startswith(_BY_A_LIST) and text.rpartition("trust list: ")[2] in names for text in told)


def _certificate(
    report: Report, chain: Sequence[x509.Certificate], revoked: Revocation | None, proven_at: str | None
) -> CertificateState | None:
    """How the signer's certificate stands today. `since`: after the signature was made, which a time-stamp proves."""
    codes = own_failures(report)
    if any(code.endswith(".revoked") for code in codes):
        return "revoked"
    if revoked:
        return "revoked_since" if proven_at and datetime.fromisoformat(proven_at) < revoked.since else "revoked"
    if "signingCredential.expired" in codes:
        return "expired"
    if not chain:
        return None
    return "expired_since" if chain[0].not_valid_after_utc < datetime.now(UTC) else "in_force"


def _revoked_in_words(revoked: Revocation) -> str:
    return f"the signer's certificate was revoked since {revoked.since:%Y-%m-%d %H:%M} UTC ({revoked.reason})"


def _ingredient(judged: Judged, report: Report) -> Ingredient:
    manifest = report.manifests.get(judged.manifest_label or "")
    return Ingredient(
        title=clean_text(judged.content.get("title")),
        relation=clean_text(judged.content.get("relationship")) or "unnamed",
        state=judged.state,
        signer=signer_name(manifest) if manifest else None,
        faults=tuple(judged.faults[:MAX_FAULTS]),
        depth=judged.depth,
    )


def _shallow(listed: list[Listed]) -> tuple[Listed, ...]:
    return tuple(one for one in listed if one.depth <= MAX_LISTED_DEPTH)[:MAX_LISTED]


def _exclusions(report: Report) -> list[Exclusion]:
    """What the hash of the photo leaves out, by the manifest that holds that hash: an update's is its parent's."""
    label: str | None = report.active_label
    seen: set[str] = set()
    while label and label not in seen:
        seen.add(label)
        hashes = [c for name, c in report.assertions.get(label, {}).items() if name.startswith("c2pa.hash.")]
        if hashes:
            stated = [one for content in hashes for one in content.get("exclusions") or () if isinstance(one, Mapping)]
            return [_exclusion(one) for one in stated]
        contents = report.manifests.get(label, {}).get("ingredients") or ()
        label = next((c.get("active_manifest") for c in contents if c.get("relationship") == "parentOf"), None)
    return []


def _exclusion(stated: Mapping[str, Any]) -> Exclusion:
    start, length = stated.get("start"), stated.get("length")
    if isinstance(start, int) and isinstance(length, int):
        return Exclusion(start, length, None)
    return Exclusion(None, None, clean_text(stated.get("xpath")))


def _unhashed(exclusions: Sequence[Exclusion], of_store: int) -> int:
    """Bytes that the hash leaves out beside the credentials themselves."""
    return max(0, sum(one.length or 0 for one in exclusions) - of_store)
