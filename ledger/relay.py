"""The account that carries others' wishes to the rights contract and pays the gas for them. Loads web3."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ledger.asking import Works
from ledger.chain import Chain
from ledger.contract import LOG
from ledger.rights import RIGHTS
from ledger.rpc import Answer, Refused
from ledger.signing import SignedTransaction
from pipeline.errors import Conflict, Unavailable

# The dearest wish, a work from 16 parents in a row that have 48 to 63 ancestors each, takes 2,112,282 with its data
# (contracts/gas.json), and two fifths more is left for chains that count otherwise: what wants more to run, beside what
# its data take on this chain, is code of others, a token's or a wallet's, that burns what we pay for.
MOST_GAS = 3_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """What the contract said in a transaction."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One of the contract's entries in a block. `place`: which of its entries in that transaction."""

    transaction: str
    place: int
    block: int
    name: str
    values: dict[str, Any]


class Relay(Chain):
    """One account and the rights contract; as Chain is for the log's writer. Its contract is the account's first."""

    abi = RIGHTS

    @property
    def account(self) -> str:
        """Whose transactions these are, and on which chain (CAIP-10)."""
        return f"eip155:{self.chain_id}:{self.sender}"

    @property
    def works(self) -> Works:
        """What the contract answers."""
        return Works(self._nodes, self.contract)

    def creation(self, log: str, base: str) -> SignedTransaction | None:
        """What creates the contract of an embedded chain; None when it is there. Nothing is sent.

        Raises Conflict when there is none on another chain, where the operator deploys it, or it is of another log.
        """
        if self.works.is_there():
            if (held := self.works.log()).lower() != log.lower():
                raise Conflict(f"the rights contract {self.contract} is of the log {held}, not of {log}")
            self._check_version()
            return None
        if not self.local:
            raise Conflict(f"there is no contract at {self.contract}: set CAPTURE_RIGHTS_CONTRACT to the right address")
        self.fund_locally()
        return self.sign_creation(log, base)

    def _check_version(self) -> None:
        """Raise Conflict for a contract that does not know the newest of what is asked of it."""
        try:
            self.works.payee(self.sender)
        except Refused:
            raise Conflict(
                f"the rights contract {self.contract} is of an earlier version: deploy one by `capture chain "
                "deploy-rights` and set CAPTURE_RIGHTS_CONTRACT, or begin the embedded chain anew"
            ) from None

    def sign_creation(self, log: str, base: str) -> SignedTransaction:
        """What creates the contract, as this account's first."""
        nonce, data = self.free_nonce(), RIGHTS.creation(log, self.sender, base)
        return self._sign(nonce, None, data, self.created_at(nonce))

    def sign_wish(self, function: str, *values: Any, value: int = 0) -> SignedTransaction:
        """The transaction that calls this function, paying `value` of the chain's coin. Nothing is sent.

        Raises WouldRevert with the contract's reason, and Rejected for one that takes more gas to run than we pay for.
        """
        data = RIGHTS.call(function, *values)
        return self._sign(self.free_nonce(), self.contract, data, self.contract, value, MOST_GAS)

    def log_size(self, log: str) -> int:
        """How many leaves the log's contract has."""
        return self._ask("eth_call", {"to": log, "data": LOG.call("size")}, "latest").number()

    def events(self, transaction: str) -> list[Event]:
        """What the contract said in a transaction that is in a block."""
        receipt = self._ask("eth_getTransactionReceipt", transaction)
        found = []
        for entry in receipt.part("logs").rows():
            data, topics = entry.data("data"), entry.texts("topics")
            if (entry.text("address") or "").lower() != self.contract.lower():
                continue
            for name in (
                "Registered",
                "Licensed",
                "Derived",
                "Claimed",
                "TermsSet",
                "Paid",
                "Flagged",
                "Appealed",
                "Resolved",
            ):
                if (values := RIGHTS.event(name, topics, data)) is not None:
                    found.append(Event(name, values))
        return found

    def said(self, first: int, last: int) -> list[Said]:
        """All that the contract said in these blocks, in order. Raises Refused when the node gives less at a time."""
        wanted = {"address": self.contract, "fromBlock": hex(first), "toBlock": hex(last)}
        rows = self._ask("eth_getLogs", wanted).rows()
        rows.sort(key=lambda row: (row.quantity("blockNumber"), row.quantity("logIndex")))
        found, counts = [], Counter[str]()
        for row in rows:
            transaction = (row.text("transactionHash") or "").lower()
            place, counts[transaction] = counts[transaction], counts[transaction] + 1
            name, values = _read(row)
            found.append(Said(transaction, place, row.quantity("blockNumber"), name, values))
        return found

    def shares(self, asset: int) -> list[int]:
        """The list of a work's ancestors' shares, from its event. Raises Unavailable when the node has it no more."""
        wanted = [RIGHTS.topic("Derived"), "0x" + asset.to_bytes(32).hex()]
        try:
            rows = self._ask(
                "eth_getLogs", {"address": self.contract, "fromBlock": "earliest", "topics": wanted}
            ).rows()
        except Refused as refused:
            raise Unavailable(f"the node at {self.host} gives no old events ({refused.words})") from None
        for row in rows:
            values = RIGHTS.event("Derived", row.texts("topics"), row.data("data"))
            if values:
                return list(values["shares"])
        raise Unavailable(f"the node at {self.host} has no event of the work {asset:#x}")


_OF_WORKS = ("Licensed", "Paid", "Claimed", "Derived", "Transfer", "Flagged", "Appealed", "Resolved")


def _read(row: Answer) -> tuple[str, dict[str, Any]]:
    """An entry's name and values; no name for what no work is concerned by."""
    topics = row.texts("topics")
    for name in _OF_WORKS:
        if topics and topics[0].lower() == RIGHTS.topic(name):
            return name, RIGHTS.event(name, [each.lower() for each in topics], row.data("data")) or {}
    return "", {}
