"""The certificates in a manifest's signature (COSE_Sign1, RFC 9052), which the C2PA library reads and does not show."""

import struct
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from provenance.jumbf import MAX_CBOR_ITEMS, boxes

_CHAIN_LABELS = (33, "x5chain")  # RFC 9360, and what manifests before it wrote
_UNREADABLE = (
    ValueError, TypeError, LookupError, struct.error, RecursionError, UnsupportedAlgorithm, x509.InvalidVersion
)  # fmt: skip
_COUNTS = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}


def signing_chains(store: bytes) -> dict[str, tuple[x509.Certificate, ...]]:
    """By each manifest's label, its signer's certificate and those that vouch for it. Nothing is verified here.

    Manifests whose certificates cannot be read are left out; a label that stands twice gets none, so that nobody's
    certificates speak for another's signature.
    """
    found: dict[str, tuple[x509.Certificate, ...]] = {}
    for box in boxes(store):
        if box.kind == b"cbor" and box.labels[2:] == ("c2pa.signature",):
            try:
                chain = tuple(map(x509.load_der_x509_certificate, _chain(bytes(box.content))))
            except _UNREADABLE:
                continue
            found[box.labels[1]] = () if box.labels[1] in found else chain
    return found


def _chain(signature: bytes) -> list[bytes]:
    protected, unprotected, *_ = _Cbor(signature).read()
    for header in (_Cbor(protected).read() if protected else {}, unprotected):
        for label in _CHAIN_LABELS:
            if label in header:
                chain = header[label]
                return [chain] if isinstance(chain, bytes) else [bytes(one) for one in chain]
    return []


class _Cbor:
    """A reader for what COSE headers hold. Nested no deeper than provenance.jumbf lets through."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def read(self) -> Any:
        """The next value; tags are dropped. Raises ValueError, LookupError or struct.error for damage."""
        first = self._content[self._at]
        major, short = first >> 5, first & 31
        self._at += 1
        count = self._count(short)
        if major < 2:
            return count if major == 0 else -1 - count
        if major in (2, 3):
            self._at += count
            text = self._content[self._at - count : self._at]
            return text if major == 2 else text.decode()
        if count > MAX_CBOR_ITEMS:
            raise ValueError("more items than a signature has")
        if major == 4:
            return [self.read() for _ in range(count)]
        if major == 5:
            return {self.read(): self.read() for _ in range(count)}
        return self.read() if major == 6 else None

    def _count(self, short: int) -> int:
        if short < 24:
            return short
        layout = _COUNTS[short]  # indefinite lengths are not allowed in COSE headers that are signed
        value = struct.unpack_from(layout, self._content, self._at)[0]
        self._at += struct.calcsize(layout)
        return int(value)
