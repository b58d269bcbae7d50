"""A stranger on a small phone gets a licence of a photo: with play money, or from the wallet in the browser."""

import json
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from web3 import HTTPProvider, Web3

from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.steps import overflow
from tests.browser.test_wallet import PROVIDER, Wallet
from tests.capture_api.test_works import ask, made, registered
from tests.service import ROOT, Running

HOLDER = "0x" + "7c" * 20
FEE = str(10**16)
PAYMENT_REQUIRED = "402"  # the console's word for an answer that says what is to be paid


class Purse(Wallet):
    """A wallet that also pays, on the service's embedded chain; at first it speaks to another."""

    def __init__(self, service: Running) -> None:
        super().__init__()
        rpc = json.loads((service.home / "run/engines.json").read_text())["chain_url"]
        self._node, self.chain_id, self.sent = HTTPProvider(rpc), 1, 0
        self.node("anvil_setBalance", self.address, hex(10**18))

    def node(self, method: str, *params: Any) -> Any:
        """A node's plain answer, as wallets pass it on."""
        answer = self._node.make_request(method, list(params))
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        return answer["result"]

    def __call__(self, asked: dict[str, Any]) -> Any:
        method, params = asked["method"], asked.get("params", [])
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "wallet_switchEthereumChain":
            self.chain_id = int(params[0]["chainId"], 16)
            return None
        if method == "eth_sendTransaction":
            return self._send(params[0])
        if method in ("eth_getTransactionReceipt", "eth_call"):
            return self.node(method, *params)
        return super().__call__(asked)

    def _send(self, call: dict[str, Any]) -> Any:
        assert hex(self.chain_id) == self.node("eth_chainId"), "sent on the chain that the service named"
        if not self.willing:
            raise RuntimeError("User rejected the request.")
        self.sent += 1
        signed = self._account.sign_transaction({
            "to": Web3.to_checksum_address(call["to"]), "value": int(call["value"], 16), "data": call["data"],
            "nonce": int(self.node("eth_getTransactionCount", self.address, "latest"), 16), "gas": 500_000,
            "gasPrice": 10**10, "chainId": self.chain_id,
        })  # fmt: skip
        return self.node("eth_sendRawTransaction", Web3.to_hex(signed.raw_transaction))


def test_a_licence_is_got_with_play_money(visit: Visit, service: Running, tmp_path: Path) -> None:
    capture = registered(service, 9841)
    made(service, capture, {"preset": "commercial", "fee": FEE, "duration": 86_400 * 365})
    page = visit(f"/a/{capture}").page
    page.get_by_role("link", name="buy a licence below").click()
    card = page.get_by_role("region", name="Licences, as a contract offers them")
    expect(card).to_contain_text("0.01 of the coin of chain 31337 (this service’s own test chain)")
    expect(card).to_contain_text("365 days")
    expect(card.get_by_text("capture licence buy")).to_be_hidden()
    expect(card.get_by_text("eip155:")).to_be_hidden()
    card.get_by_role("button", name="Get a licence").click()
    expect(card).to_contain_text("its coin is play money")
    expect(card.get_by_role("button", name="Pay with my wallet")).to_be_hidden()
    holder = card.get_by_label("The address that gets it")
    expect(holder).to_be_focused()
    holder.fill("0x12")
    card.get_by_role("button", name="Get it with play money").click()
    assert not holder.evaluate("field => field.checkValidity()")
    holder.fill(HOLDER)
    assert faults(page) == [] and overflow(page) <= 0
    card.get_by_role("button", name="Get it with play money").click()
    expect(card.get_by_role("status")).to_contain_text(f"{HOLDER} has a licence, until ")
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "play.png", full_page=True)
    assert earned(service, capture) == FEE


