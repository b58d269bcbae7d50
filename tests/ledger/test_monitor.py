"""The monitor against a real chain and a log that forks, rolls back, lies, is late, or is honest."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from ledger.checkpoint import parse, verify
from ledger.monitor import REMEMBERED, REORG_BLOCKS, Fork, State
from ledger.outside import OutsideContract, OutsideLog, _path
from ledger.rpc import Answer
from ledger.sequence import sequence
from ledger.tree import consistency_proof, root, verify_consistency
from pipeline.errors import Conflict, Rejected, Unavailable
from tests.chain_fixture import Node, node
from tests.ledger.anchor_world import Anchored
from tests.ledger.log_world import World, signer
from tests.ledger.monitor_world import Served, Watcher, served

__all__ = ["node"]  # the fixture


class Scene:
    """An anchored log, its address, and a monitor."""

    def __init__(self, folder: Path, anchored: Anchored, url: str, shown: Served) -> None:
        self.folder, self.anchored, self.url, self.shown = folder, anchored, url, shown
        self.contract = anchored.anchorer().ensure_contract()

    def watcher(self, deadline_s: float = 60, from_block: int | None = 0) -> Watcher:
        """A monitor as it starts, on the same state file each time."""
        file = self.folder / "monitor.json"
        return Watcher(file, self.url, self.anchored.node.url, self.contract, deadline_s, from_block)

    def grow(self, count: int, anchor: bool = True) -> int:
        """Log and anchor captures; the log's size."""
        self.anchored.grow(count)
        if anchor:
            self.anchored.anchorer().flush()
        newest = self.anchored.world.log.newest()
        assert newest
        return newest[0]

    def fork(self, *sizes: int) -> World:
        """Another log under the same key, grown in these steps, which the door shows from now on."""
        folder = self.folder / f"fork-{sizes}"
        folder.mkdir()
        world = World.make(folder)
        for size in sizes:
            world.seal_many(size, f"fork {size} ")
            sequence(world.log, world.signer, 10_000)
        self.shown.records = world.log
        return world


@contextmanager
def scene(folder: Path, node: Node) -> Iterator[Scene]:
    anchored = Anchored.make(folder, node)
    with served(anchored.world.log) as (url, shown):
        yield Scene(folder, anchored, url, shown)


@pytest.fixture
def here(tmp_path: Path, node: Node) -> Iterator[Scene]:
    with scene(tmp_path, node) as made:
        yield made


def test_an_honest_log_is_followed_checkpoint_by_checkpoint(here: Scene) -> None:
    watcher = here.watcher()
    for count in (3, 1, 260, 40):
        size = here.grow(count)
        assert watcher.look() == ["checkpoint", "anchored"]
        assert watcher.events[-2][1]["size"] == watcher.events[-1][1]["size"] == size
        assert watcher.well
        assert watcher.look() == []  # nothing is told twice
    assert watcher.monitor.state.anchored == 304


def test_every_root_between_two_looks_is_checked(here: Scene) -> None:
    watcher = here.watcher()
    for count in (2, 3, 300, 5):
        here.grow(count)
    assert watcher.look() == ["checkpoint", "anchored", "anchored", "anchored", "anchored"]
    assert [fields["size"] for event, fields in watcher.events if event == "anchored"] == [2, 5, 305, 310]


def test_without_a_first_block_it_begins_with_what_the_contract_holds(here: Scene) -> None:
    here.grow(2)
    here.anchored.node.ask("anvil_mine", hex(REORG_BLOCKS))
    here.grow(3)
    watcher = here.watcher(from_block=None)
    assert watcher.look() == ["checkpoint", "anchored"]
    here.grow(4)
    assert watcher.look() == ["checkpoint", "anchored"]
    assert [fields["size"] for event, fields in watcher.events if event == "anchored"] == [5, 9]


def test_it_remembers_over_a_restart(here: Scene) -> None:
    here.grow(3)
    assert here.watcher().look() == ["checkpoint", "anchored"]
    again = here.watcher()
    assert again.look() == []
    here.grow(2)
    assert here.watcher().look() == ["checkpoint", "anchored"]


def check_evidence(fork: Fork) -> None:
    """What a stranger with the log's key does with it."""
    evidence = json.loads(json.dumps(fork.evidence))
    older, newer = (verify(evidence[name], str(signer().vkey)) for name in ("older", "newer"))
    if "root_in_newer" not in evidence:
        assert older.size == newer.size
        assert older.root != newer.root
        return
    other, proof = bytes.fromhex(evidence["root_in_newer"]), [bytes.fromhex(d) for d in evidence["consistency_proof"]]
    assert other != older.root
    verify_consistency(older.size, newer.size, proof, other, newer.root)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ((5,), "two roots for 5 leaves"),
        ((9,), "the tree of 9 leaves does not begin with that of 5"),
        ((5, 300), "the tree of 305 leaves does not begin with that of 5"),
        ((3,), "the tree of 5 leaves does not begin with that of 3"),
    ],
)
def test_a_fork_is_found_with_evidence_also_after_a_restart(here: Scene, sizes: tuple[int, ...], says: str) -> None:
    here.grow(5)
    here.watcher().look()
    true = here.shown.records
    here.fork(*sizes)
    if says.startswith("the tree of 5"):  # an older checkpoint of another past, with the tiles of the newest
        forked = here.shown.records
        here.shown.records = true
        here.shown.change = lambda path, content: (
            forked.newest_checkpoint().encode() if path.endswith("checkpoint") else content
        )
    for _ in range(2):
        with pytest.raises(Fork, match=says) as fork:
            here.watcher().look()
        check_evidence(fork.value)


