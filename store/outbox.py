"""What was signed for a chain, kept for ever, and who may sign. A crash never loses a transaction: it is sent again."""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from pipeline.errors import Conflict, Unavailable
from store.database import Database, now_text
from store.schema import leases, transactions

SIGNED, SENT, INCLUDED, REVERTED = "signed", "sent", "included", "reverted"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One signed transaction: `size` and `root` are what it appends, size 0 is the contract's deployment.

    `block` and `block_time` (seconds, Unix) are those of the block that holds it, None before.
    """

    chain_id: int
    sender: str
    nonce: int
    contract: str
    size: int
    root: bytes
    hash: str
    raw: bytes
    state: str
    block: int | None
    block_time: int | None


class Outbox:
    """The tables `transactions` and `leases` (port: ledger.anchor.Outbox)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- transactions -------------------------------------------------------------------------------------------

    def store(
        self, lease: str, fence: int, *, chain_id: int, sender: str, nonce: int, contract: str, size: int, root: bytes,
        hash: str, raw: bytes,
    ) -> Transaction:  # fmt: skip
        """Keep a signed transaction, durably, before it is sent. The same again is fine.

        Raises Unavailable when the lease is not ours any more, Conflict when another transaction has this nonce.
        """
        transaction = Transaction(
            chain_id, sender, nonce, contract, size, root, hash, raw, SIGNED, block=None, block_time=None
        )
        with self._database.write() as connection:
            _check_fence(connection, lease, fence)
            there = _select(connection, *_of(chain_id, sender), transactions.c.nonce == nonce)
            if there and there[0].hash != hash:
                raise Conflict(f"nonce {nonce} of {sender} is taken by {there[0].hash}, so {hash} cannot have it")
            if there:
                return there[0]
            values = {name: getattr(transaction, name) for name in Transaction.__slots__}
            connection.execute(transactions.insert().values(**values, created_at=now_text()))
        return transaction

    def mark_sent(self, hash: str) -> None:
        """The node took it. Later states stay."""
        self._update(hash, transactions.c.state == SIGNED, state=SENT)

    def mark_included(self, hash: str, block: int, block_time: int) -> None:
        """A block holds it; another block than before, when the chain lost the first."""
        self._update(hash, state=INCLUDED, block=block, block_time=block_time)

    def mark_reverted(self, hash: str) -> None:
        """A block holds it, and the contract refused it: its nonce is used, and nothing else came of it."""
        self._update(hash, state=REVERTED)

    def open(self, chain_id: int, sender: str, nonce: int) -> list[Transaction]:
        """What may not be on the chain, in the order of nonces: not confirmed, or from `nonce` on."""
        waiting = transactions.c.state.in_((SIGNED, SENT))
        with self._database.read() as connection:
            return _select(connection, *_of(chain_id, sender), sa.or_(waiting, transactions.c.nonce >= nonce))

    def newest(self, chain_id: int, contract: str) -> Transaction | None:
        """The included append with the largest size; None before the first."""
        where = (
            transactions.c.chain_id == chain_id,
            transactions.c.contract == contract,
            transactions.c.state == INCLUDED,
            transactions.c.size > 0,
        )
        query = sa.select(transactions).where(*where).order_by(transactions.c.size.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return _transaction(row) if row else None

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
                if row.holder != holder and row.until_ms > now:
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


def _of(chain_id: int, sender: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return transactions.c.chain_id == chain_id, transactions.c.sender == sender


def _select(connection: Connection, *where: sa.ColumnElement[bool]) -> list[Transaction]:
    rows = connection.execute(sa.select(transactions).where(*where).order_by(transactions.c.nonce))
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
