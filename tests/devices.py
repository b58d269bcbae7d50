"""A device as the tests have it: a key pair, and requests and statements that it signs. Shares no code with ours."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.service import Answer, Running


def b64url(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def content_digest(body: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@dataclass
class Phone:
    """A phone with a key; `id` once it is enrolled. `behind_s`: how far its clock is behind."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: str = ""
    behind_s: int = 0

    @property
    def key(self) -> bytes:
        """x and y."""
        numbers = self.private.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    @property
    def jwk(self) -> dict[str, str]:
        """The public key."""
        return {"kty": "EC", "crv": "P-256", "x": b64url(self.key[:32]), "y": b64url(self.key[32:])}

    @property
    def thumbprint(self) -> bytes:
        """RFC 7638."""
        return hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest()

    def sign(self, message: bytes) -> bytes:
        """r and s."""
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def headers(
        self, method: str, path: str, body: bytes, nonce: str, covered: str = '"@method" "@path" "content-digest"',
        **parameters: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """The headers of a signed request. `parameters` replace those of the signature; None leaves one out."""
        given = {"created": int(time.time()) - self.behind_s, "keyid": self.id or b64url(self.thumbprint),
                 "nonce": nonce, "alg": "ecdsa-p256-sha256"} | parameters  # fmt: skip
        listed = "".join(
            f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"'
            for name, value in given.items()
            if value is not None
        )
        digest = content_digest(body)
        values = {"@method": method, "@path": path, "content-digest": digest, "repr-digest": digest}
        lines = [f'"{name}": {values[name]}' for name in covered.replace('"', "").split()]
        base = "\n".join([*lines, f'"@signature-params": ({covered}){listed}'])
        signature = base64.b64encode(self.sign(base.encode())).decode()
        return {
            "Repr_Digest" if "repr-digest" in covered else "Content_Digest": digest,
            "Signature_Input": f"capture=({covered}){listed}",
            "Signature": f"capture=:{signature}:",
        }

    def enrol(self, service: Running, attestation: Any = None, nonce: str = "", key: str = "") -> Answer:
        """Enrol it; its id is the device's from then on."""
        body = json.dumps({"name": "phone", "public_key": self.jwk, "attestation": attestation}).encode()
        headers = self.headers("POST", "/v1/devices", body, nonce or nonce_of(service, key))
        answer = service.ask("POST", "/v1/devices", body, key, Content_Type="application/json", **headers)
        if answer.status == 201:
            self.id = answer.json["id"]
        return answer

    def register(self, service: Running, photo: bytes, nonce: str = "", key: str = "", **parameters: Any) -> Answer:
        """Register a photo by a signed request."""
        headers = self.headers("POST", "/v1/captures", photo, nonce or nonce_of(service, key), **parameters)
        return service.ask("POST", "/v1/captures", photo, key, Content_Type="image/jpeg", Prefer="wait=30", **headers)

    def statement(self, photo: bytes, counter: int, header: Any = None, **claims: Any) -> str:
        """What it signs without a network; `claims` replace those of the statement."""
        said = {"sha256": hashlib.sha256(photo).hexdigest(), "device": self.id,
                "time": int(time.time()) - self.behind_s, "counter": counter} | claims  # fmt: skip
        head = header or {"alg": "ES256", "typ": "capture-statement+jwt"}
        text = ".".join(b64url(json.dumps(part).encode()) for part in (head, said))
        return f"{text}.{b64url(self.sign(text.encode()))}"


def nonce_of(service: Running, key: str = "") -> str:
    """A fresh nonce."""
    answer = service.ask("POST", "/v1/devices/nonce", b"", key)
    assert answer.status == 201, answer.body
    return str(answer.json["nonce"])
