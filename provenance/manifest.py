"""Signing what goes out: the upload's own bytes with a manifest of ours in them, read back before anyone relies on it.

Every photo is signed as *opened* (`c2pa.opened`, the library's EDIT intent), those without credentials too. CREATE
would say `c2pa.created` with a digital source type, and each type there is claims how the pixels came to be:
`digitalCapture` that a camera's sensor saw this, `digitalCreation` that somebody drew it, `empty` that there is
nothing to see. Capture was handed a file and attests none of it. *Opened* claims exactly what happened, and it
cannot delete a manifest that came with the upload, which CREATE does without a word (measured).
"""

import io
import json
import logging
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from c2pa import Builder, C2paBuilderIntent, C2paError, C2paSigningAlg, Context, Signer

from pipeline.errors import Rejected, Unavailable
from pipeline.ports import Signed, SigningOrder
from pipeline.record import TimestampState, encode
from provenance.container import FORMATS, manifest_store
from provenance.exif import Shot, read_shot
from provenance.inspect import judge, signer_name
from provenance.keys import Identity
from provenance.reader import Report, Source, Unreadable, error_kind, ingredients, offline_settings, read_report
from provenance.timestamp import Authority, relayed

SPEC_VERSION = "2.4.0"  # the C2PA specification that the manifests follow; its conformance rubric asks for it
REGISTERED_SOFT_BINDING = "io.iscc.v0"  # the one open fingerprint on the official list of soft binding algorithms
# The first is an assertion of its own; the points, 5 KB of them, stay between the service and its index.
NOT_ASSERTED = (REGISTERED_SOFT_BINDING, "rootsift128-v1")
FINGERPRINTS = "org.capture.fingerprints"  # our own assertion: what the official list has no name for

_THUMBNAIL = "thumbnail.jpg"

log = logging.getLogger(__name__)

_CONTEXT = {"exif": "http://ns.adobe.com/exif/1.0/", "tiff": "http://ns.adobe.com/tiff/1.0/"}


def sign(
    photo: Path,
    signed: Path,
    order: SigningOrder,
    rights_assertions: Mapping[str, Mapping[str, Any]],
    identity: Identity,
    authority: Authority | None = None,
) -> Signed:
    """Write the photo with a signed manifest to `signed`, and return the manifest store that is in it.

    A manifest that came with the photo stays in the store, byte for byte, as the parent. The result is read back:
    our signature must be trusted under our own root, and the parent must be there. Safe in a forked child.

    An `authority` that gives no time-stamp, or none that holds, does not stop anything: the photo is signed without,
    and its time-stamp is pending. Raises Rejected when this file cannot be signed without losing something, and
    Unavailable when the signer or the disk is at fault.
    """
    media_type = order.asset.media_type
    if media_type not in FORMATS:
        raise Rejected(f"{media_type} cannot carry Content Credentials; send one of {', '.join(FORMATS)}")
    identity.check()
    definition = _definition(order, rights_assertions, read_shot(photo))
    made = _stamped(photo, definition, order, identity, authority) if authority else None
    store, content, report = made or _signed(photo, definition, order, identity)
    _write(signed, content)
    if manifest_store(signed, media_type) != store:
        signed.unlink()
        raise Rejected("signing left a manifest store in the file that cannot be found again; the file is damaged")
    timestamp: TimestampState | None = None
    if authority:
        timestamp = "embedded" if made else "pending"
    return Signed(store, report.active_label, signer_name(report.active) or identity.signer, media_type, timestamp)


def _stamped(
    photo: Path, definition: Mapping[str, Any], order: SigningOrder, identity: Identity, authority: Authority
) -> tuple[bytes, bytes, Report] | None:
    """The signed photo with a time-stamp in it, or None: then whatever was wrong with the rest comes up without it."""
    with relayed(authority) as relay:
        try:
            made = _signed(photo, definition, order, identity, relay.url)
        except (Rejected, Unavailable) as error:
            log.warning("a time-stamp is pending: %s", relay.problem or f"the signature with it was no good ({error})")
            return None
    return made if (made[2].active.get("signature_info") or {}).get("time") else None


def _signed(
    photo: Path, definition: Mapping[str, Any], order: SigningOrder, identity: Identity, tsa_url: str | None = None
) -> tuple[bytes, bytes, Report]:
    """The manifest store, the photo with it inside, and what reading that back found."""
    library_format = FORMATS[order.asset.media_type]
    store, content = _signed_bytes(photo, library_format, definition, order, identity, tsa_url)
    return store, content, _read_back(content, library_format, order, identity)


def _definition(order: SigningOrder, rights_assertions: Mapping[str, Mapping[str, Any]], shot: Shot) -> dict[str, Any]:
    return {
        "claim_version": 2,
        "claim_generator_info": [
            {"name": "Capture", "version": _version(), "specVersion": SPEC_VERSION},
        ],
        "thumbnail": {"format": "image/jpeg", "identifier": _THUMBNAIL},
        "assertions": [*_assertions(order, rights_assertions, shot)],
    }


