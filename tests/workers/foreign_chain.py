"""A service's photo on a chain of others, and wishes of it that only the test carries there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.accounts import read_or_make_key
from ledger.rights import RIGHTS
from ledger.signer import LocalSigner
from pipeline.errors import Unavailable
from pipeline.works import COIN
from rights.offers import offer_json, parse_offer
from settings import Engines, load_settings
from store.orders import Kind, Order, Relayed
from tests.chain_fixture import Node, running
from tests.ledger.fault_world import PublicNode
from tests.photos import jpeg
from tests.service import Running
from wiring import Services
from workers.relaying import Relaying

WAIT_S = 0.3
STRANGER = "0x" + "5A" * 20


@dataclass
class World:
    """A photo that is anchored on a chain of others, and nobody who carries wishes there but the test."""

    folder: Path
    node: Node
    service: Running
    services: Services
    relaying: Relaying
    order: Order

    def now(self) -> Order:
        """The order as it is."""
        return self.services.orders.get(self.order.id)

    def relayed(self) -> list[Relayed]:
        """All that the service's account of today sent."""
        return self.services.orders.relayed(self.services.relay.account, 0)

    def work(self) -> int:
        """The work, made."""
        self.node.ask("evm_setAutomine", True)
        self.relaying.look()
        return int((self.now().result or {})["asset"], 16)

    def paid_by(self, name: str) -> None:
        """From now on this account, which gets coins, is the service's; its key file has this name."""
        file, address = key(self.folder, name)
        self.node.ask("anvil_setBalance", address, hex(10**19))
        self.service.environ["CAPTURE_RELAY_KEY_FILE"] = str(file)
        self.restart()

    def through(self, url: str) -> None:
        """From now on the service asks this node."""
        settings = self.services.settings
        replace(Engines.read(settings), chain_url=url).write(settings)
        self.restart()

    def restart(self) -> None:
        """As another process that carries wishes."""
        self.services.close()
        self.services = Services(load_settings(self.service.environ))
        self.relaying = Relaying(self.services, WAIT_S)

    def wanted(self, kind: Kind, **asked: Any) -> Order:
        """Another order for the work."""
        return self.services.orders.add(self.order.capture_id, self.order.owner, kind, asked)

    def pay(self, amount: int) -> None:
        """A stranger pays the work. The chain must be mining."""
        data = RIGHTS.call("pay", self.work(), COIN, amount)
        for method, *values in (("anvil_setBalance", hex(10**20)), ("anvil_impersonateAccount",)):
            self.node.ask(method, STRANGER, *values)
        to = self.services.relay.contract
        answer = self.node.ask("eth_sendTransaction", {"from": STRANGER, "to": to, "value": hex(amount), "data": data})
        assert "error" not in answer, answer

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
    """An account's key file, made when there is none, and its address."""
    file = folder / name
    return file, LocalSigner(read_or_make_key(file)).address


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For tests of which each leaves the chain mining and the work made."""
    with made(tmp_path_factory.mktemp("world")) as found:
        found.work()
        yield found


@contextmanager
def made(folder: Path) -> Iterator[World]:
    """A service registers a photo, and stops; nothing gets into blocks."""
    with running(folder / "chain", PublicNode) as node:
        (writer, payer), (relay, relayer) = key(folder, "writer.key"), key(folder, "relay.key")
        for address in (payer, relayer):
            node.ask("anvil_setBalance", address, hex(10**19))
        service = Running(
            folder / "data", CAPTURE_CHAIN_URL=node.url, CAPTURE_CHAIN_KEY_FILE=str(writer),
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
        found = World(folder, node, service, services, Relaying(services, WAIT_S), order)
        yield found
        found.services.close()
