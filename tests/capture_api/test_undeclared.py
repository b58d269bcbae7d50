"""Parents that nobody declared: named with their evidence and terms, and what the operator wants done about them."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.capture_api.test_parents import registered
from tests.capture_api.test_register import _problem
from tests.photos import encoded, jpeg, picture, side_by_side
from tests.service import Answer, Running

SEED = 1700  # no other test uses these pictures


def collage(*seeds: int) -> bytes:
    """Pictures side by side."""
    return side_by_side(*(SEED + seed for seed in seeds))


def photo(seed: int) -> bytes:
    return jpeg(SEED + seed, 640, 480)


def ids(capture: Any) -> list[str]:
    return [each["id"] for each in capture["undeclared_parents"]]


class Photographers:
    """Two of them, and their photos: the first two are licensed, the third is not published."""

    def __init__(self, service: Running) -> None:
        self.service = service
        self.key = service.command("keys", "add", "photographer").stdout.strip()
        self.maker = service.command("keys", "add", "maker-of-collages").stdout.strip()
        self.one = registered(service, photo(1), self.key, rights={"creator": "Ada", "licence": "cc-by-4.0"}).json
        self.two = registered(service, photo(2), self.key).json
        self.private = registered(service, photo(3), self.key, published=False).json


@pytest.fixture(scope="module")
def others(service: Running) -> Photographers:
    return Photographers(service)


@pytest.fixture(scope="module")
def found(service: Running, others: Photographers) -> Any:
    """A collage of three, one of which is declared."""
    return registered(service, collage(1, 2, 3), others.maker, parents=[{"id": others.two["id"]}]).json


def test_what_was_not_declared_is_named_with_evidence_and_terms(found: Any, others: Photographers) -> None:
    assert found["status"] == "anchored" and found["held_for"] is None
    assert sorted(ids(found)) == sorted([others.one["id"], others.private["id"]])
    named = {each["id"]: each for each in found["undeclared_parents"]}
    shown = named[others.one["id"]]
    assert (shown["kind"], shown["links"]["public"]) == ("contains", f"/a/{others.one['id']}")
    (left, top), _, (right, bottom), _ = shown["evidence"]["box"]
    assert max(abs(left), abs(top), abs(right - 640), abs(bottom - 480)) < 15
    assert shown["terms"] == others.one["rights"] | {
        "licence_title": "Any use with credit (CC BY 4.0)", "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "offer": None,
    }  # fmt: skip


def test_of_unpublished_photos_no_more_is_said_than_in_the_verdict(
    service: Running, found: Any, others: Photographers
) -> None:
    shown = next(each for each in found["undeclared_parents"] if each["id"] == others.private["id"])
    assert (shown["terms"], shown["links"], shown["distance"]) == (None, {}, None)
    verdict = next(each for each in found["verdict"]["matches"] if each["id"] == others.private["id"])
    assert shown == verdict | {"terms": None}
    stranger = service.ask("GET", f"/a/{found['id']}", key=None, Accept="application/json").json
    assert ids(stranger) == [others.one["id"]]
    assert [each["id"] for each in stranger["parents"]] == [others.two["id"]]


def test_the_page_says_both(service: Running, others: Photographers, found: Any) -> None:
    page = service.ask("GET", f"/a/{found['id']}", key=None, Accept="text/html").body.decode()
    section = page[page.index('id="made-from"') : page.index("</section>", page.index('id="made-from"'))]
    declared, undeclared = section.split("not named by its uploader")
    assert f"/a/{others.two['id']}" in declared and f"/a/{others.one['id']}" in undeclared
    assert "Any use with credit" in undeclared and others.private["id"] not in section
    assert 'id="made-from"' not in service.ask("GET", f"/a/{others.one['id']}", key=None).body.decode()


def test_ones_own_photos_are_not_undeclared(service: Running, others: Photographers) -> None:
    made = registered(service, collage(2, 1), others.key).json
    assert made["verdict"]["kind"] == "contains" and ids(made) == []


def test_parents_of_parents_and_copies_of_parents_are_accounted_for(service: Running, others: Photographers) -> None:
    middle = registered(service, collage(1, 4), parents=[{"id": others.one["id"]}]).json
    stranger = service.command("keys", "add", "stranger-to-undeclared").stdout.strip()
    copy = registered(service, encoded(picture(SEED + 1, 640, 480), "JPEG", quality=60), stranger).json
    assert copy["verdict"]["kind"] == "near_copy" and ids(copy) == [others.one["id"]]
    # The whole line is found in it; what is declared answers for the rest, and a later copy is nobody's parent.
    wide = registered(service, collage(1, 4, 5), others.key, parents=[{"id": middle["id"]}]).json
    assert {others.one["id"], middle["id"]} <= {each["id"] for each in wide["verdict"]["matches"]}
    assert ids(wide) == []
    alone = registered(service, collage(1, 6), stranger, parents=[{"id": others.one["id"]}]).json
    assert ids(alone) == []
    by_copy = registered(service, collage(1, 7), parents=[{"id": copy["id"]}]).json
    assert others.one["id"] in ids(by_copy), "who declares a copy has not declared what it copies"


def test_an_exact_copy_of_anothers_photo_is_told(service: Running, others: Photographers) -> None:
    same = registered(service, photo(2)).json
    assert (same["verdict"]["kind"], ids(same)) == ("exact_copy", [others.two["id"]])


def test_an_erased_photo_is_no_longer_named(service: Running, others: Photographers) -> None:
    gone = registered(service, photo(8), others.key).json
    made = registered(service, collage(8, 9)).json
    assert ids(made) == [gone["id"]]
    service.ask("DELETE", f"/v1/captures/{gone['id']}", key=others.key)
    assert ids(service.ask("GET", f"/v1/captures/{made['id']}").json) == []


# -- the family


def family(service: Running, capture: Any, key: str = "", **query: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return service.ask("GET", f"/v1/captures/{capture['id']}/family?{asked}", key=key).json


def test_a_family_for_those_who_may_see_it(service: Running, others: Photographers, found: Any) -> None:
    shown = family(service, found, others.maker)
    assert [(each["id"], each["licence"], each["status"]) for each in shown["parents"]] == [
        (others.two["id"], None, "anchored")
    ]
    assert sorted(ids(shown)) == sorted(ids(found)) and (shown["derivatives"], shown["more"]) == ([], False)
    theirs = family(service, found, others.key)  # of a published capture of somebody else's
    assert [each["id"] for each in theirs["parents"]] == [others.two["id"]] and ids(theirs) == [others.one["id"]]
    assert service.ask("GET", f"/v1/captures/{others.private['id']}/family", key=others.maker).status == 404
    assert service.ask("GET", f"/v1/captures/{others.two['id']}/family", key=None).status == 401
    names = {child["id"] for child in family(service, others.two, others.key)["derivatives"]}
    assert found["id"] in names


def test_derivatives_come_a_page_at_a_time_and_only_those_one_may_see(service: Running, others: Photographers) -> None:
    parent = registered(service, photo(10), others.key, rights={"credit": "Agency"}).json
    made = [
        registered(service, photo(11 + n), others.maker, published=n != 1, parents=[{"id": parent["id"]}]).json
        for n in range(3)
    ]
    assert [each["title"] for each in family(service, made[0], others.maker)["parents"]] == ["Photo by Agency"]
    mine, walked = family(service, parent, others.maker, limit=2), []
    walked += mine["derivatives"]
    rest = family(service, parent, others.maker, limit=2, after=mine["cursor"])
    walked += rest["derivatives"]
    assert [each["id"] for each in walked] == [each["id"] for each in made]
    assert (mine["more"], rest["more"]) == (True, False)
    seen = family(service, parent, others.key)["derivatives"]
    assert [each["id"] for each in seen] == [made[0]["id"], made[2]["id"]], "its owner sees what is published"
    assert seen[0]["links"].keys() == {"public", "thumbnail"} and walked[0]["links"].keys() > {"self"}
    service.ask("DELETE", f"/v1/captures/{made[0]['id']}", key=others.maker)
    assert [each["id"] for each in family(service, parent, others.key)["derivatives"]] == [made[2]["id"]]
    for wrong in ("limit=0", "limit=101", "limit=x", "after=!"):
        answer = service.ask("GET", f"/v1/captures/{parent['id']}/family?{wrong}")
        assert _problem(answer, 400, "malformed-request")


# -- what the operator wants done


class Strict:
    """A service with a policy, and somebody else's photo in it."""

    def __init__(self, home: Path, policy: str) -> None:
        self.service = Running(home, CAPTURE_UNDECLARED_PARENTS=policy).start()
        self.other = self.service.command("keys", "add", "other").stdout.strip()
        self.parents = [registered(self.service, photo(seed), self.other).json["id"] for seed in (20, 21)]

    def status(self, capture_id: str, wanted: str) -> Any:
        end = time.monotonic() + 30
        while (shown := self.service.ask("GET", f"/v1/captures/{capture_id}").json)["status"] != wanted:
            assert time.monotonic() < end, shown["status"]
            time.sleep(0.1)
        return shown

    def answer(self, capture_id: str, key: str = "", **amendment: Any) -> Answer:
        body = json.dumps(amendment).encode()
        return self.service.ask("PATCH", f"/v1/captures/{capture_id}", body, key=key, Content_Type="application/json")

    def held(self, upload: bytes, **metadata: Any) -> Any:
        """Register it, and wait until the work on it waits."""
        capture_id = registered(self.service, upload, wait=0, **metadata).json["id"]
        end = time.monotonic() + 30
        while "is held until" not in (log := self.service.log()) or capture_id not in log.split("is held until")[-2]:
            assert time.monotonic() < end
            time.sleep(0.1)
        return self.status(capture_id, "matched")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    made = Strict(tmp_path_factory.mktemp("hold") / "data", "hold")
    yield made
    made.service.stop()


