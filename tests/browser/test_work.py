"""The owner's page of a work, on a small phone: offer a photo, sell a licence, be paid."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.accessible import faults
from tests.browser.conftest import Watched
from tests.browser.steps import anchored, choose, overflow, register
from tests.photos import jpeg
from tests.service import Running


def test_a_photo_is_offered_sold_and_paid_out(phone: Watched, service: Running, tmp_path: Path) -> None:
    page = phone.page
    phone.expect("409", "403")  # there is no work yet, and later it is another's to be asked about
    choose(page, jpeg(9391))
    register(page)
    link = anchored(page).get_by_role("link", name="Licences and revenue")
    above, below = anchored(page).locator(".links").bounding_box(), link.bounding_box()
    assert above and below and below["y"] - above["y"] - above["height"] > 8
    assert below["width"] == above["width"]
    link.click()
    expect(page.get_by_role("heading", name="Offer it")).to_be_visible()
    expect(page.get_by_label("Price of a licence")).to_be_hidden()
    assert overflow(page) <= 0
    page.get_by_label("For money", exact=True).check()
    page.get_by_label("Use and change it, and I get a share").check()
    page.get_by_label("Price of a licence").fill("0,25")
    page.get_by_label("My share of what is made from it").fill("12.5")
    assert faults(page) == []
    page.get_by_role("button", name="Offer it").click()
    expect(page.get_by_text("The offer stands.")).to_be_visible()
    expect(page.get_by_text("Train AI on it: yes, with a licence for 0.25 of the chain’s coin")).to_be_visible()
    expect(page.get_by_text("Of what those earn, you get 12.5 %")).to_be_visible()
    expect(page.get_by_text("play money")).to_be_visible()
    expect(page.get_by_text("It earned nothing yet.")).to_be_visible()
    capture = page.url.rsplit("/", 1)[1]
    holder = b'{"holder": "0x%040x"}' % 77
    sold = service.ask(
        "POST", f"/a/{capture}/licences", holder, key=None, Content_Type="application/json", Prefer="wait=20"
    )
    assert sold.json["state"] == "done"
    page.reload()
    expect(page.get_by_text("Earned so far: 0.25 of the chain’s coin.")).to_be_visible()
    expect(page.get_by_text("1 payment, on")).to_be_visible()
    expect(page.locator("#plots path")).to_be_visible()
    assert overflow(page) <= 0
    assert faults(page) == []
    page.screenshot(path=tmp_path / "work.png", full_page=True)
    page.get_by_role("button", name="Pay out what waits").click()
    expect(page.get_by_text("Paid out to the work’s owner.")).to_be_visible()
    expect(page.get_by_role("button", name="Pay out what waits")).to_be_hidden()
    page.get_by_label("Use and change it for free, naming me").check()
    page.get_by_label("Yes, free").check()
    page.get_by_role("button", name="Change the offer").click()
    expect(page.get_by_text("Train AI on it: yes, free")).to_be_visible()


def test_what_cannot_be_is_said_in_words(phone: Watched, service: Running) -> None:
    page = phone.page
    phone.expect("404", "409")
    page.goto("/work/nothing-here")
    expect(page.get_by_role("alert")).to_contain_text("You have no capture 'nothing-here'")
    capture = service.register(jpeg(9392)).json["id"]
    page.goto(f"/work/{capture}")
    page.get_by_label("Use it, also for money, if they pay").check()
    page.get_by_label("Price of a licence").fill("cheap")
    page.get_by_role("button", name="Offer it").click()
    assert not page.locator("#price").evaluate("field => field.checkValidity()")
    expect(page.locator("#stands")).to_be_hidden()


def test_rights_are_stated_anew(phone: Watched, service: Running, tmp_path: Path) -> None:
    page = phone.page
    phone.expect("409")  # it is no work
    choose(page, jpeg(9393))
    register(page)
    anchored(page).get_by_role("link", name="Licences and revenue").click()
    card = page.locator("#stated")
    expect(card).to_contain_text("May AI be trained on it: no. Nobody may use it without asking me first.")
    expect(card.get_by_role("heading", name="Before")).to_be_hidden()
    card.get_by_text("State them anew").click()
    card.get_by_label("Ask me").check()
    card.get_by_label("Who took it?").fill("Ada <b>Li</b>")
    card.get_by_label("What may others do with it?").select_option("cc-by-4.0")
    assert faults(page) == []
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "stating.png", full_page=True)
    card.get_by_role("button", name="State this").click()
    expect(page.get_by_text("It is stated, and gets its place")).to_be_visible()
    expect(page.locator("#stated-words")).to_contain_text(
        "Ada <b>Li</b>. May AI be trained on it: ask me first. Others may use, change and share it"
    )
    expect(card.get_by_label("Who took it?")).to_be_hidden()
    expect(card.get_by_role("listitem")).to_contain_text(["Nobody may use it without asking me"])
    assert faults(page) == []
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "stated.png", full_page=True)
    capture = page.url.rsplit("/", 1)[1]
    page.goto(f"/a/{capture}")
    expect(page.get_by_text("Ada <b>Li</b>").first).to_be_visible()
    page.get_by_text("What was stated before").click()
    expect(page.get_by_text("Earlier terms may still hold")).to_be_visible()
    assert faults(page) == []
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "public.png", full_page=True)
