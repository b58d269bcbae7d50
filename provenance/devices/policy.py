"""What the operator says about devices: whose apps, which roots, and which level lets a device vouch for its sensor."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from pipeline.device import ATTESTED, Attested
from provenance.devices.keys import from_base64url


@dataclass(frozen=True, slots=True)
class Apple:
    """Of App Attest. `app_ids`: team and bundle, as in TEAM123456.org.example.app. `development`: such builds too."""

    app_ids: tuple[str, ...]
    roots: tuple[Certificate, ...]
    development: bool = False


@dataclass(frozen=True, slots=True)
class Android:
    """Of Key Attestation. `signers`: SHA-256 of the apps' signing certificates. `revoked`: serial numbers, and why."""

    packages: tuple[str, ...]
    signers: tuple[bytes, ...]
    roots: tuple[Certificate, ...]
    revoked: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Play:
    """Of Play Integrity: the two keys of the app's page in the Play Console."""

    packages: tuple[str, ...]
    decryption_key: bytes
    verification_key: EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's. Nothing is attested, and no device vouches for its sensor, until the file says so."""

    digital_capture: tuple[str, ...] = ()
    apple: Apple | None = None
    android: Android | None = None
    play: Play | None = None

    def vouches(self, attested: Attested) -> bool:
        """Whether a photo that such a key signed for may be called `digitalCapture`."""
        return attested.level in self.digital_capture


def load_policy(file: Path | None) -> Policy:
    """The policy in this TOML file; without one, the cautious one. Raises ValueError that says what is wrong where."""
    if file is None:
        return Policy()
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as TOML: {error}") from None
    _known(said, "the file", "digital_capture", "apple", "android", "play")
    levels = _strings(said, "digital_capture", "the file", may_lack=True)
    if not set(levels) <= set(ATTESTED):
        raise ValueError(f"digital_capture names {', '.join(levels)}; the attested levels are {', '.join(ATTESTED)}")
    read: dict[str, Any] = {"apple": _apple, "android": _android, "play": _play}
    return Policy(levels, **{name: read[name](_table(said, name), file.parent) for name in read if name in said})


def _apple(said: dict[str, Any], folder: Path) -> Apple:
    _known(said, "[apple]", "app_ids", "roots", "development")
    development = said.get("development", False)
    if not isinstance(development, bool):
        raise ValueError("[apple] development is true or false")
    return Apple(_strings(said, "app_ids", "[apple]"), _roots(said, "[apple]", folder), development)


def _android(said: dict[str, Any], folder: Path) -> Android:
    _known(said, "[android]", "packages", "signers", "roots", "revocations")
    try:
        signers = tuple(bytes.fromhex(text.replace(":", "")) for text in _strings(said, "signers", "[android]"))
    except ValueError:
        signers = ()
    if not signers or any(len(signer) != 32 for signer in signers):
        raise ValueError("[android] signers are the SHA-256 of the apps' signing certificates, 64 hex digits each")
    revoked = _revoked(folder / said["revocations"]) if "revocations" in said else {}
    return Android(_strings(said, "packages", "[android]"), signers, _roots(said, "[android]", folder), revoked)


def _play(said: dict[str, Any], _folder: Path) -> Play:
    _known(said, "[play]", "packages", "decryption_key", "verification_key")
    keys = [_base64(said, name) for name in ("decryption_key", "verification_key")]
    try:
        verification = load_der_public_key(keys[1])
    except ValueError:
        verification = None
    if len(keys[0]) != 32 or not isinstance(verification, EllipticCurvePublicKey):
        raise ValueError("[play] decryption_key and verification_key are to be as the Play Console shows them, base64")
    return Play(_strings(said, "packages", "[play]"), keys[0], verification)


def _base64(said: dict[str, Any], name: str) -> bytes:
    text = str(said.get(name, ""))
    try:
        return from_base64url(text.rstrip("=").replace("+", "-").replace("/", "_"))
    except ValueError:
        return b""


def _revoked(file: Path) -> dict[int, str]:
    """Google's list of revoked attestation keys, as it is published: {"entries": {serial in hex: {"status": ...}}}."""
    try:
        entries = json.loads(file.read_text())["entries"]
        return {int(serial, 16): str(entry["status"]) for serial, entry in entries.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ValueError(f"[android] revocations: {file} is no revocation list with entries and their status") from None


def _roots(said: dict[str, Any], where: str, folder: Path) -> tuple[Certificate, ...]:
    name = said.get("roots")
    if not isinstance(name, str):
        raise ValueError(f"{where} roots names no file: put the vendor's root certificates, PEM, into one")
    try:
        return tuple(load_pem_x509_certificates((folder / name).read_bytes()))
    except (OSError, ValueError):
        raise ValueError(f"{where} roots: {folder / name} holds no PEM certificate") from None


def _table(said: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(said[name], dict):
        raise ValueError(f"{name} is no table: write [{name}]")
    return dict(said[name])


def _known(said: dict[str, Any], where: str, *names: str) -> None:
    unknown = ", ".join(sorted(set(said) - set(names)))
    if unknown:
        raise ValueError(f"{where} has {unknown}; there are {', '.join(names)}")


def _strings(said: dict[str, Any], name: str, where: str, may_lack: bool = False) -> tuple[str, ...]:
    value = said.get(name, [] if may_lack else None)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value) or not (value or may_lack):
        raise ValueError(f'{where}: {name} is to be a list of text, such as {name} = ["one", "two"]')
    return tuple(value)
