"""Which photos of others are parents that nobody declared, from records made by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import Held, Rejected
from pipeline.kin import ANSWER_WITHIN, asset_of, check_undeclared, parents_of, title_of, undeclared
from pipeline.parents import Parent, UndeclaredPolicy
from pipeline.record import (
    Asset,
    Capture,
    Evidence,
    Inclusion,
    Match,
    MatchKind,
    Rejection,
    Request,
    Rights,
    Verdict,
)

EVIDENCE = Evidence("pdq256-v1", "upright", 256)


class Registry:
    """Captures by hand, in the order in which they came."""

    def __init__(self) -> None:
        self.known: dict[str, Capture] = {}

    def add(self, name: str, owner: str, *parents: str, **kinds: MatchKind) -> Capture:
        matches = tuple(Match(other, kind, 1, 1, EVIDENCE) for other, kind in kinds.items())
        verdict = Verdict(matches[0].kind if matches else "original", matches, 0, "")
        asked = Request(Rights(), parents=tuple(map(Parent, parents)))
        facts: dict[str, Any] = {"asset": Asset(name.encode().ljust(32), "image/jpeg", 1), "verdict": verdict}
        moment = datetime.now(UTC)
        self.known[name] = Capture(name, owner, bytes(20), moment, asked, facts, {})
        return self.known[name]

    def get(self, name: str) -> Capture:
        if name not in self.known:
            raise LookupError(name)
        return self.known[name]

    def of(self, capture: Capture) -> list[str]:
        return [match.id for match in undeclared(capture, self.get)]


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.add("a", "ada")
    made.add("b", "bob")
    return made


@pytest.mark.parametrize("kind", ["exact_copy", "near_copy", "contains", "contained_in"])
def test_what_it_shows_of_others_is_told(registry: Registry, kind: MatchKind) -> None:
    assert registry.of(registry.add("u", "eve", a=kind)) == ["a"]
    assert registry.of(registry.add("u", "ada", a=kind)) == []
    assert registry.of(registry.add("u", "eve", "a", a=kind, b="contains")) == ["b"]


@pytest.mark.parametrize("kind", ["shares_region", "same_scene"])
def test_what_is_for_a_person_to_judge_is_no_parent(registry: Registry, kind: MatchKind) -> None:
    assert registry.of(registry.add("u", "eve", a=kind)) == []
    assert registry.of(registry.add("u", "eve", b="contains", a=kind)) == ["b"]


def test_a_line_of_parents_is_followed_to_its_beginning(registry: Registry) -> None:
    before = "a"
    for number in range(10):
        seen: dict[str, MatchKind] = {before: "contains"}
        before = registry.add(f"g{number}", f"owner-{number}", before, **seen).id
    assert registry.of(registry.add("u", "eve", before, a="contains", g3="contains", b="contains")) == ["b"]
    assert registry.of(registry.add("u", "eve", "g3", a="contains", g3="contains", g8="contains")) == ["g8"]


def test_copies_of_what_is_known_are_not_told_and_what_a_copy_copies_is(registry: Registry) -> None:
    registry.add("copy", "eve", a="near_copy")
    assert registry.of(registry.add("u", "maker", "a", a="contains", copy="contains")) == []
    assert registry.of(registry.add("u", "maker", "copy", a="contains", copy="contains")) == ["a"]
    assert registry.of(registry.add("u", "ada", a="near_copy", copy="near_copy")) == [], "mine came first"
    registry.add("again", "ada", a="near_copy")  # the same owner's: either of them answers for both
    assert registry.of(registry.add("u", "maker", "again", a="contains", again="contains")) == []


def test_a_collage_with_the_same_photo_is_no_parent_of_another_copy(registry: Registry) -> None:
    registry.add("collage", "bob", a="contains")
    assert registry.of(registry.add("u", "eve", a="near_copy", collage="contained_in")) == ["a"]
    assert registry.of(registry.add("u", "eve", "a", a="near_copy", collage="contained_in")) == []
    assert registry.of(registry.add("u", "eve", a="contains", collage="contained_in")) == ["a", "collage"]


def test_what_is_gone_or_was_refused_is_not_told(registry: Registry) -> None:
    made = registry.add("u", "eve", "b", a="contains", b="contains", erased="contains")
    registry.known["a"].facts["rejection"] = Rejection("sign", "why")  # type: ignore[index]
    assert registry.of(made) == []
    del registry.known["b"]
    assert parents_of(made, registry.get) == []


def test_before_the_verdict_nothing_is_told(registry: Registry) -> None:
    made = registry.add("u", "eve", a="contains")
    del made.facts["verdict"]  # type: ignore[attr-defined]
    assert registry.of(made) == []


@pytest.mark.parametrize(("policy", "raises"), [("note", None), ("hold", Held), ("refuse", Rejected)])
def test_the_operators_policy(registry: Registry, policy: UndeclaredPolicy, raises: type[Exception] | None) -> None:
    check_undeclared(registry.add("u", "eve", "a", a="contains"), registry.get, policy)
    shown = registry.add("u", "eve", a="contains")
    if raises is None:
        return check_undeclared(shown, registry.get, policy)
    with pytest.raises(raises, match=r"a, which|parents: a"):
        check_undeclared(shown, registry.get, policy)


def test_an_answer_ends_a_hold_and_so_does_time(registry: Registry) -> None:
    asked = Request(Rights(), undeclared_stand=True)
    shown = registry.add("u", "eve", a="contains")
    answered = Capture("u", "eve", bytes(20), shown.created_at, asked, shown.facts, {})
    check_undeclared(answered, registry.get, "hold")
    with pytest.raises(Rejected):
        check_undeclared(answered, registry.get, "refuse")
    with pytest.raises(Held) as held:
        check_undeclared(shown, registry.get, "hold")
    assert held.value.until == shown.created_at + ANSWER_WITHIN < shown.created_at + timedelta(hours=24)
    long_ago = shown.created_at - ANSWER_WITHIN
    late = Capture("u", "eve", bytes(20), long_ago, shown.request, shown.facts, {})
    with pytest.raises(Rejected, match="for 20 hours"):
        check_undeclared(late, registry.get, "hold")


def test_titles_and_works(registry: Registry) -> None:
    made = registry.get("a")
    assert title_of(made) == f"Photo registered on {made.created_at:%Y-%m-%d}"
    named = Capture("n", "o", bytes(20), made.created_at, Request(Rights("Ada", "Ada / Agency")), made.facts, {})
    assert title_of(named) == "Photo by Ada / Agency"
    with pytest.raises(LookupError):
        asset_of(made)
    made.facts["inclusion"] = Inclusion(7, 8)  # type: ignore[index]
    assert asset_of(made) == int.from_bytes(b"a".ljust(16) + (7).to_bytes(6) + bytes(10))
