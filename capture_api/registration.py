"""An upload that came in whole becomes a capture: the one way, whatever door it came by."""

import secrets
from base64 import b32encode
from contextlib import suppress
from dataclasses import dataclass, replace

from flask import Response, url_for

from capture_api import metrics
from capture_api.auth import caller
from capture_api.body import Metadata, Upload, request_digest
from capture_api.parentage import erased_meanwhile, parents_of
from capture_api.problems import problem, render
from capture_api.quotas import charge_of, over_quota
from capture_api.render import capture_json, json_answer
from capture_api.services import services
from capture_api.vouching import for_photo, still_enrolled
from pipeline.device import Device
from pipeline.errors import Rejected
from pipeline.record import Asset, Capture, Request, Rights
from rights.terms import parse_rights
from store.captures import BytesGone
from store.idempotency import KeyReused
from store.lineage import ParentErased
from store.quotas import OverQuota

OTHER_WISHES = "You registered this photo before: the rights and settings that you stated then still stand."

NOT_VOUCHED = "You registered this photo before: what vouched for it then, if any, stands; the signature adds nothing."


@dataclass(frozen=True, slots=True)
class Registered:
    """The capture, whether it is new, and what the client should know about it."""

    capture: Capture
    is_new: bool
    notice: str | None = None


def register_upload(upload: Upload, idempotency_key: str | None = None, device: Device | None = None) -> Registered:
    """Keep the bytes and commit the capture, durably; the same bytes of the same owner give the older capture.

    `device`: who vouched for it, as capture_api/vouching.py says. Raises Problem for rights that cannot be, for a
    device that signed for other bytes or was revoked meanwhile, for an Idempotency-Key that stands for another
    request, for parents that cannot be, and when the key has used up what it may.
    """
    for_photo(device, upload.incoming.sha256)
    still_enrolled(device)
    try:
        with suppress(BytesGone):
            return _register(upload, idempotency_key, device)
        return _register(upload, idempotency_key, device)  # the erasure that took them is done now
    except KeyReused as reused:
        raise problem("idempotency-key-reused", f"{reused}.") from None
    except OverQuota as over:
        raise over_quota(over) from None
    except ParentErased:
        raise erased_meanwhile() from None


def _register(upload: Upload, idempotency_key: str | None, device: Device | None) -> Registered:
    key, records = caller(), services().captures
    said = upload.metadata
    asked = Request(_rights(said.rights or {}), said.keep_location, said.published,
                    digital_source_type=said.digital_source_type)  # fmt: skip
    digest = request_digest(upload.incoming.sha256, said)
    if idempotency_key and (known := records.idempotent(key.owner, idempotency_key, digest)):
        capture = records.get(known)
        return Registered(capture, False, NOT_VOUCHED if _adds_nothing(device, capture) else None)
    asked = replace(asked, parents=parents_of(said.parents, upload.incoming.sha256))
    kept = upload.incoming.keep()
    asset = Asset(kept.sha256, upload.media_type, kept.size)
    new_id = b32encode(secrets.token_bytes(15)).decode().lower()
    idempotency = (idempotency_key, digest) if idempotency_key else None
    capture_id = records.register(
        new_id, key.owner, key.owner_address, asked, asset, idempotency, device, charge_of(key),
        said.hold_s,
    )  # fmt: skip
    if capture_id == new_id:
        if not said.hold_s:
            services().bell.photo(capture_id)
        metrics.REGISTERED.inc()
        metrics.UPLOADED_BYTES.inc(kept.size)
    capture = records.get(capture_id)
    notices = (OTHER_WISHES,) * (capture.request != asked) + (NOT_VOUCHED,) * _adds_nothing(device, capture)
    return Registered(capture, capture_id == new_id, " ".join(notices) or None)


def _adds_nothing(device: Device | None, capture: Capture) -> bool:
    """Whether a signature came that the capture was not registered with, from no device or from another."""
    stands = capture.facts.get("device")
    return device is not None and (stands is None or stands.thumbprint != device.thumbprint)


def answer_registered(registered: Registered) -> Response:
    """201 when it is anchored already, 202 when it is new, 200 when it was known; `Location` names the capture."""
    capture = registered.capture
    if registered.is_new and capture.status == "rejected":
        refused = capture.fact("rejection")
        return render(problem("rejected", f"{refused.reason}. The upload is kept.", capture=capture_json(capture)))
    status = 200 if not registered.is_new else 201 if capture.status == "anchored" else 202
    notice = {"notice": registered.notice} if registered.notice else {}
    answer = json_answer(capture_json(capture) | notice, status)
    answer.headers["Location"] = url_for("captures.show", capture_id=capture.id)
    return answer


def check_metadata(metadata: Metadata) -> None:
    """Raise Problem for rights or parents that no photo of the caller's could be registered with."""
    _rights(metadata.rights or {})
    parents_of(metadata.parents)


def _rights(stated: dict[str, object]) -> Rights:
    try:
        return parse_rights(stated, caller().rights)
    except Rejected as rejected:
        raise problem("invalid-metadata", str(rejected)) from None
