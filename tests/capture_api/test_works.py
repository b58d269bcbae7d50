"""Photos as works on the chain: made, licensed, derived from and paid, through the service's doors and its chain."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from ledger.asking import nodes
from ledger.holder import Held, message, signed
from ledger.signer import LocalSigner
from tests.photos import jpeg
from tests.service import ROOT, Answer, Running

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
    assert answer.status in (200, 201, 202), answer.body
    return str(answer.json["id"])


def made(service: Running, capture: str, terms: Any = None, key: str = "") -> dict[str, Any]:
    """The order that made it a work."""
    answer = ask(service, "POST", f"/v1/captures/{capture}/asset", {"terms": terms} if terms else {}, key)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def token_of(rpc: str, holder: str) -> Any:
    """A token of which this account has much, as a contract that web3 calls for the account."""
    node = Web3(Web3.HTTPProvider(rpc))
    nodes(rpc).ask("anvil_setBalance", holder, hex(10**18))
    nodes(rpc).ask("anvil_impersonateAccount", holder)
    made_of = json.loads((ROOT / "tests/contracts/Coin.json").read_text())
    creation = node.eth.contract(abi=made_of["abi"], bytecode=made_of["bytecode"]).constructor(holder)
    receipt = node.eth.wait_for_transaction_receipt(creation.transact({"from": holder}))
    return node.eth.contract(Web3.to_checksum_address(str(receipt["contractAddress"])), abi=made_of["abi"])


def newest(service: Running, key: str = "") -> str:
    """Where the walk through an owner's captures ends now."""
    walk = service.ask("GET", "/v1/captures", key=key).json
    while walk["more"]:
        walk = service.ask("GET", f"/v1/captures?since={walk['cursor']}", key=key).json
    return str(walk["cursor"])


def told(service: Running, capture: str, since: str, count: int, key: str = "") -> list[str]:
    """What the stream says of a work from there on, so many times."""
    headers = {"Authorization": f"Bearer {key or service.key}", "Last-Event-ID": since}
    names: list[str] = []
    with urllib.request.urlopen(
        urllib.request.Request(f"{service.base}/v1/events", headers=headers), timeout=20
    ) as stream:
        while len(names) < count:
            line = stream.readline().decode()
            event = json.loads(line[5:]) if line.startswith("data:") else {}
            if event.get("id") == capture and "at" in event:
                names.append(event["name"])
    return names


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


def test_a_work_that_has_other_terms_is_not_said_to_have_these(service: Running) -> None:
    capture = registered(service, 7003)
    first, path = made(service, capture, REMIX), f"/v1/captures/{capture}"

    def refused() -> None:
        answer = ask(service, "POST", f"{path}/asset", {"terms": REMIX | {"fee": "1001"}})
        assert (answer.status, f"PUT {path}/terms" in answer.json["detail"]) == (409, True), answer.body

    refused()
    assert made(service, capture, REMIX)["id"] == first["id"]
    assert ask(service, "PUT", f"{path}/terms", {"terms": REMIX | {"fee": "1001"}}).status == 200
    late = ask(service, "POST", f"{path}/asset", {"terms": REMIX})
    assert (late.status, late.json["order"]["id"]) == (409, first["id"]), "its price is another by now"
    assert made(service, capture, REMIX | {"fee": "1001"})["id"] == first["id"]
    held = registered(service, 7004, Prefer="wait=0", Capture_Metadata='{"hold_s": 60}')
    path = f"/v1/captures/{held}"
    body = json.dumps({"terms": REMIX}).encode()
    assert service.ask("POST", f"{path}/asset", body, Content_Type="application/json").status == 202
    refused()
    service.ask("DELETE", path)


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
    before = newest(service, people[0])
    derived = ask(service, "POST", f"/v1/captures/{collage}/derivation", named, people[2])
    assert derived.status == 200, derived.body
    assert told(service, photos[0], before, 1, people[0]) == ["derived"], "its photographer hears of it"
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
    late = ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": REMIX | {"fee": "987654"}})
    assert late.status == 409
    assert "owns the work" in late.json["detail"]
    order = late.json["order"]
    assert (order["state"], order["transactions"]) == ("refused", []), "at once: nothing is paid for what is in vain"


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


# -- whoever wants to use a photo


