"""The owner's page of a work, on a small phone: what stands is not lost, and what is missing is asked for."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.accessible import faults
from tests.browser.conftest import Visit, Watched
from tests.browser.steps import overflow, shown
from tests.capture_api.test_works import ask, made, registered
from tests.photos import encoded, picture, side_by_side
from tests.service import Running

HOLDER = "0x" + "5e" * 20
FEE = str(10**16)
REMIX = {"preset": "commercial-remix", "share": 125_000, "fee": "0"}


def opened(phone: Watched, service: Running, capture: str, key: str = "") -> Page:
    """The owner's page of a work, once all of it is there."""
    if key:
        phone.page.evaluate("key => localStorage.setItem('capture.key', key)", key)
    phone.page.goto(f"/work/{capture}")
    expect(phone.page.locator("#wallet-words")).not_to_be_empty()
    return phone.page


def terms_of(service: Running, capture: str) -> Any:
    return ask(service, "GET", f"/v1/captures/{capture}/asset").json["terms"]


@pytest.mark.parametrize(
    ("seed", "terms", "ai", "preset"),
    [
        (9801, {"preset": "commercial", "fee": FEE, "ai_training": "paid", "duration": 86_400 * 30 + 7,
                "transferable": False}, "For money", "Use it, also for money, if they pay"),
        (9802, {"preset": "commercial-remix", "fee": "0", "share": 33_300}, "No", "Use and change it, and I get a"),
        (9803, {"preset": "ai-training-paid", "fee": "12345"}, "For money", "Nothing without asking me"),
        (9804, {"preset": "cc-by-nc-4.0", "ai_training": "allowed"}, "Yes, free", "CC BY-NC 4.0"),
        (9805, {"preset": "cc0"}, "Yes, free", "CC0 1.0"),
        (9806, {"preset": "commercial", "fee": "77", "currency": HOLDER}, "No", "Use it, also for money, if they pay"),
    ],
)  # fmt: skip
def test_the_form_begins_with_what_stands(
    phone: Watched, service: Running, seed: int, terms: Any, ai: str, preset: str
) -> None:
    capture = registered(service, seed)
    made(service, capture, terms)
    before = terms_of(service, capture)
    page = opened(phone, service, capture)
    form = page.locator("#offer")
    expect(form.get_by_label(ai, exact=True)).to_be_checked()
    expect(form.get_by_label(preset)).to_be_checked()
    send = form.get_by_role("button", name="Change the offer")
    expect(send).to_be_disabled()
    expect(form.get_by_text("This is what you offer now.")).to_be_visible()
    assert faults(page) == [] and overflow(page) <= 0
    if "fee" not in terms:
        return
    form.get_by_label("Price of a licence").fill("2")
    expect(send).to_be_enabled()
    send.click()
    expect(page.get_by_text("The offer stands.")).to_be_visible()
    after = terms_of(service, capture)
    assert after == before | {"fee": "2" if terms.get("currency") else str(2 * 10**18)}, "all else stays as it was"


def test_a_free_licence_is_not_sold_to_ai(phone: Watched, service: Running) -> None:
    capture = registered(service, 9807)
    made(service, capture, {"preset": "cc-by-4.0"})
    form = opened(phone, service, capture).locator("#offer")
    expect(form.get_by_label("For money", exact=True)).to_be_disabled()
    expect(form.get_by_text("goes with what is sold")).to_be_visible()
    form.get_by_label("Use it, also for money, if they pay").check()
    form.get_by_label("For money", exact=True).check()
    form.get_by_label("Use and change it for free, naming me").check()
    expect(form.get_by_label("No", exact=True)).to_be_checked()


def test_a_derivative_says_what_it_was_made_from_and_pays_its_parents(
    phone: Watched, service: Running, tmp_path: Path
) -> None:
    page = phone.page
    phone.expect("409")
    keys = [service.command("keys", "add", f"kin-{number}").stdout.split()[-1] for number in range(2)]
    named, unnamed = [
        shown(service, encoded(picture(seed, 640, 480), "JPEG", quality=92), key, rights={"creator": who})
        for seed, key, who in ((9811, "", "Ada Li"), (9812, keys[0], "Bo Chen"))
    ]
    made(service, named, REMIX)
    work = shown(service, side_by_side(9811, 9812), keys[1], parents=[{"id": named}])
    made(service, work, {"preset": "commercial", "fee": FEE}, keys[1])

    page.goto(f"/a/{work}")
    expect(page.get_by_role("heading", name="Not for sale yet")).to_be_visible()
    opened(phone, service, work, keys[1])
    card = page.locator("#origin")
    expect(card.get_by_role("heading", name="Say first what it was made from")).to_be_visible()
    expect(card.get_by_role("link", name="Photo by Ada Li")).to_be_visible()
    assert faults(page) == [] and overflow(page) <= 0
    page.screenshot(path=tmp_path / "origin.png", full_page=True)
    card.get_by_label("Bo Chen").check()
    card.get_by_role("button", name="Say so on the chain").click()
    expect(page.get_by_role("alert")).to_be_visible()  # the other is no work
    expect(card).to_be_visible()
    made(service, unnamed, REMIX, keys[0])
    card.get_by_role("button", name="Say so on the chain").click()
    expect(page.get_by_text("It stands on the chain what it was made from.")).to_be_visible()
    expect(card).to_be_hidden()
    sold = ask(service, "POST", f"/a/{work}/licences", {"holder": HOLDER}, key=None)  # type: ignore[arg-type]
    assert sold.json["state"] == "done"
    both = ask(service, "GET", f"/v1/captures/{work}/revenue", key=keys[1]).json["currencies"][0]["claimable"]
    assert sorted(map(int, both.values())) == [FEE_SHARE, FEE_SHARE, int(FEE) - 2 * FEE_SHARE]


