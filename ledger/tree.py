"""The log's Merkle tree (RFC 9162 section 2.1, SHA-256), kept as tiles (C2SP tlog-tiles: 256 hashes, 8 levels).

Nothing here holds the tree: every answer is computed from a few tiles, and 8 tiles reach over 2^64 leaves.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from pipeline.errors import Conflict, Rejected

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_SIZE = 2**63 - 1  # what the database's and the chain's integers both hold
EMPTY_ROOT = hashlib.sha256(b"").digest()
_CACHED_TILES = 128  # 128 tiles of 512 hashes in Python are about 5 MB, whatever the size of the tree

Tiles = dict[tuple[int, int], bytes]


class Hashes(Protocol):
    """Where the tiles are. Tile `number` of `level` holds the hashes of the subtrees over 256**level leaves each."""

    def tile(self, level: int, number: int) -> bytes:
        """All hashes stored in this tile, 1 to 256 of 32 bytes. Raises LookupError when there are none."""


def node_digest(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def append_tiles(size: int, leaf_digests: Sequence[bytes], hashes: Hashes) -> Tiles:
    """The tiles that change or appear when these leaves are appended to a tree of `size`, complete from their start.

    A tile that fills up puts one hash into the level above it. Raises Conflict when stored hashes are missing.
    """
    tiles: Tiles = {}
    level, start, new = 0, size, b"".join(leaf_digests)
    while new:
        number, held = divmod(start, TILE_WIDTH)
        row = _held(level, number, held, hashes) + new
        full: list[bytes] = []
        for offset in range(0, len(row), TILE_BYTES):
            tile = row[offset : offset + TILE_BYTES]
            tiles[level, number + offset // TILE_BYTES] = tile
            if len(tile) == TILE_BYTES:
                full.append(_layers(tile)[TILE_HEIGHT][0])
        level, start, new = level + 1, number, b"".join(full)
    return tiles


class Tree:
    """The tree of one size, for several questions: tiles are read and hashed once, and a bounded number is kept."""

    def __init__(self, size: int, hashes: Hashes) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise Rejected(f"{size} is no tree size: a log has 0 to {MAX_SIZE} leaves")
        self.size = size
        self._hashes = hashes
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def root(self) -> bytes:
        """MTH of all leaves; that of the empty tree is SHA-256 of nothing."""
        return self._range(0, self.size) if self.size else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """PATH of RFC 9162 section 2.1.3.1, from the leaf upwards. Raises Rejected when there is no such leaf."""
        if not 0 <= index < self.size:
            raise Rejected(f"a tree of {self.size} leaves has no leaf {index}")
        proof, low, high = [], 0, self.size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        return tuple(reversed(proof))

    def consistency_proof(self, old: int) -> tuple[bytes, ...]:
        """PROOF of RFC 9162 section 2.1.4.1 from the tree of `old` leaves; empty when `old` is 0 or this size."""
        if not 0 <= old <= self.size:
            raise Rejected(f"a tree of {self.size} leaves does not extend one of {old}")
        if old in (0, self.size):
            return ()
        proof, low, high = [], 0, self.size
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        if low:  # else the old root itself would be sent, which the verifier has
            proof.append(self._range(low, high))
        return tuple(reversed(proof))

    def _range(self, low: int, high: int) -> bytes:
        # `low` is a multiple of the largest power of two in the range, because every split is made at one.
        right: list[bytes] = []
        while high - low & (high - low - 1):
            middle = low + _split(high - low)
            right.append(self._node(low, middle))
            low = middle
        digest = self._node(low, high)
        for left in reversed(right):
            digest = node_digest(left, digest)
        return digest

    def _node(self, low: int, high: int) -> bytes:
        level, layer = divmod((high - low).bit_length() - 1, TILE_HEIGHT)
        width_bits = TILE_HEIGHT - layer
        number, offset = divmod(low // (high - low), 1 << width_bits)
        layers = self._tile(level, number)
        if offset >= len(layers[layer]):
            raise Conflict(f"tile {level}/{number} ends before leaf {high}: restore the log's tiles from a backup")
        return layers[layer][offset]

    def _tile(self, level: int, number: int) -> list[list[bytes]]:
        layers = self._tiles.get((level, number))
        if layers is None:
            if len(self._tiles) >= _CACHED_TILES:
                self._tiles.clear()
            width = min(self.size // TILE_WIDTH**level - number * TILE_WIDTH, TILE_WIDTH)
            layers = self._tiles[level, number] = _layers(_held(level, number, width, self._hashes))
        return layers


def root(size: int, hashes: Hashes) -> bytes:
    """The root of the first `size` leaves."""
    return Tree(size, hashes).root()


def inclusion_proof(index: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of `size` leaves; see `Tree.inclusion_proof`."""
    return Tree(size, hashes).inclusion_proof(index)


