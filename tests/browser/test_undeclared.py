"""A photo that shows others' photos, on a small phone: its owner is told, sees their terms, and answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessible import faults
from tests.browser.conftest import Visit, Watched
from tests.browser.steps import anchored, capture_id, card, choose, overflow, register
from tests.photos import jpeg, side_by_side
from tests.service import Running


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that holds what shows photos of others, and two photos of somebody else's."""
    running = Running(tmp_path_factory.mktemp("held") / "data", CAPTURE_UNDECLARED_PARENTS="hold").start()
    other = running.command("keys", "add", "other", check=True).stdout.strip()
    rights = {"credit": "Ada <i>Li</i>", "licence": "cc-by-4.0", "ai_training": "ask"}
    for seed, published in ((1, True), (2, False)):
        metadata = json.dumps({"rights": rights, "published": published})
        running.register(jpeg(seed, 640, 480), key=other, Capture_Metadata=metadata)
    yield running
    running.stop()


@pytest.fixture
def phone(visit: Visit, holding: Running) -> Watched:
    """The app page of that service, with its owner's key."""
    return visit(f"/#key={holding.key}", base_url=holding.base)


def test_the_owner_names_them(phone: Watched, holding: Running, tmp_path: Path) -> None:
    page = phone.page
    choose(page, side_by_side(1, 2, 3))
    register(page)
    note = card(page).get_by_role("region", name="Photos of others in it")
    expect(note).to_contain_text("It shows 2 photos of others that you did not name.", timeout=60_000)
    expect(note).to_contain_text("It is neither signed nor logged until you answer.")
    expect(note).to_contain_text("Ada <i>Li</i>. Any use with credit (CC BY 4.0); for training AI only if asked.")
    expect(note).to_contain_text("Its owner keeps it private.")
    expect(card(page).get_by_role("heading", level=2)).to_have_text("Waiting for your answer")
    expect(note.get_by_role("link")).to_have_count(1)
    assert faults(page) == []
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "held.png", full_page=True)
    note.get_by_role("button", name="Name those that are public").click()
    expect(note).to_contain_text("It shows a photo of somebody else that you did not name.")
    expect(note).to_contain_text("Its owner keeps it private.")
    expect(note.get_by_role("button", name="Name")).to_be_hidden()
    note.get_by_role("button", name="Leave it so").click()
    newest = anchored(page)
    expect(note).to_contain_text("You left it so.")
    expect(note.get_by_role("button", name="Leave it so")).to_be_hidden()
    capture = holding.ask("GET", f"/v1/captures/{capture_id(newest)}").json
    assert len(capture["parents"]) == 1
    assert capture["manifest"]["carried_parents"] == 1


def test_the_question_is_there_after_a_reload(phone: Watched) -> None:
    page = phone.page
    choose(page, side_by_side(1, 4))
    register(page)
    note = card(page).get_by_role("region", name="Photos of others in it")
    expect(note.get_by_role("button", name="Leave it so")).to_be_visible(timeout=60_000)
    page.reload()
    note.get_by_role("button", name="Leave it so").click()
    anchored(page)


def test_what_shows_nobody_elses_says_nothing(phone: Watched) -> None:
    page = phone.page
    choose(page, jpeg(5, 640, 480))
    register(page)
    expect(anchored(page).get_by_role("region", name="Photos of others in it")).to_be_hidden()
