"""Vendors of the tests: roots, and attestations as the servers and phones of Apple, Android and Google Play make them.

DER is written with asn1crypto and by hand, so that what reads it shares no code with it.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.devices import Phone, b64url

NOW = datetime.now(UTC).replace(microsecond=0)
APP, PACKAGE, SIGNER = "TEAM123456.org.example.camera", "org.example.camera", hashlib.sha256(b"signer").digest()
Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Root:
    """A vendor's root with an authority below it."""

    key: Key = field(default_factory=new_key)
    middle_key: Key = field(default_factory=new_key)

    def __post_init__(self) -> None:
        self.certificate = certify("root", self.key, self.key, "root", is_authority=True)
        self.middle = certify("middle", self.middle_key, self.key, "root", is_authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def chain(self, key: Key, *extensions: tuple[str, bytes], **more: Any) -> list[bytes]:
        """Certificates for this key, its own first, without the root."""
        leaf = certify("leaf", key, self.middle_key, "middle", extensions, **more)
        return [each.public_bytes(Encoding.DER) for each in (leaf, self.middle)]


def certify(
    name: str, key: Key, signer: Key, issuer: str, extensions: tuple[tuple[str, bytes], ...] = (),
    is_authority: bool = False, until: datetime = NOW + timedelta(days=365),
) -> x509.Certificate:  # fmt: skip
    """A certificate; extensions by their object identifiers."""
    subject, authority = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer))
    builder = (
        x509.CertificateBuilder(authority, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=365))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    for identifier, content in extensions:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), content), critical=False
        )
    return builder.sign(signer, SHA256())


def der(tag: int, *parts: bytes) -> bytes:
    """A value with a short tag."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def explicit(number: int, value: bytes) -> bytes:
    """[number] EXPLICIT, with a tag of several bytes."""
    head = bytes([0xBF, 0x80 | number >> 7, number & 0x7F]) if number > 30 else bytes([0xA0 | number])
    return head + der(0, value)[1:]


def key_description(challenge: bytes, **said: Any) -> bytes:
    """The extension of Android Key Attestation."""
    given: dict[str, Any] = {
        "level": 1,
        "boot": 0,
        "locked": True,
        "origin": 0,
        "package": PACKAGE,
        "signer": SIGNER,
    } | said
    application = der(
        0x30,
        der(0x31, der(0x30, core.OctetString(given["package"].encode()).dump(), core.Integer(7).dump())),
        der(0x31, core.OctetString(given["signer"]).dump()),
    )
    software = der(0x30, explicit(709, core.OctetString(application).dump()))
    trust = der(0x30, core.OctetString(bytes(32)).dump(), core.Boolean(given["locked"]).dump(),
                der(0x0A, bytes([given["boot"]])), core.OctetString(bytes(32)).dump())  # fmt: skip
    hardware = der(0x30, explicit(1, der(0x31, core.Integer(2).dump())),
                   explicit(702, core.Integer(given["origin"]).dump()),
                   explicit(704, trust), explicit(706, core.Integer(202605).dump()))  # fmt: skip
    level = der(0x0A, bytes([given["level"]]))
    head = core.Integer(200).dump() + level + core.Integer(200).dump() + level
    return der(0x30, head, core.OctetString(challenge).dump(), core.OctetString(b"").dump(), software, hardware)


def android_chain(root: Root, phone: Phone, nonce: str, until: datetime | None = None, **said: Any) -> list[bytes]:
    """What a phone's hardware gives for the phone's key."""
    extension = ("1.3.6.1.4.1.11129.2.1.17", key_description(nonce.encode(), **said))
    return root.chain(phone.private, extension, **({"until": until} if until else {}))


def apple_object(root: Root, phone: Phone, nonce: str, **said: Any) -> bytes:
    """An attestation object for this phone's key; the key that Apple attests is another one."""
    given: dict[str, Any] = {
        "app": APP,
        "counter": 0,
        "aaguid": b"appattest" + bytes(7),
        "fmt": "apple-appattest",
    } | said
    apples = new_key()
    point = apples.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    credential = given.get("credential", hashlib.sha256(point).digest())
    data = (hashlib.sha256(given["app"].encode()).digest() + b"\x40" + given["counter"].to_bytes(4, "big")
            + given["aaguid"] + len(credential).to_bytes(2, "big") + credential)  # fmt: skip
    client = f"{nonce}.{b64url(phone.thumbprint)}".encode()
    digest = hashlib.sha256(data + hashlib.sha256(client).digest()).digest()
    extension = der(0x30, explicit(1, core.OctetString(digest).dump()))
    chain = root.chain(apples, ("1.2.840.113635.100.8.2", extension))
    return cbor2.dumps({"fmt": given["fmt"], "attStmt": {"x5c": chain, "receipt": b""}, "authData": data})


@dataclass
class PlayConsole:
    """The two keys of an app, and tokens as Play makes them."""

    decryption_key: bytes = bytes(range(32))
    signing: Key = field(default_factory=new_key)

    @property
    def public(self) -> bytes:
        return self.signing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def token(
        self, phone: Phone, nonce: str, verdicts: tuple[str, ...] = ("MEETS_DEVICE_INTEGRITY",), **said: Any
    ) -> str:
        given: dict[str, Any] = {"package": PACKAGE, "at": NOW, "recognised": "PLAY_RECOGNIZED"} | said
        digest = b64url(hashlib.sha256(f"{nonce}.{b64url(phone.thumbprint)}".encode()).digest())
        payload = {
            "requestDetails": {"requestPackageName": given["package"], "nonce": digest,
                               "timestampMillis": str(int(given["at"].timestamp() * 1000))},
            "appIntegrity": {"appRecognitionVerdict": given["recognised"], "packageName": given["package"]},
            "deviceIntegrity": {"deviceRecognitionVerdict": list(verdicts)},
        }  # fmt: skip
        text = ".".join(b64url(json.dumps(part).encode()) for part in ({"alg": "ES256"}, payload))
        return self.sealed(f"{text}.{b64url(Phone(self.signing).sign(text.encode()))}")

    def sealed(self, content: str) -> str:
        """The content as a JWE."""
        key, iv = bytes(32), bytes(12)
        head = b64url(json.dumps({"alg": "A256KW", "enc": "A256GCM"}).encode())
        sealed = AESGCM(key).encrypt(iv, content.encode(), head.encode())
        wrapped = aes_key_wrap(self.decryption_key, key)
        return ".".join((head, *map(b64url, (wrapped, iv, sealed[:-16], sealed[-16:]))))
