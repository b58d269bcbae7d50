"""What was signed for a chain, kept for ever, and who may sign. A crash never loses a transaction: it is sent again."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.errors import Conflict, Unavailable
from pipeline.record import Anchor
from store.changes import INCLUDED as SHOWN
from store.changes import note_changes
from store.database import Database, as_moment, as_text, now_text
from store.schema import captures, leases, log_leaves, transactions

SIGNED, SENT, INCLUDED, FINAL = "signed", "sent", "included", "final"
REVERTED, REPLACED = "reverted", "replaced"
GAS_WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One signed transaction: `size` and `root` are what it appends, size 0 is the contract's deployment.

    `block`, `block_hash` and `block_time` (seconds, Unix) are those of the block that holds it, None before. `gas`:
    what it may use, and what it used once it is in a block. `local`: of the embedded chain.
    """

    chain_id: int
    sender: str
    nonce: int
    contract: str
    size: int
    root: bytes
    hash: str
    raw: bytes
    gas: int
    local: bool
    state: str = SIGNED
    block: int | None = None
    block_hash: str | None = None
    block_time: int | None = None

    def anchor(self, state: Literal["included", "final"]) -> Anchor:
        """What is said of the captures that this covers. Raises LookupError when it is in no block."""
        if self.block is None or self.block_time is None:
            raise LookupError(f"{self.hash} is in no block")
        return Anchor(
            chain_id=self.chain_id, contract=self.contract, transaction=self.hash, block=self.block,
            block_time=self.block_time, tree_size=self.size, state=state, local=self.local,
        )  # fmt: skip


