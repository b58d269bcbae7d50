"""What is in the chain's blocks, and what it will not take back any more."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.cadence import Cadence
from ledger.endpoints import Endpoints
from ledger.rpc import Refused
from pipeline.errors import Conflict

LOCAL_STEP_S = 0.02
# Between two questions to a chain that is not ours: closely at first, so that its cadence shows, then less and less.
STEPS_S = (*[0.1] * 20, *[0.25] * 8, 0.5, 1.0, 2.0)
QUESTIONS_A_BLOCK = 40  # where its cadence is known, and the block is due
MEANWHILE_S = 0.1  # between two calls of what is done meanwhile


@dataclass(frozen=True, slots=True)
class Included:
    """Where a transaction is: number, hash and time (seconds, Unix) of its block, and the gas that it used."""

    transaction: str
    block: int
    block_hash: str
    block_time: int
    gas: int


class Reverted(Conflict):
    """The transaction (its hash) is in a block, and the contract refused it."""

    def __init__(self, transaction: str, block: int) -> None:
        super().__init__(
            f"the contract refused {transaction} in block {block}: look for another program that uses the same key, "
            "and stop it"
        )
        self.transaction = transaction


class Blocks:
    """The blocks of one chain. Every method raises Unavailable when no node answers.

    `local`: the chain is ours and answers in milliseconds. `confirmations`: a block is final with this many, itself
    included; None: when the chain says so.
    """

    def __init__(self, nodes: Endpoints, local: bool, confirmations: int | None) -> None:
        self.local = local
        self._nodes = nodes
        self._ask = nodes.ask
        self._confirmations = confirmations
        self._cadence = Cadence()

    @property
    def host(self) -> str:
        """Of the node that is asked now."""
        return self._nodes.host

    def rotate(self) -> None:
        """Ask the next node from now on: this one is behind, or strange."""
        self._nodes.rotate()

    def inclusion(self, transaction: str) -> Included | None:
        """Where the transaction is; None while it is in no block. Raises Reverted when the contract refused it."""
        receipt = self._ask("eth_getTransactionReceipt", transaction)
        block_hash = None if receipt.missing else receipt.text("blockHash")
        if block_hash is None:
            return None
        number = receipt.quantity("blockNumber")
        block = self._ask("eth_getBlockByHash", block_hash, False)
        if block.missing:
            return None  # the node changed its mind between the two questions
        if receipt.quantity("status") != 1:
            raise Reverted(transaction, number)
        return Included(transaction, number, block_hash, block.quantity("timestamp"), receipt.quantity("gasUsed"))

    def wait(
        self, transactions: Sequence[str], limit_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> Included | None:
        """Where the first of these is that any block holds; None after `limit_s`.

        `meanwhile` is called before every pause, and ten times a second.
        """
        end, steps = time.monotonic() + limit_s, iter(STEPS_S)
        while (found := self._first(transactions)) is None and (left := end - time.monotonic()) > 0:
            pause(min(left, LOCAL_STEP_S if self.local else self._step(next(steps, STEPS_S[-1]))), meanwhile)
        if found:
            self._cadence.saw(found.block, time.monotonic())
        return found

    def until_sending_s(self) -> float:
        """How long a transaction can wait and still get into the next block; 0 when that is not known, or `local`."""
        now = time.monotonic()
        return 0 if self.local else self._cadence.sending_time(now) - now

    def newest_block(self) -> int:
        """The number of the chain's newest block."""
        return self._ask("eth_blockNumber").number()

    def final_block(self) -> int:
        """The number of the newest block that the chain will not take back; -1 before the first.

        Raises Conflict when the chain has no such notion and no number of confirmations is set.
        """
        if self._confirmations is not None:
            return self.newest_block() - self._confirmations + 1
        try:
            block = self._ask("eth_getBlockByNumber", "finalized", False)
        except Refused as refused:
            if refused.overloaded:
                raise
            raise self._never_final() from None
        if block.missing:
            raise self._never_final()
        return block.quantity("number")

    def block_hash(self, number: int) -> str | None:
        """The hash of the block with this number; None when there is none (yet)."""
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        return None if block.missing else block.text("hash")

    def _step(self, otherwise_s: float) -> float:
        now = time.monotonic()
        due, interval = self._cadence.next_after(now), self._cadence.interval_s()
        if due is None or interval is None:
            return otherwise_s
        just = interval / QUESTIONS_A_BLOCK
        # A block that was due a moment ago is asked for as often as one that is due in a moment.
        return just if now - (due - interval) < interval / 2 else max(just, due - now)

    def _first(self, transactions: Sequence[str]) -> Included | None:
        return next(filter(None, map(self.inclusion, transactions)), None)

    def _never_final(self) -> Conflict:
        return Conflict(
            f"the chain at {self.host} has no final blocks: set CAPTURE_CHAIN_CONFIRMATIONS to how many blocks must "
            "follow until you take one for final"
        )


def pause(seconds: float, meanwhile: Callable[[], None]) -> None:
    """Sleep, and call `meanwhile` first and every tenth of a second."""
    end = time.monotonic() + seconds
    while True:
        meanwhile()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, MEANWHILE_S))
        if left <= MEANWHILE_S:
            return
