"""A wish that stays out of blocks on a chain of others is signed again for higher fees, and carried out once."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from ledger.rights import RIGHTS
from ledger.signing import nonce_of
from pipeline.errors import Unavailable
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from settings import load_settings
from store.orders import Order
from tests.chain_fixture import Node, running
from tests.photos import jpeg
from tests.service import Running
from wiring import Services
from workers.relaying import Relaying

WAIT_S = 0.3


@dataclass
class World:
    """A photo that is anchored on a chain of others, and nobody who carries wishes there but the test."""

    node: Node
    services: Services
    relaying: Relaying
    order: Order

    def now(self) -> Order:
        """The order as it is."""
        return self.services.orders.get(self.order.id)

    def waits(self) -> Order:
        """Look once at a chain that takes nothing."""
        with suppress(Unavailable):
            self.relaying.look()
        assert self.now().state == "open"
        return self.now()

    def mempool(self) -> list[str]:
        """The hashes of what waits for a block."""
        waiting = self.node.ask("txpool_content")["result"]
        return [each["hash"] for kind in waiting.values() for account in kind.values() for each in account.values()]


def key(folder: Path, name: str) -> tuple[Path, str]:
    """A new account's key file, and its address."""
    file, private = folder / name, secrets.token_bytes(32)
    file.write_text(private.hex())
    file.chmod(0o600)
    return file, PrivateKey(private).public_key.to_checksum_address()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path / "chain") as node:
        (writer, payer), (relay, relayer) = key(tmp_path, "writer.key"), key(tmp_path, "relay.key")
        for address in (payer, relayer):
            node.ask("anvil_setBalance", address, hex(10**19))
        service = Running(
            tmp_path / "data", CAPTURE_CHAIN_URL=node.url, CAPTURE_CHAIN_KEY_FILE=str(writer),
            CAPTURE_RELAY_KEY_FILE=str(relay), CAPTURE_CHAIN_CONFIRMATIONS="1",
        )  # fmt: skip
        for name, command in (("CAPTURE_CHAIN_CONTRACT", "deploy"), ("CAPTURE_RIGHTS_CONTRACT", "deploy-rights")):
            deployed = service.command("chain", command)
            assert deployed.returncode == 0, deployed.stderr
            service.environ[name] = deployed.stdout.strip()
        service.start()
        capture = service.register(jpeg(7900)).json
        service.stop()
        assert capture["status"] == "anchored"
        services = Services(load_settings(service.environ))
        owner = services.captures.get(capture["id"]).owner
        wish = {"terms": offer_json(parse_offer({"preset": "cc0"}))}
        order = services.orders.add(capture["id"], owner, "asset", wish, "work")
        node.ask("evm_setAutomine", False)
        yield World(node, services, Relaying(services, WAIT_S), order)
        services.close()


def test_higher_fees_bring_it_into_a_block(world: World) -> None:
    first = world.waits()
    assert len(first.transactions) == 2, "the wait is over: it is signed for more"
    (cheap,) = world.mempool()
    assert cheap == first.transactions[0]
    second = world.waits()
    (dear,) = world.mempool()
    assert dear == second.transactions[1], "it took the other's place"
    world.node.ask("evm_setAutomine", True)
    for _ in range(6):
        world.node.ask("evm_mine")
        if world.now().state != "open":
            break
        with suppress(Unavailable):
            world.relaying.look()
    done = world.now()
    assert (done.state, done.problem) == ("done", None)
    sent = world.services.orders.relayed(0)
    assert [each.nonce for each in sent] == list(range(sent[0].nonce, sent[0].nonce + len(sent)))
    assert all(nonce_of(each.raw) == each.nonce for each in sent)
    relay = world.services.relay
    assert relay.nonce() == sent[-1].nonce + 1, "no place was used twice, and none is open"
    held = relay.works.work(int(done.result["asset"], 16)) if done.result else None
    assert held is not None


