"""Anchoring: the newest checkpoint goes to the contract in one transaction, and what it covers gets its `anchor` fact.

The same path runs in good times and after a crash of anything: first everything that was signed and may not be on the
chain is sent again, byte for byte, then at most one new transaction is signed, stored, sent and waited for.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from ledger.chain import Chain, Head, Reverted, SignedTransaction
from ledger.tree import Hashes, consistency_proof
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Anchor

LEASE_S = 10  # renewed while waiting; what another anchorer waits for when this one is killed
LOCAL_WAIT_S = 10  # the embedded chain answers in milliseconds: longer than this, it is being restarted
WAIT_S = 120  # ten blocks of the slowest large chain; the next flush waits again

log = logging.getLogger(__name__)


class Transaction(Protocol):
    """A stored transaction; see store.outbox.Transaction."""

    @property
    def nonce(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def hash(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def state(self) -> str: ...
    @property
    def block(self) -> int | None: ...
    @property
    def block_time(self) -> int | None: ...


class Outbox(Protocol):
    """Where signed transactions are kept; see store.outbox.Outbox."""

    def store(
        self, lease: str, fence: int, *, chain_id: int, sender: str, nonce: int, contract: str, size: int, root: bytes,
        hash: str, raw: bytes,
    ) -> Transaction: ...  # fmt: skip
    def mark_sent(self, hash: str) -> None: ...
    def mark_included(self, hash: str, block: int, block_time: int) -> None: ...
    def mark_reverted(self, hash: str) -> None: ...
    def open(self, chain_id: int, sender: str, nonce: int) -> Sequence[Transaction]: ...
    def newest(self, chain_id: int, contract: str) -> Transaction | None: ...
    def take_lease(self, name: str, holder: str, seconds: float) -> int | None: ...
    def renew_lease(self, name: str, fence: int, seconds: float) -> bool: ...
    def release_lease(self, name: str, fence: int) -> None: ...


class Log(Hashes, Protocol):
    """The log: what to anchor, and whom an anchor serves; see store.log.LogRecords."""

    def newest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest checkpoint; None before the first."""

    def root_at(self, size: int) -> bytes:
        """The root that was signed at this size. Raises LookupError when no checkpoint was made there."""

    def record_anchor(self, anchor: Anchor) -> int:
        """Write the `anchor` fact of all captures below its size that have none; how many."""


