"""Whom we trust: lists of certificates (PEM) that signers and time-stamping authorities must lead to, and revocations.

A list is a file. Its name is what verdicts call it. Three kinds, told apart without asking anybody:

    certificates, "tsa" a word of the file's name   anchors for time-stamps (C2PA-TSA-TRUST-LIST.pem)
    certificates                                    anchors for signers (C2PA-TRUST-LIST.pem, your-newsroom.pem)
    X509 CRL                                        revocations, each believed when the revoked one's issuer signed it
"""

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from pipeline.errors import Rejected, Unavailable
from provenance.revocation import Revocation, read_entry

Kind = Literal["manifest", "tsa", "revocations"]
OWN = "this service"  # the list that holds our own root and nothing else
MAX_LIST_BYTES = 4 << 20  # the official list has 30 certificates in 70 KB
ENDINGS = (".pem", ".crt", ".crl")
_CRL, _CERTIFICATE = b"-----BEGIN X509 CRL-----", b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class TrustList:
    """One file. `name` is the file's without its ending; `size` counts certificates or revocations."""

    name: str
    kind: Kind
    pem: str = field(repr=False)
    size: int
    file: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, hex. Our own revocations are signed anew each week, and say the same."""
        said = self.pem if self.kind != "revocations" or self.name != OWN else _entries(self.pem)
        return hashlib.sha256(said.encode()).hexdigest()

    @classmethod
    def read(cls, file: Path) -> "TrustList":
        """Read and check a list. Raises Rejected, which says what the file should hold; Unavailable for the disk."""
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_LIST_BYTES + 1)
        except OSError as error:
            raise Unavailable(f"the trust list {file} cannot be read ({error.strerror})") from None
        if len(content) > MAX_LIST_BYTES:
            raise Rejected(f"the trust list {file} is over {MAX_LIST_BYTES >> 20} MB")
        if b"PRIVATE KEY" in content:
            raise Rejected(f"{file} holds a private key: that is no trust list; copy only the certificates")
        try:
            return cls._parse(file, content)
        except ValueError:
            raise Rejected(f"{file} holds no certificates or CRLs in PEM: convert it, or take it away") from None

    @classmethod
    def _parse(cls, file: Path, content: bytes) -> "TrustList":
        text = content.decode("utf-8")
        if _CRL in content:
            return cls(file.stem, "revocations", text, len(x509.load_pem_x509_crl(content)), file)
        # The library stops at the first certificate that is none: found out here, not at every photo.
        size = len(x509.load_pem_x509_certificates(content))
        kind: Kind = "tsa" if "tsa" in re.split(r"[^a-z]+", file.stem.lower()) else "manifest"
        return cls(file.stem, kind, text, size, file)


@dataclass(frozen=True)
class TrustLists:
    """All lists of a service, in the order in which they are asked."""

    lists: tuple[TrustList, ...]

    @classmethod
    def load(cls, own_root_pem: str, places: Sequence[Path], own_crl_pem: str = "") -> "TrustLists":
        """Our own root and revocations, and every list in these files and folders. Raises Unavailable, naming it."""
        own = [TrustList(OWN, "manifest", own_root_pem, own_root_pem.encode().count(_CERTIFICATE))]
        if own_crl_pem:
            own.append(TrustList(OWN, "revocations", own_crl_pem, len(x509.load_pem_x509_crl(own_crl_pem.encode()))))
        try:
            return cls((*own, *(TrustList.read(file) for file in list_files(places))))
        except Rejected as rejected:  # a photo is not to be refused for it
            raise Unavailable(f"the trust lists: {rejected}") from None

    @cached_property
    def digest(self) -> str:
        """What a verdict was reached with: SHA-256 over names, kinds and contents, hex."""
        said = "\n".join(f"{one.kind} {one.digest} {one.name}" for one in self.lists)
        return hashlib.sha256(said.encode()).hexdigest()

    def library_settings(self) -> dict[str, Any]:
        """The `trust` settings of the C2PA library: each list under its name, which its verdicts then give back."""
        anchors = [
            {"trust_anchors": one.pem, "trust_uri": one.name, "trust_kind": one.kind}
            for one in self.lists
            if one.kind != "revocations"
        ]
        return {"anchors": anchors}

    def names(self, chain: Sequence[x509.Certificate]) -> str | None:
        """The list that a signer's chain leads to; None when no list for signers does, or the chain is broken.

        Looked at here too, because the library (0.91.3) lets anchors for time-stamps vouch for signers, and tells of
        ingredients only what differs from what somebody recorded.
        """
        try:
            return self._named(chain)
        except ValueError:  # a name in a certificate that cannot be read
            return None

    def _named(self, chain: Sequence[x509.Certificate]) -> str | None:
        for place, certificate in enumerate(chain):
            for anchor, name in self._anchors.get(certificate.issuer.public_bytes(), ()):
                if _issued(certificate, anchor):
                    return name
            for anchor, name in self._anchors.get(certificate.subject.public_bytes(), ()):
                if anchor == certificate:
                    return name
            if place + 1 < len(chain) and not _issued(certificate, chain[place + 1]):
                return None
        return None

    def revoked(self, chain: Sequence[x509.Certificate]) -> Revocation | None:
        """The earliest revocation of a certificate of this chain by its issuer; None when no list says so.

        Signers leave the issuer that others trust out of their chains: it is looked for among the anchors too.
        """
        if not self._crls:
            return None
        pairs = [*itertools.pairwise(chain), *self._anchored(chain)]
        found = [one for crl in self._crls for pair in pairs if (one := _revocation(crl, *pair))]
        return min(found, key=lambda one: one.since, default=None)

    def _anchored(self, chain: Sequence[x509.Certificate]) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        """Certificates of this chain, each with an anchor that bears its issuer's name."""
        for certificate in chain:
            try:
                anchors = self._anchors.get(certificate.issuer.public_bytes(), ())
            except ValueError:  # a name that cannot be read
                continue
            yield from ((certificate, anchor) for anchor, _ in anchors)

    @cached_property
    def _anchors(self) -> dict[bytes, list[tuple[x509.Certificate, str]]]:
        """The certificates of all lists for signers, by their subjects."""
        found: dict[bytes, list[tuple[x509.Certificate, str]]] = {}
        for one in self.lists:
            if one.kind == "manifest":
                for anchor in x509.load_pem_x509_certificates(one.pem.encode()):
                    found.setdefault(anchor.subject.public_bytes(), []).append((anchor, one.name))
        return found

    @cached_property
    def _crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        pems = (one.pem.encode() for one in self.lists if one.kind == "revocations")
        return tuple(map(x509.load_pem_x509_crl, pems))


