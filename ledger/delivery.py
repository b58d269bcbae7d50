"""Delivery: what was signed gets into a block, whatever the node says, and stays known until it is final.

One nonce is one place on the chain. Several transactions may be signed for it, each a replacement of the one before
with higher fees; all of them append the same, and the chain takes one, no matter which.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Literal, Protocol

from ledger.blocks import Included, Reverted
from ledger.chain import Chain
from ledger.signing import MAX_TIMES_MARKET, SignedTransaction
from pipeline.errors import Unavailable
from pipeline.record import Anchor

LOCAL_WAIT_S = 10  # the embedded chain answers in milliseconds: longer than this, it is being restarted
WAIT_S = 15  # a block of the slowest large chain; leaves get their places between two of these
REPLACE_AFTER_S = 60  # five blocks of the slowest large chain that others were ready to pay more for

log = logging.getLogger(__name__)


class Transaction(Protocol):
    """A stored transaction; see store.outbox.Transaction."""

    @property
    def nonce(self) -> int: ...
    @property
    def contract(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes: ...
    @property
    def hash(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def state(self) -> str: ...
    @property
    def block(self) -> int | None: ...
    @property
    def block_hash(self) -> str | None: ...
    @property
    def block_time(self) -> int | None: ...
    def anchor(self, state: Literal["included", "final"]) -> Anchor: ...


class Outbox(Protocol):
    """Where signed transactions are kept; see store.outbox.Outbox."""

    def store(
        self, lease: str, fence: int, *, chain_id: int, sender: str, nonce: int, contract: str, size: int, root: bytes,
        hash: str, raw: bytes, gas: int, local: bool, replaces: str | None = None,
    ) -> Transaction: ...  # fmt: skip
    def mark_sent(self, hash: str) -> None: ...
    def mark_lost(self, hash: str) -> None: ...
    def mark_included(self, hash: str, block: int, block_hash: str, block_time: int, gas: int) -> None: ...
    def mark_reverted(self, hash: str) -> None: ...
    def mark_final(self, hash: str) -> None: ...
    def open(self, chain_id: int, sender: str, nonce: int) -> Sequence[Transaction]: ...
    def next_nonce(self, chain_id: int, sender: str) -> int: ...
    def newest(self, chain_id: int, contract: str) -> Transaction | None: ...
    def included(self, chain_id: int, contract: str) -> Sequence[Transaction]: ...
    def newest_final(self, chain_id: int, contract: str) -> Transaction | None: ...
    def gas_of_a_day(self, chain_id: int, sender: str) -> tuple[int, float]: ...
    def take_lease(self, name: str, holder: str, seconds: float) -> int | None: ...
    def renew_lease(self, name: str, fence: int, seconds: float) -> bool: ...
    def release_lease(self, name: str, fence: int) -> None: ...


Store = Callable[[SignedTransaction, int, bytes, str | None], Transaction]


class Delivery:
    """Sends, waits and marks. Every step can be repeated from any state, and is after a crash.

    `store` keeps a signed transaction (with size, root and the hash that it replaces) under the anchorer's lease,
    `renew` keeps the lease, `fault(step)` is called before and after every step. A transaction that is in no block
    after `replace_after_s` is replaced.
    """

    def __init__(
        self, chain: Chain, outbox: Outbox, store: Store, renew: Callable[[], None], fault: Callable[[str], None],
        wait_s: float | None, replace_after_s: float | None,
    ) -> None:  # fmt: skip
        self._chain = chain
        self._outbox = outbox
        self._store = store
        self._renew = renew
        self._fault = fault
        self._wait_s = (LOCAL_WAIT_S if chain.local else WAIT_S) if wait_s is None else wait_s
        self._replace_after_s = REPLACE_AFTER_S if replace_after_s is None else replace_after_s
        self._sent_at: dict[str, float] = {}
        self._agreed: tuple[str, str] | None = None
        self._search: tuple[str, str] | None = None
        self._found: set[str] = set()

    def new(self, signed: SignedTransaction, size: int, root: bytes) -> None:
        """Keep a transaction that appends this, and bring it into a block."""
        stored = self._keep(signed, size, root, None)
        self._send([stored])
        self._confirm([stored])

    def all(self) -> bool:
        """Bring everything that was ever signed into a block; whether anything had to be done for it."""
        chain = self._chain
        if not chain.local:
            self._recheck()
        waiting = self._outbox.open(chain.chain_id, chain.sender, chain.nonce())
        places = [list(place) for _, place in groupby(waiting, key=lambda transaction: transaction.nonce)]
        # The embedded chain makes a block of each: one after the other, they come back as the blocks that they were.
        for together in [[place] for place in places] if chain.local else [places]:
            for place in together:
                self._send(place)
            for place in together:
                self._confirm(place)
        return bool(places)

    def look_again(self) -> None:
        """The next search goes through everything: a transaction is not where the outbox says."""
        self._agreed = self._search = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Around every write, for fault injection."""
        self._fault(f"before {name}")
        yield
        self._fault(f"after {name}")

    def _recheck(self) -> None:
        """Find what a reorganisation moved or took back, the newest first.

        A block stands for all before it, so the search ends at a transaction that is where it was when everything
        older was last found. That it is where the outbox says is not enough: the chain may have moved the older ones
        while it was waited for, and a search that broke off has looked at the newest only. The next one goes on from
        there, if the newest is where it was: a node that fails now and then would never let it end otherwise.
        """
        newest: tuple[str, str] | None = None
        for transaction in reversed(self._outbox.included(self._chain.chain_id, self._chain.contract)):
            self._renew()
            if newest and transaction.hash in self._found:
                continue
            found = self._where(transaction.hash)
            if found is None:
                with self.step("mark_lost"):
                    self._outbox.mark_lost(transaction.hash)
                continue
            place = found.transaction, found.block_hash
            if place == self._agreed:
                break
            if newest is None and place != self._search:
                self._search, self._found = place, set()
            newest = newest or place
            if found.block_hash != transaction.block_hash:
                self._mark_included(found)
            self._found.add(found.transaction)
        self._agreed, self._search = newest or self._agreed, None

    def _send(self, place: Sequence[Transaction]) -> None:
        newest = place[-1]
        if newest.block is not None:
            log.warning("the chain lost %s of block %d: sent again", newest.hash, newest.block)
        if self._chain.local:
            self._chain.fund_locally()  # a chain that lost its blocks lost our balance with them
        with self.step("send"):
            self._chain.send(newest.raw, newest.block_time, [transaction.hash for transaction in place[:-1]])
        with self.step("mark_sent"):
            self._outbox.mark_sent(newest.hash)

    def _confirm(self, place: Sequence[Transaction]) -> None:
        newest = place[-1]
        since = self._sent_at.setdefault(newest.hash, time.monotonic())
        try:
            found = self._chain.wait([one.hash for one in reversed(place)], self._wait_s, self._renew)
        except Reverted as reverted:
            self._outbox.mark_reverted(reverted.transaction)
            raise
        if found:
            self._sent_at.clear()
            self._mark_included(found)
            return
        self._chain.rotate()  # another node may have seen it
        if not self._chain.local and time.monotonic() - since >= self._replace_after_s:
            self._replace(place)
        raise Unavailable(f"the chain at {self._chain.host}, which took {newest.hash} into no block yet")

    def _replace(self, place: Sequence[Transaction]) -> None:
        old = place[-1]
        signed = self._chain.sign_again(old.raw, old.contract)
        if signed is None:
            log.warning(
                "%s stays out of blocks, though it pays %d times what the chain asks, or all that "
                "CAPTURE_CHAIN_MAX_FEE_GWEI allows: it is sent again as it is", old.hash, MAX_TIMES_MARKET
            )  # fmt: skip
            return
        log.warning("%s stays out of blocks: replaced by %s, which pays more", old.hash, signed.hash)
        # With those before it: one of them may be in a block by now.
        self._send([*place, self._keep(signed, old.size, old.root, old.hash)])

    def _keep(self, signed: SignedTransaction, size: int, root: bytes, replaces: str | None) -> Transaction:
        self._renew()
        with self.step("store"):
            return self._store(signed, size, root, replaces)

    def _where(self, transaction: str) -> Included | None:
        try:
            return self._chain.inclusion(transaction)
        except Reverted:
            self._outbox.mark_reverted(transaction)
            raise

    def _mark_included(self, found: Included) -> None:
        with self.step("mark_included"):
            self._outbox.mark_included(found.transaction, found.block, found.block_hash, found.block_time, found.gas)
