"""What others do at the rights contract by their own transactions: seen, told once, and listed."""

import json
import time
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from ledger.asking import nodes
from ledger.endpoints import Endpoints
from ledger.rights import RIGHTS, terms_id, values
from pipeline.works import COIN
from rights.offers import parse_offer
from tests.capture_api.test_works import REMIX, ask, made, newest, registered, token_of, told
from tests.service import Running

BUYER, OTHER = "0x" + "6b" * 20, "0x" + "6c" * 20
LOOK_S = 3.0  # longer than it takes to see a new block


@pytest.fixture(scope="module")
def chain(service: Running) -> Endpoints:
    """The service's chain, which lets everybody send for everybody."""
    return nodes(json.loads((service.home / "run/engines.json").read_text())["chain_url"])


def sent(chain: Endpoints, by: str, to: str, data: str, value: int = 0) -> str:
    """The hash of a transaction by this account, in a block."""
    chain.ask("anvil_setBalance", by, hex(10**18))
    chain.ask("anvil_impersonateAccount", by)
    hash_ = chain.ask("eth_sendTransaction", {"from": by, "to": to, "data": data, "value": hex(value)}).content().hex()
    while (receipt := chain.ask("eth_getTransactionReceipt", f"0x{hash_}")).missing:
        time.sleep(0.05)
    assert receipt.quantity("status") == 1
    return f"0x{hash_}"


def _reviewer(chain: Endpoints, contract: str) -> str:
    asked = {"to": contract, "data": RIGHTS.call("reviewer")}
    return str(RIGHTS.answer("reviewer", chain.ask("eth_call", asked, "latest").content())[0])


def test_what_happens_without_an_order_is_told_once_and_listed(service: Running, chain: Endpoints) -> None:
    capture = registered(service, 7401)
    made(service, capture, {"preset": "commercial", "fee": "5000"})
    work = ask(service, "GET", f"/v1/captures/{capture}/asset").json
    contract, asset, before = work["chain"]["contract"], int(work["asset"], 16), newest(service)
    quote = ask(service, "GET", f"/v1/captures/{capture}/licences?holder={BUYER}").json["quote"]["transaction"]
    bought = sent(chain, BUYER, quote["to"], quote["data"], int(quote["value"]))
    assert told(service, capture, before, 1) == ["licence"]
    sent(chain, BUYER, contract, RIGHTS.call("pay", asset, COIN, 123), 123)
    claimed = sent(chain, OTHER, contract, RIGHTS.call("claim", asset, asset, COIN, []))
    sent(chain, work["owner"], contract, RIGHTS.call("transferFrom", work["owner"], OTHER, asset))
    assert told(service, capture, before, 4) == ["licence", "payment", "claim", "move"]

    listed = ask(service, "GET", f"/v1/captures/{capture}/licences").json["bought"]
    (licence,) = listed
    assert (licence["id"], licence["kind"], licence["state"], licence["links"]) == (None, "licence", "done", {})
    assert licence["transactions"] == [bought]
    assert (licence["result"]["holder"].lower(), licence["result"]["until"]) == (BUYER, 0)
    assert int(licence["result"]["licence"], 16) >> 80 == asset >> 80
    (claim,) = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["claims"]
    assert (claim["transactions"], claim["result"]["amount"]) == ([claimed], "5123")
    stranger = service.command("keys", "add", "watched").stdout.split()[-1]
    assert ask(service, "GET", f"/v1/captures/{capture}/licences", key=stranger).json["bought"] == []

    ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": OTHER})
    time.sleep(LOOK_S)
    ask(service, "POST", f"/v1/captures/{capture}/claims")
    names = told(service, capture, before, 6)
    assert names == ["licence", "payment", "claim", "move", "licence", "claim"], "an order's own is not told again"
    sent(chain, _reviewer(chain, contract), contract, RIGHTS.call("flag", asset, b"copy".ljust(32, b"\0"), b"\1" * 32))
    assert told(service, capture, before, 7)[-1] == "review"
    assert len(ask(service, "GET", f"/v1/captures/{capture}/licences").json["bought"]) == 2


