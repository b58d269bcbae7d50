"""COSE receipts in other forms than ours, most signed by the log's own key: each is refused for its form, by name."""

import hashlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scitt_cose.receipt import verify_receipt

from ledger import checkpoint, cose
from ledger.checkpoint import CheckpointSigner
from ledger.tree import inclusion_root
from pipeline.errors import Rejected
from tests.ledger.log_world import ORIGIN, signer
from tests.ledger.test_cose import DOCUMENT, PEM, RECEIPT, WORDS, Document, refused

Parts = dict[str, Any]


def alien(change: Callable[[Parts], object]) -> bytes:
    """A receipt with other contents, under a good signature by the log's key."""
    place = DOCUMENT["inclusion"]
    path = [bytes.fromhex(each) for each in place["proof"]]
    claims: dict[int, Any] = {1: ORIGIN, 2: "c1", -65537: 7}
    parts: Parts = {
        "header": {1: -8, 4: signer().vkey.key_id, 15: claims, 395: 1}, "claims": claims, "payload": None, "tag": 18,
        "proof": [7, 5, path], "path": path, "vdp": {}, "unprotected": {}, "more": [],
    }  # fmt: skip
    change(parts)
    protected = cbor2.dumps(parts["header"])
    top = bytes.fromhex(root_of(DOCUMENT))
    signature = signer().sign_cose(cbor2.dumps(["Signature1", protected, b"", top]))
    unprotected = {396: {-1: [cbor2.dumps(parts["proof"])], **parts["vdp"]}, **parts["unprotected"]}
    message = [protected, unprotected, parts["payload"], parts.get("signature", signature), *parts["more"]]
    return bytes(cbor2.dumps(cbor2.CBORTag(parts["tag"], message)))


def root_of(found: Document) -> str:
    """The root in a document's checkpoint, as hex."""
    return checkpoint.parse(found["checkpoint"]).checkpoint.root.hex()


def put(name: str, key: Any, value: Any) -> Callable[[Parts], object]:
    """Another value in one of the parts; `...` takes it out."""

    def change(parts: Parts) -> None:
        if value is ...:
            del parts[name][key]
        else:
            parts[name][key] = value

    return change


def test_what_is_not_changed_is_ours() -> None:
    assert alien(lambda parts: None) == RECEIPT


ALIENS = [
    ("its algorithm is -7", put("header", 1, -7)),
    ("its algorithm is -19", put("header", 1, -19)),
    ("its algorithm is -53", put("header", 1, -53)),
    ("its algorithm is (not of 64 bits)", put("header", 1, "EdDSA")),
    ("its algorithm is (not of 64 bits)", put("header", 1, None)),
    ("its algorithm is (not of 64 bits)", put("header", 1, 1 << 60_000)),
    ("its verifiable data structure is 2", put("header", 395, 2)),
    ("its verifiable data structure is 0", put("header", 395, 0)),
    ("the one way", put("header", 395, True)),
    ("the one way", put("header", 395, 1.0)),
    ("the one way", put("header", 1, -8.0)),
    ("protected header: a map with these labels", put("header", 395, ...)),
    ("protected header: a map with these labels", put("header", 4, ...)),
    ("protected header: a map with these labels", put("header", 2, [7])),
    ("protected header: a map with these labels", put("header", 16, "application/x")),
    ("its key id has not 4 bytes", put("header", 4, b"")),
    ("its key id has not 4 bytes", put("header", 4, "four")),
    ("signed with the key 00000000", put("header", 4, bytes(4))),
    ("its claims: a map with these labels", put("claims", 6, 1_795_350_615)),
    ("its claims: a map with these labels", put("claims", -65537, ...)),
    ("its claims: a map with these labels", put("header", 15, [])),
    ("its issuer or its subject is no text", put("claims", 1, ORIGIN.encode())),
    ("its issuer or its subject is no text", put("claims", 2, 7)),
    ("it is of the log 'elsewhere'", put("claims", 1, "elsewhere")),
    ("the log's key signed one of 6", put("claims", -65537, 6)),
    ("the log's key signed one of (not of 64 bits)", put("claims", -65537, "7")),
    ("the one way", put("claims", -65537, 7.0)),
    ("its payload is not detached", lambda parts: parts.update(payload=bytes.fromhex(root_of(DOCUMENT)))),
    ("its payload is not detached", lambda parts: parts.update(payload=b"")),
    ("its signature is not one of Ed25519", lambda parts: parts.update(signature=bytes(63))),
    ("its signature is not one of Ed25519", lambda parts: parts.update(signature=bytes(65))),
    ("its signature is not one of Ed25519", lambda parts: parts.update(signature=None)),
    ("the log's key did not sign it", lambda parts: parts.update(signature=bytes(64))),
    ("it is no COSE_Sign1", lambda parts: parts.update(tag=98)),
    ("it is no COSE_Sign1", lambda parts: parts.update(tag=61)),
    ("its COSE_Sign1 is no array of 4", lambda parts: parts.update(more=[None])),
    ("its unprotected header: a map", put("unprotected", 4, b"")),
    ("its unprotected header: a map", put("unprotected", 394, [])),
    ("its proofs: a map", put("vdp", -2, [b""])),
    ("its list of inclusion proofs is no array of 1", put("vdp", -1, [])),
    ("its list of inclusion proofs is no array of 1", put("vdp", -1, [b"", b""])),
    ("its inclusion proof is no byte string", put("vdp", -1, [[7, 5, []]])),
    ("its inclusion proof is no CBOR", put("vdp", -1, [b""])),
    ("its inclusion proof is no CBOR", put("vdp", -1, [b"\x81" * 1000])),
    ("its inclusion proof is no array of 3", lambda parts: parts["proof"].append(0)),
    ("its inclusion proof is no array of 3", lambda parts: parts.update(proof=b"\x83")),
    ("its proof is for a tree of 6 entries, the log's key signed one of 7", put("proof", 0, 6)),
    (f"its proof is for a tree of {2**63 - 1} entries", put("proof", 0, 2**63 - 1)),
    (f"entry 5 of {2**63} is no place", put("proof", 0, 2**63)),
    (f"entry 5 of {2**64 - 1} is no place", put("proof", 0, 2**64 - 1)),
    ("entry 5 of (not of 64 bits) is no place", put("proof", 0, 2**64)),
    ("entry 5 of (not of 64 bits) is no place", put("proof", 0, 1 << 60_000)),
    ("entry 5 of (not of 64 bits) is no place", put("proof", 0, True)),
    ("entry 5 of (not of 64 bits) is no place", put("proof", 0, 7.0)),
    ("entry 7 of 7 is no place", put("proof", 1, 7)),
    ("entry -1 of 7 is no place", put("proof", 1, -1)),
    ("the log's key did not sign it", put("proof", 1, 4)),
    ("no list of hashes of 32 bytes", put("proof", 2, None)),
    ("no list of hashes of 32 bytes", put("path", 0, bytes(31))),
    ("no list of hashes of 32 bytes", put("path", 0, bytes(33))),
    ("no list of hashes of 32 bytes", put("path", 0, "x" * 32)),
    ("more than leaf 5 of 7 needs", lambda parts: parts["path"].append(bytes(32))),
    ("fewer than leaf 5 of 7 needs", lambda parts: parts["path"].pop()),
    ("the log's key did not sign it", lambda parts: parts["path"].reverse()),
    ("a COSE receipt at most", lambda parts: parts["path"].extend([bytes(32)] * 1000)),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "change"), ALIENS, ids=range(len(ALIENS)))