def consistency_proof(old: int, new: int, hashes: Hashes) -> tuple[bytes, ...]:
    """The proof that the tree of `new` leaves begins with that of `old`; see `Tree.consistency_proof`."""
    return Tree(new, hashes).consistency_proof(old)


def verify_inclusion(digest: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise Rejected, with the reason, unless `proof` leads from the leaf to the root (RFC 9162 section 2.1.3.2)."""
    _check_lengths((root,))
    found = inclusion_root(digest, index, size, proof)
    if found != root:
        raise Rejected(f"the proof leads to the root {found.hex()}, not {root.hex()}")


def inclusion_root(digest: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that `proof` leads to from the leaf. Raises Rejected when it has not the length for this place."""
    if not 0 <= index < size <= MAX_SIZE:
        raise Rejected(f"a tree of {size} leaves has no leaf {index}")
    _check_lengths((digest, *proof))
    position, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise Rejected(f"the proof has {len(proof)} hashes, more than leaf {index} of {size} needs")
        if position & 1 or position == last:
            digest = node_digest(sibling, digest)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            digest = node_digest(digest, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise Rejected(f"the proof has {len(proof)} hashes, fewer than leaf {index} of {size} needs")
    return digest


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise Rejected, with the reason, unless the new tree begins with the old one (RFC 9162 section 2.1.4.2).

    Every tree extends the empty one, whose root is checked here too.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise Rejected(f"a tree of {new} leaves does not extend one of {old}")
    _check_lengths((*proof, old_root, new_root))
    if old == 0 and old_root != EMPTY_ROOT:
        raise Rejected(f"{old_root.hex()} is not the root of the empty tree")
    if old == new and old_root != new_root:
        raise Rejected(f"two roots for {old} leaves: {old_root.hex()} and {new_root.hex()}")
    if old in (0, new):
        if proof:
            raise Rejected(f"the proof from {old} to {new} leaves is empty, not {len(proof)} hashes")
        return
    old_digest, new_digest = _fold_consistency(old, new, proof, old_root)
    if old_digest != old_root:
        raise Rejected(f"the proof leads to the old root {old_digest.hex()}, not {old_root.hex()}")
    if new_digest != new_root:
        raise Rejected(f"the proof leads to the new root {new_digest.hex()}, not {new_root.hex()}")


def _fold_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise Rejected(f"the proof from {old} to {new} leaves is empty")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_digest = new_digest = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Rejected(f"the proof has {len(proof)} hashes, more than {old} to {new} leaves needs")
        if position & 1 or position == last:
            old_digest, new_digest = node_digest(sibling, old_digest), node_digest(sibling, new_digest)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new_digest = node_digest(new_digest, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise Rejected(f"the proof has {len(proof)} hashes, fewer than {old} to {new} leaves needs")
    return old_digest, new_digest


def _check_lengths(digests: Sequence[bytes]) -> None:
    for digest in digests:
        if len(digest) != HASH_BYTES:
            raise Rejected(f"a hash has {HASH_BYTES} bytes, not {len(digest)}")


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def _held(level: int, number: int, width: int, hashes: Hashes) -> bytes:
    """The first `width` hashes of a tile. A stored tile may be wider: it grew since."""
    if width == 0:
        return b""
    try:
        tile = hashes.tile(level, number)
    except LookupError:
        tile = b""
    if len(tile) < width * HASH_BYTES:
        raise Conflict(
            f"tile {level}/{number} holds {len(tile) // HASH_BYTES} of {width} hashes: "
            "restore the log's tiles from a backup"
        )
    return tile[: width * HASH_BYTES]


def _layers(tile: bytes) -> list[list[bytes]]:
    """The hashes of a tile and, above them, every complete node up to the tile's top."""
    sha256 = hashlib.sha256
    layers = [[tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)]]
    for _ in range(TILE_HEIGHT):
        below = layers[-1]
        layers.append([
            sha256(b"\1" + below[i] + below[i + 1]).digest() for i in range(0, len(below) - 1, 2)
        ])  # fmt: skip
    return layers
