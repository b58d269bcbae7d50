"""What a manifest of ours says, as the definition that the C2PA library takes. Pure: nothing is signed here."""

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from pipeline.device import Device
from pipeline.ports import SigningOrder
from pipeline.record import encode
from provenance.exif import Shot

SPEC_VERSION = "2.4.0"  # the C2PA specification that the manifests follow; its conformance rubric asks for it
REGISTERED_SOFT_BINDING = "io.iscc.v0"  # the one open fingerprint on the official list of soft binding algorithms
# The first is an assertion of its own; the points, 5 KB of them, stay between the service and its index.
NOT_ASSERTED = (REGISTERED_SOFT_BINDING, "rootsift128-v1")
FINGERPRINTS = "org.capture.fingerprints"  # our own assertion: what the official list has no name for
LOG = "org.capture.log"  # our own assertion: where the photo's entry in a public log is anchored
DEVICE = "org.capture.device"  # our own assertion: whose key signed for the upload, and what attests that key
RENDITION = "org.capture.rendition"  # our own assertion: whose public file this is, by the digest of its manifest store
PARENTS = "org.capture.parents"  # our own assertion: the captures that the uploader says it was made from
THUMBNAIL = "thumbnail.jpg"

_CONTEXT = {"exif": "http://ns.adobe.com/exif/1.0/", "tiff": "http://ns.adobe.com/tiff/1.0/"}

Assertions = Mapping[str, Mapping[str, Any]]


def definition(order: SigningOrder, rights: Assertions, shot: Shot, log: Mapping[str, Any] | None) -> dict[str, Any]:
    """The manifest definition: the generator, our thumbnail, and every assertion but the actions.

    `rights`: assertions by label, in the uploader's words. `log`: what `LOG` shall say, None to leave it out.
    """
    return {
        "claim_version": 2,
        "claim_generator_info": [
            {"name": "Capture", "version": _version(), "specVersion": SPEC_VERSION},
        ],
        "thumbnail": {"format": "image/jpeg", "identifier": THUMBNAIL},
        "assertions": [*_assertions(order, rights, shot, log)],
    }


def _assertions(
    order: SigningOrder, rights: Assertions, shot: Shot, log: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """What Capture itself measured or does is `created`; what the file or its uploader says is merely gathered."""
    codes = {binding.alg: binding.value for binding in order.fingerprint.soft_bindings}
    if code := codes.get(REGISTERED_SOFT_BINDING):
        yield {"label": "c2pa.soft-binding", "created": True, "data": _soft_binding(code)}
    yield {"label": FINGERPRINTS, "created": True, "data": _fingerprints(order)}
    if order.device:
        yield {"label": DEVICE, "created": True, "data": _device(order.device)}
    if log:
        yield {"label": LOG, "created": True, "data": {"version": 1, **log}}
    if stated := _capture_metadata(shot, order.keep_location):
        yield {"label": "c2pa.metadata", "kind": "Json", "data": stated}
    for label, content in rights.items():
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


def _device(device: Device) -> dict[str, Any]:
    """What we checked. Not the device's id, which is its owner's word for it; the receipt has what was signed."""
    return {
        "version": 1,
        "key": {"alg": "sha256", "thumbprint": device.thumbprint.hex()},
        "level": device.attested.level,
        "format": device.attested.format,
        "attested_at": encode(device.attested.at),
        "details": {detail.name: detail.text for detail in device.attested.details},
        "signed": {"way": device.way, "alg": "sha256", "hash": device.digest.hex()},
        "device_time": encode(device.device_time),
        "received_at": encode(device.received_at),
        "clock_difference_s": device.clock_difference_s,
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


def _version() -> str:
    try:
        return metadata.version("capture")
    except metadata.PackageNotFoundError:
        return "0.1.0"  # run from the source tree without installing; pyproject.toml says the same