FEE_SHARE = int(FEE) * 125_000 // 1_000_000


def test_money_in_works_made_from_it_is_paid_out(phone: Watched, service: Running, tmp_path: Path) -> None:
    page = phone.page
    maker = service.command("keys", "add", "maker").stdout.split()[-1]
    photo = shown(service, encoded(picture(9821, 640, 480), "JPEG", quality=92), "")
    made(service, photo, REMIX)
    work = shown(service, side_by_side(9821, 9822), maker, parents=[{"id": photo}])
    made(service, work, {"preset": "commercial", "fee": FEE}, maker)
    assert ask(service, "POST", f"/v1/captures/{work}/derivation", {}, maker).json["state"] == "done"
    ask(service, "POST", f"/a/{work}/licences", {"holder": HOLDER}, key=None)  # type: ignore[arg-type]
    opened(phone, service, photo)
    expect(page.get_by_text("It earned nothing yet.")).to_be_hidden()
    card = page.locator("#derived")
    expect(card).to_contain_text("0.00125 of the chain’s coin wait for you, your 12.5 % of what it earns.")
    assert faults(page) == [] and overflow(page) <= 0
    page.screenshot(path=tmp_path / "derived.png", full_page=True)
    card.get_by_role("button", name="Pay out").click()
    expect(page.get_by_text("Paid out to the work’s owner.")).to_be_visible()
    expect(card).to_be_hidden()


def test_an_objection_is_told_and_answered(phone: Watched, service: Running, tmp_path: Path) -> None:
    capture = registered(service, 9831)
    made(service, capture, {"preset": "commercial", "fee": FEE})
    objection = {"tag": "copy", "evidence": "ab" * 32}
    assert ask(service, "POST", f"/v1/captures/{capture}/review", objection).json["state"] == "done"
    page = opened(phone, service, capture)
    card = page.locator("#review")
    expect(card.get_by_role("heading", name="Somebody objects to this work")).to_be_visible()
    expect(card).to_contain_text("it sells no licences")
    expect(card).to_contain_text("The objection: “copy”.")
    expect(card).to_contain_text("Answer by ")
    assert faults(page) == [] and overflow(page) <= 0
    page.screenshot(path=tmp_path / "review.png", full_page=True)
    proof = b"the raw file"
    card.get_by_label("What speaks against it").set_input_files(FilePayload(name="a.dng", mimeType="", buffer=proof))
    with page.expect_request(lambda sent: sent.url.endswith("/appeal")) as sent:
        card.get_by_role("button", name="Answer the objection").click()
    assert sent.value.post_data_json == {"evidence": sha256(proof).hexdigest()}
    expect(page.get_by_text("Your answer is on the chain.")).to_be_visible()
    expect(card).to_contain_text("You answered.")
    expect(card.get_by_label("What speaks against it")).to_be_hidden()


def test_a_stranger_is_not_told_where_the_key_lies(phone: Watched, visit: Visit, service: Running) -> None:
    elsewhere = visit("/work/anything", base_url=f"http://capture.test:{service.port}").page
    expect(elsewhere.get_by_text("Whoever runs this service gives it to you.")).to_be_visible()
    expect(elsewhere.get_by_text("data/api-key")).to_be_hidden()
    page = phone.page
    page.evaluate("localStorage.clear()")
    page.goto("/work/anything")
    expect(page.get_by_text("data/api-key")).to_be_visible()  # this is the computer that has it
    width = page.locator("#key").evaluate("field => field.getBoundingClientRect().width")
    assert width > 250, "styled as on the app page"
    assert faults(page) == [] and overflow(page) <= 0


def test_a_plot_has_a_dot_for_each_payment_and_its_unit(phone: Watched) -> None:
    said = phone.page.evaluate(
        """async () => {
            const { draw } = await import('/static/plot.js');
            const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
            const hour = 3_600_000, at = Date.UTC(2026, 2, 1, 12);
            const dots = () => [...svg.querySelectorAll('circle')]
                .map((dot) => ['cx', 'cy'].map((name) => Number(dot.getAttribute(name))));
            const drawn = (hours, payments) => ({
                words: draw(svg, { since: at, until: at + hours * hour, payments, total: '4 coins' }),
                dots: dots(), path: svg.querySelector('path').getAttribute('d'), labels: svg.textContent });
            return [drawn(2, [[at + hour, 1]]), drawn(240, [[at + hour, 1], [at + 99 * hour, 3]])];
        }"""
    )
    one, two = said
    assert one["dots"] == [[160, 22]]
    assert one["path"] == "M8 116.0H160.0V22.0H312", "from nothing, when the work was made"
    assert "4 coins" in one["labels"]
    assert one["words"].startswith("1 payment, on Mar 1, 2026, ")
    assert two["words"].startswith("2 payments, from Mar 1, 2026 to Mar 5, 2026")
    assert [y for _, y in two["dots"]] == [92.5, 22]