def test_money_in_a_currency_that_only_the_owners_wallet_ever_named_is_seen(service: Running, chain: Endpoints) -> None:
    rpc = json.loads((service.home / "run/engines.json").read_text())["chain_url"]
    coin = token_of(rpc, to_checksum_address(BUYER))
    capture = registered(service, 7431)
    made(service, capture, {"preset": "commercial", "fee": "5000"})
    work = ask(service, "GET", f"/v1/captures/{capture}/asset").json
    contract, asset, before = work["chain"]["contract"], int(work["asset"], 16), newest(service)
    other = parse_offer({"preset": "commercial", "fee": "70", "currency": coin.address})
    sent(chain, work["owner"], contract, RIGHTS.call("addTerms", values(other)))
    sent(chain, work["owner"], contract, RIGHTS.call("setTerms", asset, terms_id(other), 0, b""))
    coin.functions.approve(to_checksum_address(contract), 70).transact({"from": to_checksum_address(BUYER)})
    sent(chain, BUYER, contract, RIGHTS.call("license", asset, terms_id(other), BUYER))
    sent(chain, work["owner"], contract, RIGHTS.call("setTerms", asset, bytes.fromhex(work["terms_id"]), 0, b""))
    assert told(service, capture, before, 1) == ["licence"]
    earned = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"]
    assert {each["currency"]: each["received"] for each in earned} == {None: "0", coin.address.lower(): "70"}


def test_a_derivation_by_the_owners_own_transaction_counts_like_an_order(service: Running, chain: Endpoints) -> None:
    keys = [service.command("keys", "add", f"own-{number}").stdout.split()[-1] for number in range(2)]
    photo, collage = registered(service, 7411, keys[0]), registered(service, 7412, keys[1])
    made(service, photo, REMIX | {"fee": "0"}, keys[0])
    made(service, collage, {"preset": "commercial", "fee": "1000"}, keys[1])
    works: list[Any] = [ask(service, "GET", f"/v1/captures/{each}/asset", key=key).json
                        for each, key in zip((photo, collage), keys, strict=True)]  # fmt: skip
    assets = [int(work["asset"], 16) for work in works]
    before = [newest(service, key) for key in keys]
    terms = [bytes.fromhex(works[0]["terms_id"])]
    data = RIGHTS.call("derive", assets[1], [assets[0]], 0, [0], terms, [[]], 0, b"")
    sent(chain, works[1]["owner"], works[1]["chain"]["contract"], data)
    assert told(service, photo, before[0], 1, keys[0]) == ["derived"]
    assert told(service, collage, before[1], 1, keys[1]) == ["derivation"]
    assert ask(service, "POST", f"/v1/captures/{collage}/licences", {"holder": BUYER}, keys[0]).status == 200
    (row,) = ask(service, "GET", f"/v1/captures/{photo}/revenue", key=keys[0]).json["from_derivatives"]
    assert (row["id"], row["share_ppm"], row["currencies"][0]["claimable"]) == (collage, 100_000, "100")
    order = ask(service, "POST", f"/v1/captures/{collage}/claims", {"beneficiary": photo}, keys[0])
    assert (order.status, order.json["result"]["amount"]) == (200, "100")
    family = ask(service, "GET", f"/v1/captures/{collage}/family", key=keys[1]).json
    assert [(each["id"], each["on_chain"]) for each in family["parents"]] == [(photo, True)]


def test_a_strangers_coin_keeps_no_owner_from_naming_a_parent(service: Running, chain: Endpoints) -> None:
    keys = [service.command("keys", "add", f"late-{number}").stdout.split()[-1] for number in range(2)]
    photo, collage = registered(service, 7421, keys[0]), registered(service, 7422, keys[1])
    made(service, photo, REMIX | {"fee": "0"}, keys[0])
    work = made(service, collage, {"preset": "commercial", "fee": "1000"}, keys[1])
    asset = int(work["result"]["asset"], 16)
    contract = ask(service, "GET", f"/v1/captures/{collage}/asset", key=keys[1]).json["chain"]["contract"]
    sent(chain, OTHER, contract, RIGHTS.call("pay", asset, COIN, 1), 1)
    assert ask(service, "POST", f"/v1/captures/{collage}/licences", {"holder": BUYER}, keys[0]).status == 200
    named = {"parents": [{"id": photo}]}
    assert ask(service, "POST", f"/v1/captures/{collage}/derivation", named, keys[1]).json["state"] == "done"
    assert ask(service, "POST", f"/v1/captures/{collage}/licences", {"holder": OTHER}, keys[0]).status == 200
    (revenue,) = ask(service, "GET", f"/v1/captures/{collage}/revenue", key=keys[1]).json["currencies"]
    assert (revenue["received"], sorted(revenue["claimable"].values())) == ("2001", ["100", "1901"])
    (row,) = ask(service, "GET", f"/v1/captures/{photo}/revenue", key=keys[0]).json["from_derivatives"]
    assert (row["share_ppm"], row["currencies"][0]["claimable"]) == (100_000, "100")
    for beneficiary, amount, key in ((photo, "100", keys[0]), (collage, "1901", keys[1])):
        for left in (amount, "0"):
            order = ask(service, "POST", f"/v1/captures/{collage}/claims", {"beneficiary": beneficiary}, key)
            assert (order.json["state"], order.json["result"]["amount"]) == ("done", left), "before and since, once"
