"""Orders: what is over may be wanted again, whose they are, and what becomes of them with an erasure or a refusal."""

import json
import threading
import time
from typing import Any

from ledger.asking import nodes
from ledger.rights import RIGHTS
from ledger.signer import LocalSigner
from tests.capture_api.test_works import STRANGER, ask, made, newest, people, registered, told
from tests.service import Answer, Running

__all__ = ["people"]
SHORT_S = 2
OTHER = "0x" + "6f" * 20


def chain_of(service: Running) -> Any:
    return nodes(json.loads((service.home / "run/engines.json").read_text())["chain_url"])


def bought(service: Running, capture: str, holder: str = STRANGER) -> dict[str, Any]:
    answer = ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": holder})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def received(service: Running, capture: str) -> str:
    return str(ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]["received"])


def test_a_licence_that_ended_is_bought_again(service: Running) -> None:
    capture = registered(service, 7700)
    made(service, capture, {"preset": "commercial", "fee": "5", "duration": SHORT_S})
    first = bought(service, capture)
    time.sleep(max(0, first["result"]["until"] - time.time()) + 0.1)
    second = bought(service, capture)
    assert second["id"] != first["id"]
    assert second["result"]["until"] > first["result"]["until"]
    assert received(service, capture) == "10"


def test_a_licence_that_was_given_on_is_bought_again(service: Running) -> None:
    capture = registered(service, 7701)
    made(service, capture, {"preset": "commercial", "fee": "5", "transferable": True})
    first, chain = bought(service, capture), chain_of(service)
    assert bought(service, capture)["id"] == first["id"], "as long as it lasts"
    contract = ask(service, "GET", f"/v1/captures/{capture}/asset").json["chain"]["contract"]
    chain.ask("anvil_setBalance", STRANGER, hex(10**18))
    chain.ask("anvil_impersonateAccount", STRANGER)
    given = RIGHTS.call("transferFrom", STRANGER, OTHER, int(first["result"]["licence"], 16))
    chain.ask("eth_sendTransaction", {"from": STRANGER, "to": contract, "data": given, "gas": hex(300_000)})
    chain.ask("anvil_stopImpersonatingAccount", STRANGER)
    second = bought(service, capture)
    assert second["result"]["licence"] != first["result"]["licence"]
    assert received(service, capture) == "10"


def test_a_licence_under_other_terms_is_bought_beside_the_one_that_lasts(service: Running) -> None:
    capture, first_terms = registered(service, 7702), {"preset": "commercial", "fee": "5"}
    made(service, capture, first_terms)
    first, path = bought(service, capture), f"/v1/captures/{capture}"
    assert ask(service, "PUT", f"{path}/terms", {"terms": {"preset": "ai-training-paid", "fee": "7"}}).status == 200
    second = bought(service, capture)
    assert second["result"]["licence"] != first["result"]["licence"]
    assert second["result"]["terms_id"] == ask(service, "GET", f"{path}/asset").json["terms_id"]
    assert ask(service, "PUT", f"{path}/terms", {"terms": first_terms}).status == 200
    assert bought(service, capture)["id"] == first["id"], "which still lasts"
    assert received(service, capture) == "12"


def test_a_strangers_order_has_an_address_for_strangers_and_is_shown_to_the_owner(
    service: Running, people: list[str]
) -> None:
    capture = registered(service, 7703, people[0])
    work = made(service, capture, {"preset": "commercial", "fee": "5"}, people[0])
    body, holder = {"holder": OTHER}, json.dumps({"holder": OTHER}).encode()
    given = service.ask("POST", f"/a/{capture}/licences", holder, None, Content_Type="application/json")
    assert given.status in (200, 202), given.body
    link = given.json["links"]["self"]
    end = time.monotonic() + 20
    while (shown := service.ask("GET", link, key=None)).json["state"] == "open":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (shown.status, shown.json["result"]["holder"]) == (200, OTHER)
    same = ask(service, "POST", f"/v1/captures/{capture}/licences", body, people[0])
    assert same.json["result"]["licence"] == shown.json["result"]["licence"], "the holder has it once"
    orders = ask(service, "GET", f"/v1/captures/{capture}/orders", key=people[0]).json["orders"]
    listed = {each["id"]: each for each in orders}
    keyed = listed[given.json["id"]]["links"]["self"]
    assert keyed.startswith("/v1/")
    assert ask(service, "GET", keyed, key=people[0]).json == listed[given.json["id"]]
    assert ask(service, "GET", keyed, key=people[1]).status == 404
    assert service.ask("GET", keyed, key=None).status == 401
    assert service.ask("GET", f"/a/{capture}/orders/{work['id']}", key=None).status == 404, "nobody else's business"
    assert service.ask("GET", f"/a/{capture}/orders/{'0' * 24}", key=None).status == 404
    assert [each["id"] for each in orders] == [work["id"], given.json["id"], same.json["id"]]
    assert ask(service, "GET", f"/v1/captures/{capture}/orders", key=people[1]).status == 404


