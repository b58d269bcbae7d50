"""Photos as works on the chain: made, licensed, derived from and paid, through the service's doors and its chain."""

import json
from typing import Any

import pytest

from tests.photos import jpeg
from tests.service import Answer, Running

REMIX = {"preset": "commercial-remix", "share": 100_000, "fee": "1000"}
STRANGER = "0x" + "5e" * 20


@pytest.fixture(scope="module")
def people(service: Running) -> list[str]:
    """The API keys of two photographers and of a maker."""
    made = [service.command("keys", "add", f"person-{number}", "--scope", "capture") for number in range(3)]
    return [run.stdout.split()[-1] for run in made]


def ask(service: Running, method: str, path: str, body: Any = None, key: str = "") -> Answer:
    """A request with JSON, that waits for its order."""
    content = json.dumps(body or {}).encode() if method != "GET" else None
    return service.ask(method, path, content, key, Content_Type="application/json", Prefer="wait=20")


def registered(service: Running, seed: int, key: str = "", **headers: str) -> str:
    """The id of a photo that is anchored."""
    headers = {"Content_Type": "image/jpeg", "Prefer": "wait=30"} | headers
    answer = service.ask("POST", "/v1/captures", jpeg(seed), key, **headers)  # type: ignore[arg-type]
    assert answer.status in (200, 201), answer.body
    return str(answer.json["id"])


def made(service: Running, capture: str, terms: Any = None, key: str = "") -> dict[str, Any]:
    """The order that made it a work."""
    answer = ask(service, "POST", f"/v1/captures/{capture}/asset", {"terms": terms} if terms else {}, key)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_a_photo_becomes_a_work_within_two_seconds(service: Running) -> None:
    capture = registered(service, 7001)
    assert ask(service, "GET", f"/v1/captures/{capture}/asset").json["type"].endswith("no-work")
    order = made(service, capture)
    assert order["state"] == "done"
    work = ask(service, "GET", f"/v1/captures/{capture}/asset").json
    assert work["asset"] == order["result"]["asset"]
    assert work["terms"]["preset"] == "all-rights-reserved"
    assert work["chain"]["local"] is True
    assert work["free_uses"] == []
    assert work["token"] == f"eip155:{work['chain']['id']}/erc721:{work['chain']['contract']}/{int(work['asset'], 16)}"
    inclusion, asset = (service.ask("GET", f"/v1/captures/{capture}").json[name] for name in ("inclusion", "asset"))
    assert work["asset"] == f"0x{asset['sha256'][:32]}{inclusion['index']:012x}{'00' * 10}".replace("0x0", "0x")
    again = made(service, capture)
    assert again["id"] == order["id"], "the same wish is one order"


def test_a_licence_is_bought_once(service: Running) -> None:
    capture = registered(service, 7002)
    assert ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER}).status == 409
    made(service, capture, REMIX)
    offer = ask(service, "GET", f"/v1/captures/{capture}/licences").json
    assert offer["quote"]["price"] == {"amount": "1000", "currency": None}
    first = ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER})
    again = ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER})
    assert first.status == again.status == 200
    assert first.json["result"]["holder"].lower() == STRANGER
    assert again.json["id"] == first.json["id"]
    revenue = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]
    assert (revenue["received"], list(revenue["claimable"].values())) == ("1000", ["1000"])
    paid = ask(service, "POST", f"/v1/captures/{capture}/claims").json
    assert (paid["state"], paid["result"]["amount"]) == ("done", "1000")
    assert ask(service, "POST", f"/v1/captures/{capture}/claims").json["result"]["amount"] == "0"


def test_a_collage_pays_the_photographers_and_its_maker_exactly_their_shares(
    service: Running, people: list[str]
) -> None:
    photos = [registered(service, 7010 + number, people[number]) for number in range(2)]
    for photo, key in zip(photos, people, strict=False):
        made(service, photo, REMIX | {"fee": "0"}, key)
    collage = registered(service, 7012, people[2])
    made(service, collage, REMIX | {"fee": "10007"}, people[2])
    named = {"parents": [{"id": photo} for photo in photos]}
    derived = ask(service, "POST", f"/v1/captures/{collage}/derivation", named, people[2])
    assert derived.status == 200, derived.body
    assert len(derived.json["result"]["shares"]) == 2
    ask(service, "POST", f"/v1/captures/{collage}/licences", {"holder": STRANGER}, people[2])
    amounts = []
    for beneficiary, key in zip([*photos, collage], people, strict=True):
        order = ask(service, "POST", f"/v1/captures/{collage}/claims", {"beneficiary": beneficiary}, key).json
        work = ask(service, "GET", f"/v1/captures/{beneficiary}/asset", key=key).json
        assert order["result"]["to"] == work["owner"]
        amounts.append(int(order["result"]["amount"]))
    assert amounts == [1000, 1000, 8005], "10 % each, rounded down, and 80 %"


