"""Signing what goes out: the upload's own bytes with a manifest of ours in them, read back before anyone relies on it.

A photo is signed as *opened* (`c2pa.opened`, the library's EDIT intent), also when it came without credentials. CREATE
would say `c2pa.created` with a digital source type, and each type there is claims how the pixels came to be:
`digitalCapture` that a camera's sensor saw this, `digitalCreation` that somebody drew it, `empty` that there is
nothing to see. Capture was handed a file and attests none of it, unless the device attested the capture. *Opened*
claims exactly what happened, and it cannot delete a manifest that came with the upload, which CREATE does without a
word (measured).

Credentials that nobody can read cannot become a parent, and nothing is signed away: such a photo stays as it came,
byte for byte, and our manifest is kept beside it (a sidecar) and binds the whole file.
"""

import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from c2pa import Builder, C2paBuilderIntent, C2paDigitalSourceType, C2paError, C2paSigningAlg, Context, Signer

from pipeline.errors import Rejected, Unavailable
from pipeline.ports import Signed, SigningOrder
from pipeline.record import TimestampState
from provenance.assertions import FINGERPRINTS as FINGERPRINTS
from provenance.assertions import THUMBNAIL, Assertions, definition
from provenance.container import FORMATS, found_store, manifest_store
from provenance.exif import read_shot, stated_source_types
from provenance.inspect import judge, signer_name
from provenance.jumbf import TooMuch, check_store
from provenance.keys import Identity
from provenance.parents import NO_KIN, Kin, weigh
from provenance.reader import Report, Source, Unreadable, error_kind, ingredients, offline_settings, read_report
from provenance.timestamp import Authority, relayed

SIDECAR = "application/octet-stream"  # as such the library binds every byte of a file, and looks for nothing in it

logger = logging.getLogger(__name__)


class NotKept(Rejected):
    """The photo cannot be signed in place without damage to it, or to the credentials that it came with."""


class NeverRead(NotKept):
    """The library could be busy with the photo for hours: it is not given to it."""


@dataclass(frozen=True, slots=True)
class Task:
    """One signing: what shall be said, and by whom.

    `parent`: the signed photo that this one was made from, when it is not the upload itself. `in_place`: the manifest
    goes into the file; otherwise beside it. `looks_inside`: the library may read the file as what it is. `kin`: what
    the uploader says that it was made from.
    """

    order: SigningOrder
    definition: Mapping[str, Any]
    identity: Identity
    authority: Authority | None
    parent: Path | None = None
    in_place: bool = True
    looks_inside: bool = True
    kin: Kin = NO_KIN

    @property
    def library_format(self) -> str:
        """What the library is told that the file is."""
        return FORMATS[self.order.asset.media_type] if self.in_place else SIDECAR


@dataclass(frozen=True, slots=True)
class _Made:
    """A signed photo that was read back: its manifest store, its content, and what reading found."""

    store: bytes
    content: bytes
    report: Report
    timestamp: TimestampState | None = None


def sign(
    photo: Path,
    signed: Path,
    order: SigningOrder,
    rights_assertions: Assertions,
    identity: Identity,
    authority: Authority | None = None,
    log: Mapping[str, Any] | None = None,
) -> Signed:
    """Write the photo with a signed manifest to `signed`, and return the manifest store that is in it, or beside it.

    A manifest that came with the photo stays in the store, byte for byte, as the parent. What cannot be kept so stays
    in the file: then `signed` is the photo as it came, and the store is a sidecar. The result is read back: our
    signature must be trusted under our own root, and the parent must be there. Safe in a forked child.

    An `authority` that gives no time-stamp, or none that holds, stops nothing: the time-stamp is pending then. Raises
    Rejected when this file cannot be signed, and Unavailable when the signer or the disk is at fault.
    """
    check_can_sign(order, identity)
    said = definition(order, rights_assertions, read_shot(photo), log)
    kin = weigh(order, photo, identity.root_pem)
    try:
        return _sign(photo, signed, Task(order, said, identity, authority, kin=kin))
    except Rejected as why:
        if not kin.carried:
            raise
        # A parent's store must not be what a photo is refused for: it is named without.
        logger.warning("parents are named without their credentials: %s", why)
        return _sign(photo, signed, Task(order, said, identity, authority, kin=kin.without_stores()))


