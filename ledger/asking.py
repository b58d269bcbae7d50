"""Questions to a chain's nodes without web3: what the API needs to know, and what the rights contract answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from ledger.endpoints import Call, Endpoints
from ledger.fetch import fetch
from ledger.rights import RIGHTS, USES, from_values
from ledger.rights import terms_id as digest
from ledger.rpc import Answer, Refused
from pipeline.errors import Conflict, Unavailable
from pipeline.works import COIN, Terms

TIMEOUT_S = 5
MAX_BYTES = 1 << 20
MOST_QUESTIONS = 12  # for a work's payments
BLOCKS_AT_ONCE = 8_192  # a day of a chain with blocks of 12 s
MOST_TERMS = 10_000  # kept in memory: 500 bytes each


def nodes(urls: str) -> Endpoints:
    """The nodes behind these URLs, separated by commas."""
    return Endpoints(urls, _connect)


class OtherShares(Unavailable):
    """A work's list of shares is another than the one that was passed: it was just said what the work was made from."""


@dataclass(frozen=True, slots=True)
class WorkState:
    """How a work stands on the chain. `counts`: it is the first of its file; `awaits_parents`: it cannot earn yet."""

    owner: str
    terms_id: bytes
    counts: bool
    awaits_parents: bool
    shares_digest: bytes


@dataclass(frozen=True, slots=True)
class LicenceState:
    """How a licence stands. `until` is in unix seconds, 0 for never."""

    asset: int
    holder: str
    terms_id: bytes
    until: int


