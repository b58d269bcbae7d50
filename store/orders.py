"""What is to happen at the rights contract: committed before anything is sent, and open until the chain shows it."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.parents import place_of
from store.changes import DERIVED, ORDERED, REFUSED, note_changes
from store.database import Database, now_text
from store.erasure import is_erased
from store.schema import captures, changes, log_leaves, orders, relayed
from store.shares import write_shares

Kind = Literal["asset", "terms", "derive", "licence", "claim", "move", "flag", "appeal", "resolve"]
State = Literal["open", "done", "refused"]


@dataclass(frozen=True, slots=True)
class Order:
    """`asked`: what is wanted, by `kind`. `transactions`: hashes of those that were sent for it, the newest last;
    `raw`: the signed bytes of the newest while it is in no block. `result` when it is done, `problem` when it was
    refused, or why it waits."""

    id: str
    capture_id: str
    owner: str
    kind: Kind
    asked: Mapping[str, Any]
    created_at: str
    state: State
    transactions: tuple[str, ...]
    raw: bytes | None
    result: Mapping[str, Any] | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Relayed:
    """A transaction that was sent, or is about to be. `account`: who sends it, on which chain (CAIP-10).

    `replaced`: those of the same nonce that paid less, oldest first. The chain takes one of them. `abandoned`: it is
    sent no more.
    """

    account: str
    nonce: int
    hash: str
    raw: bytes
    replaced: tuple[str, ...] = ()
    abandoned: bool = False

    @property
    def sender(self) -> str:
        """The account's address."""
        return self.account.rpartition(":")[2]

    @property
    def hashes(self) -> tuple[str, ...]:
        """All that may be in a block, the newest first."""
        return self.hash, *reversed(self.replaced)


# Done, or done once and open again, because a chain lost its newest blocks: a work does not stop being one meanwhile.
# A first transaction on the way there, which adds terms, brings the result {}.
WAS_DONE = sa.or_(orders.c.state == "done", sa.and_(orders.c.state == "open", orders.c.result != "{}"))
# Made once: the page of every photo asks.
_STANDING = (
    sa.select(orders)
    .where(orders.c.capture_id == sa.bindparam("capture_id"), WAS_DONE)
    .where(orders.c.kind.in_(("asset", "terms", "derive", "move", "flag", "appeal", "resolve")))
    .order_by(orders.c.number)
)


