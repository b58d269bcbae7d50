"""The anchorer in good times, on another chain than the embedded one, and when database and chain disagree."""

import json
import shutil
import time
from pathlib import Path

import pytest

from ledger.anchor import LEASE_S
from ledger.deploy import deploy
from ledger.receipt import receipt
from ledger.verify_door import verify
from pipeline.errors import Conflict, Unavailable
from store.schema import checkpoints, leases
from tests.chain_fixture import KEY, Node, node
from tests.ledger.anchor_world import Anchored
from tests.ledger.log_world import TERMS, picture

__all__ = ["node"]


@pytest.fixture
def anchored(tmp_path: Path, node: Node) -> Anchored:
    return Anchored.make(tmp_path / "world", node)


def test_the_first_flush_deploys_the_contract(anchored: Anchored) -> None:
    assert anchored.anchorer().flush() is None
    chain = anchored.node.chain()
    assert chain.contract == chain.created_at(0)
    assert chain.writer() == chain.sender
    assert anchored.anchorer().ensure_contract() == chain.contract
    assert chain.nonce() == 1  # once


def test_a_flush_anchors_all_that_the_log_holds(anchored: Anchored) -> None:
    names = anchored.grow(5)
    began = int(time.time())
    anchor = anchored.anchorer().flush()
    assert anchor
    assert (anchor.tree_size, anchor.state, anchor.local, anchor.chain_id) == (5, "included", True, 31337)
    assert began <= anchor.block_time <= time.time()
    assert anchored.anchors() == dict.fromkeys(names, anchor)
    assert {anchored.world.get(name).status for name in names} == {"anchored"}
    anchored.check()


def test_each_flush_covers_what_is_new(anchored: Anchored) -> None:
    anchorer = anchored.anchorer()
    seen = []
    for count in (1, 1, 3, 7, 2, 30):
        names = anchored.grow(count)
        anchor = anchorer.flush()
        assert anchor
        seen.append(anchor)
        assert {anchored.anchors()[name] for name in names} == {anchor}
    assert len({anchor.transaction for anchor in seen}) == 6
    assert [anchor.block for anchor in seen] == sorted(anchor.block for anchor in seen)
    anchored.check()


def test_without_anything_new_nothing_is_sent(anchored: Anchored) -> None:
    anchored.grow(3)
    anchorer = anchored.anchorer()
    first = anchorer.flush()
    nonce = anchored.node.chain().nonce()
    assert anchorer.flush() == first == anchored.anchorer().flush()
    assert anchored.node.chain().nonce() == nonce


def test_a_stranger_verifies_the_receipt_against_the_chain(anchored: Anchored) -> None:
    photo = picture("JPEG")
    anchored.world.seal("photo", photo)
    anchored.grow(4)
    anchored.anchorer().flush()
    document = receipt(anchored.world.get("photo"), anchored.world.log, TERMS)
    contract = anchored.node.chain().contract
    steps = {
        step.name: step
        for step in verify(json.dumps(document).encode(), photo, rpc=anchored.node.url, contract=contract)
    }
    assert steps["chain"].result == "passed", steps["chain"].sentence
    document["anchor"]["block_time"] += 1
    steps = {step.name: step for step in verify(json.dumps(document).encode(), photo, rpc=anchored.node.url)}
    assert steps["chain"].result == "failed"


def test_one_anchorer_at_a_time(anchored: Anchored) -> None:
    anchored.grow(2)
    first = anchored.anchorer(holder="a")
    with first._leased(), pytest.raises(Unavailable, match=f"another anchorer works .* up to {LEASE_S} s"):
        anchored.anchorer(holder="b").flush()
    assert anchored.anchorer(holder="b").flush()  # it was given back


def test_who_lost_the_lease_signs_nothing(anchored: Anchored) -> None:
    """A was slow beyond its lease: B has anchored meanwhile."""
    anchored.anchorer().flush()
    anchored.grow(2)

    def overtaken(step: str) -> None:
        if step == "before store":
            with anchored.world.database.write() as connection:
                connection.execute(leases.update().values(until_ms=0))
            anchored.anchorer(holder="b").flush()

    with pytest.raises(Unavailable, match=r"the lease anchor:31337:0x.*: b has it now"):
        anchored.anchorer(holder="a", fault=overtaken).flush()
    anchored.check()
    assert len(anchored.sent()) == 2


# -- a chain that is not ours -----------------------------------------------------------------------------------


def test_on_another_chain_the_operator_deploys(anchored: Anchored) -> None:
    anchored.grow(3)
    chain = anchored.node.funded()
    with pytest.raises(Conflict, match=r"has no log contract at 0x.*: run `capture chain deploy`"):
        anchored.anchorer(chain).flush()
    assert chain.nonce() == 0
    chain = anchored.node.chain(contract=deploy(anchored.node.url, KEY), local=False)
    anchor = anchored.anchorer(chain).flush()
    assert anchor
    assert (anchor.local, anchor.tree_size, anchor.contract) == (False, 3, chain.contract)


