"""Whatever dies at whatever moment: the next flush goes on, nothing is signed twice, and every anchor stays true."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.deploy import deploy
from pipeline.errors import Unavailable
from tests.chain_fixture import KEY, Node, node, running
from tests.ledger.anchor_world import STEPS, Anchored, Crash, crash_at
from tests.service import ROOT

__all__ = ["node"]


@pytest.fixture
def anchored(tmp_path: Path, node: Node) -> Anchored:
    return Anchored.make(tmp_path / "world", node)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step(anchored: Anchored, step: str) -> None:
    anchored.grow(2)
    anchored.anchorer().flush()
    anchored.grow(3)
    # The flush begins with the facts of the one before.
    with pytest.raises(Crash):
        anchored.anchorer(fault=crash_at(step, 2 if "record" in step else 1)).flush()
    before = anchored.sent()
    assert len(before) == (2 if step == "before store" else 3)
    anchored.anchorer().flush()
    anchored.check()
    after = anchored.sent()
    assert [transaction.raw for transaction in after[: len(before)]] == [transaction.raw for transaction in before]
    assert len(after) == 3


@pytest.mark.parametrize("step", STEPS[:-2])
def test_a_crash_while_deploying(anchored: Anchored, step: str) -> None:
    anchored.grow(3)
    with pytest.raises(Crash):
        anchored.anchorer(fault=crash_at(step)).flush()
    anchored.anchorer().flush()
    anchored.check()
    assert len(anchored.sent()) == 2


@pytest.mark.parametrize("step", ["after store", "after send", "after mark_included"])
def test_a_process_that_is_killed(anchored: Anchored, tmp_path: Path, step: str) -> None:
    anchored.anchorer().flush()
    anchored.grow(3)
    module = "tests.ledger.anchor_world"
    run = subprocess.run([sys.executable, "-m", module, tmp_path / "world", anchored.node.url, step], cwd=ROOT)
    assert run.returncode == -signal.SIGKILL
    with pytest.raises(Unavailable, match="another anchorer works"):
        anchored.anchorer().flush()  # until its lease runs out
    with anchored.world.database.write() as connection:
        connection.exec_driver_sql("UPDATE leases SET until_ms = 0")
    anchored.anchorer().flush()
    anchored.check()
    assert len(anchored.sent()) == 2


def test_the_chain_is_killed_right_after_inclusion(anchored: Anchored) -> None:
    """It comes back without its last second: the same bytes give the same blocks with the same times."""
    for count in (2, 3, 1):
        anchored.grow(count)
        anchored.anchorer().flush()
        before = anchored.anchors()
        anchored.node.stop(signal.SIGKILL)
        anchored.node.start()
        anchored.anchorer().flush()
        assert anchored.anchors() == before
        anchored.check()
    assert len(anchored.sent()) == 4


def test_the_chain_loses_everything(anchored: Anchored) -> None:
    for count in (2, 3, 4):
        anchored.grow(count)
        anchored.anchorer().flush()
    before, bytes_before = anchored.anchors(), [transaction.raw for transaction in anchored.sent()]
    anchored.node.kill_and_lose()
    anchored.node.start()
    assert anchored.node.chain().nonce() == 0
    anchored.grow(1)
    anchored.anchorer().flush()
    anchored.check()
    assert {name: anchored.anchors()[name] for name in before} == before
    assert [transaction.raw for transaction in anchored.sent()][:4] == bytes_before


def test_the_chain_dies_while_we_send(anchored: Anchored) -> None:
    anchored.anchorer().flush()
    anchored.grow(3)

    def kill(step: str) -> None:
        if step == "after store":
            anchored.node.stop(signal.SIGKILL)

    with pytest.raises(Unavailable, match="did not answer"):
        anchored.anchorer(fault=kill).flush()
    with pytest.raises(Unavailable, match="did not answer"):
        anchored.anchorer().flush()
    anchored.node.start()
    anchored.anchorer().flush()
    anchored.check()
    assert len(anchored.sent()) == 2


def test_the_database_dies_before_the_facts_are_written(anchored: Anchored) -> None:
    """Two flushes' worth of captures, the first of which has its transaction only."""
    anchored.anchorer().flush()
    first = anchored.grow(2)
    with pytest.raises(Crash):
        anchored.anchorer(fault=crash_at("before record")).flush()
    second = anchored.grow(3)
    anchored.anchorer().flush()
    anchors = anchored.anchors()
    assert {anchors[name].tree_size for name in first} == {2}
    assert {anchors[name].tree_size for name in second} == {5}
    anchored.check()


def test_a_reorganisation_of_another_chain(anchored: Anchored) -> None:
    """The nonce goes back and the receipt is gone: the same bytes are sent again and get another block."""
    anchored.node.funded()
    chain = anchored.node.chain(contract=deploy(anchored.node.url, KEY), local=False)
    anchored.grow(2)
    anchored.anchorer(chain).flush()
    snapshot = anchored.node.ask("evm_snapshot")["result"]
    names = anchored.grow(3)
    anchor = anchored.anchorer(chain).flush()
    assert anchor
    anchored.node.ask("evm_revert", snapshot)
    assert chain.inclusion(anchor.transaction) is None
    anchored.node.ask("evm_mine")
    again = anchored.anchorer(chain).flush()
    assert again
    assert (again.transaction, again.tree_size) == (anchor.transaction, 5)
    assert again.block == anchor.block + 1
    assert anchored.anchors()[names[0]] == again  # what was shown before was no fact yet
    assert anchored.written() == set()


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 4)),
        st.tuples(st.just("flush"), st.sampled_from(["", *STEPS])),
        st.tuples(st.just("kill chain"), st.just(0)),
        st.tuples(st.just("lose chain"), st.just(0)),
    ),
    min_size=3,
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(EVENTS)
def test_any_course_of_events_ends_well(events: list[tuple[str, int | str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "chain") as node:
        anchored = Anchored.make(Path(folder) / "world", node)
        for event, value in [*events, ("grow", 1), ("flush", "")]:
            if event == "grow":
                anchored.grow(int(value))
            elif event == "flush":
                with contextlib.suppress(Crash):
                    anchored.anchorer(fault=crash_at(str(value))).flush()
            else:
                node.kill_and_lose() if event == "lose chain" else node.stop(signal.SIGKILL)
                node.start()
        anchored.check()
        anchored.world.database.close()