def list_files(places: Iterable[Path]) -> Iterator[Path]:
    """The files of these places; of a folder, those with the endings of lists, by name. Absent places hold none."""
    for place in places:
        if place.is_dir():
            yield from sorted(file for file in place.iterdir() if file.suffix.lower() in ENDINGS)
        elif place.exists():
            yield place


def add(file: Path, folder: Path) -> TrustList:
    """Check a list and copy it into the service's folder; an older one of the same name is replaced in one step."""
    found = TrustList.read(file)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{found.name}.{'crl' if found.kind == 'revocations' else 'pem'}"
    temporary = folder / f".{target.name}.{os.getpid()}"
    temporary.write_text(found.pem)
    temporary.replace(target)
    return found


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _revocation(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> Revocation | None:
    try:
        found = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        key: Any = issuer.public_key()
        if found is None or crl.issuer != certificate.issuer or not crl.is_signature_valid(key):
            return None
    except (UnsupportedAlgorithm, TypeError, ValueError):
        return None
    return read_entry(found)


def _entries(crl_pem: str) -> str:
    entries = [(entry.serial_number, read_entry(entry)) for entry in x509.load_pem_x509_crl(crl_pem.encode())]
    return "\n".join(
        f"{serial:x} {one.since:%Y-%m-%dT%H:%M:%SZ} {one.reason}" for serial, one in sorted(entries, key=str)
    )
