"""Orders are carried to the rights contract beside everything else, one transaction at a time."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ledger.blocks import Reverted
from ledger.chain import PlaceTaken, WouldRevert
from ledger.endpoints import WrongChain
from ledger.relay import Event, Relay
from ledger.signing import SignedTransaction
from pipeline.errors import Conflict, Rejected, Unavailable
from store.orders import Order, Relayed, brought_nothing
from wiring import Services
from workers.pauses import Pauses
from workers.rounds import rounds
from workers.wishes import NOT_THE_REVIEWER, WORDS, Done, Step, Wishes

LOOK_S = 0.1
LAG_S = 5.0  # of several nodes one may not know yet what another has in a block
CHECK_S = 5.0  # whether the chain still has what was sent, also when nobody wants anything
WAIT_S = 60.0  # for a block; what is in none by then is replaced, for higher fees, or sent again as it is
MOST_SENT = 8  # transactions for one order: what still is not done then would go on for ever
# What runs code of others, a wallet's or a token's, and what is said when that code refuses.
OTHERS_CODE = {
    "claim": "whoever owns the work, or the token, refuses the payment: it waits in the contract",
    "move": "the account that it should go to takes no works",
}

log = logging.getLogger(__name__)


class Relaying:
    """Takes open orders, oldest first. One process on one machine does: that of the ledger worker."""

    def __init__(self, services: Services, wait_s: float = WAIT_S) -> None:
        self._services = services
        self._wait_s = wait_s
        self._wishes: Wishes | None = None
        self._pauses = Pauses()
        self._checked = 0.0

    def run(self) -> None:
        """Look for orders, for ever; ends at once where there is no rights contract."""
        if self._services.has_rights:
            rounds("the rights contract", self._look_when_due, LOOK_S)

    def _look_when_due(self) -> None:
        due = self._pauses.due(self._services.orders.waiting())
        if due or time.monotonic() > self._checked + CHECK_S:
            self.look(due)
            self._checked = time.monotonic()

    def look(self, order_ids: Sequence[str] | None = None) -> None:
        """Bring these orders, or every open one, to their end, or as far as they go."""
        wishes = self._ready()
        # All, one after the other: those that wait for long must not hide the others.
        for order_id in self._services.orders.waiting() if order_ids is None else order_ids:
            try:
                order = self._services.orders.get(order_id)
            except LookupError:
                continue  # erased with its capture
            self._look_at(order, wishes)

    def _look_at(self, order: Order, wishes: Wishes) -> None:
        try:
            try:
                self._advance(order, wishes)
            except WouldRevert as refusal:
                self._contract_refused(order, refusal)
        except LookupError:
            self._services.orders.refused(order, "its owner had the photo erased")
        except Rejected as rejected:
            self._services.orders.refused(order, str(rejected))
        except Unavailable as unavailable:
            self._waits(order, str(unavailable))
        except WrongChain:
            raise
        except Conflict as conflict:
            self._waits(order, f"{conflict}: a person has to look", logging.ERROR)
        except Exception:  # of one order: it must not keep the others waiting
            log.exception("order %s (%s) met a fault of ours", order.id, order.kind)
            self._waits(order, "a fault of this service's: its operator has to look", logging.ERROR)

    def _waits(self, order: Order, problem: str, level: int = logging.INFO) -> None:
        """Look again after a pause. Said once, however often it is looked at: it may be so for days."""
        self._pauses.again(order.id)
        if self._services.orders.waits(order, problem):
            log.log(level, "order %s (%s) waits: %s", order.id, order.kind, problem)

    def heal(self) -> None:
        """Give a chain that lost its newest blocks what we had sent: the same bytes, in their order.

        The log's contract must have its roots back first, or statements would prove nothing. What was abandoned stays
        so; behind the place that it leaves empty no block takes anything, and orders for that are signed anew.
        """
        relay, orders = self._services.relay, self._services.orders
        first = relay.nonce()
        lost = [each for each in orders.relayed(relay.account, first) if not each.abandoned]
        again = [each for nonce, each in enumerate(lost, first) if each.nonce == nonce]
        behind = [each for each in lost[len(again) :] if not relay.can_come(each.sender, each.nonce, each.hashes)]
        if not again and not behind:
            return
        newest = self._services.log.newest()
        if relay.log_size(self._services.log_contract) < (newest[0] if newest else 0):
            raise Unavailable("the log's contract, which does not have its newest root")
        if relay.local:
            relay.fund_locally()  # what it lost had our play money in it
        log.warning("%d transactions for the rights contract are in no block: they are sent again", len(again))
        if behind:
            log.warning("%d have an empty place before them: what they were for is signed anew", len(behind))
        orders.give_up(behind)
        for each in again:
            with suppress(Reverted):  # the order that it was for is looked at again
                self._send(relay, each)
        orders.reopen([each.hash for each in again])

    def _ready(self) -> Wishes:
        relay, contract = self._services.relay, self._services.log_contract
        self.heal()
        if self._wishes is None:
            created = relay.creation(contract, f"{self._services.settings.public_url or ''}/a/")
            if created:
                self._services.orders.signed(None, sent := _to_send(relay, created))
                self._send(relay, sent)
            self._wishes = Wishes(self._services, relay, contract)
        return self._wishes

    def _advance(self, order: Order, wishes: Wishes) -> None:
        while order.state == "open":
            try:
                self._go_on(order, wishes)
            except (Rejected, WouldRevert):
                if not self._came_late(order):
                    raise
            order = self._services.orders.get(order.id)

    def _go_on(self, order: Order, wishes: Wishes) -> None:
        relay, orders = self._services.relay, self._services.orders
        if order.raw is not None:
            orders.mined(order, self._outcome(relay, orders.newest_of(order)))
        elif isinstance(step := wishes.next(order), Done):
            if not (brought_nothing(order.kind, order.result or {}, step.result) and self._came_late(order)):
                orders.done(order, step.result)
        elif orders.count_sent(order) >= MOST_SENT:
            raise Rejected("the chain undid every transaction that was sent for this")
        else:
            orders.signed(order, _to_send(relay, self._sign(step, relay)))

    def _came_late(self, order: Order) -> bool:
        """Whether a transaction that was given up on is in a block all the same; what it brought is kept."""
        relay, held, found = self._services.relay, dict(order.result or {}), dict[str, Any]()
        for transaction in order.transactions:
            with suppress(Reverted):
                if relay.inclusion(transaction):
                    found |= _found(relay.events(transaction))
        if held | found == held:
            return False
        self._services.orders.mined(order, found)
        return True

    def _outcome(self, relay: Relay, sent: Relayed | None) -> dict[str, Any]:
        """What a transaction brought, when it is in a block; nothing when it never can be."""
        try:
            transaction = self._mined(relay, sent) if sent else None
        except Reverted:
            transaction = None  # it was good when it was signed, and somebody was quicker: the next step knows why
        return _found(relay.events(transaction)) if transaction else {}

    def _mined(self, relay: Relay, sent: Relayed) -> str | None:
        """The hash by which a transaction is in a block; None when it is given up on, because no block will have it.

        What else has its place, or was done by it later, the next step sees. Raises Unavailable while it waits for a
        block, also where another account than today's sent it: signed anew, its wish might be carried out twice.
        """
        why = f"{sent.account} sent {sent.hash}, and this service's account is {relay.account} now"
        try:
            if sent.account == relay.account:
                return self._send(relay, sent)
        except PlaceTaken as taken:
            why = f"{taken}: another program uses the relay's key"
        if relay.can_come(sent.sender, sent.nonce, sent.hashes):
            raise Unavailable(
                f"the chain at {relay.host}, where {sent.hash} waits for a block: {sent.sender} sent it, which was "
                "this service's account before"
            )
        if found := relay.wait(sent.hashes, LAG_S):
            return found.transaction
        log.error("%s; what is wanted is signed anew", why)
        self._services.orders.give_up([sent])
        return None

    def _sign(self, step: Step, relay: Relay) -> SignedTransaction:
        if relay.local:
            relay.fund_locally()  # play money: what licences cost here is no obstacle
        return relay.sign_wish(step.function, *step.values, value=step.value)

    def _send(self, relay: Relay, sent: Relayed) -> str:
        """Bring a transaction into a block: its hash, or that of one which it replaced.

        Raises Unavailable while it is in none, and Reverted.
        """
        if relay.wait(sent.hashes, 0) is None:
            relay.send(sent.raw, siblings=sent.replaced)
        found = relay.wait(sent.hashes, self._wait_s)
        if found is None:
            self._replace(relay, sent)
            raise Unavailable(f"the chain at {relay.host}, which has {sent.hash} in no block yet")
        return found.transaction

    def _replace(self, relay: Relay, sent: Relayed) -> None:
        """Sign the same for higher fees; it is sent the next time that this is looked at."""
        signed = None if relay.local else relay.sign_again(sent.raw, relay.contract)
        if signed:
            log.warning("%s stays out of blocks: replaced by %s, which pays more", sent.hash, signed.hash)
            self._services.orders.replaced(sent, _to_send(relay, signed))

    def _contract_refused(self, order: Order, refusal: WouldRevert) -> None:
        if refusal.name == "AlreadyLicensed" and order.kind == "licence":
            self._services.orders.done(order, self._held(order, int(refusal.values[0])))
        elif refusal.name == "NotTheOwner" and self._wishes and self._wishes.is_owner(order):
            raise Unavailable("the chain, where not every node knows yet what was signed before")
        elif refusal.name == "WrongShares":
            raise Unavailable("the chain, where a list of shares is another by now: it is read again")
        elif refusal.name == "NotTheReviewer":
            relay = self._services.relay
            raise Rejected(NOT_THE_REVIEWER.format(reviewer=relay.works.reviewer(), ours=relay.sender))
        elif refusal.name in WORDS:
            raise Rejected(WORDS[refusal.name])
        elif order.kind in OTHERS_CODE:
            # Its words are that code's, which may say anything; and it may never change its mind.
            raise Rejected(OTHERS_CODE[order.kind])
        else:
            shown = f"the contract refuses it, by {refusal.name}: a person has to look"
            self._waits(order, shown, logging.ERROR)

    def _held(self, order: Order, licence: int) -> dict[str, Any]:
        """The licence that the holder has already, under the terms that were wanted."""
        try:
            held = self._services.relay.works.licence(licence)
        except Conflict:
            raise Unavailable(f"the chain, which had the licence {licence:#x} a moment ago") from None
        return {"licence": f"{licence:#x}", "holder": held.holder, "until": held.until, "terms_id": held.terms_id.hex()}


def _to_send(relay: Relay, signed: SignedTransaction) -> Relayed:
    return Relayed(relay.account, signed.nonce, signed.hash, signed.raw)


def _found(events: list[Event]) -> dict[str, Any]:
    """What a transaction brought, for the order's result: numbers as hex or text, because JSON's end at 2^53."""
    found: dict[str, Any] = {}
    for event in events:
        values = event.values
        if event.name == "Claimed":
            found |= {"amount": str(values["amount"]), "to": values["to"], "currency": values["currency"]}
        elif event.name == "Licensed":
            found |= {"licence": f"{values['licence']:#x}", "holder": values["holder"], "until": values["until"]}
        elif event.name == "Derived":
            found |= {"shares": [str(each) for each in values["shares"]]}
        elif event.name in ("Flagged", "Appealed"):
            found |= {"until": values["until"]}
        elif event.name == "Resolved":
            found |= {"upheld": values["upheld"]}
    return found
