"""The folder of the signer's keys: a root, an issuing authority and the leaf in force, made at the first start.

Folder (mode 0700):

    root.pem      the root's certificate: what others add to their trust anchors, public
    issuing.pem   the issuing authority's certificate and private key, mode 0600: makes leaves and the revocation list
    leaf.pem      the leaf's certificate and private key, mode 0600: signs photos; the certificate alone when its key
                  is on a token
    issued.pem    every leaf's certificate, oldest first
    crl.pem       the revocation list

The root's private key is thrown away: it exists for the moment in which it signs the issuing certificate. What is
not there cannot leak, and a stolen folder cannot make other authorities under the root. The price: when the issuing
authority ends (15 years) or leaks, a new root has to be made and trusted anew.

Only the signing process (provenance/signing.py) and the operator's commands open it; several may at once.
"""

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.durable import sync_folder, write_durably
from pipeline.errors import Rejected, Unavailable
from provenance import certificates, revocation
from provenance.certificates import (
    LeafPolicy,
    Pair,
    common_name,
    make_authority,
    make_leaf,
    pem,
    public_key_of,
    serial_hex,
)
from provenance.keyfiles import Key, LocalKey, Token, damaged, holds_key, in_clear, key_pem, read_certificate, read_pair

ROOT_FILE, ISSUING_FILE, LEAF_FILE = "root.pem", "issuing.pem", "leaf.pem"
ISSUED_FILE, CRL_FILE, LOCK_FILE = "issued.pem", "crl.pem", ".lock"


@dataclass(frozen=True, slots=True)
class Identity:
    """A leaf with its chain (the leaf first, then the issuing authority), the root, and the leaf's key.

    `crl_pem`: the issuing authority's revocation list, "" when there is none.
    """

    root_pem: str = field(repr=False)
    chain_pem: str = field(repr=False)
    _key: Key = field(repr=False, compare=False)
    crl_pem: str = field(default="", repr=False, compare=False)

    @classmethod
    def load_or_make(cls, folder: Path) -> "Identity":
        """The identity in a folder, with its key in this process: see KeyFolder.open."""
        return KeyFolder(folder).open()

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that signs."""
        return x509.load_pem_x509_certificate(self.chain_pem.encode())

    @property
    def serial(self) -> str:
        """The leaf's serial number, lower-case hex."""
        return serial_hex(self.leaf)

    @property
    def signer(self) -> str:
        """The leaf's common name."""
        return common_name(self.leaf)

    @property
    def not_after(self) -> datetime:
        """When the leaf ends."""
        return self.leaf.not_valid_after_utc

    @property
    def authorities_pem(self) -> str:
        """The chain without the leaf, which a signed photo carries itself; the root last."""
        return b"".join(map(pem, x509.load_pem_x509_certificates(self.chain_pem.encode())[1:])).decode() + self.root_pem

    def check(self) -> None:
        """Raise Unavailable outside of the leaf's time: what it signs then would be invalid everywhere."""
        certificates.check_time(self.leaf)

    @property
    def fault(self) -> Unavailable | None:
        """Why the key gave no signature when it was last asked."""
        return self._key.fault

    def sign_es256(self, message: bytes) -> bytes:
        """The leaf's signature: see Key."""
        return self._key.sign_es256(message)