class Outbox:
    """The tables `transactions` and `leases` (port: ledger.delivery.Outbox)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- transactions -------------------------------------------------------------------------------------------

    def store(
        self, lease: str, fence: int, *, chain_id: int, sender: str, nonce: int, contract: str, size: int, root: bytes,
        hash: str, raw: bytes, gas: int, local: bool, replaces: str | None = None,
    ) -> Transaction:  # fmt: skip
        """Keep a signed transaction, durably, before it is sent. The same again is fine.

        `replaces`: the hash of the newest one with this nonce, which must say the same. Raises Unavailable when the
        lease is not ours any more, Conflict when another transaction has this nonce.
        """
        transaction = Transaction(chain_id, sender, nonce, contract, size, root, hash, raw, gas, local)
        with self._database.write() as connection:
            _check_fence(connection, lease, fence)
            there = _select(connection, *_of(chain_id, sender), transactions.c.nonce == nonce)
            for one in there:
                if one.hash == hash:
                    return one
            if there and not (there[-1].hash == replaces and _says(there[-1]) == _says(transaction)):
                raise Conflict(f"nonce {nonce} of {sender} is taken by {there[-1].hash}, so {hash} cannot have it")
            values = {name: getattr(transaction, name) for name in Transaction.__slots__}
            connection.execute(transactions.insert().values(**values, created_at=now_text()))
        return transaction

    def mark_sent(self, hash: str) -> None:
        """The node took it. Later states stay."""
        self._update(hash, transactions.c.state == SIGNED, state=SENT)

    def mark_lost(self, hash: str) -> None:
        """The chain took back the block that held it: it is to be sent again."""
        self._update(hash, transactions.c.state == INCLUDED, state=SENT)

    def mark_included(self, hash: str, block: int, block_hash: str, block_time: int, gas: int) -> None:
        """A block holds it, and none with its nonce; another block than before, when the chain lost the first."""
        values = {"block": block, "block_hash": block_hash, "block_time": block_time, "gas": gas}
        with self._database.write() as connection:
            _settle(connection, hash, state=INCLUDED, included_at=now_text(), **values)
            _note_included(connection, hash)

    def mark_reverted(self, hash: str) -> None:
        """A block holds it, and the contract refused it: its nonce is used, and nothing else came of it."""
        with self._database.write() as connection:
            _settle(connection, hash, state=REVERTED)

    def mark_final(self, hash: str) -> None:
        """The chain will not take it back: the facts that name it are written."""
        self._update(hash, transactions.c.state == INCLUDED, state=FINAL)

    def open(self, chain_id: int, sender: str, nonce: int) -> list[Transaction]:
        """What may not be on the chain, in the order of nonces: not confirmed, or from `nonce` on.

        Of a nonce there are all that replace each other, in the order in which they were signed.
        """
        # Adding nothing to the sender keeps SQLite from going through all that it ever signed, at every flush.
        mine = transactions.c.chain_id == chain_id, transactions.c.sender.concat("") == sender
        waiting = sa.select(transactions.c.nonce).where(*mine, transactions.c.state.in_((SIGNED, SENT)))
        missing = sa.select(transactions.c.nonce).where(*_of(chain_id, sender), transactions.c.nonce >= nonce)
        nonces = waiting.union(missing)
        with self._database.read() as connection:
            return _select(connection, *_of(chain_id, sender), transactions.c.nonce.in_(nonces))

    def next_nonce(self, chain_id: int, sender: str) -> int:
        """The first nonce that nothing was signed with."""
        query = sa.select(sa.func.max(transactions.c.nonce)).where(*_of(chain_id, sender))
        with self._database.read() as connection:
            highest = connection.execute(query).scalar()
        return 0 if highest is None else int(highest) + 1

    def newest(self, chain_id: int, contract: str) -> Transaction | None:
        """The append with the largest size that is in a block; None before the first."""
        where = transactions.c.state.in_((INCLUDED, FINAL)), transactions.c.size > 0
        query = _append(chain_id, contract).where(*where).order_by(transactions.c.size.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return _transaction(row) if row else None

    def included(self, chain_id: int, contract: str) -> list[Transaction]:
        """Appends that are in a block and not known to be final, the smallest first."""
        query = _append(chain_id, contract).where(transactions.c.state == INCLUDED, transactions.c.size > 0)
        with self._database.read() as connection:
            return [_transaction(row) for row in connection.execute(query.order_by(transactions.c.size))]

    def newest_final(self, chain_id: int, contract: str) -> Transaction | None:
        """The last append that the chain must never take back; None before the first."""
        query = _append(chain_id, contract).where(transactions.c.state == FINAL)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(transactions.c.size.desc()).limit(1)).first()
        return _transaction(row) if row else None

    def gas_of_a_day(self, chain_id: int, sender: str) -> tuple[int, float]:
        """Gas that this account used, or may still use, in the last 24 hours; and seconds since it signed last.

        What the clock puts into the future counts: a clock that is set back never makes room for more.
        """
        now = datetime.now(UTC)
        day = *_of(chain_id, sender), transactions.c.created_at >= as_text(now - GAS_WINDOW)
        each = sa.select(
            sa.func.max(transactions.c.gas).label("gas"), sa.func.max(transactions.c.created_at).label("at")
        )
        each = each.where(*day, transactions.c.state != REPLACED).group_by(transactions.c.nonce)
        nonces = each.subquery()
        with self._database.read() as connection:
            gas, last = connection.execute(sa.select(sa.func.sum(nonces.c.gas), sa.func.max(nonces.c.at))).one()
        since_s = (now - as_moment(last)).total_seconds() if last else GAS_WINDOW.total_seconds()
        return int(gas or 0), since_s if since_s >= 0 else GAS_WINDOW.total_seconds()

    # -- leases -------------------------------------------------------------------------------------------------

    def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take a lease that is free, has run out, or is this holder's: its fence; None while another has it.

        Every taking raises the fence, so that whoever had it before cannot write under it any more.
        """
        now = _now_ms()
        values = {"holder": holder, "until_ms": now + round(seconds * 1000)}
        try:
            with self._database.write() as connection:
                row = _lease(connection, name)
                if row is None:
                    connection.execute(leases.insert().values(name=name, fence=1, **values))
                    return 1
                # Longer than it was ever given: the clock was set back, and the fence keeps its holder from signing.
                if row.holder != holder and now < row.until_ms <= now + round(2000 * seconds):
                    return None
                fence = int(row.fence) + 1
                connection.execute(leases.update().where(leases.c.name == name).values(fence=fence, **values))
                return fence
        except IntegrityError:
            return None  # two took the first lease at once, on a database that lets both begin

    def renew_lease(self, name: str, fence: int, seconds: float) -> bool:
        """Hold the lease for `seconds` from now; False when it changed hands."""
        until_ms = _now_ms() + round(seconds * 1000)
        with self._database.write() as connection:
            where = leases.c.name == name, leases.c.fence == fence
            return bool(connection.execute(leases.update().where(*where).values(until_ms=until_ms)).rowcount)

    def release_lease(self, name: str, fence: int) -> None:
        """Give the lease back; nothing happens when it changed hands."""
        with self._database.write() as connection:
            where = leases.c.name == name, leases.c.fence == fence
            connection.execute(leases.update().where(*where).values(until_ms=0))

    def _update(self, hash: str, *where: sa.ColumnElement[bool], **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(transactions.update().where(transactions.c.hash == hash, *where).values(**values))


def anchor_at(connection: Connection, index: int) -> tuple[Anchor, datetime] | None:
    """The anchor of the leaf at this place while no fact says it, and since when: the first block that covers it.

    The chain may still take it back, unless it is final and its facts are being written.
    """
    query = sa.select(transactions).where(transactions.c.state == INCLUDED, transactions.c.size > index)
    row = connection.execute(query.order_by(transactions.c.size).limit(1)).first()
    return (_transaction(row).anchor("included"), as_moment(row.included_at)) if row else None


def covering_size(index: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
    """The size of the first anchor that covers the leaf at a place, as a part of a query; null while there is none."""
    in_a_block = transactions.c.state.in_((INCLUDED, FINAL)), transactions.c.size > index
    return sa.select(sa.func.min(transactions.c.size)).where(*in_a_block).scalar_subquery()


def anchors_of(connection: Connection, sizes: Collection[int]) -> dict[int, Anchor]:
    """The anchors of these sizes, by size."""
    if not sizes:
        return {}
    in_a_block = transactions.c.state.in_((INCLUDED, FINAL)), transactions.c.size.in_(sizes)
    rows = connection.execute(sa.select(transactions).where(*in_a_block))
    return {row.size: _transaction(row).anchor("final" if row.state == FINAL else "included") for row in rows}


def newest_size(connection: Connection) -> int:
    """How many leaves are covered by a block that may still be taken back; 0 when there is none such."""
    query = sa.select(sa.func.max(transactions.c.size)).where(transactions.c.state == INCLUDED)
    return int(connection.execute(query).scalar() or 0)


def _append(chain_id: int, contract: str) -> sa.Select[Any]:
    return sa.select(transactions).where(transactions.c.chain_id == chain_id, transactions.c.contract == contract)


def _says(transaction: Transaction) -> tuple[str, int, bytes]:
    return transaction.contract, transaction.size, transaction.root


def _settle(connection: Connection, hash: str, **values: Any) -> None:
    """The chain took this one, and none of those that have its nonce."""
    mine = transactions.c.hash == hash
    slot = connection.execute(sa.select(transactions).where(mine)).one()
    others = *_of(slot.chain_id, slot.sender), transactions.c.nonce == slot.nonce, ~mine
    connection.execute(transactions.update().where(mine).values(**values))
    connection.execute(transactions.update().where(*others).values(state=REPLACED))


def _note_included(connection: Connection, hash: str) -> None:
    """Whoever wants to be told is told before it is final; the embedded chain's facts are written at once."""
    mine = connection.execute(sa.select(transactions).where(transactions.c.hash == hash)).one()
    if mine.local:
        return
    before = sa.select(sa.func.coalesce(sa.func.max(transactions.c.size), 0)).where(
        *_of(mine.chain_id, mine.sender), transactions.c.state.in_((INCLUDED, FINAL)), transactions.c.size < mine.size
    )
    covered = log_leaves.c.position >= before.scalar_subquery(), log_leaves.c.position < mine.size
    ids = sa.select(log_leaves.c.capture_id).where(*covered)
    note_changes(connection, SHOWN, now_text(), sa.and_(captures.c.id.in_(ids), captures.c.finished.is_(False)))


def _of(chain_id: int, sender: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return transactions.c.chain_id == chain_id, transactions.c.sender == sender


def _select(connection: Connection, *where: sa.ColumnElement[bool]) -> list[Transaction]:
    rows = connection.execute(
        sa.select(transactions).where(*where).order_by(transactions.c.nonce, transactions.c.number)
    )
    return [_transaction(row) for row in rows]


def _transaction(row: Any) -> Transaction:
    values = {name: getattr(row, name) for name in Transaction.__slots__}
    return Transaction(**{**values, "root": bytes(row.root), "raw": bytes(row.raw)})


def _lease(connection: Connection, name: str) -> Any:
    # FOR UPDATE: on PostgreSQL this row is what keeps two anchorers apart; SQLite has one writer anyway.
    return connection.execute(sa.select(leases).where(leases.c.name == name).with_for_update()).first()


def _check_fence(connection: Connection, name: str, fence: int) -> None:
    row = _lease(connection, name)
    if row is None or row.fence != fence:
        raise Unavailable(f"the lease {name}: {row.holder if row else 'nobody'} has it now")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
