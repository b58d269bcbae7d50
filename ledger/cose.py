"""The receipt as a COSE receipt of inclusion (RFC 9942): for programs that know COSE, and nothing of Capture.

    18([ << {1: -8, 4: key id, 15: {1: log, 2: capture, -65537: tree size}, 395: 1} >>,
         {396: {-1: [ << [tree size, index, [hash, ...]] >> ]}}, null, signature ])

The log's key signs the root, which is not in there: it follows from the statement (320 bytes) and the proof. RFC 9942
leaves the tree size unsigned, and a proof can lead to the same root at several sizes: hence the claim -65537.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cbor2

from ledger import checkpoint
from ledger.checkpoint import ED25519, CheckpointSigner, VerifierKey
from ledger.leaf import leaf_digest
from ledger.tree import HASH_BYTES, MAX_SIZE, inclusion_root
from pipeline.errors import Conflict, Rejected

MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"'  # RFC 9052, section 11.3.1
MAX_BYTES = 16_384  # the longest proof there can be has 2 kB
MAX_DEPTH = 6  # tag, array, map, map, array: more is no receipt

SIGN1 = 18  # RFC 9052, section 4.2
ALG, KID, CLAIMS, VDS, VDP = 1, 4, 15, 395, 396  # header parameters: RFC 9052, 9597, 9942
ISSUER, SUBJECT = 1, 2  # CWT claims: RFC 8392
TREE_SIZE = -65_537  # a CWT claim of private use (below -65536)
EDDSA = -8  # RFC 9053: what COSE libraries verify; few know -19, its successor for Ed25519 alone (docs/receipt.md)
RFC9162_SHA256 = 1
INCLUSION = -1


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """What a receipt says, not verified: this log has, in its tree of this size, the leaf of this capture there."""

    origin: str
    key_id: bytes
    capture: str
    size: int
    index: int
    proof: tuple[bytes, ...]
    signature: bytes


def cose_receipt(document: Mapping[str, Any], signer: CheckpointSigner) -> bytes:
    """The same as a JSON receipt says, as a COSE receipt; the same again gives the same bytes.

    Signs no root but one that the log's key signed as a checkpoint before: raises Conflict for any other.
    """
    place, leaf = document["inclusion"], bytes.fromhex(document["leaf"])
    said = CoseReceipt(
        signer.origin, signer.vkey.key_id, document["capture"], place["tree_size"], place["index"],
        tuple(map(bytes.fromhex, place["proof"])), b"",
    )  # fmt: skip
    try:
        signed = checkpoint.verify(document["checkpoint"], str(signer.vkey))
        root = inclusion_root(leaf, said.index, said.size, said.proof)
    except Rejected as reason:
        raise Conflict(f"the log's own record of {said.capture} does not hold: {reason}") from None
    if (signed.size, signed.root) != (said.size, root):
        raise Conflict(f"the proof of {said.capture} does not lead to the root that the log signed for {signed.size}")
    return _encode(replace(said, signature=signer.sign_cose(_to_be_signed(said, root))))


def parse(receipt: bytes) -> CoseReceipt:
    """What a receipt says, nothing of it verified. Raises Rejected, with the reason, for all that we do not write."""
    if len(receipt) > MAX_BYTES:
        raise Rejected(f"it has {len(receipt)} bytes, a COSE receipt at most {MAX_BYTES}")
    tagged = _decode(receipt, "it")
    if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != SIGN1:
        raise Rejected("it is no COSE_Sign1: CBOR with the tag 18 (RFC 9942, section 4.3)")
    protected, unprotected, payload, signature = _array(tagged.value, 4, "COSE_Sign1")
    origin, key_id, capture, signed_size = _protected_header(protected)
    if payload is not None:
        raise Rejected("its payload is not detached: the root has to follow from the statement and the proof")
    if not _is_bytes(signature, 64):
        raise Rejected("its signature is not one of Ed25519: 64 bytes")
    size, index, proof = _proof(unprotected)
    if size != signed_size:
        raise Rejected(f"its proof is for a tree of {size} entries, the log's key signed one of {_shown(signed_size)}")
    said = CoseReceipt(origin, key_id, capture, size, index, proof, signature)
    if _encode(said) != receipt:
        raise Rejected("it is not written in the one way there is: deterministic CBOR (RFC 8949, 4.2), and no more")
    return said


def verify(receipt: bytes, statement: Sequence[bytes], vkey: str) -> CoseReceipt:
    """What the receipt says, when this log's key signed that it holds the statement (ten words). Raises Rejected."""
    key, said = VerifierKey.parse(vkey), parse(receipt)
    if key.kind != ED25519:
        raise Rejected(f"the key of {key.name} is a witness's: give the log's own")
    if said.origin != key.name:
        raise Rejected(f"it is of the log {said.origin!a}, the key is that of {key.name!a}")
    if said.key_id != key.key_id:
        raise Rejected(f"it was signed with the key {said.key_id.hex()}, not with {key.key_id.hex()}")
    root = inclusion_root(leaf_digest(statement), said.index, said.size, said.proof)
    if not key.holds(said.signature, _to_be_signed(said, root)):
        raise Rejected("the log's key did not sign it for this statement: statement, proof or signature was changed")
    return said