class KeyFolder:
    """One installation's keys. `password` encrypts the private keys in files; `token` holds the leaves' keys."""

    def __init__(
        self,
        folder: Path,
        policy: LeafPolicy = LeafPolicy(),  # noqa: B008 - frozen
        password: bytes | None = None,
        token: Token | None = None,
    ) -> None:
        self._folder = folder
        self._policy = policy
        self._password = password
        self._token = token

    def open(self) -> Identity:
        """The identity in this folder; made when there is none, its leaf replaced when that is due.

        Several processes may call this at once: all get the same root. Raises Unavailable, naming the file and what
        to do, when the folder is damaged, open to other users, or ends.
        """
        try:
            if not self._folder.exists():
                self._make()
            self.upkeep()
            identity = self.load()
        except OSError as error:
            raise Unavailable(f"the signer: cannot use {self._folder} ({error.strerror}); make it writable") from None
        identity.check()
        return identity

    def load(self) -> Identity:
        """The identity as the files say now. Raises Unavailable when they are damaged or do not fit together."""
        root, issuing = read_certificate(self._folder / ROOT_FILE), self._issuing().certificate
        leaf = self.in_force()
        try:
            issuing.verify_directly_issued_by(root)
            leaf.verify_directly_issued_by(issuing)
        except Exception:  # the library raises several kinds; each means that the files are not of one chain
            raise damaged(self._folder / LEAF_FILE) from None
        chain = pem(leaf) + pem(issuing)
        return Identity(pem(root).decode(), chain.decode(), self._key_of(leaf), self.crl().decode())

    def upkeep(self) -> bool:
        """Do what is due: a new leaf, a new revocation list, keys encrypted; whether there is a new leaf."""
        with self._locked():
            issuing, leaf = self._issuing(), self.in_force()
            if not (self._folder / CRL_FILE).exists() or revocation.crl_due(self.crl()):
                self._write_crl(issuing)
            if self._password and in_clear(self._folder / ISSUING_FILE):
                self._write_issuing(issuing)
            due = self._policy.due(leaf, issuing.certificate, datetime.now(UTC)) or self._misplaced()
            if due:
                self._new_leaf(issuing)
            return due

    def rotate(self) -> x509.Certificate:
        """Make a new key and its leaf now, and put it in the place of the one in force."""
        with self._locked():
            return self._new_leaf(self._issuing())

    def in_force(self) -> x509.Certificate:
        """The leaf that signs now."""
        return read_certificate(self._folder / LEAF_FILE)

    def issued(self) -> list[x509.Certificate]:
        """Every leaf that was ever made here, oldest first."""
        try:
            return x509.load_pem_x509_certificates((self._folder / ISSUED_FILE).read_bytes())
        except FileNotFoundError:  # an earlier version made one leaf
            return [self.in_force()]
        except ValueError:
            raise damaged(self._folder / ISSUED_FILE) from None

    def crl(self) -> bytes:
        """The revocation list, PEM. Raises Unavailable."""
        try:
            return (self._folder / CRL_FILE).read_bytes()
        except OSError:
            raise damaged(self._folder / CRL_FILE) from None

    def revoke(self, serial: str, reason: str, since: datetime | None) -> bool:
        """Put a leaf on the revocation list; whether it was the one in force, which a new one has replaced then.

        `serial` in hex. Raises Rejected when no leaf of ours has it, or it is revoked already.
        """
        with self._locked():
            issuing, leaf = self._issuing(), self.in_force()
            found = [known for known in self.issued() if serial_hex(known) == serial.lower()]
            if not found:
                raise Rejected(f"no certificate of ours has the serial number {serial}: `capture keys list` shows them")
            if known := revocation.revoked_since(found[0].serial_number, self.crl()):
                raise Rejected(f"{serial} was revoked already, since {known.since:%Y-%m-%d %H:%M} UTC")
            in_force = found[0] == leaf
            if in_force:
                self._new_leaf(issuing)  # first: nothing is ever signed with a leaf that is on the list
            self._write_crl(issuing, revocation.entry_for(found[0].serial_number, reason, since))
            return in_force

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        """Whether this leaf is on the revocation list."""
        return revocation.revoked_since(certificate.serial_number, self.crl()) is not None

    def leaf_stamp(self) -> tuple[int, int]:
        """Changes when the leaf is replaced: inode and time, to be compared only. Raises Unavailable."""
        try:
            found = (self._folder / LEAF_FILE).stat()
        except OSError:
            raise damaged(self._folder / LEAF_FILE) from None
        return found.st_ino, found.st_mtime_ns

    def _make(self) -> None:
        """Make the whole folder beside its place, then move it there in one step: a crash leaves nothing half made."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{self._folder.name}-", dir=self._folder.parent))  # mode 0700
        try:
            # The number tells one installation's root from another's in a list of trust anchors.
            root = make_authority(f"Capture root {secrets.token_hex(4)}", None, certificates.ROOT_LIFE, 1)
            issuing = make_authority("Capture issuing authority", root, certificates.ISSUING_LIFE, 0)
            write_durably(temporary / ROOT_FILE, pem(root.certificate), 0o644)
            made = KeyFolder(temporary, self._policy, self._password, self._token)
            made._write_issuing(issuing)
            made._write_crl(issuing)
            made._new_leaf(issuing, first=True)
            _move(temporary, self._folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _issuing(self) -> Pair:
        return read_pair(self._folder / ISSUING_FILE, self._password)

    def _write_issuing(self, issuing: Pair) -> None:
        content = pem(issuing.certificate) + key_pem(issuing.key, self._password)
        write_durably(self._folder / ISSUING_FILE, content)

    def _key_of(self, leaf: x509.Certificate) -> Key:
        if self._token is None:
            return LocalKey(read_pair(self._folder / LEAF_FILE, self._password).key)
        key = self._token.key(public_key_of(leaf))
        if key is None:
            raise Unavailable(
                "the signer: the token has not the key of the certificate in force; run `capture keys rotate`"
            )
        return key

    def _new_leaf(self, issuing: Pair, first: bool = False) -> x509.Certificate:
        if self._token:
            leaf, private = make_leaf(self._token.make(), issuing, self._policy), b""
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            leaf, private = make_leaf(key.public_key(), issuing, self._policy), key_pem(key, self._password)
        # Listed before it signs: what was ever used can be revoked.
        known = [] if first else self.issued()
        write_durably(self._folder / ISSUED_FILE, b"".join(map(pem, [*known, leaf])))
        write_durably(self._folder / LEAF_FILE, pem(leaf) + private)
        return leaf

    def _write_crl(self, issuing: Pair, added: x509.RevokedCertificate | None = None) -> None:
        last = self.crl() if (self._folder / CRL_FILE).exists() else None
        write_durably(self._folder / CRL_FILE, revocation.next_crl(issuing, last, added))

    def _misplaced(self) -> bool:
        """Whether the leaf's key is not where it shall be: on the token, or in a file and encrypted if asked for."""
        file = self._folder / LEAF_FILE
        return holds_key(file) == bool(self._token) or bool(self._password and in_clear(file))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if (owner := self._folder.stat().st_uid) != os.geteuid():
            # Files of ours could not be read by the signing process any more.
            raise Unavailable(f"the signer: {self._folder} belongs to the user with id {owner}: run this as that user")
        descriptor = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _move(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError as error:
        # Another process was first: a folder that is not empty is never replaced, and theirs is as good.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    sync_folder(folder.parent)
