"""The writer's role: offered, accepted, taken back; and that it is no power over the past."""

import pytest
from web3 import Web3

from tests.chain_fixture import KEY, Node, shared_node
from tests.contracts.brute_force import mth
from tests.contracts.held import Held, offer

__all__ = ["shared_node"]

NEXT, THIRD = bytes(31) + b"\x08", bytes(31) + b"\x09"
NOBODY = "0x" + "00" * 20


@pytest.fixture
def held(shared_node: Node) -> Held:
    for key in (NEXT, THIRD):
        shared_node.chain(key).fund_locally()
    return Held(shared_node)


def account(key: bytes) -> str:
    return str(Web3().eth.account.from_key(key).address)


def topics(event: str, *accounts: str) -> list[str]:
    return [Web3.to_hex(Web3.keccak(text=event)), *("0x" + one[2:].lower().rjust(64, "0") for one in accounts)]


def test_who_deployed_it_writes_and_the_event_says_so(held: Held) -> None:
    assert held.account("writer") == account(KEY)
    assert held.account("pendingWriter") == NOBODY
    (entry,) = held.deployment["logs"]
    assert entry["topics"] == topics("WriterTransferred(address,address)", NOBODY, account(KEY))


def test_an_offer_alone_changes_nothing(held: Held) -> None:
    receipt = held.transact("offerWriter", account(NEXT))
    assert [entry["topics"] for entry in receipt["logs"]] == [
        topics("WriterOffered(address,address)", account(KEY), account(NEXT))
    ]
    assert (held.account("writer"), held.account("pendingWriter")) == (account(KEY), account(NEXT))
    assert held.refusal(offer(0, 3)) == ""
    assert held.refusal(offer(0, 3), sender=account(NEXT)) == "NotTheWriter"


def test_the_role_moves_when_it_is_accepted_and_only_once(held: Held) -> None:
    held.grow(5)
    held.transact("offerWriter", account(NEXT))
    receipt = held.transact("acceptWriter", key=NEXT)
    assert [entry["topics"] for entry in receipt["logs"]] == [
        topics("WriterTransferred(address,address)", account(KEY), account(NEXT))
    ]
    assert (held.account("writer"), held.account("pendingWriter")) == (account(NEXT), NOBODY)
    for asked in (("append", *offer(5, 9)), ("offerWriter", account(KEY))):
        assert held.call(*asked, sender=account(KEY)) == "NotTheWriter"
    assert held.call("acceptWriter", sender=account(NEXT)) == "NotOffered"
    assert held.call("acceptWriter", sender=account(KEY)) == "NotOffered"
    assert held.append(*offer(5, 9), key=NEXT)["status"] == "0x1"
    assert (held.number("size"), held.call("root")) == (9, mth(0, 9))


def test_the_new_writer_is_bound_to_the_old_ones_past(held: Held) -> None:
    held.grow(5)
    held.transact("offerWriter", account(NEXT))
    held.transact("acceptWriter", key=NEXT)
    forked = (8, mth(1, 9), offer(5, 8)[2])
    assert held.refusal(forked, sender=account(NEXT)) == "NotAnExtension"
    assert held.refusal(offer(0, 5), sender=account(NEXT)) == "TreeDidNotGrow"
    assert held.root_at(5) == mth(0, 5)


def test_only_the_last_offer_counts(held: Held) -> None:
    held.transact("offerWriter", account(NEXT))
    held.transact("offerWriter", account(THIRD))
    assert held.call("acceptWriter", sender=account(NEXT)) == "NotOffered"
    assert held.call("acceptWriter", sender=account(THIRD)) == b""


def test_an_offer_is_taken_back_with_nobody(held: Held) -> None:
    held.transact("offerWriter", account(NEXT))
    held.transact("offerWriter", NOBODY)
    assert held.transact("acceptWriter", key=NEXT)["status"] == "0x0"
    assert held.account("writer") == account(KEY)


def test_nobody_else_offers_or_accepts(held: Held) -> None:
    assert held.call("offerWriter", account(THIRD), sender=account(THIRD)) == "NotTheWriter"
    assert held.call("acceptWriter", sender=account(KEY)) == "NotOffered"
    held.transact("offerWriter", account(NEXT))
    assert held.call("offerWriter", account(THIRD), sender=account(NEXT)) == "NotTheWriter"
    assert held.call("acceptWriter", sender=account(THIRD)) == "NotOffered"


def test_an_offer_to_oneself_keeps_the_role(held: Held) -> None:
    held.transact("offerWriter", account(KEY))
    assert held.transact("acceptWriter")["status"] == "0x1"
    assert (held.account("writer"), held.account("pendingWriter")) == (account(KEY), NOBODY)
    assert held.refusal(offer(0, 3)) == ""


def test_a_transfer_leaves_head_and_roots_as_they_are(held: Held) -> None:
    held.grow(3)
    held.grow(7)
    before = held.call("head"), held.root_at(3), held.root_at(7)
    held.transact("offerWriter", account(NEXT))
    held.transact("acceptWriter", key=NEXT)
    assert (held.call("head"), held.root_at(3), held.root_at(7)) == before


def test_the_writer_has_no_other_power() -> None:
    """Everything that can change the contract: three functions, none of which takes money."""
    from ledger.contract import ARTIFACT

    functions = [entry for entry in ARTIFACT["abi"] if entry["type"] == "function"]
    changing = {entry["name"] for entry in functions if entry["stateMutability"] not in ("view", "pure")}
    assert changing == {"append", "offerWriter", "acceptWriter"}
    assert "payable" not in {entry["stateMutability"] for entry in ARTIFACT["abi"] if "stateMutability" in entry}
    assert not {entry["type"] for entry in ARTIFACT["abi"]} & {"fallback", "receive"}
