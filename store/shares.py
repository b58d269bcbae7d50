"""Which part of what a work earns goes to which of its ancestors: the lists of the rights contract, to be asked the
other way round too. Written with the order that brought a list, gone with the erasure of the work."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.parents import place_of
from store.database import Database
from store.lineage import add_links, still_there
from store.schema import log_leaves, work_shares

# The contract's words (contracts/rights/Shares.sol): an ancestor's id in the upper bits, its share in these lower ones.
SHARE_BITS = 80
WHOLE = 10**18
_ID_BYTES = (256 - SHARE_BITS) // 8


# Made once: the page of every photo asks.
_LIST = (
    sa.select(work_shares)
    .where(work_shares.c.capture_id == sa.bindparam("capture_id"))
    .order_by(work_shares.c.ancestor)
)
_AT = sa.select(log_leaves.c.position, log_leaves.c.capture_id).where(
    log_leaves.c.position.in_(sa.bindparam("places", expanding=True)), log_leaves.c.capture_id.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Share:
    """What an ancestor gets of all that a work earns from its derivation on. `of_whole` is in parts of 10^18."""

    ancestor: int
    of_whole: int

    @classmethod
    def read(cls, word: int) -> "Share":
        """From the contract's word."""
        return cls(word >> SHARE_BITS << SHARE_BITS, word & (1 << SHARE_BITS) - 1)

    @property
    def word(self) -> int:
        """The contract's word."""
        return self.ancestor | self.of_whole

    @property
    def ppm(self) -> int:
        """In parts per million, rounded down."""
        return self.of_whole * 1_000_000 // WHOLE


@dataclass(frozen=True, slots=True)
class Descendant:
    """A work that passes on a share to another. `number`: its place among those, behind which a page goes on."""

    number: int
    capture_id: str
    share: Share


class WorkShares:
    """Reads the table `work_shares`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, capture_id: str) -> list[Share]:
        """The work's list as the contract has it, ascending; empty for a work that was made from no other."""
        with self._database.read() as connection:
            rows = connection.execute(_LIST, {"capture_id": capture_id})
            return [_share(row.ancestor, row.share) for row in rows]

    def descendants(self, asset: int, before: int | None, limit: int) -> list[Descendant]:
        """The works that have this one among their ancestors, at any depth, newest first, behind a place."""
        query = sa.select(work_shares).where(work_shares.c.ancestor == _key(asset))
        if before is not None:
            query = query.where(work_shares.c.number < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(work_shares.c.number.desc()).limit(limit))
            return [Descendant(row.number, row.capture_id, _share(row.ancestor, row.share)) for row in rows]

    def shares_in(self, capture_ids: Collection[str], asset: int) -> dict[str, Share]:
        """What this work gets of those, by their captures."""
        mine = work_shares.c.capture_id.in_(capture_ids), work_shares.c.ancestor == _key(asset)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(work_shares).where(*mine))
            return {row.capture_id: _share(row.ancestor, row.share) for row in rows}

    def captures_of(self, assets: Collection[int]) -> dict[int, str]:
        """Which captures these works are, by the works; those that were erased are left out."""
        with self._database.read() as connection:
            return captures_of(connection, assets)


def captures_of(connection: Connection, assets: Collection[int]) -> dict[int, str]:
    """Which captures these works are, by the works: a work's id has its leaf's place in the log."""
    by_place = {place_of(asset): asset for asset in assets}
    rows = connection.execute(_AT, {"places": list(by_place)}) if by_place else ()
    return {by_place[row.position]: row.capture_id for row in rows}


def write_shares(connection: Connection, capture_id: str, words: Iterable[int], parents: Collection[int]) -> None:
    """Write down what a work said on the chain that it was made from, in the caller's transaction; again is fine.

    `words`: its list of shares. `parents`: the works that it named itself, which all stand in that list.
    """
    shares = [Share.read(word) for word in words]
    listed = {share.ancestor for share in shares} & set(parents)
    named = set(captures_of(connection, listed).values()) - {capture_id}
    there = still_there(connection, [capture_id, *named])
    if capture_id not in there:
        return
    rows = [{"capture_id": capture_id, "ancestor": _key(each.ancestor), "share": each.of_whole} for each in shares]
    connection.execute(work_shares.delete().where(work_shares.c.capture_id == capture_id))
    if rows:
        connection.execute(work_shares.insert(), rows)
    add_links(connection, capture_id, there - {capture_id})


def _key(asset: int) -> bytes:
    return (asset >> SHARE_BITS).to_bytes(_ID_BYTES)


def _share(ancestor: bytes, of_whole: int) -> Share:
    return Share(int.from_bytes(ancestor) << SHARE_BITS, of_whole)
