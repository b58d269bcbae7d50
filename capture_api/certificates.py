"""/keys: the certificates that our photos are signed under, and which of them were revoked. Open to all."""

from flask import Blueprint, Response

from capture_api.problems import problem
from capture_api.services import services

certificates = Blueprint("certificates", __name__, url_prefix="/keys")


@certificates.get("/root.pem")
def root() -> Response:
    """The root: what readers add to their trust anchors. Take it from a place you trust, not from here alone."""
    return _file(services().identity.root_pem, "application/x-pem-file")


@certificates.get("/chain.pem")
def chain() -> Response:
    """The certificate that signs now, and its issuing authority."""
    return _file(services().identity.chain_pem, "application/x-pem-file")


@certificates.get("/crl.pem")
def crl_pem() -> Response:
    """The revocation list, as text."""
    return _file(_crl(), "application/x-pem-file")


@certificates.get("/crl.der")
def crl_der() -> Response:
    """The revocation list, as certificates point to it (RFC 5280)."""
    from provenance.revocation import crl_der

    return _file(crl_der(_crl().encode()), "application/pkix-crl")


def _crl() -> str:
    crl = services().identity.crl_pem
    if not crl:
        raise problem("not-found", "The signing process of CAPTURE_SIGNER_URL publishes no revocation list here.")
    return crl


def _file(content: str | bytes, media_type: str) -> Response:
    return Response(content, mimetype=media_type, headers={"Cache-Control": "max-age=300"})
