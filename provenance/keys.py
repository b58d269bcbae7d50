"""The signer's identity: a root, an issuing authority and a leaf, made at the first start, kept in one folder.

Folder (mode 0700):

    root.pem      the root's certificate: what others add to their trust anchors, public
    issuing.pem   the issuing authority's certificate and private key, mode 0600: renews the leaf
    leaf.pem      the leaf's certificate and private key, mode 0600: signs photos

The root's private key is thrown away: it exists for the moment in which it signs the issuing certificate. What is
not there cannot leak, and a stolen folder cannot make other authorities under the root. The price: when the issuing
authority ends (15 years) or leaks, a new root has to be made and trusted anew.
"""

import errno
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pipeline.errors import Unavailable

ROOT_FILE, ISSUING_FILE, LEAF_FILE = "root.pem", "issuing.pem", "leaf.pem"

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")  # c2pa-kp-claimSigning, C2PA certificate policy
ORGANISATION = "Capture"

# Without a time-stamp a signature is good for as long as its leaf: readers call it expired, and then invalid, after
# that (measured: nikon-20221019-building). So leaves live long, and are renewed while they still have most of their
# life: every photo's credentials stay valid for at least RENEW_AT. Time-stamps (CAPTURE_TSA_URL) make this short.
LEAF_LIFE = timedelta(days=5 * 365)
RENEW_AT = timedelta(days=4 * 365)
ISSUING_LIFE = timedelta(days=15 * 365)
ROOT_LIFE = timedelta(days=20 * 365)
CLOCK_SLACK = timedelta(hours=1)  # a reader's clock may be behind ours


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: the certificates, and a key that is used through `sign_es256` and shown nowhere."""

    root_file: Path
    root_pem: str = field(repr=False)
    chain_pem: str = field(repr=False)
    signer: str
    not_after: datetime
    _key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def load_or_make(cls, folder: Path) -> "Identity":
        """The identity in this folder; made when there is none, its leaf renewed when it nears its end.

        Several processes may call this at once: all get the same root. Raises Unavailable, naming the file and what
        to do, when the folder is damaged, open to other users, or ends.
        """
        try:
            if not folder.exists():
                _make_folder(folder)
            identity = _load(folder)
            if _renew_leaf(folder, identity.not_after):
                identity = _load(folder)
        except OSError as error:
            raise Unavailable(f"the signer: cannot use {folder} ({error.strerror}); make it writable") from None
        identity.check()
        return identity

    def check(self) -> None:
        """Raise Unavailable when the leaf has ended: what it signs now would be invalid everywhere."""
        if datetime.now(UTC) >= self.not_after:
            raise Unavailable(
                f"the signer: its certificate ended on {self.not_after:%Y-%m-%d}; restart to renew it, and when that "
                f"does not help, move {self.root_file.parent} away to start with a new root"
            )

    def sign_es256(self, message: bytes) -> bytes:
        """The ECDSA P-256 SHA-256 signature, r and s as 32 bytes each (RFC 9053, section 2.1)."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def _make_folder(folder: Path) -> None:
    """Make the whole folder beside its place, then move it there in one step: a crash leaves nothing half made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        # The number tells one installation's root from another's in a list of trust anchors.
        root = _issue(f"Capture root {secrets.token_hex(4)}", None, ROOT_LIFE, path_length=1)
        issuing = _issue("Capture issuing authority", root, ISSUING_LIFE, path_length=0)
        leaf = _issue("Capture claim signer", issuing, LEAF_LIFE, path_length=None)
        _write(temporary / ROOT_FILE, _pem(root.certificate), 0o644)
        _write(temporary / ISSUING_FILE, _pem(issuing.certificate) + _key_pem(issuing.key), 0o600)
        _write(temporary / LEAF_FILE, _pem(leaf.certificate) + _key_pem(leaf.key), 0o600)
        _sync_folder(temporary)
        _move(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError as error:
        # Another process was first: a folder that is not empty is never replaced, and theirs is as good.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    _sync_folder(folder.parent)


def _renew_leaf(folder: Path, not_after: datetime) -> bool:
    """Put a new leaf in the place of one that nears its end, in one step; whether there was a need."""
    if not_after - datetime.now(UTC) >= RENEW_AT:
        return False
    issuing = _read_pair(folder / ISSUING_FILE)
    if issuing.certificate.not_valid_after_utc <= not_after:
        return False  # the authority ends first: a new leaf would live no longer
    leaf = _issue("Capture claim signer", issuing, LEAF_LIFE, path_length=None)
    descriptor, name = tempfile.mkstemp(prefix=".leaf-", dir=folder)
    os.close(descriptor)
    _write(Path(name), _pem(leaf.certificate) + _key_pem(leaf.key), 0o600)
    Path(name).replace(folder / LEAF_FILE)
    _sync_folder(folder)
    return True


def _issue(name: str, issuer: _Pair | None, life: timedelta, path_length: int | None) -> _Pair:
    """A key and its certificate after the C2PA profile; `path_length` None makes a leaf that signs claims."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now = datetime.now(UTC).replace(microsecond=0)
    ends = now + life if issuer is None else min(now + life, issuer.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signing_key = issuer.key if issuer else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
    )
    for extension, critical in _usage(path_length):
        builder = builder.add_extension(extension, critical=critical)
    return _Pair(builder.sign(signing_key, hashes.SHA256()), key)


def _usage(path_length: int | None) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    is_authority = path_length is not None
    key_usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = x509.ExtendedKeyUsage([CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(is_authority, path_length), True),
        (key_usage, True),
    )
    return extensions if is_authority else (*extensions, (purposes, False))


def _load(folder: Path) -> Identity:
    try:
        root_pem = (folder / ROOT_FILE).read_text("ascii")
        root = x509.load_pem_x509_certificate(root_pem.encode())
    except (OSError, ValueError):
        raise _damaged(folder / ROOT_FILE) from None
    issuing, leaf = _read_pair(folder / ISSUING_FILE), _read_pair(folder / LEAF_FILE)
    try:
        issuing.certificate.verify_directly_issued_by(root)
        leaf.certificate.verify_directly_issued_by(issuing.certificate)
    except Exception:  # the library raises several kinds; each means that the files are not of one chain
        raise _damaged(folder / LEAF_FILE) from None
    return Identity(
        root_file=folder / ROOT_FILE,
        root_pem=root_pem,
        chain_pem=(_pem(leaf.certificate) + _pem(issuing.certificate)).decode("ascii"),
        signer=_common_name(leaf.certificate),
        not_after=leaf.certificate.not_valid_after_utc,
        _key=leaf.key,
    )


def _read_pair(file: Path) -> _Pair:
    try:
        if file.stat().st_mode & 0o077:
            raise Unavailable(
                f"the signer: {file} can be read by other users; run chmod 600 on it, and think of who did"
            )
        pem = file.read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError, TypeError):
        # The cause is dropped on purpose: a parser's message may quote the key's bytes.
        raise _damaged(file) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _damaged(file)
    return _Pair(certificate, key)


def _damaged(file: Path) -> Unavailable:
    return Unavailable(
        f"the signer: {file} is missing or damaged; restore the folder {file.parent} from a backup, or move it away "
        "to start with a new root (photos that are signed already keep the old one)"
    )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write and sync. The mode is set when the file is made: a key is never readable, not even for a moment."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as out:
        os.fchmod(descriptor, mode)  # whatever the umask took away
        out.write(content)
        out.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
