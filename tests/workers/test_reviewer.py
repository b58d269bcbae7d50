"""The reviewer's role at the rights contract goes from one account to another and back, by the operators' commands."""

import subprocess
from pathlib import Path

import pytest

from tests.service import Running
from tests.workers.foreign_chain import World, key, world

__all__ = ["world"]


def _run(world: World, file: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of whoever has the key in this file."""
    before = world.service.environ
    world.service.environ = before | {"CAPTURE_RELAY_KEY_FILE": str(file)}
    try:
        return world.service.command(*arguments)
    finally:
        world.service.environ = before


def test_a_service_that_is_not_the_reviewer_says_who_is(world: World, tmp_path: Path) -> None:
    world.work()
    relay, works = world.services.relay, world.services.works
    ours = world.service.environ["CAPTURE_RELAY_KEY_FILE"]
    theirs, other = key(tmp_path, "moderators.key")
    world.node.ask("anvil_setBalance", other, hex(10**18))
    (tmp_path / "evidence.txt").write_text("the same photo, from 1999")
    flag = "review", "flag", world.order.capture_id, "--tag", "copy", "--evidence", str(tmp_path / "evidence.txt")

    early = _run(world, theirs, "chain", "accept-reviewer")
    assert (early.returncode, "NotOffered" in early.stderr) == (1, True), early.stderr
    offered = _run(world, ours, "chain", "offer-reviewer", other)
    assert "capture chain accept-reviewer" in offered.stdout, offered.stderr
    assert works.reviewer() == relay.sender, "nothing changes until it is accepted"
    taken = _run(world, theirs, "chain", "accept-reviewer")
    assert taken.stdout == f"{other} is the reviewer of {relay.contract} now\n", taken.stderr
    assert works.reviewer() == other

    world.service.start()
    try:
        refused = world.service.command(*flag)
        assert refused.returncode == 1
        assert f"reviewer is {other}, not this service's account {relay.sender}" in refused.stderr, refused.stderr
        assert f"capture chain offer-reviewer {relay.sender}" in refused.stderr
        back = _run(world, theirs, "chain", "offer-reviewer", relay.sender)
        assert back.returncode == 0, back.stderr
        assert _run(world, ours, "chain", "accept-reviewer").returncode == 0
        raised = world.service.command(*flag)
        assert raised.stdout.startswith("done: 0x"), raised.stderr
    finally:
        world.service.stop()


@pytest.mark.parametrize("command", [("offer-reviewer", "0x" + 40 * "1"), ("accept-reviewer",)])
def test_without_settings_they_say_which_are_missing(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = Running(tmp_path / "data").command("chain", *command)
    assert (said.returncode, "CAPTURE_RIGHTS_CONTRACT and CAPTURE_RELAY_KEY_FILE first" in said.stderr) == (1, True)