class Orders:
    """The tables `orders` and `relayed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, capture_id: str, owner: str, kind: Kind, asked: Mapping[str, Any], same: str = "") -> Order:
        """Commit a wish; one with the same `same` for the same capture and kind, not refused, is returned as it is.

        Raises LookupError when the capture was erased meanwhile: nothing is wanted of it any more.
        """
        name = f"{kind} {same}" if same else None
        made = {
            "id": secrets.token_hex(12), "capture_id": capture_id, "owner": owner, "kind": kind, "same": name,
            "asked": json.dumps(asked), "created_at": now_text(), "state": "open", "transactions": "[]",
        }  # fmt: skip
        with self._database.write() as connection:
            if is_erased(connection, capture_id):  # which locks its row: of two equal wishes the second finds the first
                raise LookupError(f"the capture {capture_id} was erased")
            mine = orders.c.capture_id == capture_id, orders.c.same == name
            if name and (known := connection.execute(sa.select(orders).where(*mine)).first()):
                return _order(known)
            connection.execute(orders.insert().values(made))
            return _order(connection.execute(sa.select(orders).where(orders.c.id == made["id"])).one())

    def free(self, order: Order) -> None:
        """What a done order brought is over: the same may be wanted again, as another order."""
        self._change(order, same=None)

    def get(self, order_id: str) -> Order:
        """Raises LookupError for an id that there is not."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(orders).where(orders.c.id == order_id)).first()
        if row is None:
            raise LookupError(f"no order {order_id}")
        return _order(row)

    def of(self, capture_id: str, kind: Kind | None = None) -> list[Order]:
        """All that was ever wanted of a capture's work, oldest first."""
        which = [orders.c.capture_id == capture_id, *([orders.c.kind == kind] if kind else [])]
        with self._database.read() as connection:
            return [_order(row) for row in connection.execute(sa.select(orders).where(*which).order_by("number"))]

    def standing(self, capture_id: str) -> list[Order]:
        """What was done to a capture's work that changes how it is offered, oldest first; none when it is no work."""
        with self._database.read() as connection:
            return [_order(row) for row in connection.execute(_STANDING, {"capture_id": capture_id})]

    def works(self, after: str, limit: int) -> list[str]:
        """Captures that were made works, by their ids, from behind this one on."""
        made = orders.c.kind == "asset", orders.c.state == "done", orders.c.capture_id > after
        query = sa.select(orders.c.capture_id).where(*made).distinct().order_by(orders.c.capture_id)
        with self._database.read() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def oldest_work(self) -> Order | None:
        """The order that made the first work of all."""
        made = sa.select(orders).where(orders.c.kind == "asset", orders.c.state == "done")
        with self._database.read() as connection:
            row = connection.execute(made.order_by(orders.c.number).limit(1)).first()
        return _order(row) if row else None

    def creators(self) -> list[str]:
        """The accounts that created contracts from here, once there are works in one."""
        created = relayed.c.order_id.is_(None), sa.exists().where(orders.c.kind == "asset", WAS_DONE)
        with self._database.read() as connection:
            return list(connection.execute(sa.select(relayed.c.account).where(*created)).scalars())

    def waiting(self) -> list[str]:
        """The ids of what is not done: first what was sent and is in no block yet, then the oldest."""
        mine = sa.select(orders.c.id).where(orders.c.state == "open").order_by(orders.c.raw.is_(None), orders.c.number)
        with self._database.read() as connection:
            return list(connection.execute(mine).scalars())

    def signed(self, order: Order | None, sent: Relayed) -> None:
        """Keep what is about to be sent: after a crash the same bytes go again, and nothing is paid twice.

        `order` None: it creates the contract. What has the same place and never got into a block is replaced.
        """
        place = {"account": sent.account, "nonce": sent.nonce}
        row = {**place, "hash": sent.hash, "raw": sent.raw, "order_id": order.id if order else None}
        with self._database.write() as connection:
            connection.execute(relayed.delete().filter_by(**place))
            connection.execute(relayed.insert().values(row))
            if order:
                hashes = json.dumps([*order.transactions, sent.hash])
                values = {"transactions": hashes, "raw": sent.raw, "problem": None}
                connection.execute(orders.update().where(orders.c.id == order.id).values(values))

    def replaced(self, old: Relayed, new: Relayed) -> None:
        """Keep what is about to be sent in place of `old`, for the same order and the same nonce."""
        mine = relayed.c.account == old.account, relayed.c.nonce == old.nonce, relayed.c.hash == old.hash
        row = {"hash": new.hash, "raw": new.raw, "replaced": json.dumps([*old.replaced, old.hash])}
        with self._database.write() as connection:
            order_id = connection.execute(sa.select(relayed.c.order_id).where(*mine)).scalar()
            connection.execute(relayed.update().where(*mine).values(row))
            theirs = sa.select(orders).where(orders.c.id == order_id, orders.c.raw == old.raw)
            if order := connection.execute(theirs).first():
                hashes = json.dumps([*json.loads(order.transactions), new.hash])
                values = {"transactions": hashes, "raw": new.raw}
                connection.execute(orders.update().where(orders.c.id == order_id).values(values))

    def give_up(self, given_up: Sequence[Relayed]) -> None:
        """Send these no more: what they were for, which may have been done before, is to be signed anew."""
        with self._database.write() as connection:
            for sent in given_up:
                mine = relayed.c.account == sent.account, relayed.c.nonce == sent.nonce, relayed.c.hash == sent.hash
                connection.execute(relayed.update().where(*mine).values(abandoned=True))
                theirs = orders.c.id.in_(sa.select(relayed.c.order_id).where(*mine))
                over = sa.or_(orders.c.raw == sent.raw, orders.c.state == "done")
                connection.execute(orders.update().where(theirs, over).values(state="open", raw=None))

    def newest_of(self, order: Order) -> Relayed | None:
        """What was sent last for an order; None when its place was given to another, so that no block will hold it."""
        wanted = sa.select(relayed).where(relayed.c.order_id == order.id, relayed.c.hash == order.transactions[-1])
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        return _relayed(row) if row else None

    def count_sent(self, order: Order) -> int:
        """How many transactions were sent for an order; what was replaced counts once."""
        wanted = sa.select(sa.func.count()).select_from(relayed).where(relayed.c.order_id == order.id)
        with self._database.read() as connection:
            return int(connection.execute(wanted).scalar_one())

    def relayed(self, account: str, first_nonce: int) -> list[Relayed]:
        """What this account sent with this nonce and later ones, in their order."""
        mine = relayed.c.account == account, relayed.c.nonce >= first_nonce
        with self._database.read() as connection:
            return [_relayed(row) for row in connection.execute(sa.select(relayed).where(*mine).order_by("nonce"))]

    def reopen(self, transactions: Sequence[str]) -> int:
        """Look again at orders that these transactions were for: the chain may not show any more what was wanted."""
        mine = sa.select(relayed.c.order_id).where(relayed.c.hash.in_(transactions))
        done = orders.update().where(orders.c.id.in_(mine), orders.c.state == "done").values(state="open", raw=None)
        with self._database.write() as connection:
            return int(connection.execute(done).rowcount)

    def mined(self, order: Order, found: Mapping[str, Any]) -> None:
        """The newest transaction is in a block; `found` is added to what will be the result."""
        self._change(order, raw=None, result=json.dumps({**(order.result or {}), **found}))

    def done(self, order: Order, result: Mapping[str, Any]) -> None:
        """The chain shows what was wanted; whoever follows the capture is told, once."""
        mine = captures.c.id == order.capture_id
        with self._database.write() as connection:
            row = connection.execute(sa.select(orders.c.result).where(orders.c.id == order.id)).first()
            if row is None:
                return  # erased with its capture
            held = json.loads(row.result or "{}")  # not what the caller read: a transaction may have brought more since
            whole = {**held, **result}
            if order.kind == "derive" and "shares" in whole:  # first: captures are locked before anything of theirs
                parents = [int(parent["asset"], 16) for parent in order.asked["parents"]]
                write_shares(connection, order.capture_id, map(int, whole["shares"]), parents)
            values = {"state": "done", "raw": None, "problem": None, "result": json.dumps(whole)}
            connection.execute(orders.update().where(orders.c.id == order.id).values(values))
            told = changes.c.capture_id == order.capture_id, changes.c.name == ORDERED[order.kind]
            known = connection.execute(sa.select(changes.c.number).where(*told)).first()
            # A work is made once, and says once what it was made from: a chain that lost its blocks gets that again.
            if known and order.kind in ("asset", "derive"):
                return
            if brought_nothing(order.kind, held, whole):
                return
            note_changes(connection, ORDERED[order.kind], now_text(), mine)
            if order.kind == "derive":
                _note(connection, DERIVED, [parent["asset"] for parent in order.asked["parents"]], order.capture_id)
            elif order.kind == "claim":
                _note(connection, ORDERED["claim"], [order.asked["beneficiary"]], order.capture_id)

    def refused(self, order: Order, problem: str) -> None:
        """It cannot be; the same may be wanted again. The capture's owner is told, once."""
        values = {"state": "refused", "raw": None, "problem": problem, "same": None}
        open_ = orders.c.id == order.id, orders.c.state == "open"
        with self._database.write() as connection:
            if connection.execute(orders.update().where(*open_).values(values)).rowcount:
                note_changes(connection, REFUSED, now_text(), captures.c.id == order.capture_id)

    def waits(self, order: Order, problem: str) -> bool:
        """Keep why it is not done yet; whether that is news."""
        other = orders.c.id == order.id, orders.c.problem.is_distinct_from(problem)
        with self._database.write() as connection:
            return bool(connection.execute(orders.update().where(*other).values(problem=problem)).rowcount)

    def _change(self, order: Order, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(orders.update().where(orders.c.id == order.id).values(values))


def brought_nothing(kind: Kind, held: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Whether nothing was there to be paid, or the licence was there already: anybody may ask for that, and its owner
    is told nothing new. `held`: what a transaction of the order's own had brought."""
    if kind == "licence":
        return "licence" not in held
    return kind == "claim" and whole.get("amount") == "0"


def _note(connection: Connection, name: str, works: Sequence[str], but: str) -> None:
    """Note that this happened to these works too, which are written as hex."""
    places = [place_of(int(work, 16)) for work in works]
    mine = sa.select(log_leaves.c.capture_id).where(log_leaves.c.position.in_(places), log_leaves.c.capture_id != but)
    note_changes(connection, name, now_text(), captures.c.id.in_(mine))


def _relayed(row: Row[Any]) -> Relayed:
    replaced = tuple(json.loads(row.replaced))
    return Relayed(row.account, row.nonce, row.hash, bytes(row.raw), replaced, row.abandoned)


def _order(row: Row[Any]) -> Order:
    return Order(
        row.id, row.capture_id, row.owner, row.kind, json.loads(row.asked), row.created_at, row.state,
        tuple(json.loads(row.transactions)), bytes(row.raw) if row.raw is not None else None,
        json.loads(row.result) if row.result else None, row.problem,
    )  # fmt: skip