def bought(service: Running, url: str, folder: Path, *more: str) -> Any:
    """`capture licence buy`, in a folder of its own; knows nothing but the URL."""
    command = [sys.executable, "-m", "cli", "licence", "buy", url, "--key-file", str(folder / "buyer.key"), *more]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CAPTURE_")}
    return subprocess.run(
        [*command, "-o", str(folder / "copy.jpg")], cwd=ROOT, env=environ, capture_output=True, text=True
    )


def test_a_trainer_that_knows_the_url_pays_once_and_gets_the_file(service: Running, tmp_path: Path) -> None:
    capture = registered(service, 7060)
    page = f"{service.base}/a/{capture}"
    assert "no-work" in service.ask("GET", f"/a/{capture}/copy", key=None).json["type"]
    made(service, capture, {"preset": "ai-training-paid", "fee": "777"})
    refused = service.ask("GET", f"/a/{capture}/copy?use=ai-training", key=None)
    assert (refused.status, refused.json["price"]["amount"]) == (402, "777")
    assert service.ask("GET", f"/a/{capture}/copy?use=commercial", key=None).status == 403
    assert "--at-most 776" in bought(service, page, tmp_path, "--at-most", "776").stderr
    for _ in range(2):
        run = bought(service, page, tmp_path, "--at-most", "777")
        assert run.returncode == 0, run.stderr
    assert (tmp_path / "copy.jpg").read_bytes() == service.ask("GET", f"/v1/captures/{capture}/file").body
    revenue = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]
    assert revenue["received"] == "777", "paid once"
    listed = service.ask("GET", "/v1/catalogue?use=ai-training", key=None).body.decode().splitlines()
    (row,) = [json.loads(line) for line in listed if json.loads(line)["id"] == capture]
    assert (row["price"]["amount"], row["free"], row["page"]) == ("777", False, page)
    commercial = service.ask("GET", "/v1/catalogue?use=commercial", key=None).body.decode()
    assert capture not in commercial


def test_a_buyer_with_a_node_pays_by_its_own_transaction(service: Running, tmp_path: Path) -> None:
    capture = registered(service, 7061)
    made(service, capture, {"preset": "commercial", "fee": "5000"})
    page, rpc = f"{service.base}/a/{capture}", json.loads((service.home / "run/engines.json").read_text())["chain_url"]
    poor = bought(service, page, tmp_path, "--at-most", "5000", "--use", "commercial", "--rpc", rpc)
    assert poor.returncode == 1
    assert "Traceback" not in poor.stderr
    holder = LocalSigner(bytes.fromhex((tmp_path / "buyer.key").read_text())).address
    nodes(rpc).ask("anvil_setBalance", holder, hex(10**18))
    run = bought(service, page, tmp_path, "--at-most", "5000", "--use", "commercial", "--rpc", rpc)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "copy.jpg").stat().st_size > 1000


def test_a_price_in_a_token_is_paid_when_the_buyer_names_it(service: Running, tmp_path: Path) -> None:
    rpc = json.loads((service.home / "run/engines.json").read_text())["chain_url"]
    (tmp_path / "buyer.key").write_text("3b" * 32)
    (tmp_path / "buyer.key").chmod(0o600)
    coin = token_of(rpc, LocalSigner(b"\x3b" * 32).address)
    holder, address = LocalSigner(b"\x3b" * 32).address, str(coin.address)
    capture = registered(service, 7064)
    made(service, capture, {"preset": "commercial", "fee": "5000", "currency": address})
    page = f"{service.base}/a/{capture}"
    asked = "--at-most", "5000", "--use", "commercial", "--rpc", rpc
    unnamed = bought(service, page, tmp_path, *asked)
    assert (unnamed.returncode, f"--currency {address.lower()}" in unnamed.stderr.lower()) == (1, True), unnamed.stderr
    other = bought(service, page, tmp_path, *asked, "--currency", STRANGER)
    assert other.returncode == 1 and coin.functions.balanceOf(holder).call() == 10**9
    run = bought(service, page, tmp_path, *asked, "--currency", address)
    assert run.returncode == 0, run.stderr
    again = bought(service, page, tmp_path, *asked, "--currency", address)
    assert again.returncode == 0 and "sent" not in again.stderr
    contract = ask(service, "GET", f"/v1/captures/{capture}/asset").json["chain"]["contract"]
    held = [coin.functions.balanceOf(each).call() for each in (holder, Web3.to_checksum_address(contract))]
    assert held == [10**9 - 5000, 5000]
    assert coin.functions.allowance(holder, Web3.to_checksum_address(contract)).call() == 0, "no more than the price"
    waits = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"]
    assert [each["received"] for each in waits if each["currency"] == address.lower()] == ["5000"]