class Anchorer:
    """Brings the log's newest checkpoint onto the chain. One works at a time for each key, kept by a lease.

    `holder` names this anchorer: one that starts again under the same name need not wait for its old lease.
    `fault(step)` is called before and after every step, for fault injection.
    """

    def __init__(
        self, chain: Chain, outbox: Outbox, log: Log, holder: str | None = None,
        fault: Callable[[str], None] = lambda step: None, wait_s: float | None = None,
    ) -> None:  # fmt: skip
        self._chain = chain
        self._outbox = outbox
        self._log = log
        self._holder = holder or secrets.token_hex(8)
        self._fault = fault
        self._wait_s = wait_s or (LOCAL_WAIT_S if chain.local else WAIT_S)
        self._fence = 0
        self._renew_at = 0.0
        self._writer_checked = False

    def flush(self) -> Anchor | None:
        """Anchor the newest checkpoint and write the facts that follow; the newest anchor, None before the first.

        Raises Unavailable (the same again later goes on from here) and Conflict (chain and database disagree).
        """
        with self._leased():
            head = self._reconcile()
            anchor = self._record()  # what a crash between inclusion and facts left out
            newest = self._log.newest()
            if newest is None or newest[0] <= head.size:
                return anchor
            self._append(head, *newest)
            return self._record()

    def ensure_contract(self) -> str:
        """The contract's address, once it is on the chain: the embedded chain's is deployed here, at nonce 0.

        Raises Unavailable, and Conflict when there is no contract, or not ours, on another chain.
        """
        with self._leased():
            self._reconcile()
        return self._chain.contract

    # -- what was signed before -----------------------------------------------------------------------------------

    def _reconcile(self) -> Head:
        """Bring everything that was signed onto the chain; what the contract then holds, which we know and agree to."""
        chain = self._chain
        for transaction in self._outbox.open(chain.chain_id, chain.sender, chain.nonce()):
            if transaction.block is not None:
                log.warning("the chain lost %s of block %d: sent again", transaction.hash, transaction.block)
            self._deliver(transaction)
        head = chain.head() or self._deploy()
        self._check_writer()
        self._check_head(head)
        return head

    def _deploy(self) -> Head:
        chain = self._chain
        if not chain.local:
            raise Conflict(
                f"the chain at {chain.host} has no log contract at {chain.contract}: run `capture chain deploy` "
                "and set CAPTURE_CHAIN_CONTRACT to what it prints"
            )
        if chain.nonce() != 0 or chain.contract != chain.created_at(0):
            raise Conflict(
                f"{chain.sender} sent {chain.nonce()} transactions that this database does not know, and none made a "
                "log: restore the newest backup of the database, or move the embedded chain's folder away"
            )
        chain.fund_locally()
        self._send_new(chain.sign_deploy(0), 0, bytes(32))
        head = chain.head()
        if head is None:
            raise Unavailable(f"the chain at {chain.host}, which lost the contract again")
        return head

    def _check_writer(self) -> None:
        if self._writer_checked:
            return
        writer = self._chain.writer()
        if writer != self._chain.sender:
            raise Conflict(
                f"the contract {self._chain.contract} listens to {writer} only, our key is {self._chain.sender}: "
                "set CAPTURE_CHAIN_KEY_FILE to the key that deployed it"
            )
        self._writer_checked = True

    def _check_head(self, head: Head) -> None:
        """Everything on the contract was sent by us, and is a checkpoint of our log."""
        newest = self._outbox.newest(self._chain.chain_id, self._chain.contract)
        signed = newest.size if newest else 0
        if head.size < signed:
            raise Unavailable(f"the chain at {self._chain.host}, which is behind: {head.size} leaves of {signed}")
        if head.size > signed:
            raise Conflict(
                f"the contract {self._chain.contract} holds {head.size} leaves, this database sent {signed}: stop the "
                "other program that uses this key, restore the newest backup of the database, or set another contract "
                "(embedded chain: move its folder away)"
            )
        if head.size and self._root_at(head.size) != head.root:
            raise Conflict(
                f"at {head.size} leaves the contract {self._chain.contract} holds the root {head.root.hex()}, the log "
                f"{self._root_at(head.size).hex()}: the log's past was changed; restore the newest backup"
            )

    def _root_at(self, size: int) -> bytes:
        try:
            return self._log.root_at(size)
        except LookupError:
            raise Conflict(
                f"the contract {self._chain.contract} holds {size} leaves, and the log has no checkpoint there: "
                "restore the newest backup of the database"
            ) from None

    # -- one new transaction --------------------------------------------------------------------------------------

    def _append(self, head: Head, size: int, root: bytes) -> None:
        chain = self._chain
        proof = list(consistency_proof(head.size, size, self._log))
        if chain.local:
            chain.fund_locally()
        self._send_new(chain.sign_append(chain.nonce(), size, root, proof), size, root)

    def _send_new(self, signed: SignedTransaction, size: int, root: bytes) -> None:
        chain = self._chain
        self._renew()
        with self._step("store"):
            stored = self._outbox.store(
                self._lease_name(), self._fence, chain_id=chain.chain_id, sender=chain.sender, nonce=signed.nonce,
                contract=signed.contract, size=size, root=root, hash=signed.hash, raw=signed.raw,
            )  # fmt: skip
        self._deliver(stored)

    def _deliver(self, transaction: Transaction) -> None:
        """Send, wait for a block, and mark: from any state, any number of times."""
        if self._chain.local:
            self._chain.fund_locally()  # a chain that lost its blocks lost our balance with them
        with self._step("send"):
            self._chain.send(transaction.raw, transaction.block_time)
        with self._step("mark_sent"):
            self._outbox.mark_sent(transaction.hash)
        try:
            included = self._chain.wait(transaction.hash, self._wait_s, self._renew)
        except Reverted:
            self._outbox.mark_reverted(transaction.hash)
            raise
        if included is None:
            raise Unavailable(f"the chain at {self._chain.host}, which took {transaction.hash} into no block yet")
        with self._step("mark_included"):
            self._outbox.mark_included(transaction.hash, *included)

    def _record(self) -> Anchor | None:
        newest = self._outbox.newest(self._chain.chain_id, self._chain.contract)
        if newest is None or newest.block is None or newest.block_time is None:
            return None
        anchor = Anchor(
            chain_id=self._chain.chain_id, contract=self._chain.contract, transaction=newest.hash, block=newest.block,
            block_time=newest.block_time, tree_size=newest.size, state="included", local=self._chain.local,
        )  # fmt: skip
        with self._step("record"):
            self._log.record_anchor(anchor)
        return anchor

    # -- one anchorer ---------------------------------------------------------------------------------------------

    def _lease_name(self) -> str:
        return f"anchor:{self._chain.chain_id}:{self._chain.sender}"

    @contextmanager
    def _leased(self) -> Iterator[None]:
        name = self._lease_name()
        fence = self._outbox.take_lease(name, self._holder, LEASE_S)
        if fence is None:
            raise Unavailable(f"another anchorer works with {self._chain.sender}; it has up to {LEASE_S} s to end")
        self._fence, self._renew_at = fence, time.monotonic() + LEASE_S / 3
        try:
            yield
        finally:
            with suppress(Unavailable):  # it runs out by itself
                self._outbox.release_lease(name, fence)

    def _renew(self) -> None:
        if time.monotonic() < self._renew_at:
            return
        if not self._outbox.renew_lease(self._lease_name(), self._fence, LEASE_S):
            raise Unavailable(f"another anchorer took over {self._chain.sender}")
        self._renew_at = time.monotonic() + LEASE_S / 3

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._fault(f"before {name}")
        yield
        self._fault(f"after {name}")