def _assertions(
    order: SigningOrder, rights_assertions: Mapping[str, Mapping[str, Any]], shot: Shot
) -> Iterator[dict[str, Any]]:
    """What Capture itself measured is `created`; what the file or its uploader says is merely gathered."""
    codes = {binding.alg: binding.value for binding in order.fingerprint.soft_bindings}
    if code := codes.get(REGISTERED_SOFT_BINDING):
        yield {"label": "c2pa.soft-binding", "created": True, "data": _soft_binding(code)}
    yield {"label": FINGERPRINTS, "created": True, "data": _fingerprints(order)}
    if stated := _capture_metadata(shot, order.keep_location):
        yield {"label": "c2pa.metadata", "kind": "Json", "data": stated}
    for label, content in rights_assertions.items():
        kind = {"kind": "Json"} if label.endswith(".metadata") else {}
        yield {"label": label, **kind, "data": dict(content)}


def _soft_binding(code: str) -> dict[str, Any]:
    # An empty scope is the whole picture; `pad` is required and has nothing to fill.
    return {"alg": REGISTERED_SOFT_BINDING, "blocks": [{"scope": {}, "value": code}], "pad": []}


def _fingerprints(order: SigningOrder) -> dict[str, Any]:
    fingerprint = order.fingerprint
    return {
        "version": 1,
        "upload": {"alg": "sha256", "hash": order.asset.sha256.hex(), "size": order.asset.size},
        "soft_bindings": [encode(b) for b in fingerprint.soft_bindings if b.alg not in NOT_ASSERTED],
        "quality": fingerprint.quality,
        "dimensions": encode(fingerprint.dimensions),
        "registered_at": encode(order.registered_at),
    }


def _capture_metadata(shot: Shot, keep_location: bool) -> dict[str, Any]:
    """The `c2pa.metadata` assertion, from the file's EXIF. Empty when it says nothing. Location only when asked for."""
    stated = {
        "exif:DateTimeOriginal": shot.taken_at,
        "exif:GPSLatitude": shot.latitude if keep_location else None,
        "exif:GPSLongitude": shot.longitude if keep_location else None,
        "exif:PixelXDimension": shot.width,
        "exif:PixelYDimension": shot.height,
        "tiff:Make": shot.make,
        "tiff:Model": shot.model,
    }
    fields = {name: value for name, value in stated.items() if value is not None}
    return {"@context": _CONTEXT, **fields} if fields else {}


def _signed_bytes(
    photo: Path,
    library_format: str,
    definition: Mapping[str, Any],
    order: SigningOrder,
    identity: Identity,
    tsa_url: str | None,
) -> tuple[bytes, bytes]:
    """The manifest store, and the photo with it inside."""
    # In memory, not straight to disk: the library reports a full disk and a broken photo by the same error.
    out, source = io.BytesIO(), None
    try:
        with (
            photo.open("rb") as opened,
            _context(identity, tsa_url) as context,
            Builder.from_json(json.dumps(definition), context) as builder,
        ):
            builder.set_intent(C2paBuilderIntent.EDIT)
            builder.add_resource(_THUMBNAIL, io.BytesIO(order.thumbnail))
            source = Source(opened)
            store = builder.sign(library_format, source, out)
    except C2paError as error:
        if source:
            source.check(error)
        raise _failure(error, order) from None
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None
    return store, out.getvalue()


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


def _failure(error: C2paError, order: SigningOrder) -> Rejected | Unavailable:
    kind = error_kind(error)
    if kind == "Signature":
        return Unavailable("the signer: it gave no signature that its certificate confirms; restore its folder")
    if order.credentials.state == "none":
        return Rejected(f"the photo cannot be signed: its file is damaged ({kind})")
    return Rejected(
        f"the file, or the Content Credentials in it, are damaged and cannot be carried on ({kind}), and Capture does "
        "not sign credentials away; the upload is kept as it came. Send the photo as it left the camera"
    )


def _read_back(content: bytes, library_format: str, order: SigningOrder, identity: Identity) -> Report:
    try:
        report = read_report(io.BytesIO(content), library_format, identity.root_pem)
    except Unreadable as unreadable:
        raise Rejected(f"the signed photo cannot be read back ({unreadable.kind}); the file is damaged") from None
    state, worst, faults = judge(report)
    why = "; ".join(faults)
    if state == "valid":
        raise Unavailable(f"the signer: its own signature is not trusted ({why}); restore its certificates")
    if state != "trusted":
        raise Rejected(f"the signed photo does not validate ({why}); the file is damaged")
    if order.credentials.worst in ("none", "trusted") and worst != "trusted":
        raise Rejected(f"the signed photo has an ingredient that the upload had not ({why})")
    came_with_some = order.credentials.state not in ("none", "remote_only")
    if came_with_some and not _keeps_parent(report, order.credentials.manifest_count):
        raise Rejected("the Content Credentials that came with the photo were not kept; nothing was signed")
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


def _version() -> str:
    try:
        return metadata.version("capture")
    except metadata.PackageNotFoundError:
        return "0.1.0"  # run from the source tree without installing; pyproject.toml says the same