def test_an_erasure_ends_the_wait_for_an_order(service: Running) -> None:
    capture = registered(service, 7704, Prefer="wait=0", Capture_Metadata='{"hold_s": 60}')
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(service, "POST", f"/v1/captures/{capture}/asset", {})))
    waiting.start()
    end = time.monotonic() + 10
    while not ask(service, "GET", f"/v1/captures/{capture}/orders").json["orders"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert service.ask("DELETE", f"/v1/captures/{capture}").status == 202
    waiting.join(30)
    assert (answers[0].status, answers[0].json["type"]) == (410, "/docs#problem-erased")
    assert ask(service, "GET", f"/v1/captures/{capture}/orders").status == 410


def test_why_an_order_waits_is_logged_once(service: Running) -> None:
    capture = registered(service, 7705, Prefer="wait=0", Capture_Metadata='{"hold_s": 60}')
    body = b"{}"
    order = service.ask("POST", f"/v1/captures/{capture}/asset", body, Content_Type="application/json").json
    end = time.monotonic() + 10
    while not (shown := ask(service, "GET", order["links"]["self"]).json)["problem"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(1)  # it is looked at again and again
    assert "no place in the log" in shown["problem"]
    assert service.log().count(f"order {order['id']} (asset) waits") == 1
    assert service.ask("PATCH", f"/v1/captures/{capture}", body, Content_Type="application/json").status == 200
    while (shown := ask(service, "GET", order["links"]["self"]).json)["state"] == "open":
        assert time.monotonic() < end + 20
        time.sleep(0.1)
    assert shown["state"] == "done"


def test_a_refused_order_is_told(service: Running) -> None:
    capture = registered(service, 7706)
    made(service, capture, {"preset": "all-rights-reserved"})
    before = newest(service)
    assert ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER}).status == 409
    assert told(service, capture, before, 1) == ["order-refused"]
    assert ask(service, "GET", f"/v1/captures/{capture}/orders").json["orders"][-1]["state"] == "refused"


def test_a_wallet_that_burns_gas_is_not_paid_for(service: Running) -> None:
    capture = registered(service, 7707)
    made(service, capture, {"preset": "commercial", "fee": "5"})
    bought(service, capture)
    wallet = LocalSigner(b"\x77" * 32).address
    assert ask(service, "POST", f"/v1/captures/{capture}/moves", {"to": wallet}).json["state"] == "done"
    counts_down = "62030d40" + "5b600190038060045700"  # from 200,000, at 26 gas each: five million, then all is well
    chain_of(service).ask("anvil_setCode", wallet, "0x" + counts_down)
    refused = ask(service, "POST", f"/v1/captures/{capture}/claims")
    assert (refused.status, "more than 3,000,000 gas" in refused.json["detail"]) == (409, True), refused.body
    assert refused.json["order"]["transactions"] == []


def test_a_licence_for_an_account_that_is_nobodys_gives_nothing_to_everybody(service: Running) -> None:
    headers = {"Capture_Metadata": json.dumps({"published": True})}
    capture = registered(service, 7719, **headers)
    made(service, capture, {"preset": "commercial", "fee": "5"})
    holder = json.dumps({"holder": "0x" + "00" * 19 + "01"}).encode()
    given = service.ask(
        "POST", f"/a/{capture}/licences", holder, None, Content_Type="application/json", Prefer="wait=20"
    )
    assert given.json["state"] == "done", given.body
    assert service.ask("GET", f"/a/{capture}/copy?use=commercial", key=None).status == 402
    assert ask(service, "GET", f"/v1/captures/{capture}/asset").json["free_uses"] == []


def test_a_price_above_all_play_money_is_refused(service: Running) -> None:
    capture = registered(service, 7721)
    made(service, capture, {"preset": "commercial", "fee": str(10**30)})
    refused = ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER})
    assert (refused.status, "play money" in refused.json["detail"]) == (409, True), refused.body