def test_a_root_on_the_chain_that_is_not_the_logs_is_a_fork(here: Scene) -> None:
    """The writer's key anchors one history, and the log shows another one, to us alone."""
    here.grow(5)
    forked = here.fork(5)
    with pytest.raises(Fork, match="the chain has another root for 5 leaves than the log") as fork:
        here.watcher().look()
    evidence = fork.value.evidence
    assert evidence["on_chain"]["root"] == here.anchored.world.log.root_at(5).hex()
    assert evidence["on_chain"]["transaction"].startswith("0x")
    assert verify(evidence["newer"], str(signer().vkey)).root == forked.log.root_at(5)
    assert evidence["root_in_newer"] == forked.log.root_at(5).hex()


def test_a_smaller_log_than_before_is_trouble_and_then_late(here: Scene) -> None:
    here.grow(3)
    old = here.shown.records.newest_checkpoint().encode()
    here.grow(4)
    watcher = here.watcher()
    watcher.look()
    here.shown.change = lambda path, content: old if path.endswith("checkpoint") else content
    assert watcher.look() == ["trouble"]
    assert "shows 3 leaves and signed 7 before" in watcher.events[-1][1]["why"]
    watcher.monitor.state.trouble["log"] -= 61
    assert watcher.look() == ["late"]
    assert not watcher.well
    here.shown.change = lambda path, content: content
    assert watcher.look() == ["well", "in_time"]
    assert watcher.well


def test_a_checkpoint_that_does_not_come_onto_the_chain_is_late(here: Scene) -> None:
    here.grow(3)
    watcher = here.watcher(deadline_s=30)
    watcher.look()
    here.grow(4, anchor=False)
    here.grow(2, anchor=False)
    assert watcher.look() == ["checkpoint"]
    assert watcher.well
    watcher.monitor.state.waiting[0][1] -= 31
    watcher.monitor.look()
    again = here.watcher(deadline_s=30)  # it is known over a restart, and not told again
    assert again.look() == []
    assert not again.well
    name, told = watcher.events[-1]
    assert (name, told["what"]) == ("late", "a checkpoint is not on the chain")
    assert 31 <= told["since_s"] < 40
    here.anchored.anchorer().flush()
    assert again.look() == ["anchored", "in_time"]
    assert again.well


def test_a_root_on_the_chain_that_the_log_does_not_show_is_late(here: Scene) -> None:
    here.grow(3)
    old = here.shown.records.newest_checkpoint().encode()
    watcher = here.watcher(deadline_s=30)
    watcher.look()
    here.shown.change = lambda path, content: old if path.endswith("checkpoint") else content
    here.grow(4)
    assert watcher.look() == []
    assert watcher.well  # it may be a cache
    watcher.monitor.state.unproved[0][1] -= 31
    assert watcher.look() == ["late"]
    assert watcher.events[-1][1]["what"] == "a root on the chain is not in the log"
    here.shown.change = lambda path, content: content
    assert watcher.look() == ["checkpoint", "anchored", "in_time"]


@pytest.mark.parametrize("damage", ["tile", "short", "gone", "note", "signature", "html", "long", "binary"])
def test_what_is_not_proved_is_trouble_and_no_fork(here: Scene, damage: str) -> None:
    here.grow(3)
    watcher = here.watcher()
    watcher.look()
    here.grow(300)

    def change(path: str, content: bytes) -> bytes | None:
        if path.endswith("checkpoint"):
            damaged = {"note": b"\n", "html": b"<html>", "binary": b"\xff", "long": content * 9000,
                       "signature": signer().sign(9, bytes(32)).encode().replace(b"\n9\n", b"\n303\n")}  # fmt: skip
            return damaged.get(damage, content)
        return {"tile": bytes(len(content)), "short": content[:-32], "gone": None}.get(damage, content)

    here.shown.change = change
    assert watcher.look() == ["trouble"]
    assert watcher.events[-1][1]["who"] == "log"
    assert watcher.look() == []
    here.shown.change = lambda path, content: content
    assert watcher.look() == ["checkpoint", "anchored", "well"]


