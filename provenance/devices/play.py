"""Play Integrity: Google Play's word for the device and the app, in a token that is opened here, without a network.

A standard token needs Google to open it; a classic one the two keys of the Play Console: JWE (A256KW, A256GCM) around a
JWS (ES256). Its nonce is the base64url SHA-256 of our nonce, a dot and the thumbprint of the key for captures.
"""

import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from pipeline.device import Attested, Detail, Level
from provenance.devices.attestation import Enrolment
from provenance.devices.errors import Refused
from provenance.devices.keys import from_base64url, is_signed, raw, thumbprint, to_base64url
from provenance.devices.policy import Play

FORMAT = "play-integrity"
FRESH_S = 600
LEVELS: tuple[tuple[str, Level], ...] = (
    ("MEETS_STRONG_INTEGRITY", "play-strong"),
    ("MEETS_DEVICE_INTEGRITY", "play-device"),
)


def expected_nonce(enrolment: Enrolment) -> str:
    """What the app asks Play with."""
    text = f"{enrolment.nonce}.{to_base64url(thumbprint(enrolment.key))}"
    return to_base64url(hashlib.sha256(text.encode()).digest())


def check(token: str, enrolment: Enrolment, known: Play) -> Attested:
    """The level that Play's verdict earns. Raises Refused with the reason."""
    said = _verified(_decrypted(token, known), known)
    try:
        asked, app, device = (said[name] for name in ("requestDetails", "appIntegrity", "deviceIntegrity"))
        name, nonce, moment = asked["requestPackageName"], asked["nonce"], int(asked["timestampMillis"])
        recognised, verdicts = app["appRecognitionVerdict"], list(device.get("deviceRecognitionVerdict") or ())
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Refused("malformed", "The token says nothing about the request, the app or the device.") from None
    if name not in known.packages or app.get("packageName", name) != name:
        raise Refused("wrong-app", f"The token is for the app {name!s:.80}, which the operator did not name.")
    if str(nonce).rstrip("=") != expected_nonce(enrolment):
        raise Refused(
            "wrong-nonce", "The token's nonce is not the digest of this nonce, a dot and this key's thumbprint."
        )
    if abs(enrolment.now.timestamp() - moment / 1000) > FRESH_S:
        raise Refused("stale", f"The token was asked for more than {FRESH_S // 60} minutes ago. Ask for a new one.")
    if recognised != "PLAY_RECOGNIZED":
        raise Refused("not-genuine", f"Play does not know this build of the app: {recognised!s:.40}.")
    level = next((level for verdict, level in LEVELS if verdict in verdicts), None)
    shown = [Detail("app", name), Detail("device", ", ".join(map(str, verdicts)) or "nothing")]
    if level is None:
        shown.append(Detail("why no higher level", "Play does not vouch for the integrity of the device"))
    return Attested(level or "key", FORMAT, enrolment.now, tuple(shown))


def _decrypted(token: str, known: Play) -> str:
    try:
        head, wrapped, iv, sealed, tag = token.split(".")
        header = json.loads(from_base64url(head))
        if (header["alg"], header["enc"]) != ("A256KW", "A256GCM"):
            raise Refused("wrong-algorithm", "The token is not encrypted with A256KW and A256GCM.")
        key = aes_key_unwrap(known.decryption_key, from_base64url(wrapped))
        content = from_base64url(sealed) + from_base64url(tag)
        return AESGCM(key).decrypt(from_base64url(iv), content, head.encode()).decode("ascii")
    except (InvalidUnwrap, InvalidTag):
        raise Refused("wrong-root", "The token is not encrypted for the operator's key.") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Refused(
            "malformed", "The token is no JWE of five parts. Send a classic token, as Play gave it."
        ) from None


def _verified(token: str, known: Play) -> dict[str, Any]:
    try:
        text, _, signature = token.rpartition(".")
        header, payload = (json.loads(from_base64url(part)) for part in text.split("."))
        if header["alg"] != "ES256":
            raise Refused("wrong-algorithm", "The token is not signed with ES256.")
        if not is_signed(raw(known.verification_key), from_base64url(signature), text.encode()):
            raise InvalidSignature
    except InvalidSignature:
        raise Refused("wrong-root", "The token is not signed by the key that the operator pinned.") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Refused("malformed", "There is no JSON web signature in the token.") from None
    if not isinstance(payload, dict):
        raise Refused("malformed", "The token holds no object.")
    return payload
