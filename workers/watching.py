"""What happens at the rights contract without an order of ours is seen, and told to whoever follows the works."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from ledger.blocks import Reverted
from ledger.relay import Relay, Said
from ledger.rpc import Refused
from pipeline.works import Terms
from store.chain_events import ChainEvent
from wiring import Services
from workers.rounds import rounds

LOCAL_LOOK_S, LOOK_S = 1.0, 5.0
# Blocks that are read again with every new one: what a chain takes back and puts elsewhere is two epochs old at most
# where it has finality, and is found in its new place.
AGAIN = 64
MOST_BLOCKS = 1000  # in one question; fewer when the node refuses so many
OWN_BITS = 80  # of a licence's id; of a work's they are zero
NOBODY = "0x" + "00" * 20


class Watching:
    """Reads the contract's events, from the last block that was read on. One process does: the ledger worker."""

    def __init__(self, services: Services, again: int = AGAIN) -> None:
        self._services, self._again = services, again
        self._has_works = False
        self._newest: int | None = None
        self._silent = False  # nothing is written of the blocks that are read again

    def run(self) -> None:
        """Look, for ever; ends at once where there is no rights contract."""
        if self._services.has_rights:
            every_s = LOCAL_LOOK_S if self._services.engines.chain_is_local else LOOK_S
            rounds("watching the rights contract", self.look, every_s)

    def look(self) -> None:
        """Read what is new. Asks the chain nothing while there are no works, and one number without a new block."""
        self._has_works = self._has_works or bool(self._services.orders.works("", 1))
        if not self._has_works:
            return
        relay, events = self._services.relay, self._services.chain_events
        newest = relay.newest_block()
        if newest == self._newest:
            return
        name = f"{relay.chain_id}:{relay.contract}"
        held = events.read_until(name)
        first = self._begin(relay, newest) if held is None else max(0, min(held, newest) - self._again + 1)
        most = MOST_BLOCKS
        while first <= newest:
            last = min(first + most, newest + 1) - 1
            try:
                said = relay.said(first, last)
            except Refused:
                if most == 1:
                    raise
                most //= 2  # it gives so many blocks, or events, to nobody
                continue
            self._keep(name, first, last, list(told(said, self._services.works.terms)))
            first = last + 1
        self._newest = newest

    def _keep(self, name: str, first: int, last: int, events: list[ChainEvent]) -> None:
        """Write down what was said. Not each time that nothing was: those blocks are read again anyway."""
        held = self._services.chain_events.read_until(name)
        if events or not self._silent or held is None or last - held >= self._again // 2:
            self._services.chain_events.keep(name, first, last, events)
            self._silent = not events

    def _begin(self, relay: Relay, newest: int) -> int:
        """Where there can be something: no work is older than the first that was made here."""
        oldest = self._services.orders.oldest_work()
        with suppress(Reverted):
            found = relay.inclusion(oldest.transactions[-1]) if oldest and oldest.transactions else None
            return 0 if relay.local else found.block if found else newest
        return newest


def told(entries: Sequence[Said], terms: Callable[[bytes], Terms | None]) -> Iterator[ChainEvent]:
    """What of this concerns works. The payment of a licence is told with it. `terms`: what an id stands for."""
    for previous, entry in zip([None, *entries], entries, strict=False):
        if entry.name == "Paid" and previous and _pays_for(entry, previous, terms):
            continue
        if (reader := _READERS.get(entry.name)) and (read := reader(entry.values)):
            kind, work, says, others = read
            yield ChainEvent(entry.transaction, entry.place, entry.block, kind, work, says, others)


def _pays_for(paid: Said, previous: Said, terms: Callable[[bytes], Terms | None]) -> bool:
    """Whether this is the licence's price: a licence that cost nothing may be followed by a payment of another kind."""
    same = previous.transaction == paid.transaction and previous.values.get("asset") == paid.values["asset"]
    sold = terms(previous.values["termsId"]) if same and previous.name == "Licensed" else None
    return sold is not None and sold.fee == paid.values["amount"] and sold.currency == paid.values["currency"]


Read = tuple[str, int, dict[str, Any], tuple[int, ...]]


def _licensed(values: dict[str, Any]) -> Read:
    says = {"licence": f"{values['licence']:#x}", "holder": values["holder"], "until": values["until"],
            "terms_id": values["termsId"].hex()}  # fmt: skip
    return "licence", values["asset"], says, ()


def _paid(values: dict[str, Any]) -> Read:
    return "payment", values["asset"], {"amount": str(values["amount"]), "currency": values["currency"]}, ()


def _claimed(values: dict[str, Any]) -> Read:
    says = {"amount": str(values["amount"]), "to": values["to"], "currency": values["currency"],
            "beneficiary": f"{values['beneficiary']:#x}"}  # fmt: skip
    return "claim", values["asset"], says, (values["beneficiary"],)


def _derived(values: dict[str, Any]) -> Read:
    says = {"shares": [str(each) for each in values["shares"]]}
    return "derivation", values["asset"], says, tuple(values["parents"])


def _moved(values: dict[str, Any]) -> Read | None:
    """Works only, and neither made nor taken away: licences go from hand to hand without their works' owners."""
    token = values["tokenId"]
    if token & (1 << OWN_BITS) - 1 or NOBODY in (values["from"], values["to"]):
        return None
    return "move", token, {"owner": values["to"], "from": values["from"]}, ()


def _reviewed(values: dict[str, Any]) -> Read:
    return "review", values["asset"], {name: values[name] for name in ("until", "upheld") if name in values}, ()


_READERS = {
    "Licensed": _licensed, "Paid": _paid, "Claimed": _claimed, "Derived": _derived, "Transfer": _moved,
    "Flagged": _reviewed, "Appealed": _reviewed, "Resolved": _reviewed,
}  # fmt: skip
