"""P-256 keys of devices: as a JWK (RFC 7517, 7518), as 64 bytes, and what they sign."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provenance.devices.errors import Refused

COORDINATE_BYTES = 32
KEY_BYTES = SIGNATURE_BYTES = 2 * COORDINATE_BYTES


def from_jwk(jwk: Mapping[str, object]) -> bytes:
    """A public P-256 JWK as x and y, 64 bytes. Raises Refused for any other key, and for a point off the curve."""
    if "d" in jwk:
        raise Refused("malformed", "This is a private key. Send the public one, and make a new pair: this one is told.")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise Refused("malformed", "The key is not of kty EC and crv P-256. Make one of that kind.")
    key = b"".join(_coordinate(jwk, name) for name in ("x", "y"))
    public_key(key)
    return key


def public_key(key: bytes) -> EllipticCurvePublicKey:
    """The key of these 64 bytes. Raises Refused when they are no point of the curve."""
    x, y = (int.from_bytes(key[at : at + COORDINATE_BYTES], "big") for at in (0, COORDINATE_BYTES))
    try:
        return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    except ValueError:
        raise Refused("malformed", "x and y are no point of the curve P-256. Send the key as it was made.") from None


def raw(key: object) -> bytes:
    """A P-256 key as x and y. Raises Refused for any other."""
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise Refused("wrong-key", "The attested key is not of the curve P-256.")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def thumbprint(key: bytes) -> bytes:
    """The JWK thumbprint with SHA-256 (RFC 7638)."""
    x, y = (to_base64url(key[at : at + COORDINATE_BYTES]) for at in (0, COORDINATE_BYTES))
    return hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest()


def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether r and s, 64 bytes, are this key's over the message: ECDSA with SHA-256 (RFC 9421 3.3.4, RFC 7518 3.4)."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = (int.from_bytes(signature[at : at + COORDINATE_BYTES], "big") for at in (0, COORDINATE_BYTES))
    try:
        public_key(key).verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def to_base64url(value: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The inverse; ValueError for any other spelling."""
    value = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if to_base64url(value) != text:
        raise ValueError("this is not base64url without padding")
    return value


def _coordinate(jwk: Mapping[str, object], name: str) -> bytes:
    try:
        value = from_base64url(str(jwk.get(name)))
    except ValueError:
        value = b""
    if len(value) != COORDINATE_BYTES:
        raise Refused("malformed", f"The key's {name} is not 32 bytes in base64url without padding.")
    return value
