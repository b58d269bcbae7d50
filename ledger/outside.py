"""A log and its contract as anybody sees them, over HTTP: nothing that is answered is believed unless it is proved."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ledger.checkpoint import MAX_NOTE_CHARS, Checkpoint, verify
from ledger.fetch import fetch
from ledger.rpc import Answer, Refused
from ledger.tree import HASH_BYTES, MAX_SIZE, TILE_BYTES, TILE_WIDTH, Tree, verify_consistency
from pipeline.errors import Rejected, Unavailable

# The first four bytes of keccak256 of size() and root(), and all of it of Appended(uint64,bytes32): contracts/Log.sol.
SIZE_CALL, ROOT_CALL = "0x949d225d", "0xebf0c717"
APPENDED = "0x554ed90857d7f4e38755f35853b5ad1504eebc30c1570ef25bb065a565531e2f"
BLOCKS_AT_ONCE = 2_000  # of eth_getLogs; nodes that allow fewer are asked for fewer
CACHED_TILES = 512  # 4 MB
MAX_ANSWER_BYTES = 50_000_000


class Contradiction(Exception):
    """A tree does not begin with what was signed before. `root` is what it has there, `proof` leads on to its end."""

    def __init__(self, root: bytes, proof: tuple[bytes, ...]) -> None:
        super().__init__(f"its root there is {root.hex()}")
        self.root, self.proof = root, proof


class OutsideLog:
    """A log at a URL, by its public key (C2SP tlog-tiles)."""

    def __init__(self, url: str, vkey: str) -> None:
        self.url = url.rstrip("/")
        self.vkey = vkey
        self._tiles: dict[str, bytes] = {}

    def checkpoint(self) -> tuple[str, Checkpoint]:
        """The newest checkpoint and its note, signed by the key. Raises Unavailable, and Rejected for another note."""
        answer = fetch(f"{self.url}/checkpoint", max_bytes=4 * MAX_NOTE_CHARS)
        if answer.status != 200:
            raise Unavailable(f"{self.url}/checkpoint answered {answer.status}")
        try:
            note = answer.body.decode()
        except UnicodeDecodeError:
            raise Rejected(f"{self.url}/checkpoint is no text") from None
        return note, verify(note, self.vkey)

    def check(self, whole: Checkpoint) -> None:
        """Raise Unavailable unless the tiles give the root that was signed."""
        if Tree(whole.size, _Tiles(self, whole.size)).root() != whole.root:
            self._tiles.clear()
            raise Unavailable(f"the tiles at {self.url} do not give the root that the log signed at {whole.size}")

    def check_prefix(self, size: int, root: bytes, whole: Checkpoint) -> None:
        """Raise Contradiction when the tree of `whole` begins otherwise, Unavailable when its tiles prove nothing."""
        tiles = _Tiles(self, whole.size)
        proof = Tree(whole.size, tiles).consistency_proof(size)
        try:
            return verify_consistency(size, whole.size, proof, root, whole.root)
        except Rejected:
            other = Tree(size, tiles).root()
        try:
            verify_consistency(size, whole.size, proof, other, whole.root)
        except Rejected as damage:
            self._tiles.clear()
            raise Unavailable(f"the tiles at {self.url} prove nothing: {damage}") from None
        raise Contradiction(other, proof)

    def tile(self, path: str, width: int) -> bytes:
        """A tile's hashes: asked for once, because none ever changes, and a bounded number is kept."""
        if path not in self._tiles:
            answer = fetch(f"{self.url}/tile/{path}", max_bytes=TILE_BYTES)
            if answer.status != 200 or len(answer.body) != width * HASH_BYTES:
                raise Unavailable(f"{self.url}/tile/{path} is no tile of {width} hashes: status {answer.status}")
            if len(self._tiles) >= CACHED_TILES:
                self._tiles.clear()
            self._tiles[path] = answer.body
        return self._tiles[path]


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Port: ledger.tree.Hashes. Only tiles that a tree of `size` leaves requires are asked for."""

    log: OutsideLog
    size: int

    def tile(self, level: int, number: int) -> bytes:
        width = min(self.size // TILE_WIDTH**level - number * TILE_WIDTH, TILE_WIDTH)
        return self.log.tile(f"{level}/{_path(number)}{f'.p/{width}' if width < TILE_WIDTH else ''}", width)


def _path(number: int) -> str:
    """A tile's number in groups of three digits, such as x001/234."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