def _protected_header(content: object) -> tuple[str, bytes, str, Any]:
    """The log's name and key id, the capture, and the tree size as the key signed it."""
    if not isinstance(content, bytes):
        raise Rejected("its protected header is no byte string")
    header = _map(_decode(content, "its protected header"), (ALG, KID, CLAIMS, VDS), "protected header")
    if header[ALG] != EDDSA:
        raise Rejected(f"its algorithm is {_shown(header[ALG])}, not EdDSA ({EDDSA})")
    if header[VDS] != RFC9162_SHA256:
        raise Rejected(f"its verifiable data structure is {_shown(header[VDS])}, not RFC9162_SHA256 (1)")
    if not _is_bytes(header[KID], 4):
        raise Rejected("its key id has not 4 bytes")
    claims = _map(header[CLAIMS], (ISSUER, SUBJECT, TREE_SIZE), "claims")
    if not (isinstance(claims[ISSUER], str) and isinstance(claims[SUBJECT], str)):
        raise Rejected("its issuer or its subject is no text")
    return claims[ISSUER], header[KID], claims[SUBJECT], claims[TREE_SIZE]


def _proof(unprotected: object) -> tuple[int, int, tuple[bytes, ...]]:
    """The tree's size, the leaf's place in it, and the hashes on the way to the root."""
    proofs = _map(_map(unprotected, (VDP,), "unprotected header")[VDP], (INCLUSION,), "proofs")[INCLUSION]
    [content] = _array(proofs, 1, "list of inclusion proofs")
    if not isinstance(content, bytes):
        raise Rejected("its inclusion proof is no byte string")
    size, index, path = _array(_decode(content, "its inclusion proof"), 3, "inclusion proof")
    if not (type(size) is type(index) is int and 0 <= index < size <= MAX_SIZE):
        raise Rejected(
            f"entry {_shown(index)} of {_shown(size)} is no place: whole numbers below 2^63, the first lower"
        )
    if not isinstance(path, list | tuple) or not all(_is_bytes(each, HASH_BYTES) for each in path):
        raise Rejected(f"the path of its proof is no list of hashes of {HASH_BYTES} bytes")
    return size, index, tuple(path)


def _encode(said: CoseReceipt) -> bytes:
    proof = cbor2.dumps([said.size, said.index, list(said.proof)])
    message = [_protected(said), {VDP: {INCLUSION: [proof]}}, None, said.signature]
    return cbor2.dumps(cbor2.CBORTag(SIGN1, message))


def _protected(said: CoseReceipt) -> bytes:
    claims = {ISSUER: said.origin, SUBJECT: said.capture, TREE_SIZE: said.size}
    return cbor2.dumps({ALG: EDDSA, KID: said.key_id, CLAIMS: claims, VDS: RFC9162_SHA256})  # in deterministic order


def _to_be_signed(said: CoseReceipt, root: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4."""
    return cbor2.dumps(["Signature1", _protected(said), b"", root])


def _decode(content: bytes, what: str) -> Any:
    """One CBOR value; what stands behind it is found when the receipt is written again."""
    try:
        return cbor2.loads(content, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError) as error:
        raise Rejected(f"{what} is no CBOR that a receipt has: {error!s:.120}") from None


def _map(value: object, labels: tuple[int, ...], what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping) or set(value) != set(labels):
        raise Rejected(f"its {what}: a map with these labels and no other: {', '.join(map(str, labels))}")
    return value


def _array(value: object, length: int, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) != length:
        raise Rejected(f"its {what} is no array of {length}")
    return value


def _is_bytes(value: object, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def _shown(value: object) -> str:
    """A number that may be told; others can be of any length."""
    return str(value) if type(value) is int and value.bit_length() <= 64 else "(not of 64 bits)"