def test_each_alien_receipt_is_named(reason: str, change: Callable[[Parts], object]) -> None:
    told = refused(alien(change))
    assert reason in told, told


@pytest.mark.parametrize(
    ("of", "written"),
    [
        (b"\xd2\x84", b"\xd8\x12\x84"),  # the tag in two bytes
        (b"\xd2\x84", b"\xd2\x98\x04"),  # and the array
        (b"\xa1\x19\x01\x8c", b"\xa1\x1a\x00\x00\x01\x8c"),
        (b"\xf6\x58\x40", b"\xf6\x59\x00\x40"),
        (b"\xf6\x58\x40", b"\xf7\x58\x40"),  # undefined for null
        (b"\xd2\x84", b"\xd9\xd9\xf7\xd2\x84"),  # the self-described tag
        (b"\xd2\x84", b"\x84"),  # no tag
        (b"\xd2\x84", b"\xd2\xd2\x84"),
        (b"\xa1\x20\x81", b"\xa1\x20\x9f"),  # an array of indefinite length
        (b"\xa1\x20\x81", b"\xa2\x20\x80\x20\x81"),  # a label twice
    ],
)
def test_every_other_spelling_is_refused(of: bytes, written: bytes) -> None:
    assert RECEIPT.count(of) == 1
    assert refused(RECEIPT.replace(of, written))


def test_a_header_in_another_order_is_refused() -> None:
    def turned(parts: Parts) -> None:
        parts["header"] = dict(reversed(parts["header"].items()))

    assert "not written in the one way" in refused(alien(turned))


@pytest.mark.parametrize("start", [b"\x81", b"\xd2", b"\xa1\x01", b"\xd2\x84\x81", b"\xd8\x1c", b"\x9f"])
def test_nesting_ends_before_the_stack_does(start: bytes) -> None:
    assert refused(start * (cose.MAX_BYTES // len(start)))
    assert "a COSE receipt at most" in refused(start * 1_000_000)


def test_a_size_that_leads_to_the_same_root_is_refused() -> None:
    """RFC 9942 alone takes it: at 7 and at 8 the same hashes lead from leaf 5 to the same root."""
    said = cose.parse(RECEIPT)
    same = [size for size in range(6, 100) if size != said.size and _leads(said, size)]
    assert same  # else this test would show nothing
    for size in same:
        found = verify_receipt(
            alien(put("proof", 0, size)), leaf_entry_hex=b"".join(WORDS).hex(), log_public_key_pem=PEM
        )
        assert (found.ok, found.tree_size) == (True, size)
        assert "the log's key signed one of 7" in refused(alien(put("proof", 0, size)))
        both = cbor2.dumps({1: -8, 4: said.key_id, 15: {1: ORIGIN, 2: "c1", -65537: size}, 395: 1})
        parts = [both, {396: {-1: [cbor2.dumps([size, 5, list(said.proof)])]}}, None, said.signature]
        assert "did not sign it" in refused(cbor2.dumps(cbor2.CBORTag(18, parts)))


def _leads(said: cose.CoseReceipt, size: int) -> bool:
    leaf = hashlib.sha256(b"\0" + b"".join(WORDS)).digest()
    try:
        return inclusion_root(leaf, said.index, size, said.proof).hex() == root_of(DOCUMENT)
    except Rejected:
        return False


def test_a_strangers_signature_is_refused() -> None:
    stranger = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())

    def forged(parts: Parts) -> None:
        structure = cbor2.dumps(["Signature1", cbor2.dumps(parts["header"]), b"", bytes.fromhex(root_of(DOCUMENT))])
        parts["signature"] = stranger.sign_cose(structure)

    assert "did not sign it" in refused(alien(forged))
