"""The family of a photo as a picture on its public page, on a small phone."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.steps import overflow, shown
from tests.capture_api.test_works import ask, made
from tests.photos import encoded, picture, side_by_side
from tests.service import Running

REMIX = {"preset": "commercial-remix", "share": 125_000, "fee": "0"}
SIDE = 40  # pixels: what a thumb can hit is a link of its own, and what an eye can see


def test_parents_stand_above_and_what_was_made_below(visit: Visit, service: Running, tmp_path: Path) -> None:
    maker = service.command("keys", "add", "painter").stdout.split()[-1]
    parents = [shown(service, _photo(9850 + at), "", rights={"creator": f"Ada {at}"}) for at in range(6)]
    made(service, parents[0], REMIX)
    many = shown(service, _photo(9860), maker, parents=[{"id": each} for each in parents])
    page = visit(f"/a/{many}").page
    card = page.get_by_role("region", name="What it was made from")
    _pictures(card, ["Ada 0", "Ada 1", "Ada 2", "Ada 3", "this photo"])
    expect(card).to_contain_text("+2 more")
    expect(card.get_by_role("link", name="Ada 5")).to_be_hidden()
    card.get_by_text("All 6 that its uploader named").click()
    expect(card.get_by_role("link", name="Ada 5")).to_have_attribute("href", f"/a/{parents[5]}")
    _sound(page, tmp_path / "many.png")

    one = shown(service, side_by_side(9850, 9861), maker, parents=[{"id": parents[0]}])
    made(service, one, REMIX, maker)
    assert ask(service, "POST", f"/v1/captures/{one}/derivation", {}, maker).json["state"] == "done"
    last = shown(service, side_by_side(9850, 9861, 9862), maker, parents=[{"id": one}])
    page.goto(f"/a/{last}")
    _pictures(page.locator(".family"), ["Ada 0", "registered on", "this photo"])
    _sound(page, tmp_path / "two-up.png")

    page.goto(f"/a/{parents[0]}")
    card = page.get_by_role("region", name="What was made from it")
    _pictures(card, ["this photo", "registered on", "registered on"])
    expect(card).to_contain_text("passes on 12.5 %")
    expect(card.locator(".kin a").last).to_have_attribute("href", f"/a/{one}")
    _sound(page, tmp_path / "down.png")


def test_what_nobody_named_hangs_on_a_dashed_line(visit: Visit, service: Running, tmp_path: Path) -> None:
    maker = service.command("keys", "add", "cutter").stdout.split()[-1]
    named, unnamed = (shown(service, _photo(seed), "", rights={"creator": who})
                      for seed, who in ((9871, "Ada Li"), (9872, "Bo Chen")))  # fmt: skip
    whole = shown(service, side_by_side(9871, 9872), maker, parents=[{"id": named}])
    page = visit(f"/a/{whole}").page
    family = page.locator(".family")
    expect(family.locator("li.unnamed")).to_contain_text("Bo Chen")
    expect(family.locator("path.unnamed")).to_have_count(1)
    expect(family.locator("path")).to_have_count(2)
    found = page.get_by_role("region", name="Other earlier photos it has to do with")
    links = found.get_by_role("link").evaluate_all("links => links.map(link => link.pathname)")
    assert f"/a/{unnamed}" in links and f"/a/{named}" not in links, "parents are shown once"
    page.get_by_text("What it has in common with the one it names").click()
    _sound(page, tmp_path / "dashed.png")


def _pictures(part: Locator, names: list[str]) -> None:
    """Each with its name, and large enough to be seen."""
    shown = part.locator(".family img") if part.locator(".family").count() else part.locator("img")
    expect(shown).to_have_count(len(names))
    for at, name in enumerate(names):
        assert name in str(shown.nth(at).get_attribute("alt"))
        box = shown.nth(at).bounding_box()
        assert box and box["width"] > SIDE and box["height"] > SIDE


def _sound(page: Page, picture_: Path) -> None:
    assert faults(page) == [] and overflow(page) <= 0
    page.screenshot(path=picture_, full_page=True)


def _photo(seed: int) -> bytes:
    return encoded(picture(seed, 640, 480), "JPEG", quality=92)