def test_a_hold_ends_when_its_owner_names_the_parents(strict: Strict) -> None:
    held = strict.held(collage(20, 21), parents=[{"id": strict.parents[0]}])
    assert (held["manifest"], held["held_for"], ids(held)) == (None, "undeclared_parents", strict.parents[1:])
    assert strict.answer(held["id"], strict.other, undeclared_stand=True).status == 404, "only its owner answers"
    wrong = strict.answer(held["id"], parents=[{"id": held["id"]}])
    assert wrong.status in (409, 422)
    named = [{"id": parent} for parent in strict.parents]
    assert strict.answer(held["id"], parents=named).status == 200
    done = strict.status(held["id"], "anchored")
    assert (ids(done), done["held_for"]) == ([], None)
    assert [each["id"] for each in done["parents"]] == strict.parents
    children = family(strict.service, {"id": strict.parents[1]})["derivatives"]
    assert [each["id"] for each in children] == [done["id"]]
    assert done["leaf"]["statement"][7] != bytes(32).hex()
    assert _problem(strict.answer(held["id"], parents=[]), 409, "too-late")


@pytest.mark.parametrize("looks_s, status, seed", [(0.5, 200, 40), (4, 409, 41)])
def test_an_answer_waits_a_moment_for_a_worker_that_has_the_photo(
    strict: Strict, looks_s: float, status: int, seed: int
) -> None:
    held = strict.held(collage(20, seed))
    lease = "UPDATE captures SET lease_token = ?, lease_until_ms = ? WHERE id = ?"
    with closing(sqlite3.connect(strict.service.home / "capture.db", isolation_level=None)) as database:
        database.execute(lease, ("another:1", int(time.time() * 1000 + looks_s * 1000), held["id"]))
    assert strict.answer(held["id"], undeclared_stand=True).status == status


