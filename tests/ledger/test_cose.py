"""COSE receipts: strangers read them, and whatever is changed in one is refused with a reason, never otherwise."""

import copy
import hashlib
import json
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from scitt_cose.receipt import verify_receipt

from ledger import cose
from ledger.checkpoint import COSIGNATURE, CheckpointSigner, VerifierKey
from ledger.tree import Tiles, append_tiles, inclusion_proof, root
from pipeline.errors import Conflict, Rejected
from tests.golden.make_ledger import PATH
from tests.ledger.log_world import ORIGIN, digest, leaf_of, signer

VKEY = str(signer().vkey)
PEM = Ed25519PublicKey.from_public_bytes(signer().vkey.public).public_bytes(
    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
)
WORDS = leaf_of(b"an upload", b"a manifest store").statement
Document = dict[str, Any]


class Stored(Tiles):
    """Tiles in memory."""

    def tile(self, level: int, number: int) -> bytes:
        return self[level, number]


def document(size: int, index: int) -> Document:
    """What a JSON receipt says of WORDS in a log of this size, as far as a COSE receipt says it too."""
    leaf = hashlib.sha256(b"\0" + b"".join(WORDS)).digest()
    leaves = [leaf if number == index else digest(f"leaf {number}") for number in range(size)]
    log = Stored(append_tiles(0, leaves, Stored()))
    proof = [each.hex() for each in inclusion_proof(index, size, log)]
    return {
        "capture": "c1",
        "leaf": leaf.hex(),
        "inclusion": {"index": index, "tree_size": size, "proof": proof},
        "checkpoint": signer().sign(size, root(size, log)),
    }


DOCUMENT = document(7, 5)
RECEIPT = cose.cose_receipt(DOCUMENT, signer())


def refused(receipt: bytes, words: Any = WORDS, key: str = VKEY) -> str:
    """Why a receipt is refused."""
    with pytest.raises(Rejected) as reason:
        cose.verify(receipt, words, key)
    told = str(reason.value)
    assert told
    assert told.isprintable()
    assert len(told) < 400
    return told


# -- what passes ------------------------------------------------------------------------------------------------------


def test_it_says_what_the_json_receipt_says() -> None:
    said = cose.verify(RECEIPT, WORDS, VKEY)
    assert (said.origin, said.capture, said.size, said.index) == (ORIGIN, "c1", 7, 5)
    assert [each.hex() for each in said.proof] == DOCUMENT["inclusion"]["proof"]
    assert cose.cose_receipt(DOCUMENT, signer()) == RECEIPT


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 300])
def test_a_stranger_verifies_it(size: int) -> None:
    """scitt-cose shares nothing with us but the CBOR reader. A tree of one entry has an empty path."""
    for index in {0, size // 2, size - 1}:
        receipt = cose.cose_receipt(document(size, index), signer())
        assert cose.verify(receipt, WORDS, VKEY).index == index
        found = verify_receipt(receipt, leaf_entry_hex=b"".join(WORDS).hex(), log_public_key_pem=PEM)
        assert (found.ok, found.tree_size, found.leaf_index, found.errors) == (True, size, index, [])
        assert (found.issuer, found.subject) == (ORIGIN, "c1")


def test_a_stranger_refuses_another_statement() -> None:
    other = leaf_of(b"another upload", b"").statement
    found = verify_receipt(RECEIPT, leaf_entry_hex=b"".join(other).hex(), log_public_key_pem=PEM)
    assert not found.ok


def test_its_bytes_are_those_of_the_rfcs() -> None:
    """Written down by hand from RFC 8949, 9052, 9597 and 9942, so that no library of ours has a say in it."""
    golden = json.loads(PATH.read_text())["receipt"]
    receipt, leaf = bytes.fromhex(golden["cose"]), bytes.fromhex(golden["document"]["leaf"])
    sibling = bytes.fromhex(golden["document"]["inclusion"]["proof"][0])
    claims = b"\xa3\x01\x73" + ORIGIN.encode() + b"\x02\x66golden" + bytes.fromhex("3a00010000 02")
    protected = b"\xa4\x01\x27\x04\x44" + signer().vkey.key_id + b"\x0f" + claims + bytes.fromhex("19018b 01")
    proof = bytes.fromhex("83 02 01 81 5820") + sibling
    head = b"\xd2\x84\x58" + bytes([len(protected)]) + protected
    vdp = bytes.fromhex("a1 19018c a1 20 81 58") + bytes([len(proof)]) + proof
    assert receipt[:-64] == head + vdp + b"\xf6\x58\x40"
    top = hashlib.sha256(b"\1" + sibling + leaf).digest()
    structure = b"\x84\x6aSignature1\x58" + bytes([len(protected)]) + protected + b"\x40\x58\x20" + top
    Ed25519PublicKey.from_public_bytes(signer().vkey.public).verify(receipt[-64:], structure)


# -- every change -----------------------------------------------------------------------------------------------------


def test_every_flipped_bit_is_refused() -> None:
    for at in range(len(RECEIPT) * 8):
        changed = bytearray(RECEIPT)
        changed[at // 8] ^= 1 << at % 8
        assert refused(bytes(changed))


def test_every_cut_and_every_addition_is_refused() -> None:
    for length in range(len(RECEIPT)):
        assert refused(RECEIPT[:length])
    for more in (b"\0", b"\xf6", b"\xff", RECEIPT, b"\n"):
        assert "not written in the one way" in refused(RECEIPT + more)
        assert refused(more + RECEIPT)


@given(st.integers(0, len(RECEIPT)), st.binary(max_size=4), st.integers(0, 4))
@settings(max_examples=500, deadline=None)
def test_no_other_bytes_pass(at: int, content: bytes, length: int) -> None:
    other = RECEIPT[:at] + content + RECEIPT[at + length :]
    if other != RECEIPT:
        assert refused(other)


CBOR = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.binary(max_size=70)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([-1, 1, 2, 4, 15, 395, 396, -65537, "x"]), inner, max_size=4)
        | st.builds(cbor2.CBORTag, st.sampled_from([2, 18, 24, 98, 1000]), inner)
    ),
    max_leaves=20,
)


