"""/v1/captures/{id}: what its owner takes away to show others, as JSON, as COSE and as a bundle of everything."""

import tempfile
from typing import Any

from flask import Blueprint, Response, request

from capture_api.auth import needs
from capture_api.captures import not_yet, open_or_refuse, own
from capture_api.render import json_answer
from capture_api.services import services
from ledger.bundle import pieces, write_bundle
from ledger.cose import MEDIA_TYPE as COSE
from ledger.cose import cose_receipt
from ledger.receipt import receipt as make_receipt
from ledger.receipt import rights_receipt
from pipeline.errors import Unavailable
from pipeline.record import Capture
from rights.terms import terms_document

proofs = Blueprint("proofs", __name__, url_prefix="/v1/captures/<capture_id>")

_COSE = ("application/cose", COSE.replace('"', ""))  # as Accept is read: without quotes


@proofs.get("/receipt")
@needs("capture")
def receipt(capture_id: str) -> Response:
    """The receipt: what anyone needs to verify the photo without us."""
    if request.accept_mimetypes.best_match(["application/json", *_COSE]) in _COSE:
        answer = receipt_cose(capture_id)
    else:
        answer = json_answer(_receipt(_logged(capture_id, "receipt")))
        answer.headers["Content-Disposition"] = f'attachment; filename="receipt-{capture_id}.json"'
    answer.headers["Vary"] = "Accept"
    return answer


@proofs.get("/receipt.cose")
@needs("capture")
def receipt_cose(capture_id: str) -> Response:
    """The receipt as a COSE receipt: for whoever has the statement, and for programs that know nothing of Capture."""
    made = cose_receipt(_receipt(_logged(capture_id, "receipt")), services().checkpoint_signer)
    disposition = f'attachment; filename="receipt-{capture_id}.cose"'
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(made, content_type=COSE, headers=headers)


@proofs.get("/bundle")
@needs("capture")
def bundle(capture_id: str) -> Response:
    """The proof bundle: the receipt with the photo, public or (`photo=full`) whole, and what checks them, as a zip."""
    capture, here = _logged(capture_id, "bundle"), services()
    receipt, made = _receipt(capture), capture.fact("manifest")
    is_full = request.args.get("photo") == "full"
    photo_sha256 = made.signed_sha256 if is_full else open_or_refuse(made.open_file, capture_id)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the answer
    certificates = here.identity.authorities_pem
    suffix = made.signed_media_type.removeprefix("image/").replace("jpeg", "jpg")
    try:
        photo = here.blobs.read(photo_sha256)
        sidecar = None if made.embedded else here.blobs.read(made.sha256)
        write_bundle(file, receipt, photo, suffix, certificates, here.checkpoint_signer, sidecar, _later(capture))
    except LookupError as missing:  # erased a moment ago: asked again, that is what the answer says
        file.close()
        raise Unavailable(f"the bytes of {request.path}") from missing
    answer = Response(pieces(file), mimetype="application/zip")
    answer.call_on_close(file.close)
    answer.headers |= {
        "Content-Length": str(file.tell()),
        "Content-Disposition": f'attachment; filename="proof-{capture_id}.zip"',
        "Cache-Control": "no-store",
    }
    return answer


def _logged(capture_id: str, wanted: str) -> Capture:
    capture = own(capture_id, owner_only=True)
    if "inclusion" not in capture.facts:
        raise not_yet(capture, wanted)
    return capture


def _receipt(capture: Capture) -> dict[str, Any]:
    return make_receipt(capture, services().log, terms_document(capture.request.rights))


def _later(capture: Capture) -> list[dict[str, Any]]:
    """The receipts of what was stated about the rights since: those that have their place."""
    placed = [number for number, each in enumerate(capture.statements, 1) if each.inclusion]
    log = services().log
    return [rights_receipt(capture, each, log, terms_document(capture.statements[each - 1].rights)) for each in placed]