def test_a_hold_ends_when_its_owner_lets_it_stand(strict: Strict) -> None:
    held = strict.held(collage(20, 22))
    assert strict.answer(held["id"], rights={"creator": "Eve"}).status == 200
    time.sleep(1)  # that was no answer to what was asked
    assert strict.service.ask("GET", f"/v1/captures/{held['id']}").json["status"] == "matched"
    assert strict.answer(held["id"], undeclared_stand=True).status == 200
    done = strict.status(held["id"], "anchored")
    assert (ids(done), done["held_for"], done["rights"]["creator"]) == (strict.parents[:1], None, "Eve")


def test_what_shows_nobody_elses_is_not_held(strict: Strict) -> None:
    assert registered(strict.service, photo(23)).json["status"] == "anchored"
    assert registered(strict.service, collage(20, 24), parents=[{"id": strict.parents[0]}]).json["status"] == "anchored"


def test_a_refusal_says_what_to_declare(tmp_path: Path) -> None:
    strict = Strict(tmp_path / "data", "refuse")
    service = strict.service
    try:
        upload, named = collage(20, 21), [{"id": parent} for parent in strict.parents]
        refused = _problem(registered(service, upload, parents=named[:1]), 422, "rejected")
        capture: Any = refused["capture"]
        assert strict.parents[1] in capture["rejection"]["reason"] and "Erase this capture" in str(refused["detail"])
        assert (ids(capture), capture["rejection"]["stage"]) == (strict.parents[1:], "sign")
        assert service.ask("DELETE", f"/v1/captures/{capture['id']}").status == 202
        assert registered(service, upload, parents=named).json["status"] == "anchored"
        assert registered(service, photo(20)).status == 422, "nor is another's very file taken"
    finally:
        service.stop()
