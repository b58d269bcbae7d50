"""The writer's role goes from one key to another in two steps, and the log goes on under the new one."""

from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.deploy import accept, deploy, offer
from pipeline.errors import Conflict, Rejected, Unavailable
from tests.chain_fixture import KEY, Node, node
from tests.ledger.anchor_world import Anchored

__all__ = ["node"]

OTHER = bytes(31) + b"\x09"
NOBODY = "0x" + 40 * "0"


@pytest.fixture
def chain(node: Node) -> Chain:
    node.funded()
    return node.funded(contract=deploy(node.url, KEY))


def test_the_new_writer_goes_on_where_the_old_one_stopped(node: Node, chain: Chain, tmp_path: Path) -> None:
    anchored = Anchored.make(tmp_path / "world", node)
    new = node.funded(OTHER, chain.contract)
    anchored.grow(2)
    anchored.anchorer(chain).flush()
    offer(chain, "writer", new.sender)
    anchored.grow(2)
    assert anchored.anchorer(chain).flush(), "nothing changes until it is accepted"
    accept(new, "writer")
    assert new.writer() == new.sender
    anchored.grow(2)
    with pytest.raises(Conflict, match="capture chain offer-writer"):
        anchored.anchorer(chain).flush()
    anchor = anchored.anchorer(new).flush()
    assert anchor
    assert (anchor.tree_size, len(anchored.anchors())) == (6, 6)


def test_an_offer_that_waits_for_a_block_keeps_the_anchorer_from_its_place(
    node: Node, chain: Chain, tmp_path: Path
) -> None:
    anchored = Anchored.make(tmp_path / "world", node)
    anchored.grow(2)
    node.ask("evm_setAutomine", False)
    with pytest.raises(Unavailable, match="into no block yet"):
        offer(chain, "writer", chain.created_at(9), wait_s=0.1)
    anchorer = anchored.anchorer(chain, wait_s=0.1)
    with pytest.raises(Unavailable, match=f"another transaction of {chain.sender} waits"):
        anchorer.flush()
    node.ask("evm_mine")
    node.ask("evm_setAutomine", True)
    anchor = anchorer.flush()
    assert anchor
    assert anchor.tree_size == 2


def test_no_offer_is_made_while_an_append_waits_for_a_block(node: Node, chain: Chain, tmp_path: Path) -> None:
    anchored = Anchored.make(tmp_path / "world", node)
    anchored.grow(2)
    node.ask("evm_setAutomine", False)
    with pytest.raises(Unavailable, match="into no block yet"):
        anchored.anchorer(chain, wait_s=0.1).flush()
    with pytest.raises(Unavailable, match=f"another transaction of {chain.sender} waits"):
        offer(chain, "writer", NOBODY)


def test_an_offer_can_be_taken_back(node: Node, chain: Chain) -> None:
    new = node.funded(OTHER, chain.contract)
    offer(chain, "writer", new.sender)
    offer(chain, "writer", NOBODY)
    with pytest.raises(Conflict, match="NotOffered"):
        accept(new, "writer")
    assert chain.writer() == chain.sender


def test_who_is_not_the_writer_offers_nothing(node: Node, chain: Chain) -> None:
    with pytest.raises(Conflict, match="NotTheWriter"):
        offer(node.funded(OTHER, chain.contract), "writer", NOBODY)


@pytest.mark.parametrize("address", ["", "0x12", "me", "0x" + 40 * "g", "0x5B38Da6a701c568545dCfcB03FcB875f56beddc4"])
def test_an_address_with_an_error_in_it_is_refused(chain: Chain, address: str) -> None:
    """The last one has a letter in the wrong case: the checksum of EIP-55 finds most errors of typing."""
    with pytest.raises(Rejected, match="is no address"):
        offer(chain, "writer", address)