def test_a_block_that_takes_its_time_is_waited_for_again(anchored: Anchored) -> None:
    anchored.grow(3)
    anchored.node.funded()
    chain = anchored.node.chain(contract=deploy(anchored.node.url, KEY), local=False)
    anchored.node.ask("evm_setAutomine", False)
    for _ in range(2):
        with pytest.raises(Unavailable, match="into no block yet"):
            anchored.anchorer(chain, wait_s=0.1).flush()
    assert anchored.anchors() == {}
    anchored.node.ask("evm_mine")
    anchored.grow(1)  # waits until the one in flight is in a block
    with pytest.raises(Unavailable, match="into no block yet"):
        anchored.anchorer(chain, wait_s=0.1).flush()
    assert len(anchored.anchors()) == 3
    anchored.node.ask("evm_mine")
    anchored.anchorer(chain).flush()
    assert len(anchored.anchors()) == 4
    assert chain.nonce() == 3  # deployment, and two appends


def test_another_key_than_the_writers(anchored: Anchored) -> None:
    anchored.node.funded()
    contract = deploy(anchored.node.url, KEY)
    other = anchored.node.funded(bytes(31) + b"\x09", contract)
    anchored.grow(1)
    with pytest.raises(Conflict, match=f"listens to .* only, our key is {other.sender}"):
        anchored.anchorer(other).flush()


# -- database and chain disagree --------------------------------------------------------------------------------


def test_a_contract_that_another_program_extended(anchored: Anchored, tmp_path: Path) -> None:
    """The same key on two databases, for example after a service was copied."""
    anchored.grow(3)
    anchored.anchorer().flush()
    shutil.copytree(tmp_path / "world", tmp_path / "copy")
    copy = Anchored.make(tmp_path / "copy", anchored.node)
    anchored.grow(2)
    anchored.anchorer().flush()
    copy.grow(4)
    with pytest.raises(Conflict, match=r"holds 5 leaves, this database sent 3: stop the other program"):
        copy.anchorer().flush()
    anchored.check()


def test_a_database_that_was_lost(anchored: Anchored, tmp_path: Path) -> None:
    anchored.grow(3)
    anchored.anchorer().flush()
    empty = Anchored.make(tmp_path / "empty", anchored.node)
    with pytest.raises(Conflict, match="holds 3 leaves, this database sent 0"):
        empty.anchorer().flush()
    other = anchored.node.chain(bytes(31) + b"\x09")
    other.fund_locally()
    created = other.sign_deploy(0)
    other.send(created.raw)
    assert other.wait([created.hash], 10)
    anchored.node.ask("anvil_setCode", other.contract, "0x")
    with pytest.raises(Conflict, match="sent 1 transactions that this database does not know"):
        empty.anchorer(other).flush()


def test_a_log_whose_past_was_changed(anchored: Anchored) -> None:
    anchored.grow(3)
    anchored.anchorer().flush()
    with anchored.world.database.write() as connection:
        connection.execute(checkpoints.update().where(checkpoints.c.size == 3).values(root=b"\1" * 32))
    with pytest.raises(Conflict, match=f"at 3 leaves the contract .* the log {'01' * 32}: the log's past was changed"):
        anchored.anchorer().flush()
    with anchored.world.database.write() as connection:
        connection.execute(checkpoints.delete().where(checkpoints.c.size == 3))
    with pytest.raises(Conflict, match="holds 3 leaves, and the log has no checkpoint there"):
        anchored.anchorer().flush()


def test_a_nonce_that_another_program_used(anchored: Anchored) -> None:
    anchored.anchorer().flush()
    anchored.grow(3)
    chain = anchored.node.chain()

    def used(step: str) -> None:
        if step == "before send":
            chain.send(chain.sign_deploy(chain.nonce()).raw)

    with pytest.raises(Conflict, match=r"another transaction of .* is in the place of"):
        anchored.anchorer(fault=used).flush()
    assert anchored.anchors() == {}


def test_an_append_that_the_contract_refused_is_not_tried_blindly(anchored: Anchored) -> None:
    """Its nonce is used up; the next flush signs a new one, and says first whether the contract would take it."""
    anchored.anchorer().flush()
    anchored.grow(3)
    chain = anchored.node.chain()
    code = anchored.node.ask("eth_getCode", chain.contract, "latest")["result"]

    def break_contract(step: str) -> None:
        if step == "before send":
            anchored.node.ask("anvil_setCode", chain.contract, "0x5f5ffd")  # reverts whatever is asked

    with pytest.raises(Conflict, match=r"refused 0x.* in block"):
        anchored.anchorer(fault=break_contract).flush()
    anchored.node.ask("anvil_setCode", chain.contract, code)
    anchored.anchorer().flush()
    assert len(anchored.anchors()) == 3
    assert [transaction.state for transaction in anchored.sent()] == ["included", "reverted", "included"]
