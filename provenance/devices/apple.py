"""Apple App Attest: Apple says that an unchanged app on real hardware asked, and that app names the device's key.

The key that Apple attests can sign nothing but App Attest's own documents. So its client data is the nonce, a dot and
the thumbprint of the key that signs captures, in base64url: the app vouches for that key, and Apple for the app.
By hand over cryptography and cbor2 (docs/why-020). Steps as in Apple's "Validating apps that connect to your server".
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.x509 import Certificate, ExtensionNotFound, ObjectIdentifier, UnrecognizedExtension

from pipeline.device import Attested, Detail
from provenance.devices.attestation import Enrolment
from provenance.devices.chain import check_chain, read_chain
from provenance.devices.der import OCTETS, SEQUENCE, context, inside
from provenance.devices.errors import Refused
from provenance.devices.keys import raw, thumbprint, to_base64url
from provenance.devices.policy import Apple

FORMAT = "apple-appattest"
NONCE_EXTENSION = ObjectIdentifier("1.2.840.113635.100.8.2")
ENVIRONMENTS = {b"appattest" + bytes(7): "production", b"appattestdevelop": "development"}
_RP_ID, _COUNTER, _AAGUID, _LENGTH = slice(0, 32), slice(33, 37), slice(37, 53), slice(53, 55)
_CREDENTIAL_START = 55


@dataclass(frozen=True, slots=True)
class Authenticator:
    """The authenticator data of an attestation (WebAuthn, section 6.1)."""

    rp_id: bytes
    counter: int
    aaguid: bytes
    credential: bytes


def client_data(enrolment: Enrolment) -> bytes:
    """What the app hands to attestKey, as its SHA-256: the nonce and the thumbprint of the key for captures."""
    return f"{enrolment.nonce}.{to_base64url(thumbprint(enrolment.key))}".encode()


def check(content: bytes, enrolment: Enrolment, known: Apple) -> Attested:
    """The level app-attest. Raises Refused with the reason."""
    chain, data = _read(content)
    check_chain(chain, known.roots, enrolment.now)
    expected = hashlib.sha256(data + hashlib.sha256(client_data(enrolment)).digest()).digest()
    if not hmac.compare_digest(_nonce(chain[0]), expected):
        raise Refused("wrong-nonce", "The attestation is not about this nonce and this key: its client data is the "
                      "nonce, a dot and the key's thumbprint.")  # fmt: skip
    said = _authenticator(data)
    app = next((name for name in known.app_ids if hashlib.sha256(name.encode()).digest() == said.rp_id), None)
    if app is None:
        raise Refused("wrong-app", "The attestation is of an app that is none of those that the operator named.")
    if said.counter != 0:
        raise Refused("counter-back", f"The attestation's counter is {said.counter}, not 0: the key was used before.")
    if said.credential != hashlib.sha256(b"\x04" + raw(chain[0].public_key())).digest():
        raise Refused("wrong-key", "The attestation's key id is not that of its certificate's key.")
    return Attested("app-attest", FORMAT, enrolment.now, _details(app, said, known))


def _details(app: str, said: Authenticator, known: Apple) -> tuple[Detail, ...]:
    environment = ENVIRONMENTS.get(said.aaguid)
    if environment is None or (environment == "development" and not known.development):
        raise Refused("wrong-app", f"The attestation is of the environment {environment or 'unknown'}, which the "
                      "operator does not take.")  # fmt: skip
    return Detail("app", app), Detail("environment", environment)


def _read(content: bytes) -> tuple[list[Certificate], bytes]:
    try:
        found: Any = cbor2.loads(content)
        form, chain, data = found["fmt"], found["attStmt"]["x5c"], found["authData"]
        if not isinstance(data, bytes) or not all(isinstance(each, bytes) for each in chain):
            raise TypeError
    except (cbor2.CBORDecodeError, LookupError, TypeError, RecursionError):
        raise Refused("malformed", "The attestation is no attestation object in CBOR.") from None
    if form != FORMAT or not 1 <= len(chain) <= 5:
        raise Refused("wrong-format", f"The attestation object is not of the format {FORMAT}, with its certificates.")
    return read_chain(chain), data


def _nonce(certificate: Certificate) -> bytes:
    try:
        found = certificate.extensions.get_extension_for_oid(NONCE_EXTENSION).value
        if not isinstance(found, UnrecognizedExtension):
            raise ValueError
        return inside(inside(inside(found.value, SEQUENCE), context(1)), OCTETS)
    except (ExtensionNotFound, ValueError):
        raise Refused("malformed", "The attestation's certificate holds no nonce.") from None


def _authenticator(data: bytes) -> Authenticator:
    end = _CREDENTIAL_START + int.from_bytes(data[_LENGTH], "big")
    if len(data) < end or end == _CREDENTIAL_START:
        raise Refused("malformed", "The attestation's authenticator data is cut off.")
    counter = int.from_bytes(data[_COUNTER], "big")
    return Authenticator(data[_RP_ID], counter, data[_AAGUID], data[_CREDENTIAL_START:end])
