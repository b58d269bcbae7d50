"""Web Push: messages that only the browser can read (RFC 8291, RFC 8188), from a sender who is known (RFC 8292)."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.errors import Rejected

RECORD_BYTES = 4096  # one record, as RFC 8291 asks for: what push services must take
MAX_MESSAGE_BYTES = 3993  # RFC 8291, section 4
TTL_S = 24 * 3600  # the push service keeps a message that long for a browser that sleeps
TOKEN_S = 12 * 3600  # RFC 8292: at most a day
AUTH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Receiver:
    """A browser's keys: its P-256 point (65 bytes) and its authentication secret (16 bytes)."""

    point: bytes
    auth: bytes

    @classmethod
    def parse(cls, keys: Any) -> "Receiver":
        """From `keys` of a PushSubscription's JSON. Raises Rejected."""
        try:
            found = cls(_decoded(keys["p256dh"]), _decoded(keys["auth"]))
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), found.point)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Rejected("keys.p256dh is no P-256 point in base64url, or keys.auth is missing") from None
        if len(found.auth) != AUTH_BYTES:
            raise Rejected(f"keys.auth has {AUTH_BYTES} bytes in base64url")
        return found

    @classmethod
    def unpack(cls, packed: bytes) -> "Receiver":
        """The inverse of `packed`."""
        return cls(packed[:-AUTH_BYTES], packed[-AUTH_BYTES:])

    @property
    def packed(self) -> bytes:
        """Both, as they are kept."""
        return self.point + self.auth


class Sender:
    """Who sends: a P-256 key that browsers were told when they subscribed. `contact`: an https URL, or None."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, contact: str | None = None) -> None:
        self._private, self._contact = private, contact

    @property
    def public_key(self) -> str:
        """What browsers are told (`applicationServerKey`)."""
        return _encoded(_point(self._private))

    def headers(self, url: str, topic: str | None, now: int) -> dict[str, str]:
        """The headers of a message to this push service; a later one with the same `topic` replaces it there."""
        parts = urlsplit(url)
        claims: dict[str, object] = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": now + TOKEN_S}
        if self._contact:
            claims["sub"] = self._contact
        told = {"Topic": topic} if topic else {}
        return {
            "Authorization": f"vapid t={self._token(claims)}, k={self.public_key}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_S),
            "Urgency": "normal",
            **told,
        }

    def _token(self, claims: dict[str, object]) -> str:
        """A JSON Web Token, ES256 (RFC 7515, RFC 7518)."""
        head = {"typ": "JWT", "alg": "ES256"}
        text = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self._private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def encrypt(
    message: bytes, receiver: Receiver, key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """The body of a push message (RFC 8291, section 4). `key` and `salt` are new ones unless a test vector has them."""
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a push message has at most {MAX_MESSAGE_BYTES} bytes")
    key, salt = key or ec.generate_private_key(ec.SECP256R1()), salt or secrets.token_bytes(16)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver.point)
    ours = _point(key)
    shared = key.exchange(ec.ECDH(), theirs)
    secret = _hkdf(shared, receiver.auth, b"WebPush: info\0" + receiver.point + ours, 32)
    content_key = _hkdf(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(secret, salt, b"Content-Encoding: nonce\0", 12)
    # The 2 ends the last record; there is only one.
    sealed = AESGCM(content_key).encrypt(nonce, message + b"\x02", None)
    return salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    if len(text) > 200:
        raise ValueError("too long")
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