def test_terms_can_change_and_a_work_can_move_to_its_owners_wallet(service: Running) -> None:
    capture = registered(service, 7020)
    made(service, capture, REMIX)
    changed = ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": {"preset": "cc0"}})
    assert changed.json["state"] == "done"
    work = ask(service, "GET", f"/v1/captures/{capture}/asset").json
    assert work["free_uses"] == ["commercial", "derivatives", "ai-training"]
    assert ask(service, "POST", f"/v1/captures/{capture}/moves", {"to": STRANGER}).json["state"] == "done"
    assert ask(service, "GET", f"/v1/captures/{capture}/asset").json["owner"].lower() == STRANGER
    late = ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": REMIX})
    assert late.status == 409
    assert "owns the work" in late.json["detail"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"terms": {"preset": "mine"}}, 422, "one of all-rights-reserved"),
        ({"terms": REMIX | {"share": 1_000_001}}, 422, "from 0 to 1000000"),
        ({"terms": {"preset": "commercial", "fee": 1, "currency": "0x12"}}, 422, "a token's address"),
        ({"term": {}}, 422, "term:"),
        ([], 422, "the body"),
    ],
)
def test_terms_that_cannot_be(service: Running, body: Any, status: int, sentence: str) -> None:
    capture = registered(service, 7030)
    answer = service.ask(
        "POST", f"/v1/captures/{capture}/asset", json.dumps(body).encode(), Content_Type="application/json"
    )
    assert (answer.status, sentence in answer.json["detail"]) == (status, True), answer.body


def test_what_the_contract_refuses_is_said_in_words(service: Running, people: list[str]) -> None:
    closed = registered(service, 7040, people[0])
    made(service, closed, {"preset": "all-rights-reserved"}, people[0])
    sold = registered(service, 7041, people[0])
    made(service, sold, REMIX, people[0])
    mine = registered(service, 7042, people[1])
    derivation = f"/v1/captures/{mine}/derivation"
    named = {"parents": [{"id": closed}]}
    assert ask(service, "POST", derivation, named, people[1]).json["type"].endswith("no-work")
    made(service, mine, REMIX, people[1])
    for parent, words in ((closed, "do not allow"), (sold, "ask for a licence")):
        answer = ask(service, "POST", derivation, {"parents": [{"id": parent}]}, people[1])
        assert (answer.status, words in answer.json["detail"]) == (409, True), answer.body
    nothing = ask(service, "POST", f"/v1/captures/{closed}/licences", {"holder": STRANGER}, people[0])
    assert "give nothing" in nothing.json["detail"]
    owner = ask(service, "GET", f"/v1/captures/{mine}/asset", key=people[1]).json["owner"]
    licence = ask(service, "POST", f"/v1/captures/{sold}/licences", {"holder": owner}, people[0]).json
    held = {"parents": [{"id": sold, "licence": licence["result"]["licence"]}]}
    assert ask(service, "POST", derivation, held, people[1]).json["state"] == "done"


def test_others_learn_nothing(service: Running, people: list[str]) -> None:
    capture = registered(service, 7050, people[0], Capture_Metadata=json.dumps({"published": False}))
    order = made(service, capture, REMIX, people[0])
    for method, path in (
        ("GET", "asset"), ("POST", "asset"), ("PUT", "terms"), ("GET", "revenue"), ("POST", "claims"),
        ("POST", "moves"), ("GET", f"orders/{order['id']}"), ("POST", "licences"),
    ):  # fmt: skip
        body = {"holder": STRANGER} if path == "licences" else {"to": STRANGER} if path == "moves" else {}
        assert ask(service, method, f"/v1/captures/{capture}/{path}", body, people[1]).status == 404, path
    parents = {"parents": [{"id": capture}]}
    mine = registered(service, 7051, people[1])
    made(service, mine, REMIX, people[1])
    assert ask(service, "POST", f"/v1/captures/{mine}/derivation", parents, people[1]).status == 404
