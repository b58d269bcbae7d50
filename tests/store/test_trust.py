"""Later verdicts: added beside the fact, found when they are due, gone with the capture."""

from pathlib import Path

import pytest

from pipeline.credentials import TrustVerdict
from pipeline.record import Credentials
from store.trust import TrustVerdicts
from tests.databases import give_tables
from tests.store.test_erasure import World

OLD, NEW = "aa" * 32, "bb" * 32


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    give_tables(made.database)
    return made


def fact(state: str, lists: str | None = OLD, certificate: str | None = "in_force") -> Credentials:
    return Credentials(state, state, "S", None, None, 1, None, None, trust_lists=lists, certificate=certificate)  # type: ignore[arg-type]


def verdict(lists: str, state: str = "trusted") -> TrustVerdict:
    return TrustVerdict.of(fact(state, lists))


def captured(world: World, name: str, credentials: Credentials) -> None:
    world.register(name)
    world.captures.put(name, "credentials", credentials)


def test_the_newest_verdict_counts_and_the_same_lists_count_once(world: World) -> None:
    captured(world, "a", fact("valid"))
    trust = TrustVerdicts(world.database)
    assert trust.newest("a") is None
    assert trust.put("a", verdict(NEW)) and not trust.put("a", verdict(NEW))
    found = trust.newest("a")
    assert found is not None and (found[0], found[1][-1]) == (verdict(NEW), "Z")
    assert trust.put("a", verdict(OLD, "valid")) and trust.newest("a")[0].state == "valid"  # type: ignore[index]
    assert world.captures.get("a").fact("credentials") == fact("valid")


def test_due_is_what_other_lists_may_judge_otherwise(world: World) -> None:
    for name, credentials in {
        "intact": fact("valid"), "trusted": fact("trusted"), "old": fact("valid", None), "none": fact("none", None),
        "changed": fact("invalid"), "ended": fact("invalid", OLD, "expired"), "new": fact("valid", NEW),
        "malformed": fact("malformed", None, None),
    }.items():  # fmt: skip
        captured(world, name, credentials)
    trust = TrustVerdicts(world.database)
    assert trust.due(NEW, 0, 100) == (["intact", "trusted", "old", "ended"], None)
    for name in ("intact", "trusted", "old", "ended"):
        trust.put(name, verdict(NEW))
    assert trust.due(NEW, 0, 100) == ([], None)
    assert trust.due(OLD, 0, 100)[0] == ["intact", "trusted", "old", "ended", "new"], "back to the lists of before"


def test_due_goes_on_where_it_stopped(world: World) -> None:
    for number in range(5):
        captured(world, f"c{number}", fact("valid"))
    trust, found, rounds = TrustVerdicts(world.database), list[str](), 0
    after: int | None = 0
    while after is not None:
        due, after = trust.due(NEW, after, 2)
        found += due
        rounds += 1
    assert (found, rounds) == ([f"c{number}" for number in range(5)], 3)


def test_an_erased_capture_keeps_none_and_gets_none(world: World) -> None:
    captured(world, "a", fact("valid"))
    trust = TrustVerdicts(world.database)
    trust.put("a", verdict(NEW))
    world.erasures.erase("a")
    assert trust.newest("a") is None
    assert not trust.put("a", verdict(OLD)) and trust.newest("a") is None
    assert trust.due(NEW, 0, 10) == ([], None)
