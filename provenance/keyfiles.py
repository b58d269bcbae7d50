"""Private keys: in this process's memory, and in files with their certificates, encrypted when there is a password."""

from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pipeline.errors import Unavailable
from provenance.certificates import Pair


class Key(Protocol):
    """A P-256 key that signs: in this process, in the signing process, or on a token.

    `fault`: why the last signature was not given. The C2PA library, which calls, hides what is raised.
    """

    fault: Unavailable | None

    def sign_es256(self, message: bytes) -> bytes:
        """The ECDSA P-256 SHA-256 signature, r and s as 32 bytes each (RFC 9053, section 2.1). Raises Unavailable."""


class LocalKey:
    """A key in this process's memory."""

    fault: Unavailable | None = None

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    def sign_es256(self, message: bytes) -> bytes:
        """See Key."""
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Token(Protocol):
    """Where keys are made and used that cannot be read: an HSM."""

    def make(self) -> ec.EllipticCurvePublicKey:
        """Make a P-256 key there. Raises Unavailable."""

    def key(self, public_key: ec.EllipticCurvePublicKey) -> Key | None:
        """The private key of this public key; None when the token has it not. Raises Unavailable."""


def read_certificate(file: Path) -> x509.Certificate:
    """The file's first certificate. Raises Unavailable."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        raise damaged(file) from None


def read_pair(file: Path, password: bytes | None = None) -> Pair:
    """A certificate and its private key. Raises Unavailable when they are not there, or others can read them."""
    certificate = read_certificate(file)
    if file.stat().st_mode & 0o077:
        raise Unavailable(f"the signer: {file} can be read by other users; run chmod 600 on it, and think of who did")
    content = file.read_bytes()
    encrypted = b"ENCRYPTED PRIVATE KEY" in content
    if encrypted and not password:
        raise Unavailable(f"the signer: the key in {file} is encrypted; set CAPTURE_SIGNER_PASSWORD_FILE")
    try:
        key = serialization.load_pem_private_key(content, password if encrypted else None)
    except (ValueError, TypeError):
        # The cause is dropped on purpose: a parser's message may quote the key's bytes.
        raise (_wrong_password(file) if encrypted else damaged(file)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise damaged(file)
    return Pair(certificate, key)


def read_password(file: Path) -> bytes:
    """The password that encrypts private keys. Raises Unavailable when others can read it."""
    try:
        if file.stat().st_mode & 0o077:
            raise Unavailable(f"the signer: {file} can be read by other users; run chmod 600 on it")
        return file.read_bytes().strip()
    except OSError as error:
        raise Unavailable(f"the signer: its password file {file} cannot be read ({error.strerror})") from None


def key_pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    """The private key as PKCS #8 in PEM, encrypted (PBES2, AES-256) when there is a password."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def in_clear(file: Path) -> bool:
    """Whether the file holds a private key that is not encrypted."""
    return b"BEGIN PRIVATE KEY" in file.read_bytes()


def holds_key(file: Path) -> bool:
    """Whether the file holds a private key; else it is on a token."""
    return b"PRIVATE KEY-" in file.read_bytes()


def damaged(file: Path) -> Unavailable:
    """What to do about a file that is not what it shall be."""
    return Unavailable(
        f"the signer: {file} is missing or damaged; restore the folder {file.parent} from a backup, or move it away "
        "to start with a new root (photos that are signed already keep the old one)"
    )


def _wrong_password(file: Path) -> Unavailable:
    return Unavailable(f"the signer: CAPTURE_SIGNER_PASSWORD_FILE does not open {file}; give the password it had")
