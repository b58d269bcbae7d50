"""What is wanted of the rights contract, as the next transaction that brings it nearer, or as done.

Each kind of order asks the chain how things are and answers with one step. So it does not matter where a process ended:
what was sent and is in a block is seen, what was not is sent again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_keys.datatypes import PrivateKey

from ledger.asking import Works
from ledger.chain import LOCAL_BALANCE_WEI
from ledger.relay import Relay
from ledger.rights import Domain, terms_id, values, with_recovery
from ledger.tree import inclusion_proof
from pipeline.errors import Rejected, Unavailable
from pipeline.parents import asset_id, place_of
from pipeline.record import Capture
from pipeline.works import COIN
from rights.offers import from_json
from store.orders import Order
from wiring import Services

SIGNED_FOR_S = 24 * 3600  # how long an owner's signature holds: it is used within seconds, or after a chain's bad day

# What the contract says, for people. Whatever is not here is a fault of ours.
WORDS = {
    "NotTheFirst": "the same file has an earlier statement in the log: that one is the work",
    "Superseded": "an earlier statement about the same file turned up: this is no work any more",
    "TermsChanged": "the terms, the work's or a parent's, are others now: read them and ask again",
    "NothingToLicense": "these terms give nothing that a licence could be for",
    "WrongPayment": "what was sent is not what the licence costs: ask for its price again",
    "ParentsMissing": "the statement names parents: say first what the work was made from",
    "TooLateForParents": "what it was made from was said already, or its contract is an earlier version's, which takes "
    "no parents of a work that earned something",
    "WrongParents": "the parents are not those that the statement commits to",
    "ParentIsLater": "a work cannot be made from one that the log has later",
    "NoDerivatives": "a parent's terms do not allow works to be made from it",
    "LicenceNeeded": "a parent's terms ask for a licence that the owner of this work holds and that has not ended",
    "TermsAreInherited": "a parent's terms must be this work's terms too: state them",
    "ShareOverWhole": "the parents' shares come to more than the whole",
    "TooManyAncestors": "a work has at most 64 ancestors",
    "NotInReview": "no review of this work runs: there is nothing to decide or to appeal against",
    "AppealedAlready": "the owner appealed already",
    "AppealOpen": "the owner can still appeal: an objection is upheld after that, or when 14 days are over",
    "InReview": "the work is under review: wait until that ends",
    "Barred": "an objection to this work was upheld: it is licensed no more",
    "NothingToClaim": "nothing is there to be paid out",
    "NotTheOwner": "somebody else owns the work on the chain: whoever does has to ask",
    "ERC721InvalidReceiver": "the account that it should go to can hold no works and no licences",
    "UnknownTerms": "these terms are not on the chain",
}
GAVE_WAY = (
    "the parent {parent:#x} is no work any more: an earlier statement about its file turned up. Leave it out. A photo "
    "whose own statement names it can earn nothing: register another file of it, made from the one that counts"
)
NOT_THE_REVIEWER = (
    "the contract's reviewer is {reviewer}, not this service's account {ours}: whoever has that account sends this to "
    "the contract, or hands the role over by `capture chain offer-reviewer {ours}`"
)


@dataclass(frozen=True, slots=True)
class Step:
    """The next transaction: a function of the contract, its values, and what it pays in the chain's coin."""

    function: str
    values: tuple[Any, ...]
    value: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The chain shows what was wanted."""

    result: dict[str, Any]


Next = Step | Done


class Wishes:
    """The steps of every kind of order. `log` is the log's contract."""

    def __init__(self, services: Services, relay: Relay, log: str) -> None:
        self._services, self._relay, self._log = services, relay, log

    @property
    def _works(self) -> Works:
        return self._relay.works

    def next(self, order: Order) -> Next:
        """What is to be done now. Raises Unavailable when it must wait, Rejected when it cannot be."""
        steps: dict[str, Callable[[Order, Capture], Next]] = {
            "asset": self._asset, "terms": self._terms, "derive": self._derive, "licence": self._licence,
            "claim": self._claim, "move": self._move, "flag": self._flag, "appeal": self._appeal,
            "resolve": self._resolve,
        }  # fmt: skip
        return steps[order.kind](order, self._services.captures.get(order.capture_id))

    def is_owner(self, order: Order) -> bool:
        """Whether the work is, on the chain, the kept account's of whoever gave the order."""
        work = self._works.work(self.asset(self._services.captures.get(order.capture_id)))
        return work is None or work.owner.lower() == self._owner(order)[0].lower()

    def asset(self, capture: Capture) -> int:
        """The capture's work, made or not. Raises Unavailable while the capture has no place in the log."""
        if "inclusion" not in capture.facts:
            raise Unavailable(f"the capture {capture.id}, which has no place in the log yet")
        return asset_id(capture.fact("asset").sha256, capture.fact("inclusion").index)

    def _asset(self, order: Order, capture: Capture) -> Next:
        asset, wanted = self.asset(capture), from_json(order.asked["terms"])
        if found := self._works.work(asset):
            return Done({"asset": f"{asset:#x}", "owner": found.owner, "terms_id": found.terms_id.hex()})
        if self._works.terms(terms_id(wanted)) is None:
            return Step("addTerms", (values(wanted),))
        leaf, index = capture.fact("leaf"), capture.fact("inclusion").index
        size = self._anchored_size(index)
        proof = list(inclusion_proof(index, size, self._services.log))
        signed = self._signed(order, "Register", leaf.digest, terms_id(wanted))
        return Step("register", (list(leaf.statement), (index, size, proof), terms_id(wanted), *signed))

    def _terms(self, order: Order, capture: Capture) -> Next:
        asset, wanted = self.asset(capture), from_json(order.asked["terms"])
        work = self._made(asset)
        if work.terms_id == terms_id(wanted):
            return Done({"terms_id": work.terms_id.hex()})
        if work.owner.lower() != self._owner(order)[0].lower():
            raise Rejected(WORDS["NotTheOwner"])  # before the terms are paid for, which would be in vain
        if self._is_overtaken(order):
            raise Rejected("a later offer took its place")
        if self._works.terms(terms_id(wanted)) is None:
            return Step("addTerms", (values(wanted),))
        nonce = self._works.nonce(self._owner(order)[0])
        return Step(
            "setTerms", (asset, terms_id(wanted), *self._signed(order, "SetTerms", asset, terms_id(wanted), nonce))
        )

    def _is_overtaken(self, order: Order) -> bool:
        """Whether the owner offered the work under other terms since, which must not be undone by this."""
        offers = [each.id for each in self._services.orders.of(order.capture_id, "terms") if each.state != "refused"]
        return order.id in offers[:-1]

    def _derive(self, order: Order, capture: Capture) -> Next:
        asset = self.asset(capture)
        if any(self._made(asset).shares_digest):
            return Done({"shares": [str(each) for each in self._shares(asset)]})
        licences = {int(parent["asset"], 16): int(parent["licence"]) for parent in order.asked["parents"]}
        declared = [int(each, 16) for each in order.asked["declared"]]
        parents = [*sorted(declared), *sorted(set(licences) - set(declared))]
        for parent in parents:
            if not self._made(parent).counts:
                raise Rejected(GAVE_WAY.format(parent=parent))
        held = [licences[parent] for parent in parents]
        if any("terms" not in parent for parent in order.asked["parents"]):  # of an earlier version
            raise Rejected("it does not say which terms of the parents were read: order it again")
        read = {int(parent["asset"], 16): bytes.fromhex(parent["terms"]) for parent in order.asked["parents"]}
        terms = [read[parent] for parent in parents]
        above = [self._above(parent, licence) for parent, licence in zip(parents, held, strict=True)]
        signed = self._signed(order, "Derive", asset, parents, held, terms)
        return Step("derive", (asset, parents, len(declared), held, terms, above, *signed))

    def _above(self, parent: int, licence: int) -> Sequence[int]:
        """What `derive` takes as the list of a parent's ancestors."""
        return [] if licence and self._works.is_early(licence) else self._shares(parent)

    def _licence(self, order: Order, capture: Capture) -> Next:
        """Bought by our own account: on the embedded chain, whose coin is play money."""
        terms = from_json(order.asked["terms"])
        if not self._relay.local or terms.currency != COIN:
            raise Rejected("this service buys no licence here: send the transaction from your own account")
        if terms.fee > LOCAL_BALANCE_WEI // 2:
            raise Rejected("the price is more than all the play money that the service's account has")
        return Step("license", (self.asset(capture), terms_id(terms), order.asked["holder"]), terms.fee)

    def _claim(self, order: Order, capture: Capture) -> Next:
        asset, beneficiary = self.asset(capture), int(order.asked["beneficiary"], 16)
        currency, shares = order.asked["currency"] or COIN, self._shares(asset)
        # A claim of what came since this order began is another order: it ends with its first transaction.
        if order.result or not self._works.claimable(asset, beneficiary, shares, currency):
            return Done({} if order.result else {"amount": "0"})
        return self._payee(beneficiary) or Step("claim", (asset, beneficiary, currency, shares))

    def _payee(self, beneficiary: int) -> Step | None:
        """What has to come before a claim: from an account that we keep, nobody could pay the money out again."""
        owner = self._services.captures.owner_at(place_of(beneficiary))
        if owner is None:
            return None  # no photo of ours, or an erased one
        address, key = self._account(owner)
        if self._made(beneficiary).owner.lower() != address.lower():
            return None  # it was moved to somebody who can
        bound = self._services.wallets.get(owner)
        if bound is None and not self._relay.local:
            raise Rejected("its owner has no wallet yet: show one by POST /v1/wallet; until then the money waits there")
        wanted, now = bound.address if bound else address, self._works.payee(address)
        if wanted.lower() == now.lower():
            return None
        said = (address, bound.address if bound else COIN, self._works.nonce(address))
        return Step("setPayee", (*said[:2], *self._sign_as(address, key, "SetPayee", *said)))

    def _move(self, order: Order, capture: Capture) -> Next:
        asset, to = self.asset(capture), order.asked["to"]
        if self._made(asset).owner.lower() == to.lower():
            return Done({"owner": to})
        nonce = self._works.nonce(self._owner(order)[0])
        return Step("transferWithSignature", (asset, to, *self._signed(order, "Transfer", asset, to, nonce)))

    def _flag(self, order: Order, capture: Capture) -> Next:
        asset = self.asset(capture)
        self._made(asset)
        if order.result or self._works.review(asset).in_review:
            return Done({"until": self._works.review(asset).until})
        tag, evidence = order.asked["tag"].encode().ljust(32, b"\0"), bytes.fromhex(order.asked["evidence"])
        return Step("flag", (asset, tag, evidence))

    def _appeal(self, order: Order, capture: Capture) -> Next:
        asset, evidence = self.asset(capture), bytes.fromhex(order.asked["evidence"])
        if order.result:
            return Done({})
        nonce = self._works.nonce(self._owner(order)[0])
        return Step("appeal", (asset, evidence, *self._signed(order, "Appeal", asset, evidence, nonce)))

    def _resolve(self, order: Order, capture: Capture) -> Next:
        asset, evidence = self.asset(capture), bytes.fromhex(order.asked["evidence"])
        return Done({}) if order.result else Step("resolve", (asset, order.asked["upheld"], evidence))

    def _made(self, asset: int) -> Any:
        work = self._works.work(asset)
        if work is None:
            raise Rejected(f"the work {asset:#x} is not on the chain: its owner has to make it first")
        return work

    def _shares(self, asset: int) -> Sequence[int]:
        work = self._made(asset)
        return self._relay.shares(asset) if any(work.shares_digest) else []

    def _anchored_size(self, index: int) -> int:
        size = self._relay.log_size(self._log)
        if size <= index:
            raise Unavailable("the chain, which does not have the log's newest leaves yet")
        return size

    def _owner(self, order: Order) -> tuple[str, bytes]:
        """The address and the key that we keep for whoever gave the order."""
        return self._account(order.owner)

    def _account(self, owner: str) -> tuple[str, bytes]:
        from ledger.accounts import owner_key

        key = owner_key(self._services.settings.keys / "owners.seed", owner)
        return PrivateKey(key).public_key.to_checksum_address(), key

    def _signed(self, order: Order, kind: str, *said: Any) -> tuple[int, bytes]:
        """Until when the owner's signature holds, and the signature."""
        return self._sign_as(*self._owner(order), kind, *said)

    def _sign_as(self, address: str, key: bytes, kind: str, *said: Any) -> tuple[int, bytes]:
        deadline = int(time.time()) + SIGNED_FOR_S
        digest = Domain(self._relay.chain_id, self._relay.contract).digest(kind, *said, deadline)
        return deadline, with_recovery(PrivateKey(key).sign_msg_hash(digest).to_bytes()[:64], digest, address)
