"""A seeded course of faults over a real database and a real chain, and what must hold whatever happened.

`run(seed, bench)` is one course: the same seed gives the same events. What the kernel's scheduler adds (when a killed
process dies) is not seeded, and needs not be: the invariants hold for all of it.
"""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from ledger.anchor import Anchorer
from ledger.chain import Chain
from ledger.deploy import deploy
from pipeline.errors import Conflict, Unavailable
from store.outbox import Outbox
from store.schema import leases
from supervisor import anvil
from tests.chain_fixture import KEY, Node
from tests.ledger.anchor_world import Anchored, Crash, crash_at
from tests.ledger.fault_check import Violation, check_end, check_now
from tests.ledger.log_world import World
from tests.ledger.rpc_proxy import ANY, CLIENT_TIMEOUT_S, SENDING, Proxy

STEPS = ("store", "send", "mark_sent", "mark_included", "mark_lost", "record", "mark_final")
EPOCH = 3  # blocks; anvil calls a block final that is two of them old: deeper than any reorganisation here but resets
FINAL_DEPTH = 2 * EPOCH
MAX_REORG = 5
WAIT_S = 0.04
DISK_BYTES = 16_000_000
SETTLE_TRIES = 40


class PublicNode(Node):
    """anvil as a chain that is not ours: all history kept, no saved state, final blocks."""

    def start(self) -> "PublicNode":
        """Start it and wait until it answers."""
        command = [
            str(anvil.anvil_binary()), "--port", str(self.port), "--chain-id", "424242", "--quiet", "--accounts", "0",
            "--slots-in-an-epoch", str(EPOCH), "--timestamp", str(anvil.GENESIS_TIME),
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not anvil.ready(self.url):
            time.sleep(0.01)
        return self


class Bench:
    """What the courses of one process share: two chains, a proxy in front of each, and a disk that can be full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        for name in ("ours", "public", "disk"):
            (folder / name).mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.disk)]
        self.can_fill = subprocess.run(mount, capture_output=True).returncode == 0  # needs root
        self.ours = Node(folder / "ours").start()
        self.public = PublicNode(folder / "public").start()
        self.proxies = {node: Proxy(lambda node=node: node.port) for node in (self.ours, self.public)}  # type: ignore[misc]

    def close(self) -> None:
        """Leave nothing behind."""
        for node in (self.ours, self.public):
            with contextlib.suppress(ProcessLookupError):
                node.stop(signal.SIGKILL)
            self.proxies[node].close()
        if self.can_fill:
            subprocess.run(["umount", str(self.disk)], check=True)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Bench"]:
        """One that is closed when the block ends."""
        with tempfile.TemporaryDirectory() as folder:
            bench = cls(Path(folder))
            try:
                yield bench
            finally:
                bench.close()


@dataclass
class Course:
    """One course: its dice, its world, and what befell it."""

    seed: int
    bench: Bench
    public: bool
    folder: Path
    counts: Counter[str]
    clock_s: float = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.node: Node = self.bench.public if self.public else self.bench.ours
        self.proxy = self.bench.proxies[self.node]
        self.proxy.plan()
        self.proxy.counts = self.counts
        self._fresh_chain()
        self.anchored = Anchored.make(self.folder, self.node)
        self.contract = deploy(self.node.url, KEY) if self.public else None
        if self.public:
            self.node.ask("anvil_mine", hex(MAX_REORG))  # the deployment is not ours to send again
        self.seen: dict[str, object] = {}

    def _fresh_chain(self) -> None:
        if not self.public:
            self.node.kill_and_lose()
            self.node.start()
            return
        self.node.ask("anvil_reset")
        self.node.ask("evm_setAutomine", True)
        self.node.chain().fund_locally()

    def chain(self) -> Chain:
        """A client behind the proxy; on a public chain, sometimes with a second node, that is honest."""
        urls = [self.proxy.url]
        if self.public and self.seed % 3 == 0:
            urls.append(self.node.url)
        return Chain(",".join(urls), KEY, self.contract, local=not self.public, timeout_s=CLIENT_TIMEOUT_S)

    def anchorer(self, world: World, holder: str = "a", fault: Callable[[str], None] = lambda step: None) -> Anchorer:
        """An anchorer as a process makes it that starts."""
        replace_after_s = self.dice.choice((0, 0, 60))
        return Anchorer(self.chain(), Outbox(world.database), world.log, holder, fault, WAIT_S, replace_after_s)

    # -- events -------------------------------------------------------------------------------------------------

    def grow(self) -> None:
        """Photos come."""
        self.anchored.grow(self.dice.randint(1, 4))

    def flush(self, fault: Callable[[str], None] = lambda step: None) -> None:
        """The ledger worker does its work; whatever is out of reach, it says so."""
        try:
            with self._clock():
                self.anchorer(self.anchored.world, fault=fault).flush()
        except Unavailable:
            self.counts["(flush waits)"] += 1

    def crash(self) -> None:
        """An exception that nothing catches, before or after a write."""
        step = f"{self.dice.choice(('before', 'after'))} {self.dice.choice(STEPS)}"
        try:
            self.flush(crash_at(step, self.dice.choice((1, 1, 2))))
        except Crash:
            self.counts[f"crash {step}"] += 1

    def kill(self) -> None:
        """kill -9 of the process that anchors: at a step, or at any moment."""
        step = f"{self.dice.choice(('before', 'after'))} {self.dice.choice(STEPS)}"
        if self.dice.random() < 0.5:
            pid = self._forked("a", crash_at_kill(step))
        else:
            pid = self._forked("a")
            time.sleep(self.dice.uniform(0, 0.04))
            os.kill(pid, signal.SIGKILL)
        self.counts["kill -9 anchorer"] += self._ended(pid)

    def two(self) -> None:
        """Two anchorers at once, as two processes."""
        for pid in [self._forked("a"), self._forked("b")]:
            self._ended(pid)
        self.counts["two anchorers"] += 1
        self._time_passes()

    def overtaken(self) -> None:
        """An anchorer that was slow beyond its lease: another has worked meanwhile."""
        step = f"{self.dice.choice(('before', 'after'))} {self.dice.choice(('store', 'send', 'mark_included'))}"

        done: list[str] = []

        def overtake(reached: str) -> None:
            if reached == step and not done:
                done.append(step)
                self.counts[f"overtaken {step}"] += 1
                self._time_passes()
                with contextlib.suppress(Unavailable):
                    self.anchorer(self.anchored.world, "b").flush()

        self.flush(overtake)
        self._time_passes()

    def rpc(self) -> None:
        """Something between us and the node."""
        plan = [self.dice.choice((None, *ANY)) for _ in range(self.dice.randint(1, 12))]
        if self.dice.random() < 0.6:
            plan = [None] * self.dice.randint(0, 3) + [self.dice.choice(SENDING)]
        self.proxy.plan(*plan)
        self.flush()
        self.proxy.plan()

    def stall(self) -> None:
        """No blocks for a while: transactions wait, are dropped from the pool, are replaced."""
        self.node.ask("evm_setAutomine", False)
        for _ in range(self.dice.randint(1, 3)):
            self.grow()
            self.dice.choice((self.flush, self.flush, self.crash, self.rpc))()
            if self.dice.random() < 0.4:
                self.node.ask("anvil_dropAllTransactions")
                self.counts["pool dropped"] += 1
        if self.dice.random() < 0.7:
            self.node.ask("evm_mine")
        self.node.ask("evm_setAutomine", True)
        self.counts["stall"] += 1

    def mine(self) -> None:
        """Time goes on."""
        self.node.ask("anvil_mine", hex(self.dice.randint(1, 4)))

    def reorg(self) -> None:
        """The chain takes its newest blocks back."""
        for _ in range(self.dice.randint(0, 2)):
            self.flush()
            self.grow()
        self.flush()
        depth = self.dice.randint(1, MAX_REORG)
        answer = self.node.ask("anvil_reorg", depth, [])
        if "result" not in answer:
            raise RuntimeError(answer)
        self.counts[f"reorg {depth}"] += 1
        self.dice.choice((self.flush, self.crash, self.rpc, self.kill))()

    def kill_chain(self) -> None:
        """kill -9 of the embedded chain, in the middle of our work too; it loses its last second, or everything."""
        if self.dice.random() < 0.5:
            pid = self._forked("a")
            time.sleep(self.dice.uniform(0, 0.03))
            self._end_chain()
            self._ended(pid)
        else:
            self._end_chain()
        self.node.start()

    def _end_chain(self) -> None:
        lose = self.dice.random() < 0.4
        self.counts["chain killed and lost" if lose else "chain killed"] += 1
        self.node.kill_and_lose() if lose else self.node.stop(signal.SIGKILL)

    def disk_full(self) -> None:
        """ENOSPC while we work, and while photos come."""
        if not self.bench.can_fill:
            return
        filler = self.bench.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(65536)):
                pass
            while file.write(bytes(512)):
                pass
        with contextlib.suppress(OSError):
            os.truncate(filler, filler.stat().st_size - 4096 * self.dice.randint(0, 12))
        try:
            with contextlib.suppress(Unavailable):
                self.grow()
            self.flush()
        finally:
            filler.unlink()
        self.counts["disk full"] += 1

    def clock(self) -> None:
        """The machine's clock is set."""
        self.clock_s = self.dice.choice((-86_400.0, -3_600, -5, 5, 3_600, 86_400))
        self.counts["clock step"] += 1
        self.kill()
        self.flush()

    # -- inside -------------------------------------------------------------------------------------------------

    @contextmanager
    def _clock(self) -> Iterator[None]:
        real, real_ns = time.time, time.time_ns
        with (
            patch("time.time", lambda: real() + self.clock_s),
            patch("time.time_ns", lambda: real_ns() + int(self.clock_s * 1e9)),
        ):
            yield

    def _forked(self, holder: str, fault: Callable[[str], None] = lambda step: None) -> int:
        """A process that opens everything anew and flushes once; its id."""
        self.anchored.world.database.close()
        pid = os.fork()
        if pid:
            return pid
        try:
            with self._clock(), contextlib.suppress(Unavailable):
                self.anchorer(World.make(self.folder), holder, fault).flush()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"seed {self.seed}: in a process of its own: {error!r}\n".encode())
            os._exit(1)

    @staticmethod
    def _ended(pid: int) -> bool:
        """Whether the process was killed. Raises Violation when it met something that it should not have."""
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise Violation("a process of its own ended with an error: it is printed above")
        return os.WIFSIGNALED(status)

    def _time_passes(self) -> None:
        """Longer than a lease."""
        with self.anchored.world.database.write() as connection:
            connection.execute(leases.update().values(until_ms=0))

    def settle(self) -> None:
        """All is well again: the same code goes on until nothing is left to do."""
        self.proxy.plan()
        self.node.ask("evm_setAutomine", True)
        for _ in range(SETTLE_TRIES):
            self._time_passes()
            try:
                with self._clock():
                    anchor = self.anchorer(self.anchored.world).flush()
            except Unavailable:
                self.node.ask("evm_mine")
                continue
            newest = self.anchored.world.log.newest()
            if anchor and newest and anchor.tree_size == newest[0] and (anchor.state == "final" or not self.public):
                return
            self.node.ask("anvil_mine", hex(FINAL_DEPTH + 1))
        raise Violation("it never came to rest")

    def reset(self) -> None:
        """The chain comes back in an older state: we stop, say why, and sign nothing."""
        before = self.anchored.sent()
        chain = self.anchored.node.chain()
        final = self.anchored.outbox.newest_final(chain.chain_id, str(self.contract))
        assert final and final.block is not None, "a course comes to rest when all is final"
        # However many blocks were made until then: the one that was final has to go.
        depth = chain.newest_block() - final.block + 1
        if self.dice.random() < 0.5 or "result" not in self.node.ask("anvil_reorg", depth, []):
            self.node.ask("anvil_reset")
        self.counts["reset"] += 1
        self.grow()
        for _ in range(2):
            try:
                self.anchorer(self.anchored.world).flush()
            except Conflict:
                continue
            raise Violation("a chain that was reset was written to")
        if self.anchored.sent() != before:
            raise Violation("something was signed for a chain that was reset")


def crash_at_kill(step: str) -> Callable[[str], None]:
    """A fault that kills this process for good at a step."""

    def fault(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


OURS = ("crash", "crash", "kill", "two", "overtaken", "rpc", "rpc", "kill_chain", "kill_chain", "disk_full", "clock")
PUBLIC = (
    "crash", "crash", "kill", "two", "overtaken", "rpc", "rpc", "stall", "stall", "mine", "reorg", "reorg", "reorg",
    "disk_full", "clock",
)  # fmt: skip


def run(seed: int, bench: Bench, counts: Counter[str]) -> None:
    """One course of faults, counted. Raises Violation with the invariant that did not hold."""
    with tempfile.TemporaryDirectory(dir=bench.disk) as folder:
        course = Course(seed, bench, public=seed % 3 != 1, folder=Path(folder), counts=counts)
        try:
            for _ in range(course.dice.randint(4, 8)):
                course.grow()
                getattr(course, course.dice.choice(PUBLIC if course.public else OURS))()
                check_now(course.anchored, course.contract, course.seen)
            course.settle()
            check_end(course.anchored, course.contract)
            if course.public and course.dice.random() < 0.25:
                course.reset()
        finally:
            course.anchored.world.database.close()