def test_a_chain_that_is_away_or_another_one_is_trouble(here: Scene, tmp_path: Path) -> None:
    here.grow(3)
    watcher = here.watcher()
    watcher.look()
    here.anchored.node.stop()
    assert watcher.look() == ["trouble"]
    assert watcher.events[-1][1]["who"] == "chain"
    here.anchored.node.start()
    assert watcher.look() == ["well"]


def test_a_reorg_is_followed(here: Scene) -> None:
    here.grow(3)
    watcher = here.watcher()
    watcher.look()
    here.grow(2)
    here.grow(2)
    watcher.look()
    node = here.anchored.node
    node.ask("anvil_reorg", 2, [])
    assert watcher.look() == []
    here.anchored.anchorer().flush()
    here.grow(4)
    assert watcher.look() == ["checkpoint", "anchored"]
    assert watcher.well


def test_a_node_that_allows_few_blocks_is_asked_for_few(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (2, 3, 4):
        here.grow(count)
    contract = OutsideContract(here.anchored.node.url, here.contract)
    logs, asked = contract._logs, []

    def grudging(first: int, last: int) -> list[Answer]:
        asked.append(last - first + 1)
        if last - first >= 3:
            return contract._ask("eth_noSuchMethod").rows()  # a real refusal of a real node
        return list(logs(first, last))

    monkeypatch.setattr(contract, "_logs", grudging)
    last = contract.latest()
    found = [root.size for _, roots in contract.appended(0, last) for root in roots]
    assert found == [2, 5, 9]
    assert len(asked) < 3 * last
    assert contract._at_once > 1  # a refusal that passes does not slow us for ever
    assert list(contract.appended(last + 1, last)) == []


def test_a_long_log_is_followed_from_few_tiles(here: Scene) -> None:
    here.grow(700)
    watcher = here.watcher()
    watcher.look()
    here.shown.asked.clear()
    here.grow(300)
    watcher.look()
    assert len(here.shown.asked) <= 6


def test_a_state_of_something_else_and_a_damaged_one_are_refused(here: Scene, tmp_path: Path) -> None:
    here.grow(3)
    here.watcher().look()
    with pytest.raises(Conflict, match="about another log, contract or chain"):
        Watcher(tmp_path / "monitor.json", here.url, here.anchored.node.url, "0x" + "00" * 20)
    (tmp_path / "monitor.json").write_text("{")
    with pytest.raises(Conflict, match="is damaged"):
        here.watcher()
    with pytest.raises(Rejected, match="no contract's address"):
        OutsideContract(here.anchored.node.url, "0x12")
    empty = OutsideContract(here.anchored.node.url, "0x" + "00" * 20)
    with pytest.raises(Unavailable, match="no log contract"):
        empty.head(empty.latest())


def test_memory_is_bounded(tmp_path: Path) -> None:
    state = State("log", "0x", 1)
    state.proved = [[size, "00"] for size in range(REMEMBERED)]
    state.save(tmp_path / "state.json")
    assert (tmp_path / "state.json").stat().st_size < 500_000
    assert State.load(tmp_path / "state.json", "log", "0x", 1).proved == state.proved


def test_tile_paths() -> None:
    assert [_path(number) for number in (0, 7, 999, 1000, 1_234_067)] == [
        "000", "007", "999", "x001/000", "x001/x234/067",
    ]  # fmt: skip


def test_a_contradiction_is_proved_from_tiles_alone(here: Scene) -> None:
    here.grow(3)
    log, newest = OutsideLog(here.url, str(signer().vkey)), here.anchored.world.log
    note, whole = log.checkpoint()
    assert parse(note).checkpoint == whole
    log.check(whole)
    log.check_prefix(2, root(2, newest), whole)
    assert consistency_proof(2, 3, newest)


def test_the_command_says_what_is_wrong(here: Scene, tmp_path: Path) -> None:
    here.grow(3)
    (tmp_path / "two").write_text(f"{signer().vkey}\n{signer().vkey}\n")
    (tmp_path / "file").write_text("here is no folder")
    right = {"--log": here.url, "--key": str(signer().vkey), "--rpc": here.anchored.node.url,
             "--contract": here.contract, "--state": str(tmp_path / "state.json")}  # fmt: skip
    for options, says in (
        ({"--key": "nonsense"}, "neither a verifier key"),
        ({"--key": str(tmp_path / "two")}, "a monitor follows one log"),
        ({"--contract": "0x12"}, "0x and 40 hex digits"),
        ({"--rpc": "ftp://127.0.0.1"}, "begins with http"),
        ({"--rpc": "http://127.0.0.1:1"}, "did not answer"),
        ({"--rpc": here.url}, "refused eth_chainId"),
        ({"--state": str(tmp_path / "file/state.json")}, "cannot be written"),
        ({"--metrics-listen": "9"}, "no address and port"),
    ):
        words = [word for pair in (right | options).items() for word in pair]
        run = CliRunner().invoke(main, ["monitor", "--once", *words])
        assert run.exit_code == 1, (options, run.output)
        assert isinstance(run.exception, SystemExit)
        assert says in run.output