def _sign(photo: Path, signed: Path, task: Task) -> Signed:
    order, said = task.order, task.definition
    try:
        _check_readable(photo, order.asset.media_type)
        return embed(photo, signed, replace(task, definition=task.kin.told(said)))
    except NotKept as why:
        looks_inside = not isinstance(why, NeverRead)
        kin = task.kin.beside()
        said = _of_bytes(kin.told(said), order)
        return _beside(
            photo, signed, replace(task, definition=said, in_place=False, looks_inside=looks_inside, kin=kin)
        )


def check_can_sign(order: SigningOrder, identity: Identity) -> None:
    """Raise Rejected for a kind of file that cannot be signed, Unavailable when the signer cannot sign now."""
    if order.asset.media_type not in FORMATS:
        raise Rejected(f"{order.asset.media_type} cannot carry Content Credentials; send one of {', '.join(FORMATS)}")
    identity.check()


def _check_readable(photo: Path, media_type: str) -> None:
    """Raise NeverRead for a photo that is, or carries, a bomb."""
    try:
        check_store(found_store(photo, media_type)[0])
    except TooMuch as too_much:
        raise NeverRead(f"the credentials in it are beyond what is read: {too_much}") from None
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None


def embed(photo: Path, signed: Path, task: Task) -> Signed:
    """Sign with the manifest in the file, and read it back. Raises as `sign` does, and NotKept."""
    made = _signed(photo, task)
    _write(signed, made.content)
    if manifest_store(signed, task.order.asset.media_type) != made.store:
        signed.unlink()
        raise Rejected("signing left a manifest store in the file that cannot be found again; the file is damaged")
    return _result(made, task)


def _beside(photo: Path, signed: Path, task: Task) -> Signed:
    """Sign the file's bytes as they are, all of them, with the manifest beside it, and read that back."""
    made = _signed(photo, task)
    if made.content != photo.read_bytes():
        raise Rejected("the photo cannot be signed without changing it, in place or beside it; the file is damaged")
    _write(signed, made.content)
    return _result(made, task)


def _of_bytes(said: Mapping[str, Any], order: SigningOrder) -> dict[str, Any]:
    """The definition for a sidecar: the upload is its parent, without credentials that anybody could read."""
    came_with_some = order.credentials.state != "none"
    remark = "It came with Content Credentials that cannot be read; they are in the file as they came."
    parent = {"relationship": "parentOf", "format": order.asset.media_type, "title": "the upload"}
    parent |= {"description": remark} if came_with_some else {}
    return {**said, "format": order.asset.media_type, "ingredients": [*said.get("ingredients", ()), parent]}


def _result(made: _Made, task: Task) -> Signed:
    signer = signer_name(made.report.active) or task.identity.signer
    label, media_type = made.report.active_label, task.order.asset.media_type
    return Signed(made.store, label, signer, media_type, task.in_place, made.timestamp, len(task.kin.carried))


def _signed(photo: Path, task: Task) -> _Made:
    """Sign and read back: with a time-stamp if the authority gives one that holds, and else without."""
    if task.authority is None:
        return _attempt(photo, task)
    with relayed(task.authority) as relay:
        try:
            return replace(_attempt(photo, task, relay.url), timestamp="embedded")
        except (Rejected, Unavailable) as error:
            problem = relay.problem or f"the signature with it was no good ({error})"
    made = _attempt(photo, task)  # what is wrong with the photo itself comes up again here
    logger.warning("a time-stamp is pending: %s", problem)
    return replace(made, timestamp="pending")


def _attempt(photo: Path, task: Task, tsa_url: str | None = None) -> _Made:
    store, content = _signed_bytes(photo, task, tsa_url)
    return _Made(store, content, _read_back(content, None if task.in_place else store, task))