def test_free_uses_need_nothing_and_signatures_of_others_help_nobody(service: Running) -> None:
    free, sold = registered(service, 7062), registered(service, 7063)
    made(service, free, {"preset": "cc0"})
    made(service, sold, {"preset": "commercial", "fee": "1"})
    answer = service.ask("GET", f"/a/{free}/copy?use=ai-training", key=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    path = f"/a/{sold}/copy?use=commercial"
    offer, now, key = service.ask("GET", path, key=None).json, int(time.time()), b"\7" * 32
    holder = LocalSigner(key).address
    ask(service, "POST", f"/a/{sold}/licences", {"holder": holder})
    chain, asset = offer["chain"], int(offer["asset"], 16)

    def shown(
        time: int = now, use: str = "commercial", by: bytes = key, work: int = asset, at: str = service.base
    ) -> int:
        text = message(at, chain["id"], chain["contract"], work, use, Held(holder, time))
        header = f'holder="{holder}"; time={time}; signature="0x{signed(text, by).hex()}"'
        return service.ask("GET", path, key=None, Capture_Licence=header).status

    assert shown() == 200
    wrong = shown(now - 400), shown(now + 400), shown(use="ai-training"), shown(by=b"\x08" * 32), shown(work=1)
    assert {*wrong, shown(at="https://evil.example/a/x")} == {403}
    assert service.ask("GET", path, key=None, Capture_Licence="x").status == 403
    other = LocalSigner(b"\x08" * 32).address
    text = message(service.base, chain["id"], chain["contract"], asset, "commercial", Held(other, now))
    header = f'holder="{other}"; time={now}; signature="0x{signed(text, bytes([8]) * 32).hex()}"'
    assert service.ask("GET", path, key=None, Capture_Licence=header).status == 402, "its signer has no licence"


def test_every_dialect_of_a_work_says_the_same(service: Running) -> None:
    capture = registered(service, 7070)
    made(service, capture, {"preset": "ai-training-paid", "fee": "250000000000000000"})
    work = ask(service, "GET", f"/v1/captures/{capture}/asset").json
    page = f"{service.base}/a/{capture}"

    def dialect(name: str) -> Answer:
        return service.ask("GET", f"/a/{capture}?format={name}", key=None)

    told = dialect("json").json["record"]["licence_on_chain"]
    assert (told["token"], told["price"], told["copy"]) == (work["token"], 250000000000000000, f"{page}/copy")
    assert told["terms_id"] == work["terms_id"]
    identifiers = {each["propertyID"]: each["value"] for each in dialect("jsonld").json["identifier"]}
    assert identifiers["CAIP-19"] == work["token"]
    html, rsl = dialect("html").body.decode(), dialect("rsl").body.decode()
    for words in (work["token"], "0.25 of the coin of chain", f"capture licence buy {page} --use ai-training"):
        assert words in html
    assert f"{page}/copy" in rsl
    headers = dialect("image").headers
    assert f'<{page}/copy>; rel="payment"' in headers["Link"]
    assert (headers["Content-Usage"], headers["tdm-reservation"]) == ("train-ai=n, ai-use=n, search=y", "1")
    ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": {"preset": "cc0"}})
    assert dialect("json").headers["Content-Usage"] == "train-ai=y, ai-use=y, search=y", "the owner's newest word"


def test_whoever_follows_is_told_of_licences_and_money(service: Running) -> None:
    capture = registered(service, 7080)
    before = newest(service)
    made(service, capture, {"preset": "commercial", "fee": "5"})
    ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER})
    ask(service, "POST", f"/v1/captures/{capture}/claims")
    changed = service.ask("GET", f"/v1/captures?since={before}").json["captures"]
    assert capture in [each["id"] for each in changed]
    assert told(service, capture, before, 3) == ["work", "licence", "claim"]
