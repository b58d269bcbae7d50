"""Accounts of owners' own, which they showed to control (ledger/signin.py)."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from store.database import Database, now_text
from store.schema import wallets


@dataclass(frozen=True, slots=True)
class Bound:
    """An account's address (EIP-55), and since when it is an owner's."""

    address: str
    bound_at: str


class Wallets:
    """The table `wallets`: at most one account for each owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, owner: str) -> Bound | None:
        """The owner's account."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(wallets).where(wallets.c.owner == owner)).first()
        return Bound(row.address, row.bound_at) if row else None

    def bind(self, owner: str, address: str) -> Bound:
        """This is the owner's account from now on, and the one before is not."""
        bound = Bound(address, now_text())
        self._put(owner, bound)
        return bound

    def unbind(self, owner: str) -> None:
        """The owner has none; fine when that is so."""
        self._put(owner, None)

    def _put(self, owner: str, bound: Bound | None) -> None:
        try:
            self._replace(owner, bound)
        except IntegrityError:  # the owner's other request was first, by a moment: this one is later
            self._replace(owner, bound)

    def _replace(self, owner: str, bound: Bound | None) -> None:
        with self._database.write() as connection:
            connection.execute(wallets.delete().where(wallets.c.owner == owner))
            if bound:
                row = {"owner": owner, "address": bound.address, "bound_at": bound.bound_at}
                connection.execute(wallets.insert().values(row))