@given(CBOR, CBOR)
@settings(max_examples=300, deadline=None)
def test_no_other_cbor_passes(value: Any, protected: Any) -> None:
    assert refused(cbor2.dumps(value))
    message = [cbor2.dumps(protected), value, None, bytes(64)]
    assert refused(cbor2.dumps(cbor2.CBORTag(18, message)))


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_no_noise_passes(content: bytes) -> None:
    assert refused(content)
    assert refused(b"\xd2\x84" + content)


# -- keys and statements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(10))
def test_another_statement_is_refused(number: int) -> None:
    words = list(WORDS)
    words[number] = hashlib.sha256(words[number]).digest()
    assert "did not sign it for this statement" in refused(RECEIPT, words)


@pytest.mark.parametrize("words", [(), WORDS[:9], (*WORDS, bytes(32)), (*WORDS[:9], bytes(31))])
def test_no_statement_is_refused(words: Any) -> None:
    assert "ten words" in refused(RECEIPT, words)


def test_other_keys_are_refused() -> None:
    stranger = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    assert "signed with the key" in refused(RECEIPT, key=str(stranger.vkey))
    assert "the key is that of 'other'" in refused(RECEIPT, key=str(VerifierKey("other", signer().vkey.public)))
    assert "witness's" in refused(RECEIPT, key=str(VerifierKey(ORIGIN, signer().vkey.public, COSIGNATURE)))
    for damaged in ("", "x", VKEY[:-4], VKEY.replace("+", "-")):
        assert refused(RECEIPT, key=damaged)


# -- what the log's key signs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("checkpoint", CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate()).sign(7, bytes(32)), "no signature by"),
        ("checkpoint", signer().sign(7, bytes(32)), "does not lead to the root that the log signed for 7"),
        ("checkpoint", document(8, 5)["checkpoint"], "does not lead to the root that the log signed for 8"),
        ("checkpoint", "", "a note is text"),
        ("leaf", "00" * 32, "does not lead to the root"),
        ("inclusion.index", 4, "does not lead to the root"),
        ("inclusion.index", 7, "no leaf 7"),
        ("inclusion.tree_size", 8, "does not lead to the root"),  # it leads to the same root as 7
        ("inclusion.proof", [], "fewer than leaf 5 of 7 needs"),
    ],
)
def test_a_root_that_is_no_checkpoints_is_not_signed(path: str, value: Any, reason: str) -> None:
    """A changed database makes the service stop, not sign."""
    changed = copy.deepcopy(DOCUMENT)
    *way, last = path.split(".")
    (changed[way[0]] if way else changed)[last] = value
    with pytest.raises(Conflict, match=reason):
        cose.cose_receipt(changed, signer())


def test_what_is_signed_for_cose_passes_for_no_note() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\x84jSignature1".decode()  # and notes are UTF-8
    for text in (b"", b"Signature1", b"\x84", b"log.example/capture\n7\n", b"\x85jSignature1"):
        with pytest.raises(Rejected, match="no Sig_structure"):
            signer().sign_cose(text)
