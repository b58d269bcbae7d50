"""Certificates after the C2PA profile: a root, an issuing authority and leaves that sign claims."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from pipeline.errors import Unavailable

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")  # c2pa-kp-claimSigning, C2PA certificate policy
ORGANISATION = "Capture"

ISSUING_LIFE = timedelta(days=15 * 365)
ROOT_LIFE = timedelta(days=20 * 365)
CLOCK_SLACK = timedelta(hours=1)  # a reader's clock may be behind ours

# A leaf's key signs for at most this long, and is replaced at half of it: whoever steals one has 90 days' worth.
KEY_LIFE = timedelta(days=90)
# With a time-stamp a signature outlives its leaf, so the leaf ends with its key. Without one readers call a photo
# invalid once its leaf has ended (measured: nikon-20221019-building): the certificate lives on when its key is gone
# (docs/why-013).
STAMPED_LIFE = KEY_LIFE
UNSTAMPED_LIFE = timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class LeafPolicy:
    """How leaves are made: how long they are valid, and where their revocation list is, when others can reach it."""

    life: timedelta = UNSTAMPED_LIFE
    crl_url: str | None = None

    def due(self, leaf: x509.Certificate, issuing: x509.Certificate, now: datetime) -> bool:
        """Whether a new leaf, with a new key, shall take this one's place."""
        begins, ends, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc, issuing.not_valid_after_utc
        if last <= now or (ends >= last and ends - begins < KEY_LIFE):
            return False  # the authority ends first: a new leaf would live no longer
        # Made while the clock was ahead; and when it is the clock that is behind now, a new one would help nobody.
        ahead = issuing.not_valid_before_utc <= now < begins
        half_used = now >= begins + min(KEY_LIFE, ends - begins) / 2
        too_long = ends - begins > self.life + 2 * CLOCK_SLACK  # time-stamps came
        too_short = ends < min(now + self.life, last) - KEY_LIFE  # time-stamps went
        return ahead or half_used or too_long or too_short


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_authority(name: str, issuer: Pair | None, life: timedelta, path_length: int) -> Pair:
    """A new key and its certificate as an authority; its own issuer when there is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key.public_key(), issuer.certificate if issuer else None, life)
    signing_key = issuer.key if issuer else key
    builder = _add(builder, _authority_usage(path_length), signing_key.public_key())
    return Pair(builder.sign(signing_key, hashes.SHA256()), key)


def make_leaf(public_key: ec.EllipticCurvePublicKey, issuer: Pair, policy: LeafPolicy) -> x509.Certificate:
    """A certificate with which this key may sign claims."""
    builder = _builder("Capture claim signer", public_key, issuer.certificate, policy.life)
    builder = _add(builder, _signing_usage(), issuer.key.public_key())
    now = datetime.now(UTC).replace(microsecond=0)
    last_use = min(now + min(KEY_LIFE, policy.life), issuer.certificate.not_valid_after_utc)
    period = x509.PrivateKeyUsagePeriod(now - CLOCK_SLACK, last_use)
    builder = builder.add_extension(period, critical=False)
    if policy.crl_url:
        place = x509.DistributionPoint([x509.UniformResourceIdentifier(policy.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def check_time(leaf: x509.Certificate) -> None:
    """Raise Unavailable when the leaf has ended, or has not begun because it was made while the clock was ahead."""
    now, begins, ends = datetime.now(UTC), leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now < begins:
        raise Unavailable(
            f"the signer: its certificate begins only on {begins:%Y-%m-%d %H:%M} UTC; set this machine's clock right, "
            "and run `capture keys rotate` when it is"
        )
    if now >= ends:
        raise Unavailable(
            f"the signer: its certificate ended on {ends:%Y-%m-%d}; run `capture keys rotate`, and when that does not "
            "help, move the folder of its keys away to start with a new root"
        )


def key_ends(leaf: x509.Certificate) -> datetime:
    """Until when the leaf's key may sign; the certificate itself may be valid for longer."""
    try:
        period = leaf.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    except x509.ExtensionNotFound:  # made by an earlier version
        return leaf.not_valid_after_utc
    # The library reads the extension's time, always UTC, without its zone.
    return period.not_after.replace(tzinfo=UTC) if period.not_after else leaf.not_valid_after_utc


def key_id(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The SHA-1 of the key's bits (RFC 5280, section 4.2.1.2), 20 bytes: the certificate's subject key identifier."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest


def public_key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """The certificate's key; all of ours are P-256."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def serial_hex(certificate: x509.Certificate) -> str:
    """The serial number as it is written everywhere here: lower-case hex."""
    return format(certificate.serial_number, "x")


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    name: str, public_key: ec.EllipticCurvePublicKey, issuer: x509.Certificate | None, life: timedelta
) -> x509.CertificateBuilder:
    attributes = ((NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(min(now + life, issuer.not_valid_after_utc) if issuer else now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _add(
    builder: x509.CertificateBuilder,
    usage: tuple[tuple[x509.ExtensionType, bool], ...],
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    for extension, critical in ((authority, False), *usage):
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _authority_usage(path_length: int) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (x509.BasicConstraints(True, path_length), True), (_key_usage(authority=True), True)


def _signing_usage() -> tuple[tuple[x509.ExtensionType, bool], ...]:
    purposes = x509.ExtendedKeyUsage([CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    return (x509.BasicConstraints(False, None), True), (_key_usage(authority=False), True), (purposes, False)


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
