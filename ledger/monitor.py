"""Following a log from outside: is every checkpoint an extension, every root on the chain in the log, and in time?

What was seen is kept in a state file, so that a log that shows another past after a restart is still found out.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.checkpoint import Checkpoint, parse, replace
from ledger.outside import Contradiction, OnChain, OutsideContract, OutsideLog
from pipeline.errors import Conflict, Rejected, Unavailable

REORG_BLOCKS = 64  # looked at again each time: blocks that were replaced may hold other roots
SCAN_S = 300  # of one look: the rest of the blocks, which a node can say are any number, is for the next ones
REMEMBERED = 4_096  # roots that need not be checked again; more than come in that many blocks
MAX_WAITING = 1_000  # checkpoints not on the chain yet: the oldest says how late it is

Tell = Callable[..., None]


class Fork(Exception):
    """The log shows two histories. `evidence` convinces everybody who has the log's public key, and the chain."""

    def __init__(self, sentence: str, evidence: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.evidence = {"found": sentence, **evidence}


@dataclass
class State:
    """All that a monitor remembers. Times are POSIX seconds; roots on the chain are [size, root, block, transaction].

    `note`: the newest checkpoint found good. `scanned`: the last block looked at. `waiting`: [size, first seen] of
    checkpoints that the chain does not cover yet. `unproved`: [root on the chain, first seen] that the log was not
    asked about yet, or does not cover. `trouble`: since when the log or the chain gives no usable answer.
    """

    log: str
    contract: str
    chain_id: int
    note: str = ""
    scanned: int | None = None
    anchored: int = 0
    proved: list[list[Any]] = field(default_factory=list)
    unproved: list[list[Any]] = field(default_factory=list)
    waiting: list[list[int]] = field(default_factory=list)
    trouble: dict[str, int] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path, log: str, contract: str, chain_id: int) -> "State":
        """What was remembered, or nothing yet. Raises Conflict when it is of another log, contract or chain."""
        if not file.exists():
            return cls(log, contract, chain_id)
        try:
            state = cls(**json.loads(file.read_text()))
        except (ValueError, TypeError) as damage:
            raise Conflict(f"{file} is damaged ({damage}): restore it, or choose another file with --state") from None
        if (state.log, state.contract, state.chain_id) != (log, contract, chain_id):
            raise Conflict(f"{file} is about another log, contract or chain: choose another file with --state")
        return state

    def save(self, file: Path) -> None:
        """Durably, in one step."""
        replace(file, json.dumps(dataclasses.asdict(self), indent=1), 0o600)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint found good."""
        return parse(self.note).checkpoint if self.note else None


class Monitor:
    """One log and its contract. `tell(event, **fields)` hears of each event once; `keep()` saves the state."""

    def __init__(
        self, log: OutsideLog, contract: OutsideContract, state: State, tell: Tell, keep: Callable[[], None],
        deadline_s: float, from_block: int | None = None,
    ) -> None:  # fmt: skip
        self.state = state
        self._log, self._contract = log, contract
        self._tell, self._keep = tell, keep
        self._deadline_s = deadline_s
        self._from_block = from_block

    def look(self) -> bool:
        """Ask the chain, then the log; whether both answered and nothing is late. Raises Fork."""
        # The chain first: what it holds, the log has signed before.
        answered = [self._ask("chain", self._scan), self._ask("log", self._read_log)]
        self._check_deadlines()
        self._keep()
        return all(answered) and not self.state.late

    def _ask(self, whom: str, step: Callable[[], None]) -> bool:
        """Do a step; trouble is told when it begins and when it ends."""
        trouble = self.state.trouble
        try:
            step()
        except (Unavailable, Rejected, Conflict) as error:
            if whom not in trouble:
                self._tell("trouble", who=whom, why=str(error))
                trouble[whom] = int(time.time())
            return False
        if trouble.pop(whom, 0):
            self._tell("well", who=whom)
        return True

    # -- the chain ------------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        state, last = self.state, self._contract.latest()
        if self._contract.chain_id() != state.chain_id:
            raise Unavailable(f"the node, which serves the chain {self._contract.chain_id()} and not {state.chain_id}")
        head = self._contract.head(last)
        known = {(size, root) for size, root in state.proved} | {(one[0], one[1]) for one, _ in state.unproved}
        began = time.monotonic()
        for end, roots in self._roots(head):
            for one in roots:
                if (one.size, one.root.hex()) not in known:
                    known.add((one.size, one.root.hex()))
                    state.unproved.append([[one.size, one.root.hex(), one.block, one.transaction], int(time.time())])
            state.scanned = end
            if end < head.block and time.monotonic() - began > SCAN_S:
                raise Unavailable(f"the blocks up to {head.block}: {end} was reached, and the next look goes on there")
        state.anchored = head.size

    def _roots(self, head: OnChain) -> Iterable[tuple[int, list[OnChain]]]:
        """Blocks, and the roots that came up to each: since we looked last, and a little before."""
        if self.state.scanned is not None:
            return self._contract.appended(max(0, min(self.state.scanned, head.block) - REORG_BLOCKS), head.block)
        if self._from_block is not None:
            return self._contract.appended(self._from_block, head.block)
        return [(head.block, [head] if head.size else [])]

    # -- the log --------------------------------------------------------------------------------------------------

    def _read_log(self) -> None:
        self._follow()
        self._prove()

    def _follow(self) -> None:
        note, new = self._log.checkpoint()
        held = self.state.checkpoint
        if held is None:
            self._log.check(new)
        elif new.size < held.size:
            self._extends(new, note, held, self.state.note)
            raise Unavailable(f"the log, which shows {new.size} leaves and signed {held.size} before")
        elif new.size == held.size and new.root != held.root:
            raise Fork(f"two roots for {new.size} leaves", {"older": self.state.note, "newer": note})
        elif new.size > held.size:
            self._extends(held, self.state.note, new, note)
        if held is None or new.size > held.size:
            self._accept(note, new, held)

    def _accept(self, note: str, new: Checkpoint, held: Checkpoint | None) -> None:
        self.state.note = note
        if len(self.state.waiting) < MAX_WAITING:
            self.state.waiting.append([new.size, int(time.time())])
        self._keep()  # before it is told: what was told is never forgotten
        self._tell("checkpoint", size=new.size, root=new.root.hex(), after=held.size if held else 0)

    def _extends(self, old: Checkpoint, old_note: str, new: Checkpoint, new_note: str) -> None:
        try:
            self._log.check_prefix(old.size, old.root, new)
        except Contradiction as other:
            evidence = {"older": old_note, "newer": new_note, **_proof(other)}
            raise Fork(f"the tree of {new.size} leaves does not begin with that of {old.size}", evidence) from None

    def _prove(self) -> None:
        """Every root on the chain that the newest checkpoint covers is one of the log's."""
        newest = self.state.checkpoint
        for one in [one for one in self.state.unproved if newest and one[0][0] <= newest.size]:
            self._prove_root(one[0])
            self.state.unproved.remove(one)

    def _prove_root(self, on_chain: list[Any]) -> None:
        state, (size, root, block, transaction) = self.state, on_chain
        try:
            self._log.check_prefix(size, bytes.fromhex(root), parse(state.note).checkpoint)
        except Contradiction as other:
            event = {"chain_id": state.chain_id, "contract": state.contract, "block": block,
                     "transaction": transaction, "size": size, "root": root}  # fmt: skip
            evidence = {"on_chain": event, "newer": state.note, **_proof(other)}
            raise Fork(f"the chain has another root for {size} leaves than the log", evidence) from None
        self._tell("anchored", size=size, root=root, block=block)
        state.proved = [*state.proved[1 - REMEMBERED :], [size, root]]

    # -- time -----------------------------------------------------------------------------------------------------

    def _check_deadlines(self) -> None:
        state, now = self.state, time.time()
        state.waiting = [one for one in state.waiting if one[0] > state.anchored]
        since = {f"{who} gives no usable answer": when for who, when in state.trouble.items()}
        if state.waiting:
            since["a checkpoint is not on the chain"] = state.waiting[0][1]
        if state.unproved:
            since["a root on the chain is not in the log"] = state.unproved[0][1]
        late = [what for what, when in since.items() if now - when > self._deadline_s]
        for what in late:
            if what not in state.late:
                self._tell("late", what=what, since_s=int(now - since[what]))
        for what in state.late:
            if what not in late:
                self._tell("in_time", what=what)
        state.late = late


def _proof(other: Contradiction) -> dict[str, Any]:
    """What shows that the newer tree has this root where the older one has another."""
    return {"root_in_newer": other.root.hex(), "consistency_proof": [digest.hex() for digest in other.proof]}
