"""Orders that can never be carried out, wallets that lie to the relay, and works that the contract does not sell."""

import json

import pytest

from ledger.asking import Works, nodes
from ledger.rights import RIGHTS
from tests.capture_api.test_works import STRANGER, ask, made, registered
from tests.service import Running


def test_what_can_never_be_is_refused_and_holds_nobody_up(service: Running) -> None:
    capture = registered(service, 7045)
    made(service, capture, {"preset": "commercial", "fee": "5"})
    nobody, contract = "0x" + "00" * 20, ask(service, "GET", f"/v1/captures/{capture}/licences").json["quote"]["chain"]
    for path, body in (("licences", {"holder": nobody}), ("moves", {"to": contract["contract"]})):
        answer = ask(service, "POST", f"/v1/captures/{capture}/{path}", body)
        assert (answer.status, "account that it should go to" in answer.json["detail"]) == (409, True), answer.body


@pytest.mark.parametrize("pays_only_in_estimates", [False, True])
def test_an_owner_whose_wallet_plays_tricks_holds_nobody_up(service: Running, pays_only_in_estimates: bool) -> None:
    capture, other = registered(service, 7046 + pays_only_in_estimates), registered(service, 7048)
    made(service, capture, {"preset": "commercial", "fee": "5"})
    ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER})
    wallet = f"0x{0xCAFE + pays_only_in_estimates:040x}"
    assert ask(service, "POST", f"/v1/captures/{capture}/moves", {"to": wallet}).json["state"] == "done"
    lie = RIGHTS.selector("error", "AlreadyLicensed").hex()  # of a licence that is not there
    code = f"63{lie}60e01b600052600160235260246000fd"
    if pays_only_in_estimates:
        code = "3a600557005bfe"  # stops where gas has no price, and fails where it has one
    rpc = json.loads((service.home / "run/engines.json").read_text())["chain_url"]
    nodes(rpc).ask("anvil_setCode", wallet, "0x" + code)
    claim = ask(service, "POST", f"/v1/captures/{capture}/claims")
    assert claim.status == 409, claim.body
    assert made(service, other)["state"] == "done"


def test_nobody_is_asked_to_pay_for_what_the_contract_does_not_sell(service: Running) -> None:
    capture = registered(service, 7264)
    made(service, capture, {"preset": "ai-training-paid", "fee": "9"})
    offer = service.ask("GET", f"/a/{capture}/copy", key=None)
    assert offer.status == 402
    contract, asset = offer.json["chain"]["contract"], int(offer.json["asset"], 16)
    chain = nodes(json.loads((service.home / "run/engines.json").read_text())["chain_url"])
    reviewer = Works(chain, contract).view("reviewer")[0]
    chain.ask("anvil_impersonateAccount", reviewer)
    flag = RIGHTS.call("flag", asset, b"copy".ljust(32, b"\0"), bytes(32))
    chain.ask("eth_sendTransaction", {"from": reviewer, "to": contract, "data": flag, "gas": hex(300_000)})
    chain.ask("anvil_stopImpersonatingAccount", reviewer)
    halted = service.ask("GET", f"/a/{capture}/copy", key=None)
    assert (halted.status, "objects" in halted.json["detail"]) == (403, True), halted.body
