"""What a photographer sees of works made from the photo: shares, money that waits in them, and the way to it."""

import json
from typing import Any

import pytest

from ledger.rights import RIGHTS
from tests.capture_api.test_works import REMIX, STRANGER, ask, made, newest, registered, told
from tests.service import Running

FREE_REMIX = REMIX | {"fee": "0"}
PRICE = 10_007


@pytest.fixture(scope="module")
def people(service: Running) -> list[str]:
    """The API keys of a photographer, a maker of collages, and somebody else."""
    return [service.command("keys", "add", f"kin-{number}").stdout.split()[-1] for number in range(3)]


@pytest.fixture(scope="module")
def line(service: Running, people: list[str]) -> list[str]:
    """A photo, a collage of it that is not published, and a published poster of the collage. Both were sold."""
    photo = registered(service, 7201, people[0])
    made(service, photo, FREE_REMIX, people[0])
    hidden = json.dumps({"published": False})
    collage = registered(service, 7202, people[1], Capture_Metadata=hidden)
    poster = registered(service, 7203, people[1])
    for parent, child in ((photo, collage), (collage, poster)):
        made(service, child, REMIX | {"fee": str(PRICE) if child == poster else "0"}, people[1])
        named = {"parents": [{"id": parent}]}
        assert ask(service, "POST", f"/v1/captures/{child}/derivation", named, people[1]).status == 200
    assert _changed_price(service, collage, people[1]) == "done"
    for work in (collage, poster):
        assert ask(service, "POST", f"/v1/captures/{work}/licences", {"holder": STRANGER}, people[1]).status == 200
    return [photo, collage, poster]


def _changed_price(service: Running, collage: str, key: str) -> str:
    """A collage that costs something from here on: the poster needed no licence."""
    terms = {"terms": REMIX | {"fee": str(PRICE)}}
    return str(ask(service, "PUT", f"/v1/captures/{collage}/terms", terms, key).json["state"])


def _waiting(service: Running, photo: str, key: str) -> dict[str, dict[str, Any]]:
    answer = ask(service, "GET", f"/v1/captures/{photo}/revenue", key=key).json
    assert answer["more"] is False
    return {row["id"]: row for row in answer["from_derivatives"]}


def test_money_that_waits_in_others_works_is_seen_and_claimed(
    service: Running, people: list[str], line: list[str]
) -> None:
    photo, collage, poster = line
    rows = _waiting(service, photo, people[0])
    assert list(rows) == [poster, collage], "newest first, at any depth"
    assert [row["share_ppm"] for row in rows.values()] == [10_000, 100_000]
    assert [row["currencies"] for row in rows.values()] == [
        [{"currency": None, "claimable": amount}] for amount in ("100", "1000")
    ]
    assert (rows[poster]["title"] is None, rows[collage]["title"]) == (False, None), "of what is hidden, no title"
    work = ask(service, "GET", f"/v1/captures/{collage}/asset", key=people[1]).json
    assert rows[collage]["asset"] == work["asset"]
    before = newest(service, people[0])
    for earner, amount in ((collage, "1000"), (poster, "100")):
        order = ask(service, "POST", f"/v1/captures/{earner}/claims", {"beneficiary": photo}, people[0])
        assert (order.status, order.json["result"]["amount"]) == (200, amount)
        assert service.ask("GET", order.json["links"]["self"], key=people[0]).status == 200
    assert told(service, photo, before, 2, people[0]) == ["claim", "claim"], "of money that came from others' works"
    rows = _waiting(service, photo, people[0])
    assert {row["currencies"][0]["claimable"] for row in rows.values()} == {"0"}
    last = ask(service, "GET", f"/v1/captures/{photo}/revenue", key=people[0]).json["cursor"]
    behind = ask(service, "GET", f"/v1/captures/{photo}/revenue?after={last}", key=people[0]).json
    assert (behind["from_derivatives"], behind["cursor"]) == ([], None)
    assert ask(service, "GET", f"/v1/captures/{photo}/revenue?after=x", key=people[0]).status == 400


def test_what_is_hidden_stays_hidden_from_everybody_else(service: Running, people: list[str], line: list[str]) -> None:
    photo, collage, _ = line
    mine = registered(service, 7204, people[2])
    made(service, mine, FREE_REMIX, people[2])
    path = f"/v1/captures/{collage}"
    for beneficiary in (mine, photo, collage, "nobody", None):
        body = {"beneficiary": beneficiary} if beneficiary else {}
        assert ask(service, "POST", f"{path}/claims", body, people[2]).status == 404, beneficiary
    for beneficiary in (collage, None):
        body = {"beneficiary": beneficiary} if beneficiary else {}
        assert ask(service, "POST", f"{path}/claims", body, people[0]).status == 404, "only for the photographer's own"
    for name in ("", "/asset", "/revenue", "/family", "/licences"):
        assert ask(service, "GET", f"{path}{name}", key=people[0]).status == 404, name


