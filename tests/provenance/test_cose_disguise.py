"""A revoked signer who writes the certificates so that another reader than the library finds none, or others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from provenance import certificates
from provenance.inspect import inspect
from provenance.jumbf import boxes
from provenance.keyfiles import read_pair
from provenance.keys import Identity
from provenance.reader import read_report
from provenance.trust import TrustLists
from tests.provenance.orders import jpeg_parts, photo_of, signed_copy
from tests.provenance.test_trust import revoking

Chain = list[bytes]


def honest(chain: Chain, _other: Chain) -> bytes:
    return cbor2.dumps({1: -7, 33: chain})


def without_a_count(chain: Chain, _other: Chain) -> bytes:
    return b"\xa2\x01\x26\x18\x21\x9f" + b"".join(map(cbor2.dumps, chain)) + b"\xff"


def beside_anothers(chain: Chain, other: Chain) -> bytes:
    return cbor2.dumps({1: -7, "x5chain": chain, 33: other})


def with_a_root_of_no_known_version(chain: Chain, _other: Chain) -> bytes:
    odd = chain[-1].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    return cbor2.dumps({1: -7, 33: [*chain[:-1], odd]})


@pytest.mark.parametrize("disguise", [honest, without_a_count, beside_anothers, with_a_root_of_no_known_version])
def test_nobody_vouches_for_it(identity: Identity, tmp_path: Path, disguise: Callable[[Chain, Chain], bytes]) -> None:
    signer = Identity.load_or_make(tmp_path / "theirs")
    leaf, issuing = (read_pair(tmp_path / "theirs" / name) for name in ("leaf.pem", "issuing.pem"))
    innocent = certificates.make_leaf(certificates.public_key_of(leaf.certificate), issuing, certificates.LeafPolicy())
    root = x509.load_pem_x509_certificate(signer.root_pem.encode())
    chains = (list(map(_der, (one, issuing.certificate, root))) for one in (leaf.certificate, innocent))
    photo = _signed_by_hand(disguise(*chains), leaf.key, signer, tmp_path)
    (tmp_path / "newsroom.pem").write_text(signer.root_pem)
    told = revoking(tmp_path / "told", leaf.certificate, issuing)
    trust = TrustLists.load(identity.root_pem, [tmp_path / "newsroom.pem", told])
    with photo.open("rb") as opened:
        assert read_report(opened, "image/jpeg", trust.library_settings()).state == "Trusted"
    found = inspect(photo, "image/jpeg", trust)
    assert (found.state, found.trusted_by) == ("invalid" if disguise is honest else "valid", None)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _signed_by_hand(protected: bytes, key: ec.EllipticCurvePrivateKey, signer: Identity, folder: Path) -> Path:
    """A signed JPEG whose signature (COSE_Sign1, RFC 9052) is replaced by one of the same length with this header."""
    photo = signed_copy(photo_of("image/jpeg"), "image/jpeg", folder, signer)[0]
    store, _ = jpeg_parts(photo.read_bytes())
    found = {box.labels[-1]: bytes(box.content) for box in boxes(store) if box.kind == b"cbor"}
    old, claim = found["c2pa.signature"], found["c2pa.claim.v2"]
    pair = decode_dss_signature(key.sign(cbor2.dumps(["Signature1", protected, b"", claim]), ec.ECDSA(hashes.SHA256())))
    signature = b"".join(number.to_bytes(32) for number in pair)

    def cose(padding: int) -> Any:
        parts = protected, {"pad": bytes(padding)}, None, signature
        return b"\xd2\x84" + b"".join(map(cbor2.dumps, parts))

    new = next(made for padding in range(len(old)) if len(made := cose(padding)) == len(old))
    photo.write_bytes(photo.read_bytes().replace(old, new))
    return photo