def test_a_wallet_pays_signs_and_gets_the_photo(visit: Visit, service: Running, tmp_path: Path) -> None:
    capture = registered(service, 9842)
    made(service, capture, {"preset": "commercial", "fee": FEE, "ai_training": "paid"})
    page, purse = _with_wallet(visit, service, capture)
    card = page.get_by_role("region", name="Licences, as a contract offers them")
    card.get_by_role("button", name="Get a licence").click()
    purse.willing = False
    card.get_by_role("button", name="Pay with my wallet").click()
    expect(card.get_by_role("alert")).to_contain_text("The wallet said no. User rejected the request.")
    assert earned(service, capture) == "0"
    purse.willing = True
    assert faults(page) == [] and overflow(page) <= 0
    with page.expect_download() as saved:
        card.get_by_role("button", name="Pay with my wallet").click()
    assert saved.value.suggested_filename == f"{capture}.jpg"
    assert saved.value.path().read_bytes() == service.ask("GET", f"/v1/captures/{capture}/file").body
    expect(card.get_by_role("status")).to_contain_text("The photo is saved")
    assert (earned(service, capture), purse.sent) == (FEE, 1)
    with page.expect_download() as again:
        card.get_by_role("button", name="I hold a licence: get the photo").click()
    assert again.value.suggested_filename == f"{capture}.jpg"
    assert purse.sent == 1, "who holds a licence pays no more"
    page.screenshot(path=tmp_path / "wallet.png", full_page=True)


def test_a_price_in_a_token_is_allowed_exactly_and_paid(visit: Visit, service: Running) -> None:
    purse = Purse(service)
    token = _coin(purse)
    capture = registered(service, 9843)
    made(service, capture, {"preset": "commercial", "fee": "5000", "currency": token})
    page, purse = _with_wallet(visit, service, capture)
    card = page.get_by_role("region", name="Licences, as a contract offers them")
    expect(card).to_contain_text("5000 units of the token")
    card.get_by_role("button", name="Get a licence").click()
    with page.expect_download():
        card.get_by_role("button", name="Pay with my wallet").click()
    assert purse.sent == 2, "one to allow it, one to pay"
    told = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"]
    assert [each["received"] for each in told if each["currency"]] == ["5000"]
    page.evaluate("key => localStorage.setItem('capture.key', key)", service.key)
    page.goto(f"/work/{capture}")
    expect(page.locator("#plots svg")).to_be_visible()
    expect(page.locator("#plots text", has_text="5000 units of the token 0x")).to_be_visible()
    page.get_by_role("button", name="Pay out what waits").click()
    expect(page.get_by_text("Paid out to the work’s owner.")).to_be_visible()


def test_its_owner_finds_the_way_to_what_it_earns(visit: Visit, service: Running) -> None:
    capture = registered(service, 9844)
    stranger = visit(f"/a/{capture}").page
    stranger.wait_for_load_state("networkidle")
    expect(stranger.get_by_role("link", name="Your licences and revenue")).to_be_hidden()
    other = service.command("keys", "add", "another").stdout.split()[-1]
    for key, is_owner in ((other, False), (service.key, True)):
        page = visit("/offline").page
        page.evaluate("key => localStorage.setItem('capture.key', key)", key)
        with page.expect_response("**/v1/captures/check"):
            page.goto(f"/a/{capture}")
        link = page.get_by_role("link", name="Your licences and revenue")
        if is_owner:
            expect(link).to_have_attribute("href", f"/work/{capture}")
            assert faults(page) == [] and overflow(page) <= 0
        expect(link).to_be_visible(visible=is_owner)


def earned(service: Running, capture: str) -> Any:
    """All that the work got, in the chain's coin."""
    told = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"]
    return next(each["received"] for each in told if each["currency"] is None)


def _with_wallet(visit: Visit, service: Running, capture: str) -> tuple[Page, Purse]:
    """The public page in the browser of a wallet."""
    purse, watched = Purse(service), visit("/offline")
    watched.expect(PAYMENT_REQUIRED)
    watched.page.expose_function("walletAsks", purse)
    watched.page.add_init_script(PROVIDER)
    watched.page.goto(f"/a/{capture}")
    return watched.page, purse


def _coin(purse: Purse) -> str:
    """A token of which the purse has some."""
    made_of = json.loads((ROOT / "tests/contracts/Coin.json").read_text())
    creation = Web3().eth.contract(abi=made_of["abi"], bytecode=made_of["bytecode"]).constructor(purse.address)
    purse.node("anvil_impersonateAccount", purse.address)  # only to make the token: the wallet signs by itself
    call = {"from": purse.address, "data": creation.data_in_transaction, "gas": hex(3_000_000)}
    transaction, end = purse.node("eth_sendTransaction", call), time.monotonic() + 10
    while (receipt := purse.node("eth_getTransactionReceipt", transaction)) is None:
        assert time.monotonic() < end, "no block took it"
        time.sleep(0.02)
    purse.node("anvil_stopImpersonatingAccount", purse.address)
    return str(receipt["contractAddress"])