def test_the_family_has_shares_and_what_only_the_chain_names(
    service: Running, people: list[str], line: list[str]
) -> None:
    photo, collage, poster = line
    tokens = [ask(service, "GET", f"/v1/captures/{each}/asset", key=key).json["asset"]
              for each, key in zip(line, (people[0], people[1], people[1]), strict=True)]  # fmt: skip

    def family(capture: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(service, "GET", f"/v1/captures/{capture}/family", key=key).json
        return found

    of_poster = family(poster, people[1])
    (parent,) = of_poster["parents"]
    assert (parent["id"], parent["share_ppm"], parent["on_chain"]) == (collage, 90_000, True)
    (ancestor,) = of_poster["ancestors"]
    assert (ancestor["id"], int(ancestor["asset"], 16), ancestor["share_ppm"]) == (photo, int(tokens[0], 16), 10_000)
    of_poster = family(poster, people[0])
    assert (of_poster["parents"], of_poster["unpublished_parents"]) == ([], 1)
    assert {(each["id"], int(each["asset"], 16)) for each in of_poster["ancestors"]} == {
        (None, int(tokens[1], 16)), (photo, int(tokens[0], 16)),
    }  # fmt: skip
    (child,) = family(photo, people[1])["derivatives"]
    assert (child["id"], child["share_ppm"], child["on_chain"]) == (collage, 100_000, True)
    assert family(photo, people[0])["derivatives"] == [], "it is not published"
    open_record = service.ask("GET", f"/a/{poster}?format=json", key=None).json
    assert open_record["parents"] == []
    assert {each["id"] for each in open_record["ancestors"]} == {None, photo}


def test_a_licence_from_before_a_works_parents_were_named_makes_works_of_that_work_alone(
    service: Running, people: list[str]
) -> None:
    photo, collage, poster = (registered(service, 7211 + number, people[number]) for number in range(3))
    for capture, fee, key in zip((photo, collage, poster), ("0", "1000", "0"), people, strict=True):
        made(service, capture, REMIX | {"fee": fee}, key)
    works = [ask(service, "GET", f"/v1/captures/{each}/asset", key=key).json
             for each, key in zip((photo, collage, poster), people, strict=True)]  # fmt: skip
    holder = {"holder": works[2]["owner"]}
    bought = ask(service, "POST", f"/v1/captures/{collage}/licences", holder, people[2]).json["result"]["licence"]
    named = {"parents": [{"id": photo}]}
    assert ask(service, "POST", f"/v1/captures/{collage}/derivation", named, people[1]).json["state"] == "done"
    by_licence = {"parents": [{"id": collage, "licence": bought}]}
    order = ask(service, "POST", f"/v1/captures/{poster}/derivation", by_licence, people[2]).json
    assert order["state"] == "done", order
    assert order["result"]["shares"] == [str(int(works[1]["asset"], 16) | 10**17)], "nothing to the photo"


def test_a_parent_that_gave_way_to_an_earlier_statement_is_named_to_the_owner(
    service: Running, people: list[str]
) -> None:
    seeds = 7214, 7214, 7215
    first, copy, collage = (registered(service, seed, key) for seed, key in zip(seeds, people, strict=True))
    for capture, key in ((copy, people[1]), (collage, people[2]), (first, people[0])):
        made(service, capture, FREE_REMIX, key)
    named = {"parents": [{"id": copy}]}
    order = ask(service, "POST", f"/v1/captures/{collage}/derivation", named, people[2])
    gone = ask(service, "GET", f"/v1/captures/{copy}/asset", key=people[1]).json
    assert (order.status, gone["counts"]) == (409, False)
    assert f"he parent {gone['asset']} is no work any more" in order.json["detail"]


def test_what_was_declared_and_never_said_on_the_chain_has_no_share(service: Running, people: list[str]) -> None:
    parent = registered(service, 7210, people[0])
    child = registered(service, 7211, people[1], Capture_Metadata=json.dumps({"parents": [{"id": parent}]}))
    family = ask(service, "GET", f"/v1/captures/{child}/family", key=people[1]).json
    assert [(each["share_ppm"], each["on_chain"]) for each in family["parents"]] == [(None, False)]
    assert family["ancestors"] == []
    family = ask(service, "GET", f"/v1/captures/{parent}/family", key=people[0]).json
    assert [(each["share_ppm"], each["on_chain"]) for each in family["derivatives"]] == [(None, False)]


def test_anyone_with_a_key_reads_the_quote_of_a_published_work_and_buys(service: Running, people: list[str]) -> None:
    work = registered(service, 7220, people[0])
    made(service, work, {"preset": "commercial", "fee": "70"}, people[0])
    path = f"/v1/captures/{work}/licences"
    quote = ask(service, "GET", f"{path}?holder={STRANGER}", key=people[2]).json["quote"]
    refusal = service.ask("GET", f"/a/{work}/copy?use=commercial&holder={STRANGER}", key=None).json
    assert quote["transaction"] == refusal["transaction"]
    at = quote["transaction"]["holder_at_byte"]
    assert bytes.fromhex(quote["transaction"]["data"][2:])[at : at + 20].hex() == STRANGER[2:]
    assert (quote["transaction"]["value"], quote["approve"]) == ("70", None)
    assert quote["transaction"]["data"].startswith("0x" + RIGHTS.selector("function", "license").hex())
    before = newest(service, people[0])
    orders = [ask(service, "POST", path, {"holder": STRANGER}, key) for key in (people[2], people[1])]
    assert [order.status for order in orders] == [200, 200]
    assert orders[0].json["result"]["licence"] == orders[1].json["result"]["licence"], "one licence, paid once"
    for order, key in zip(orders, (people[2], people[1]), strict=True):
        assert service.ask("GET", order.json["links"]["self"], key=key).status == 200
        assert [each["id"] for each in ask(service, "GET", path, key=key).json["bought"]] == [order.json["id"]]
    assert len(ask(service, "GET", path, key=people[0]).json["bought"]) == 2, "its owner sees all"
    revenue = ask(service, "GET", f"/v1/captures/{work}/revenue", key=people[0]).json["currencies"][0]
    assert revenue["received"] == "70"
    ask(service, "POST", f"/v1/captures/{work}/claims", key=people[0])
    assert told(service, work, before, 2, people[0]) == ["licence", "claim"], "one licence, told once"
    closed = registered(service, 7221, people[0])
    made(service, closed, {"preset": "all-rights-reserved"}, people[0])
    quote = ask(service, "GET", f"/v1/captures/{closed}/licences", key=people[2]).json["quote"]
    assert quote["transaction"] is None
