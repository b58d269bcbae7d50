"""Sequencing: waiting leaves get their place in the log, and a signed checkpoint that covers them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger import checkpoint
from ledger.checkpoint import CheckpointSigner
from ledger.tree import EMPTY_ROOT, Hashes, Tiles, Tree, append_tiles
from pipeline.errors import Conflict, Rejected


class Records(Hashes, Protocol):
    """Where the log is stored."""

    def newest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest checkpoint; None before the first."""

    def checkpoint(self, size: int) -> str:
        """The note of the checkpoint at this size. Raises LookupError."""

    def waiting(self, limit: int) -> Sequence[tuple[int, bytes]]:
        """Row numbers and digests of leaves that have no place yet, in the order in which they came."""

    def append(
        self, old_size: int, numbers: Sequence[int], tiles: Mapping[tuple[int, int], bytes], root: bytes, note: str
    ) -> None:
        """Write places, tiles, checkpoint and `inclusion` facts in one transaction, or nothing of it.

        Raises Unavailable when the log is not at `old_size` any more.
        """


def sequence(records: Records, signer: CheckpointSigner, limit: int) -> int:
    """Give up to `limit` waiting leaves their place in the log; how many, 0 when none waits.

    A crash leaves either everything or nothing, and the next call goes on: start-up is the same path. Raises
    Conflict when the stored tree is not the one of the newest checkpoint, Unavailable when another was quicker.
    """
    size, _ = resume(records, signer)
    waiting = records.waiting(limit)
    if not waiting:
        return 0
    tiles = append_tiles(size, [digest for _, digest in waiting], records)
    grown = Tree(size + len(waiting), _Grown(tiles, records))
    root = grown.root()
    records.append(size, [number for number, _ in waiting], tiles, root, signer.sign(grown.size, root))
    return len(waiting)


def resume(records: Records, signer: CheckpointSigner) -> tuple[int, bytes]:
    """Size and root of the log as it stands, after checking that tiles, newest checkpoint and key belong together.

    Raises Conflict when they do not: going on would fork the log.
    """
    newest = records.newest()
    if newest is None:
        return 0, EMPTY_ROOT
    size, root = newest
    held = Tree(size, records).root()
    if held != root:
        raise Conflict(
            f"the tiles give the root {held.hex()} at size {size}, the checkpoint says {root.hex()}: "
            "restore the database from a backup"
        )
    try:
        signed = checkpoint.verify(records.checkpoint(size), str(signer.vkey))
    except Rejected as rejected:
        raise Conflict(f"the newest checkpoint is not by this key ({rejected}): restore the log's key file") from None
    if (signed.size, signed.root) != newest:
        raise Conflict(f"the note at size {size} says {signed.size} and {signed.root.hex()}: restore the database")
    return newest


@dataclass(frozen=True, slots=True)
class _Grown:
    """The tiles after an append that is not stored yet."""

    tiles: Tiles
    stored: Hashes

    def tile(self, level: int, number: int) -> bytes:
        return self.tiles.get((level, number)) or self.stored.tile(level, number)