@dataclass(frozen=True, slots=True)
class ReviewState:
    """How a review of a work stands. `in_review`: it gets no licences meanwhile; `barred`: an objection was upheld, and
    nobody may use it. Both times are in unix seconds, 0 where there was no review."""

    in_review: bool
    barred: bool
    appealed: bool
    until: int
    appeal_until: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What a work got, and when, in unix seconds of the block."""

    at: int
    currency: str
    amount: int


class Works:
    """What the rights contract at `contract` answers. Every method raises Unavailable when no node does.

    Raises Conflict for what the contract refuses to answer: unknown works, terms, licences.
    """

    def __init__(self, nodes: Endpoints, contract: str) -> None:
        self._nodes, self.contract = nodes, contract
        self._terms: dict[bytes, Terms] = {}

    @property
    def chain_id(self) -> int:
        """The chain's own number."""
        return self._nodes.chain_id()

    def is_there(self) -> bool:
        """Whether there is a contract at all."""
        return bool(self._nodes.ask("eth_getCode", self.contract, "latest").content())

    def log(self) -> str:
        """The contract of the log whose statements become works."""
        return str(self.view("LOG")[0])

    def work(self, asset: int) -> WorkState | None:
        """The work with this id; None when it was not made."""
        try:
            return WorkState(*self.view("assetOf", asset))
        except Conflict as conflict:
            if "ERC721NonexistentToken" in str(conflict):
                return None
            raise

    def terms(self, terms_id: bytes) -> Terms | None:
        """What these terms say; None when nobody added them. Asked once: they never change.

        Raises Conflict when a node gives other terms than those of this id.
        """
        if found := self._terms.get(terms_id):
            return found
        try:
            found = from_values(self.view("termsById", terms_id)[0])
        except Conflict as conflict:
            if "UnknownTerms" in str(conflict):
                return None
            raise
        if digest(found) != terms_id:
            raise Conflict(f"the chain's terms are not those that {terms_id.hex()} stands for")
        if len(self._terms) < MOST_TERMS:
            self._terms[terms_id] = found
        return found

    def licence(self, licence: int) -> LicenceState:
        """How it stands."""
        return LicenceState(*self.view("licenceOf", licence))

    def is_early(self, licence: int) -> bool:
        """Whether it is from before its work's parents were named: what is made by it passes nothing on to those."""
        try:
            return bool(self.view("isEarly", licence)[0])
        except Refused:  # a contract of the version before, where none is
            return False

    def may(self, asset: int, holder: str, use: str) -> bool:
        """Whether somebody may use a work, with or without a licence; `use` is one of USES."""
        return bool(self.view("hasLicence", asset, holder, USES.index(use))[0])

    def review(self, asset: int) -> ReviewState:
        """How the last review of a work stands, if there was one."""
        return ReviewState(*self.view("reviewOf", asset))

    def reviewer(self) -> str:
        """Who may review works."""
        return str(to_checksum_address(self.view("reviewer")[0]))

    def payee(self, owner: str) -> str:
        """Who gets what is claimed for this owner."""
        return str(self.view("payeeOf", owner)[0])

    def received(self, asset: int, currency: str = COIN) -> int:
        """All that a work ever earned, for itself and for its ancestors, also before it had any."""
        return int(self.view("received", asset, currency)[0])

    def claimable(self, asset: int, beneficiary: int, shares: Sequence[int], currency: str = COIN) -> int:
        """What is there now of it for one of them. `shares` as the work's Derived event has them.

        Of what came before that event, everything is the work's own. Raises OtherShares.
        """
        try:
            return int(self.view("claimable", asset, beneficiary, currency, list(shares))[0])
        except Conflict as conflict:
            if "WrongShares" in str(conflict):
                raise OtherShares(f"the chain, where the shares of {asset:#x} are others by now") from None
            raise

    def payments(self, asset: int, most: int) -> list[Payment] | None:
        """The newest payments that a work got, oldest first; None when the node gives no old events.

        Of all blocks at once while that is little; else from the newest backwards, as far as a few questions lead.
        """
        found: list[Answer] | None = None
        last, span = self._nodes.ask("eth_blockNumber").number(), None
        for _ in range(MOST_QUESTIONS):
            first = 0 if span is None else max(0, last - span + 1)
            try:
                found = self._paid(asset, first, last) + (found or [])
            except (Refused, Unavailable):  # too many blocks for this node, or events for one answer
                span = BLOCKS_AT_ONCE if span is None else span // 8
                if not span:
                    break
                continue
            if first == 0 or len(found) >= most:
                break
            last = first - 1
        return None if found is None else [self._payment(row) for row in found[-most:]]

    def _paid(self, asset: int, first: int, last: int) -> list[Answer]:
        topics = [RIGHTS.topic("Paid"), "0x" + asset.to_bytes(32).hex()]
        wanted = {"address": self.contract, "fromBlock": hex(first), "toBlock": hex(last), "topics": topics}
        return self._nodes.ask("eth_getLogs", wanted).rows()

    def _payment(self, row: Answer) -> Payment:
        values = RIGHTS.event("Paid", row.texts("topics"), row.data("data")) or {}
        at = row.field("blockTimestamp")  # newer nodes say it with the event
        if at is None:
            at = self._nodes.ask("eth_getBlockByNumber", hex(row.quantity("blockNumber")), False).quantity("timestamp")
        return Payment(at, str(values["currency"]), int(values["amount"]))

    def nonce(self, owner: str) -> int:
        """How many signatures of this owner were used: the next one's number."""
        return int(self.view("nonces", owner)[0])

    def view(self, function: str, *values: Any) -> tuple[Any, ...]:
        """What the contract answers to this question."""
        call = {"to": self.contract, "data": RIGHTS.call(function, *values)}
        try:
            content = self._nodes.ask("eth_call", call, "latest").content()
        except Refused as refused:
            if reason := RIGHTS.reason(refused.data):
                raise Conflict(f"{reason[0]}({', '.join(map(str, reason[1]))})") from None
            raise
        try:
            return RIGHTS.answer(function, content)
        except ValueError as error:
            raise Unavailable(f"the chain at {self._nodes.host} gave {error}: is {self.contract} there?") from None


def _connect(url: str) -> Call:
    def call(method: str, params: Sequence[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        answer = fetch(url, body, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES, media_type="application/json")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise Unavailable("its answer is not JSON") from None

    return call
