"""Our leaf against the conformance programme's profile of Assurance Level 1: what differs is written down, no more."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier, SignatureAlgorithmOID

from provenance.certificates import CLAIM_SIGNING, STAMPED_LIFE, LeafPolicy, public_key_of
from provenance.keys import KeyFolder
from tests.photos import SHARED
from tests.service import ROOT

PROFILE = SHARED.parent / "specs" / "c2pa-conformance" / "claimSigningLeaf.al1.cert.yaml"
OWN_OIDS = {"C2PA Assurance Level": "1.3.6.1.4.1.62558.3", "C2PA CPL Record ID": "1.3.6.1.4.1.62558.4"}
CLASSES: dict[str, type[Any]] = {
    "Subject Key Identifier": x509.SubjectKeyIdentifier,
    "Authority Key Identifier": x509.AuthorityKeyIdentifier,
    "Key Usage": x509.KeyUsage,
    "Basic Constraints": x509.BasicConstraints,
    "Extended Key Usage": x509.ExtendedKeyUsage,
    "Certificate Policies": x509.CertificatePolicies,
    "Authority Information Access": x509.AuthorityInformationAccess,
    "CRL Distribution Points": x509.CRLDistributionPoints,
}


def extension(leaf: x509.Certificate, name: str) -> x509.Extension[Any] | None:
    try:
        if name in CLASSES:
            return leaf.extensions.get_extension_for_class(CLASSES[name])
        return leaf.extensions.get_extension_for_oid(ObjectIdentifier(OWN_OIDS[name]))
    except x509.ExtensionNotFound:
        return None


def value_is_right(name: str, value: Any, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether an extension that is there says what the profile wants."""
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    checks: dict[str, Callable[[], bool]] = {
        "Subject Key Identifier": lambda: value == x509.SubjectKeyIdentifier.from_public_key(public_key_of(leaf)),
        "Authority Key Identifier": lambda: value.key_identifier == issuer_id,
        "Key Usage": lambda: value.digital_signature and value.content_commitment and not value.key_cert_sign,
        "Basic Constraints": lambda: not value.ca,
        "Extended Key Usage": lambda: {CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION} <= set(value),
        "CRL Distribution Points": lambda: value[0].full_name[0].value.startswith("http"),
    }
    return checks[name]()


def differences(leaf: x509.Certificate, issuer: x509.Certificate, profile: Any) -> set[str]:
    """Which fields of the profile our leaf does not meet."""
    found = set()
    days = int(re.search(r"Max (\d+) days", profile["Core Fields"]["Validity Period"])[1])  # type: ignore[index]
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc > timedelta(days=days):
        found.add("Validity Period")
    wanted = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME}
    if any(not leaf.subject.get_attributes_for_oid(oid) for oid in wanted.values()):
        found.add("Subject Name")
    for title, rule in profile["Extensions"].items():
        name = title.partition(" (")[0]
        there = extension(leaf, name)
        if there is None:
            found |= {name} if rule["Presence"] == "MUST" else set()
        elif there.critical != rule["Critical"] or not value_is_right(name, there.value, leaf, issuer):
            found.add(name)
    return found


@pytest.mark.parametrize("stamped", [False, True])
def test_the_leaf_differs_from_the_profile_as_the_page_says(tmp_path: Path, stamped: bool) -> None:
    if not PROFILE.exists():
        pytest.skip("the shared specifications are not here")
    policy = LeafPolicy(STAMPED_LIFE) if stamped else LeafPolicy()
    url = "https://capture.example/keys/crl.der"
    identity = KeyFolder(tmp_path / "c2pa", LeafPolicy(policy.life, url)).open()
    leaf, issuer = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    page = (ROOT / "docs" / "conformance.md").read_text().partition("## Our leaf")[2]
    told = set(re.findall(r"^\| ([A-Z][A-Za-z0-9 ]+) \|", page, re.M))
    profile = yaml.safe_load(PROFILE.read_text())
    assert differences(leaf, issuer, profile) == (told - {"Validity Period"} if stamped else told)
    assert leaf.version is x509.Version.v3 and leaf.issuer == issuer.subject
    assert leaf.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA256
    assert isinstance(public_key_of(leaf).curve, ec.SECP256R1)
    assert 0 < leaf.serial_number < 2**159
