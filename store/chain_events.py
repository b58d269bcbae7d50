"""What the rights contract said of works without an order of ours: seen once, told once, gone with the erasure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from store.changes import DERIVED, note_changes
from store.database import Database, now_text
from store.lineage import still_there
from store.schema import captures, chain_events, chain_reading, orders, relayed
from store.shares import captures_of, write_shares


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One entry of the contract's. `place`: which of its entries in that transaction; `kind`: the change that it tells.

    A block's own number for it would be another one after a chain took the block back. `told`: what it says, as the
    results of orders have it. `others`: works whose owners it concerns too.
    """

    transaction: str
    place: int
    block: int
    kind: str
    work: int
    told: Mapping[str, Any]
    others: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of a capture's work that a block holds now."""

    kind: str
    transaction: str
    told: Mapping[str, Any]
    seen_at: str


class ChainEvents:
    """The tables `chain_events` and `chain_reading`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, capture_id: str, kind: str) -> list[Seen]:
        """What happened to a capture's work without an order of ours, oldest first."""
        mine = chain_events.c.capture_id == capture_id, chain_events.c.kind == kind, chain_events.c.block.is_not(None)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(chain_events).where(*mine).order_by(chain_events.c.number))
            return [Seen(row.kind, row.transaction, json.loads(row.told), row.seen_at) for row in rows]

    def read_until(self, contract: str) -> int | None:
        """The last block that was read; None before the first."""
        query = sa.select(chain_reading.c.block).where(chain_reading.c.contract == contract)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def keep(self, contract: str, first: int, last: int, events: Sequence[ChainEvent]) -> None:
        """These are all that the contract said in these blocks. Whoever follows a work is told what is new, once.

        What an order of ours brought, it told. What a chain took back is listed no more until another block has it.
        """
        with self._database.write() as connection:
            works = {work for event in events for work in (event.work, *event.others)}
            ids = captures_of(connection, works)
            there = still_there(connection, sorted(ids.values())) if ids else set()
            ids = {work: capture_id for work, capture_id in ids.items() if capture_id in there}
            known = _known(connection, first, last, events)
            held = {(event.transaction, event.place) for event in events}
            gone = [row.number for key, row in known.items() if key not in held]
            if gone:
                connection.execute(chain_events.update().where(chain_events.c.number.in_(gone)).values(block=None))
            ours = _ours(connection, events)
            for event in events:
                if row := known.get((event.transaction, event.place)):
                    mine = chain_events.c.number == row.number
                    connection.execute(chain_events.update().where(mine).values(block=event.block))
                elif event.work in ids and event.transaction not in ours:
                    _tell(connection, event, ids)
            connection.execute(chain_reading.delete().where(chain_reading.c.contract == contract))
            connection.execute(chain_reading.insert().values(contract=contract, block=last))


def _known(
    connection: Connection, first: int, last: int, events: Sequence[ChainEvent]
) -> dict[tuple[str, int], Row[Any]]:
    """What we have of these blocks or these transactions, by transaction and place."""
    here = chain_events.c.block.between(first, last)
    named = chain_events.c.transaction.in_({event.transaction for event in events})
    rows = connection.execute(sa.select(chain_events).where(sa.or_(here, named)))
    return {(row.transaction, row.place): row for row in rows}


def _ours(connection: Connection, events: Sequence[ChainEvent]) -> set[str]:
    """Those of the events' transactions that were sent for orders, or replaced by others of higher fees.

    Not for orders that were refused: what is in a block all the same, after it was given up on, nobody has told.
    """
    asked = {event.transaction for event in events}
    refused = sa.select(orders.c.id).where(orders.c.state == "refused")
    told = sa.or_(relayed.c.order_id.is_(None), relayed.c.order_id.not_in(refused))
    sent = sa.select(relayed.c.hash).where(relayed.c.hash.in_(asked), told)
    replaced = sa.select(relayed.c.replaced).where(relayed.c.replaced != "[]", told)
    older = {each for row in connection.execute(replaced).scalars() for each in json.loads(row)} if asked else set()
    return set(connection.execute(sent).scalars()) | asked & older


def _tell(connection: Connection, event: ChainEvent, ids: Mapping[int, str]) -> None:
    row = {
        "capture_id": ids[event.work], "kind": event.kind, "transaction": event.transaction, "place": event.place,
        "block": event.block, "told": json.dumps(event.told), "seen_at": now_text(),
    }  # fmt: skip
    connection.execute(chain_events.insert().values(row))
    note_changes(connection, event.kind, now_text(), captures.c.id == ids[event.work])
    others = [ids[work] for work in event.others if work in ids and work != event.work]
    if event.kind == "derivation":
        write_shares(connection, ids[event.work], map(int, event.told["shares"]), event.others)
    if others:
        name = DERIVED if event.kind == "derivation" else event.kind
        note_changes(connection, name, now_text(), captures.c.id.in_(others))