def _signed_bytes(photo: Path, task: Task, tsa_url: str | None) -> tuple[bytes, bytes]:
    """The manifest store, and the photo with it inside, or as it was."""
    # In memory, not straight to disk: the library reports a full disk and a broken photo by the same error.
    out, source = io.BytesIO(), None
    try:
        with (
            photo.open("rb") as opened,
            _context(task.identity, tsa_url) as context,
            Builder.from_json(json.dumps(task.definition), context) as builder,
        ):
            _set_intent(builder, photo, task)
            task.kin.add_to(builder)
            builder.add_resource(THUMBNAIL, io.BytesIO(task.order.thumbnail))
            source = Source(opened)
            store = builder.sign(task.library_format, source, out)
    except C2paError as error:
        if source:
            source.check(error)
        raise task.identity.fault or _failure(error) from None
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None
    return store, out.getvalue()


def _set_intent(builder: Builder, photo: Path, task: Task) -> None:
    # Not for a photo that came with a manifest: CREATE deletes it. Nor for one whose metadata states another source.
    came_bare = task.order.credentials.state == "none" and task.in_place
    if task.order.attested and came_bare and stated_source_types(photo) <= {"digitalCapture"}:
        builder.set_intent(C2paBuilderIntent.CREATE, C2paDigitalSourceType.DIGITAL_CAPTURE)
        return
    if task.kin.creation:
        builder.set_intent(C2paBuilderIntent.CREATE, task.kin.creation)
        return
    builder.set_intent(C2paBuilderIntent.EDIT)
    if not task.in_place:
        builder.set_no_embed()
    if task.parent:
        with task.parent.open("rb") as opened:
            builder.add_ingredient('{"relationship": "parentOf"}', task.library_format, opened)


def _context(identity: Identity, tsa_url: str | None) -> Context:
    # Made for each call: the library's signers and contexts do not survive a fork.
    settings = offline_settings(identity.root_pem)
    # The library's own thumbnail decodes the whole photo: 340 ms for 12 megapixels. Ours is there already.
    settings["builder"] = {"thumbnail": {"enabled": False}, "actions": {"all_actions_included": True}}
    try:
        signer = Signer.from_callback(identity.sign_es256, C2paSigningAlg.ES256, identity.chain_pem, tsa_url)
        return Context.from_dict(settings, signer=signer)
    except C2paError as error:
        raise Unavailable(f"the signer: its certificates were refused ({error_kind(error)}); restore them") from None


def _failure(error: C2paError) -> Rejected | Unavailable:
    kind = error_kind(error)
    if kind == "Signature":
        return Unavailable("the signer: it gave no signature that its certificate confirms; restore its folder")
    return NotKept(f"the photo cannot be signed: its file, or the credentials in it, are damaged ({kind})")


def _read_back(content: bytes, sidecar: bytes | None, task: Task) -> Report:
    order, root_pem = task.order, task.identity.root_pem
    try:
        library_format = FORMATS[order.asset.media_type] if task.looks_inside else SIDECAR
        report = read_report(io.BytesIO(content), library_format, root_pem, sidecar)
    except Unreadable as unreadable:
        raise Rejected(f"the signed photo cannot be read back ({unreadable.kind}); the file is damaged") from None
    state, worst, faults = judge(report)
    why = "; ".join(faults)
    if state == "valid":
        raise Unavailable(f"the signer: its own signature is not trusted ({why}); restore its certificates")
    if state != "trusted":
        raise Rejected(f"the signed photo does not validate ({why}); the file is damaged")
    task.kin.check(report)
    if order.credentials.worst in ("none", "trusted") and worst != "trusted" and task.kin.spotless:
        raise Rejected(f"the signed photo has an ingredient that the upload had not ({why})")
    came_with_some = order.credentials.state not in ("none", "remote_only")
    if task.in_place and came_with_some and not _keeps_parent(report, order.credentials.manifest_count):
        raise NotKept("the Content Credentials that came with the photo were not kept")
    return report


def _keeps_parent(report: Report, manifest_count: int) -> bool:
    parents = [i.get("active_manifest") for i in ingredients(report.active) if i.get("relationship") == "parentOf"]
    return len(parents) == 1 and parents[0] in report.manifests and len(report.manifests) > manifest_count


def _write(signed: Path, content: bytes) -> None:
    try:
        signed.write_bytes(content)
    except OSError as error:
        signed.unlink(missing_ok=True)
        raise Unavailable(f"the disk: the signed photo cannot be written ({error.strerror})") from None
