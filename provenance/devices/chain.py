"""Certificate chains of vendors: each signed by the next, the last by a pinned root, all of them valid now."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    ExtensionNotFound,
    InvalidVersion,
    load_der_x509_certificate,
)

from provenance.devices.errors import Refused


def read_chain(content: Sequence[bytes]) -> list[Certificate]:
    """The certificates, the key's own first. Raises Refused for what is none."""
    try:
        return [load_der_x509_certificate(each) for each in content]
    except (ValueError, InvalidVersion):
        raise Refused("malformed", "The attestation has a certificate that cannot be read.") from None


def check_chain(chain: Sequence[Certificate], roots: Sequence[Certificate], now: datetime) -> None:
    """Raise Refused unless this chain leads to one of these roots, and is valid now.

    Whether the root itself is in the chain does not matter.
    """
    last = chain[-1]
    ends = [last] if last in roots else [root for root in roots if _issued(last, root)]
    if not ends or not all(_issued(*pair) for pair in pairwise(chain)):
        raise Refused("wrong-root", "The attestation's certificates do not lead to a root that the operator pinned.")
    whole = [*chain, *ends[:1]]
    if not all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in whole):
        raise Refused("expired", "A certificate of the attestation is not valid now. Attest the key again.")


def _issued(certificate: Certificate, by: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
        return by.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, ExtensionNotFound):
        return False
