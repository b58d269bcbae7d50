"""A wallet of the owner's own, on a small phone: shown by a signature, and given a work."""

from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct
from playwright.sync_api import expect

from tests.browser.accessible import faults
from tests.browser.conftest import Watched
from tests.browser.steps import anchored, choose, overflow, register
from tests.capture_api.test_works import ask
from tests.photos import jpeg
from tests.service import Running

# What a wallet puts into each page (EIP-1193); the key stays outside of it.
PROVIDER = "window.ethereum = { request: (asked) => window.walletAsks(asked) };"


class Wallet:
    """A wallet's answers; `willing`: whether its owner agrees to sign."""

    def __init__(self) -> None:
        self._account = Account.from_key(b"\x31" * 32)
        self.address, self.willing = str(self._account.address), True
        self.signed: list[str] = []

    def __call__(self, asked: dict[str, Any]) -> Any:
        if asked["method"] == "eth_requestAccounts":
            return [self.address.lower()]
        assert asked["method"] == "personal_sign" and asked["params"][1] == self.address.lower()
        if not self.willing:
            raise RuntimeError("User rejected the request.")
        self.signed.append(bytes.fromhex(asked["params"][0][2:]).decode())
        return "0x" + bytes(self._account.sign_message(encode_defunct(text=self.signed[-1])).signature).hex()


def test_a_wallet_is_shown_and_given_the_work(phone: Watched, service: Running, tmp_path: Path) -> None:
    page, wallet = phone.page, Wallet()
    ask(service, "DELETE", "/v1/wallet")
    page.expose_function("walletAsks", wallet)
    phone.expect("409")  # there is no work yet
    choose(page, jpeg(9381))
    register(page)
    anchored(page).get_by_role("link", name="Licences and revenue").click()
    expect(page.locator("#wallet")).to_be_hidden()
    page.get_by_role("button", name="Offer it").click()
    card = page.locator("#wallet")
    expect(card).to_contain_text("an account that this service keeps for you")
    expect(card.get_by_role("button", name="Move this work")).to_be_hidden()
    card.get_by_role("button", name="Show my wallet").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no wallet in this browser")

    page.add_init_script(PROVIDER)
    page.reload()
    wallet.willing = False
    card.get_by_role("button", name="Show my wallet").click()
    expect(page.get_by_role("alert")).to_contain_text("The wallet said no. User rejected the request.")
    wallet.willing = True
    card.get_by_role("button", name="Show my wallet").click()
    expect(page.get_by_text("That wallet is yours.")).to_be_visible()
    assert wallet.signed[0].startswith(f"127.0.0.1:{service.port} wants you to sign in")
    expect(card).to_contain_text(f"Your wallet is {wallet.address}")
    assert overflow(page) <= 0 and faults(page) == []
    page.screenshot(path=tmp_path / "wallet.png", full_page=True)
    card.get_by_role("button", name="Move this work").click()
    expect(card).to_contain_text(f"This work is in your wallet {wallet.address}")
    expect(card.get_by_role("button", name="Move this work")).to_be_hidden()
    card.get_by_role("button", name="Forget it").click()
    expect(card).to_contain_text("an account that you did not show to be yours")
    assert ask(service, "GET", "/v1/wallet").json["own"] is None
