"""Anchoring: the newest checkpoint goes to the contract in one transaction, and what it covers gets its `anchor` fact.

The same path runs in good times and after a crash of anything: first everything that was signed and may not be on the
chain is sent again, byte for byte, then at most one new transaction is signed, stored, sent and waited for.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ledger.blocks import pause
from ledger.budget import pause_s
from ledger.chain import Chain, Head
from ledger.delivery import Delivery, Outbox, Transaction
from ledger.signing import SignedTransaction
from ledger.tree import Hashes, consistency_proof
from pipeline.errors import Conflict, Unavailable
from pipeline.record import Anchor

# Some chains call hundreds of blocks final at once, and each is two questions: leaves that wait come in between.
RECORD_S = 0.5
LEASE_S = 10  # renewed while waiting; what another anchorer waits for when this one is killed

log = logging.getLogger(__name__)


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
    `fault(step)` is called before and after every step, for fault injection. `daily_gas`: what may be used in 24 hours;
    when it runs short, appends wait. `meanwhile` is called while a block is waited for, and before an append: leaves
    get their places then. `wait_s` and `replace_after_s` as in ledger.delivery, None for its defaults.
    """

    def __init__(
        self, chain: Chain, outbox: Outbox, log: Log, holder: str | None = None,
        fault: Callable[[str], None] = lambda step: None, wait_s: float | None = None,
        replace_after_s: float | None = None, daily_gas: int | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._chain = chain
        self._outbox = outbox
        self._log = log
        self._holder = holder or secrets.token_hex(8)
        self._delivery = Delivery(chain, outbox, self._store, self._between, fault, wait_s, replace_after_s)
        self._daily_gas = daily_gas
        self._meanwhile = meanwhile
        self._fence = 0
        self._renew_at = 0.0
        self._writer_checked = False

    def flush(self) -> Anchor | None:
        """Anchor the newest checkpoint, as soon as the budget allows; the newest anchor, None before the first.

        Writes the facts of what became final meanwhile. Raises Unavailable (the same again later goes on from here)
        and Conflict (chain and database disagree: nothing is signed).
        """
        with self._leased():
            head = self._reconcile()
            anchor = self._record()  # what a crash between inclusion and facts left out
            newest = self._log.newest()
            if newest is None or newest[0] <= head.size or not self._may_append():
                return anchor
            pause(self._chain.until_sending_s(), self._between)
            self._append(head, *(self._log.newest() or newest))
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
        self._check_past()
        # Not before there is a contract: an append to an address without code succeeds, and appends nothing.
        head = None if chain.local else chain.head() or self._deploy()
        if self._delivery.all() or head is None:
            head = chain.head() or self._deploy()
        self._check_writer()
        self._check_head(head)
        return head

    def _check_past(self) -> None:
        """The chain still has the block that was final: facts name it, and receipts that were given out."""
        chain = self._chain
        final = self._outbox.newest_final(chain.chain_id, chain.contract)
        if final is None or final.block is None or chain.block_hash(final.block) == final.block_hash:
            return
        host, newest = chain.host, chain.newest_block()
        chain.rotate()
        raise Conflict(
            f"the chain at {host}, now at block {newest}, has no block {final.block} {final.block_hash}, which was "
            f"final and held {final.size} leaves: it was reset to an older state, or this node is still catching up. "
            "Nothing is signed until that block is there; if it never comes back, see docs/why-009-finality.md"
        )

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
        self._delivery.new(chain.sign_deploy(0), 0, bytes(32))
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
                "set CAPTURE_CHAIN_KEY_FILE to its key, or let it hand over with `capture chain offer-writer`"
            )
        self._writer_checked = True

    def _check_head(self, head: Head) -> None:
        """Everything on the contract was sent by us, and is a checkpoint of our log."""
        newest = self._outbox.newest(self._chain.chain_id, self._chain.contract)
        signed = newest.size if newest else 0
        if head.size < signed:
            self._chain.rotate()
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

    def _may_append(self) -> bool:
        """Whether the budget allows an append now: while it does not, more leaves share the next one."""
        if self._daily_gas is None or self._chain.local:
            return True
        used, since_s = self._outbox.gas_of_a_day(self._chain.chain_id, self._chain.sender)
        return since_s >= pause_s(self._daily_gas, used)

    def _append(self, head: Head, size: int, root: bytes) -> None:
        chain = self._chain
        nonce, signed = chain.free_nonce(), self._outbox.next_nonce(chain.chain_id, chain.sender)
        if nonce < signed:
            chain.rotate()
            raise Unavailable(f"the chain at {chain.host}, which is behind: it counts {nonce} transactions of {signed}")
        proof = list(consistency_proof(head.size, size, self._log))
        if chain.local:
            chain.fund_locally()
        self._delivery.new(chain.sign_append(nonce, size, root, proof), size, root)

    def _store(self, signed: SignedTransaction, size: int, root: bytes, replaces: str | None) -> Transaction:
        chain = self._chain
        return self._outbox.store(
            self._lease_name(), self._fence, chain_id=chain.chain_id, sender=chain.sender, nonce=signed.nonce,
            contract=signed.contract, size=size, root=root, hash=signed.hash, raw=signed.raw, gas=signed.gas,
            local=chain.local, replaces=replaces,
        )  # fmt: skip

    def _record(self) -> Anchor | None:
        """Write the facts of what is final, or in a block of the embedded chain; the newest anchor."""
        chain_id, contract = self._chain.chain_id, self._chain.contract
        newest = self._outbox.newest(chain_id, contract)
        if newest is None:
            return None
        if self._chain.local:
            self._write_facts(newest.anchor("included"))
        elif self._record_final():
            newest = self._outbox.newest(chain_id, contract) or newest
        return newest.anchor("final" if newest.state == "final" else "included")

    def _record_final(self) -> bool:
        """Whether anything became final. In the order of the log: each leaf's anchor is the first that covers it."""
        waiting = self._outbox.included(self._chain.chain_id, self._chain.contract)
        final_block = self._chain.final_block() if waiting else -1
        any_final, end = False, time.monotonic() + RECORD_S
        for transaction in waiting:
            if any_final and time.monotonic() >= end:
                break
            self._between()
            anchor = transaction.anchor("final")
            if anchor.block > final_block:
                break
            # Asked once more, because a fact is for ever: what moved since is found out by the next flush.
            found = self._chain.inclusion(transaction.hash)
            if found is None or found.block_hash != transaction.block_hash:
                self._delivery.look_again()
                break
            self._write_facts(anchor)
            with self._delivery.step("mark_final"):
                self._outbox.mark_final(transaction.hash)
            any_final = True
        return any_final

    def _write_facts(self, anchor: Anchor) -> None:
        with self._delivery.step("record"):
            self._log.record_anchor(anchor)

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
        except Conflict:
            # What looks like a stranger's transaction may be that of another anchorer, who took over meanwhile.
            self._renew_at = 0.0
            self._renew()
            raise
        finally:
            with suppress(Unavailable):  # it runs out by itself
                self._outbox.release_lease(name, fence)

    def _between(self) -> None:
        self._renew()
        self._meanwhile()

    def _renew(self) -> None:
        if time.monotonic() < self._renew_at:
            return
        if not self._outbox.renew_lease(self._lease_name(), self._fence, LEASE_S):
            raise Unavailable(f"another anchorer took over {self._chain.sender}")
        self._renew_at = time.monotonic() + LEASE_S / 3
