"""An owner's own account: shown by signing a text, and what can be done with it then."""

import json
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct

from tests.capture_api.test_works import ask, made, registered
from tests.service import Answer, Running


def signed(key: bytes, text: str) -> str:
    """As a wallet answers `personal_sign`."""
    return "0x" + bytes(Account.from_key(key).sign_message(encode_defunct(text=text)).signature).hex()


def text_for(service: Running, address: str) -> str:
    answer = ask(service, "POST", "/v1/wallet/text", {"address": address})
    assert answer.status == 201, answer.body
    return str(answer.json["message"])


def shown(service: Running, text: str, signature: str) -> Answer:
    return ask(service, "POST", "/v1/wallet", {"message": text, "signature": signature})


def refused(answer: Answer) -> str:
    assert (answer.status, answer.json["type"]) == (403, "/docs#problem-sign-in-refused"), answer.body
    return str(answer.json["detail"])


def test_a_work_goes_to_the_wallet_that_was_shown(service: Running) -> None:
    key = b"\x21" * 32
    address = Account.from_key(key).address
    ask(service, "DELETE", "/v1/wallet")
    accounts = ask(service, "GET", "/v1/wallet").json
    assert accounts["own"] is None
    capture = registered(service, 7381)
    made(service, capture)
    kept = accounts["kept"]["address"]
    owner = ask(service, "GET", f"/v1/captures/{capture}/asset").json["owner"]
    assert owner == kept.lower() and accounts["kept"]["account"] == f"eip155:31337:{kept}", "no wallet is needed"
    move = ask(service, "POST", f"/v1/captures/{capture}/moves")
    assert (move.status, move.json["type"]) == (409, "/docs#problem-no-wallet")

    text = text_for(service, address.lower())
    assert text.startswith(f"127.0.0.1:{service.port} wants you to sign in") and address in text
    assert shown(service, text, signed(key, text)).json["own"]["address"] == address
    assert ask(service, "GET", "/v1/wallet").json["own"]["account"] == f"eip155:31337:{address}"
    assert ask(service, "POST", f"/v1/captures/{capture}/moves").json["state"] == "done"
    assert ask(service, "GET", f"/v1/captures/{capture}/asset").json["owner"] == address.lower()
    assert ask(service, "DELETE", "/v1/wallet").status == 204
    assert ask(service, "GET", "/v1/wallet").json["own"] is None


def test_what_is_claimed_for_the_account_that_we_keep_goes_to_the_wallet(service: Running) -> None:
    ask(service, "DELETE", "/v1/wallet")
    key = b"\x26" * 32
    address = Account.from_key(key).address
    capture = registered(service, 7382)
    made(service, capture, {"preset": "commercial", "fee": "1000"})
    path = f"/v1/captures/{capture}"
    kept = ask(service, "GET", "/v1/wallet").json["kept"]["address"]
    ask(service, "POST", f"{path}/licences", {"holder": "0x" + "7d" * 20})
    assert ask(service, "POST", f"{path}/claims").json["result"]["to"] == kept.lower(), "play money, and no wallet"

    text = text_for(service, address)
    shown(service, text, signed(key, text))
    ask(service, "POST", f"{path}/licences", {"holder": "0x" + "7e" * 20})
    paid = ask(service, "POST", f"{path}/claims").json
    assert (paid["result"]["to"], paid["result"]["amount"]) == (address.lower(), "1000")
    assert len(paid["transactions"]) == 2, "the chain is told once who is paid"
    ask(service, "POST", f"{path}/licences", {"holder": "0x" + "7f" * 20})
    assert len(ask(service, "POST", f"{path}/claims").json["transactions"]) == 1
    ask(service, "DELETE", "/v1/wallet")
    ask(service, "POST", f"{path}/licences", {"holder": "0x" + "7c" * 20})
    assert ask(service, "POST", f"{path}/claims").json["result"]["to"] == kept.lower()


def test_what_does_not_hold_binds_nothing(service: Running) -> None:
    ask(service, "DELETE", "/v1/wallet")
    key, other = b"\x22" * 32, b"\x23" * 32
    text = text_for(service, Account.from_key(key).address)
    good = signed(key, text)
    assert "Another account signed this" in refused(shown(service, text, signed(other, text)))
    assert "Another account signed this" in refused(shown(service, text.replace("costs", "c0sts"), good))
    elsewhere = text.replace(f"127.0.0.1:{service.port} wants", "evil.example wants")
    assert "It was signed for evil.example" in refused(shown(service, elsewhere, signed(key, elsewhere)))
    chain = text.replace("Chain ID: 31337", "Chain ID: 1")
    assert "switch the wallet" in refused(shown(service, chain, signed(key, chain)))
    invented = text.replace("Nonce: ", "Nonce: abc")
    assert "none that you were given" in refused(shown(service, invented, signed(key, invented)))
    assert ask(service, "GET", "/v1/wallet").json["own"] is None
    assert shown(service, text, good).status == 200, "the refused ones did not use the nonce up"
    ask(service, "DELETE", "/v1/wallet")
    assert "sent before" in refused(shown(service, text, good))
    assert ask(service, "GET", "/v1/wallet").json["own"] is None


def test_a_text_is_its_owners(service: Running) -> None:
    added = service.command("keys", "add", "second").stdout.split()
    other = next(word for word in added if word.startswith("cap_"))
    key = b"\x24" * 32
    text = text_for(service, Account.from_key(key).address)
    body: Any = {"message": text, "signature": signed(key, text)}
    assert "none that you were given" in refused(ask(service, "POST", "/v1/wallet", body, other))


def test_a_host_that_a_request_makes_up_is_not_signed_for(service: Running) -> None:
    body = json.dumps({"address": Account.from_key(b"\x25" * 32).address}).encode()
    answer = service.ask("POST", "/v1/wallet/text", body, Content_Type="application/json", Host="evil.example")
    assert (answer.status, "CAPTURE_PUBLIC_URL" in answer.json["detail"]) == (403, True)


def test_addresses_and_times_that_are_none_are_refused(service: Running) -> None:
    key = b"\x26" * 32
    text = text_for(service, Account.from_key(key).address)
    bracket = text.replace("URI: http://", "URI: http://[")
    assert "another place" in refused(shown(service, bracket, signed(key, bracket)))
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:01", "0001-01-01T00:00:00+23:59"):
        late = text.partition("\nIssued At: ")[0] + f"\nIssued At: {moment}"
        assert "not issued just now" in refused(shown(service, late, signed(key, late)))
    over = text + "\nExpiration Time: 0001-01-01T00:00:00+23:59"
    assert "does not hold now" in refused(shown(service, over, signed(key, over)))
    always = text + "\nNot Before: 0001-01-01T00:00:00Z"
    assert shown(service, always, signed(key, always)).status == 200
    ask(service, "DELETE", "/v1/wallet")
