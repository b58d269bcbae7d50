"""The contract's events where a chain takes blocks back and puts what was in them elsewhere, or nowhere."""

import secrets
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from eth_account import Account

from ledger.relay import Said
from ledger.rights import RIGHTS
from pipeline.works import COIN, Terms
from store import schema
from tests.workers.foreign_chain import World, shared_world
from workers.watching import Watching, told

__all__ = ["shared_world"]

AMOUNT = 5


class Paid:
    """A stranger's payment to the work, and what is known of it."""

    def __init__(self, world: World) -> None:
        self._world, asset = world, world.work()
        self.node, self.watching = world.node, Watching(world.services)
        self.watching.look()
        world.services.changes.newest()
        self._begun = world.services.changes.newest()
        self.node.ask("anvil_mine", hex(4))  # so that nothing of the service's own is taken back
        key = Account.from_key(secrets.token_bytes(32))
        self.node.ask("anvil_setBalance", key.address, hex(10**18))
        signed = key.sign_transaction({
            "type": 2, "chainId": world.services.relay.chain_id, "nonce": 0, "to": world.services.relay.contract,
            "value": AMOUNT, "data": RIGHTS.call("pay", asset, COIN, AMOUNT), "gas": 200_000,
            "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 0,
        })  # fmt: skip
        self.hash, self.raw = ("0x" + bytes(each).hex() for each in (signed.hash, signed.raw_transaction))
        self.send()
        self.watching.look()

    def send(self) -> None:
        """Into a block, with an empty one behind it."""
        answer = self.node.ask("eth_sendRawTransaction", self.raw)
        assert "error" not in answer, answer
        self.node.ask("anvil_mine", hex(1))

    def taken_back(self, *again: Any) -> None:
        """The chain's two newest blocks are others, with `again` in them; one more follows, and is seen."""
        answer = self.node.ask("anvil_reorg", 2, list(again))
        assert "error" not in answer, answer
        self.node.ask("anvil_mine", hex(1))
        self.watching.look()

    @property
    def block(self) -> int | None:
        """Where the chain has it."""
        receipt = self.node.ask("eth_getTransactionReceipt", self.hash)["result"]
        return receipt and int(receipt["blockNumber"], 16)

    @property
    def kept(self) -> list[int | None]:
        """Where we say that it is: one entry for each time that we know of it."""
        with self._world.services.database.read() as connection:
            mine = schema.chain_events.c.transaction == self.hash
            return list(connection.execute(sa.select(schema.chain_events.c.block).where(mine)).scalars())

    @property
    def listed(self) -> int:
        """How often it is listed."""
        seen = self._world.services.chain_events.of(self._world.order.capture_id, "payment")
        return [each.transaction for each in seen].count(self.hash)

    @property
    def told(self) -> list[str]:
        """What was told since."""
        self._world.services.changes.newest()
        return [
            each.name for each in self._world.services.changes.after(self._begun, 99, owner=self._world.order.owner)
        ]


@pytest.fixture
def paid(shared_world: World) -> Paid:
    made = Paid(shared_world)
    assert (made.kept, made.listed, made.told) == ([made.block], 1, ["payment"])
    return made


def test_what_moved_to_another_block_is_told_once_and_is_in_its_new_place(paid: Paid) -> None:
    before = paid.block
    paid.taken_back([paid.raw, 1])
    assert before is not None and paid.block == before + 1
    assert (paid.kept, paid.listed, paid.told) == ([paid.block], 1, ["payment"])


def test_a_payment_that_follows_a_licence_is_the_licences_only_when_it_is_its_price() -> None:
    coin, free, sold = "0x" + "77" * 20, Terms(True, True), Terms(True, True, fee=9)
    terms = {b"\0" * 32: free, b"\1" * 32: sold, b"\2" * 32: replace(sold, currency=coin)}
    for name, price, told_apart in ((b"\0", 9, True), (b"\1", 9, False), (b"\1", 8, True), (b"\2", 9, True)):
        licensed = {"asset": 5, "licence": 6, "holder": "0x1", "until": 0, "termsId": name * 32}
        paid = {"asset": 5, "currency": COIN, "amount": price}
        entries = [Said("0xa", 0, 1, "Licensed", licensed), Said("0xa", 1, 1, "Paid", paid)]
        kinds = [each.kind for each in told(entries, terms.get)]
        assert kinds == ["licence", *["payment"] * told_apart], (name, price)


def test_what_vanished_and_came_back_later_is_told_once_and_is_in_its_new_place(paid: Paid) -> None:
    before = paid.block
    paid.taken_back()
    assert paid.block is None
    assert (paid.kept, paid.listed, paid.told) == ([None], 0, ["payment"])
    paid.send()
    paid.watching.look()
    assert before is not None and paid.block is not None and paid.block > before
    assert (paid.kept, paid.listed, paid.told) == ([paid.block], 1, ["payment"])
