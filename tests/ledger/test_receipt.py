"""The receipt's shape, when there is one, and that it follows the anchor."""

import json
from pathlib import Path

import pytest

from ledger.receipt import LOCAL_CHAIN, NOT_ANCHORED, receipt
from ledger.sequence import sequence
from ledger.tree import verify_inclusion
from ledger.verify import verify
from pipeline.errors import Conflict
from tests.ledger.log_world import TERMS, World, anchor_of, leaf_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def test_there_is_no_receipt_before_the_leaf_is_in_the_log(world: World) -> None:
    name = world.seal("one")
    with pytest.raises(LookupError, match="one has no inclusion yet"):
        receipt(world.get(name), world.log, TERMS)


def test_a_logged_capture_has_a_receipt_that_says_what_is_missing(world: World) -> None:
    name = world.seal("one", store=b"store")
    sequence(world.log, world.signer, 1)
    document = receipt(world.get(name), world.log, TERMS)
    leaf = leaf_of(b"one", b"store", "one")
    assert document == {
        "version": 1,
        "capture": "one",
        "statement": [word.hex() for word in leaf.statement],
        "leaf": leaf.digest.hex(),
        "inclusion": {"index": 0, "tree_size": 1, "proof": []},
        "checkpoint": world.log.newest_checkpoint(),
        "anchor": None,
        "asset": {"sha256": leaf.statement[2].hex(), "media_type": "image/jpeg", "size": 3},
        "manifest": {"sha256": leaf.statement[3].hex(), "size": 5, "label": "urn:c2pa:test", "signer": "Capture"},
        "rights": TERMS,
        "note": NOT_ANCHORED,
    }
    assert json.loads(json.dumps(document)) == document


def test_an_anchored_receipt_names_the_chain_and_whether_it_proves_anything(world: World) -> None:
    names = world.seal_many(2)
    sequence(world.log, world.signer, 1)
    world.log.record_anchor(anchor_of(1))
    sequence(world.log, world.signer, 1)
    world.log.record_anchor(anchor_of(2, local=True))
    far, local = (receipt(world.get(name), world.log, TERMS) for name in names)
    assert "note" not in far
    assert local["note"] == LOCAL_CHAIN
    assert far["anchor"] == {
        "chain_id": 8453, "contract": "0x" + "Ab" * 20, "transaction": "0x" + "cd" * 32, "block": 1234,
        "block_time": 1795000000, "tree_size": 1, "state": "included", "local": False,
    }  # fmt: skip


def test_the_proof_leads_to_the_root_that_was_anchored(world: World) -> None:
    """Under load, several checkpoints pass between two anchors: the receipt's tree is the one on the chain."""
    names = world.seal_many(7)
    while sequence(world.log, world.signer, 2):
        pass
    assert world.get("c0").fact("inclusion").tree_size == 2
    before = receipt(world.get("c0"), world.log, TERMS)
    assert before["inclusion"]["tree_size"] == 2
    world.log.record_anchor(anchor_of(7))
    for index, name in enumerate(names):
        document = receipt(world.get(name), world.log, TERMS)
        assert document["inclusion"]["tree_size"] == document["anchor"]["tree_size"] == 7
        proof = [bytes.fromhex(digest) for digest in document["inclusion"]["proof"]]
        verify_inclusion(bytes.fromhex(document["leaf"]), index, 7, proof, world.log.root_at(7))
        assert document["checkpoint"] == world.log.checkpoint(7)
        steps = verify(json.dumps(document).encode(), name.encode(), str(world.signer.vkey))
        assert [result for _, result, _ in steps] == ["passed"] * 7


def test_terms_that_the_leaf_does_not_commit_to_are_a_conflict(world: World) -> None:
    name = world.seal("one")
    sequence(world.log, world.signer, 1)
    with pytest.raises(Conflict, match="not what its leaf commits to"):
        receipt(world.get(name), world.log, TERMS | {"creator": "somebody else"})