def test_the_one_that_was_replaced_may_be_the_one_that_gets_in(world: World) -> None:
    world.waits()
    raw = world.services.orders.relayed(0)[-1]
    (cheap,) = world.mempool()
    assert raw.replaced == (cheap,), "the dearer one is kept before it is sent"
    world.node.ask("evm_mine")  # and a block takes the first one meanwhile
    assert world.node.ask("eth_getTransactionReceipt", cheap)["result"] is not None
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    assert world.now().state == "done"
    assert world.node.ask("eth_getTransactionReceipt", raw.hash)["result"] is None, "it was never sent"


def test_replacements_do_not_count_as_tries(world: World) -> None:
    for _ in range(12):  # raised by an eighth each time, until it is four times what the market asks
        world.waits()
    order = world.now()
    assert len(order.transactions) > 8
    assert world.services.orders.count_sent(order) == 1
    world.node.ask("evm_setAutomine", True)
    world.node.ask("evm_mine")
    world.relaying.look()
    assert world.now().state == "done"


def test_an_offer_that_a_later_one_overtook_is_not_made(world: World) -> None:
    orders, mine = world.services.orders, world.order
    world.node.ask("evm_setAutomine", True)
    world.relaying.look()
    older, newer = (
        orders.add(mine.capture_id, mine.owner, "terms", {"terms": offer_json(parse_offer({"preset": preset}))})
        for preset in ("cc-by-4.0", "cc-by-nc-4.0")
    )
    world.relaying.look([newer.id])  # as when the chain was away for the older one's turn
    world.relaying.look()
    ended = orders.get(older.id)
    assert (ended.state, ended.problem, ended.transactions) == ("refused", "a later offer took its place", ())
    made = orders.get(newer.id)
    assert made.state == "done" and made.result
    asset = int((orders.get(mine.id).result or {})["asset"], 16)
    work = world.services.relay.works.work(asset)
    assert work and work.terms_id.hex() == made.result["terms_id"]


def test_a_transaction_of_another_program_with_the_same_key_stops_nothing(world: World) -> None:
    world.waits()
    (ours,) = world.mempool()
    world.node.ask("anvil_dropTransaction", ours)
    relay = world.services.relay
    foreign = {"from": relay.sender, "to": relay.sender, "nonce": hex(relay.nonce()), "gasPrice": hex(10**10)}
    world.node.ask("anvil_impersonateAccount", relay.sender)
    world.node.ask("evm_setAutomine", True)
    assert "result" in world.node.ask("eth_sendTransaction", foreign)
    for _ in range(4):
        with suppress(Unavailable):
            world.relaying.look()
    assert world.now().state == "done", world.now().problem


def test_one_order_that_meets_a_fault_of_ours_keeps_no_other_waiting(world: World) -> None:
    world.node.ask("evm_setAutomine", True)
    orders, mine = world.services.orders, world.order
    broken = orders.add(mine.capture_id, mine.owner, "appeal", {"evidence": "no hex"})
    world.services.wallets.unbind(mine.owner)
    for _ in range(4):
        world.relaying.look()
    assert world.now().state == "done"
    assert (orders.get(broken.id).state, "operator" in (orders.get(broken.id).problem or "")) == ("open", True)
    assets = world.now().result or {}
    node, rights = world.node, world.services.relay.contract
    payer, data = world.services.relay.sender, RIGHTS.call("pay", int(assets["asset"], 16), COIN, 5)
    node.ask("anvil_impersonateAccount", payer)
    node.ask("eth_sendTransaction", {"from": payer, "to": rights, "value": "0x5", "data": data})
    claim = orders.add(mine.capture_id, mine.owner, "claim", {"beneficiary": assets["asset"], "currency": COIN})
    world.relaying.look()
    refused = orders.get(claim.id)
    assert (refused.state, "no wallet yet" in (refused.problem or "")) == ("refused", True)
    world.services.wallets.bind(mine.owner, wallet := "0x" + "7A" * 20)
    paid = orders.add(mine.capture_id, mine.owner, "claim", {"beneficiary": assets["asset"], "currency": COIN})
    world.relaying.look()
    assert (orders.get(paid.id).result or {})["to"].lower() == wallet.lower()
    assert node.ask("eth_getBalance", wallet, "latest")["result"] == "0x5"
