"""Our own chain's revocation list (RFC 5280, section 5): which signers are no longer to be believed, and since when.

The list itself is the record: a revocation is added by signing the next list with all that the last one held.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from provenance.certificates import Pair

CRL_LIFE = timedelta(days=30)
RENEW_CRL_AT = timedelta(days=7)  # a reader's copy is good for three weeks of our being down


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that was revoked: what it signed since this moment proves nothing."""

    since: datetime
    reason: str


def revoked_since(serial: int, crl_pem: bytes) -> Revocation | None:
    """Since when the certificate with this serial number is not to be believed; None when it was not revoked.

    `since` is the entry's invalidity date where it has one, the date of the revocation else (RFC 5280, section 5.3.2).
    """
    entry = x509.load_pem_x509_crl(crl_pem).get_revoked_certificate_by_serial_number(serial)
    return read_entry(entry) if entry else None


def next_crl(issuer: Pair, last_pem: bytes | None, added: x509.RevokedCertificate | None = None) -> bytes:
    """The list that follows `last_pem`, as PEM: its entries and `added`, a higher number, good for CRL_LIFE."""
    last = x509.load_pem_x509_crl(last_pem) if last_pem else None
    number = 0 if last is None else last.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    now = datetime.now(UTC).replace(microsecond=0)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + CRL_LIFE)
        .add_extension(authority, critical=False)
        .add_extension(x509.CRLNumber(number + 1), critical=False)
    )
    for entry in [*(last or ()), *([added] if added else [])]:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def entry_for(serial: int, reason: str, since: datetime | None) -> x509.RevokedCertificate:
    """The list's entry for a certificate that is revoked now, and not to be believed since `since`."""
    now = datetime.now(UTC).replace(microsecond=0)
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
    if reason != "unspecified":  # which should be left out (RFC 5280, section 5.3.1)
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
    if since:
        builder = builder.add_extension(x509.InvalidityDate(since), critical=False)
    return builder.build()


def crl_due(crl_pem: bytes) -> bool:
    """Whether it is time to sign the list anew: also when it was signed while the clock was ahead."""
    now, signed = datetime.now(UTC), x509.load_pem_x509_crl(crl_pem).last_update_utc
    return now < signed or now >= signed + RENEW_CRL_AT


def crl_der(crl_pem: bytes) -> bytes:
    """The list as certificates point to it (RFC 2585)."""
    return x509.load_pem_x509_crl(crl_pem).public_bytes(serialization.Encoding.DER)


def read_entry(entry: x509.RevokedCertificate) -> Revocation:
    """Since when, and why: see revoked_since."""
    since, reason = entry.revocation_date_utc, "unspecified"
    for extension in entry.extensions:
        if isinstance(extension.value, x509.InvalidityDate):
            since = extension.value.invalidity_date_utc
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason.value
    return Revocation(since, reason)