@dataclass(frozen=True, slots=True)
class OnChain:
    """A root that the contract holds, or held. No transaction: it was there when we first looked."""

    size: int
    root: bytes
    block: int
    transaction: str


class OutsideContract:
    """A log's contract, through any node of its chain."""

    def __init__(self, rpc: str, address: str) -> None:
        if not re.fullmatch("0x[0-9a-fA-F]{40}", address):
            raise Rejected(f"{address!r} is no contract's address: 0x and 40 hex digits")
        self.address = address.lower()
        self._rpc = rpc
        self._host = urlsplit(rpc).netloc.rpartition("@")[2]
        self._at_once = BLOCKS_AT_ONCE

    def chain_id(self) -> int:
        """Which chain this is. Raises Unavailable."""
        return self._ask("eth_chainId").number()

    def latest(self) -> int:
        """The newest block's number. Raises Unavailable."""
        return self._ask("eth_blockNumber").number()

    def head(self, block: int) -> OnChain:
        """What the contract held at a block. Raises Unavailable."""
        size, root = self._call(SIZE_CALL, block), self._call(ROOT_CALL, block)
        return OnChain(_size(size), root, block, "")

    def appended(self, first: int, last: int) -> Iterator[tuple[int, list[OnChain]]]:
        """The roots that came in these blocks, in their order: a last block, and the roots since the one before."""
        while first <= last:
            end = min(first + self._at_once - 1, last)
            try:
                rows = self._logs(first, end)
            except Refused:
                if self._at_once == 1:
                    raise
                self._at_once = max(1, self._at_once // 4)  # the node allows fewer blocks, or fewer events
                continue
            self._at_once = min(2 * self._at_once, BLOCKS_AT_ONCE)
            yield end, [root for row in rows if (root := _appended(row))]
            first = end + 1

    def _logs(self, first: int, last: int) -> list[Answer]:
        wanted = {"address": self.address, "topics": [APPENDED], "fromBlock": hex(first), "toBlock": hex(last)}
        return self._ask("eth_getLogs", wanted).rows()

    def _call(self, data: str, block: int) -> bytes:
        word = self._ask("eth_call", {"to": self.address, "data": data}, hex(block)).content()
        if len(word) != 32:
            raise Unavailable(f"{self.address} at {self._host} is no log contract: no word was returned")
        return word

    def _ask(self, method: str, *params: Any) -> Answer:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = fetch(self._rpc, body, media_type="application/json", timeout_s=20, max_bytes=MAX_ANSWER_BYTES)
        try:
            return Answer(self._host, method, json.loads(answer.body))
        except (ValueError, RecursionError):
            raise Refused(self._host, method, f"its answer is no JSON, with status {answer.status}") from None


def _appended(event: Answer) -> OnChain | None:
    """The root in an event; None when another kind of event, or what is not a log's, came along."""
    topics, data = event.texts("topics"), event.text("data") or ""
    if [len(each) for each in (*topics, data)] != [66, 66, 66] or topics[0].lower() != APPENDED:
        return None
    size = _size(bytes.fromhex(topics[1][2:]))
    return OnChain(size, bytes.fromhex(data[2:]), event.quantity("blockNumber"), event.text("transactionHash") or "")


def _size(word: bytes) -> int:
    size = int.from_bytes(word, "big")
    if size > MAX_SIZE:
        raise Unavailable(f"the contract says {size}, which is no log's size")
    return size
