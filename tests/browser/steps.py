"""What a person does on the capture page, as the tests say it: by the names that a screen reader speaks."""

import json
import re
from typing import Any

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.service import Running

DONE_MS = 60_000  # from the press of the button to the anchor, on a machine that does other things too
FACTS = ["Received", "Inspected", "Fingerprinted", "Compared", "Signed", "Sealed", "Logged", "Anchored"]


def shown(service: Running, photo: bytes, key: str, **metadata: Any) -> str:
    """The id of a photo of this owner's, with this metadata: registered, and not by the page."""
    answer = service.register(photo, key=key, Capture_Metadata=json.dumps(metadata))
    assert answer.status in (200, 201), answer.body
    return str(answer.json["id"])


def choose(page: Page, photo: bytes, name: str = "IMG_2041.jpg", media_type: str = "image/jpeg") -> None:
    """Choose a photo from the gallery."""
    page.get_by_label("Choose from gallery").set_input_files(FilePayload(name=name, mimeType=media_type, buffer=photo))


def register(page: Page) -> None:
    """Press Register."""
    page.get_by_role("button", name="Register").click()


def card(page: Page) -> Locator:
    """The newest photo on the page."""
    return page.locator("#photos article").first


def anchored(page: Page, photos: int = 1) -> Locator:
    """Wait until the newest photo is anchored, and is the one that makes this many on the page."""
    expect(page.locator("#photos article")).to_have_count(photos, timeout=DONE_MS)
    newest = card(page)
    expect(newest.get_by_role("heading", level=2)).to_have_text("Registered and anchored", timeout=DONE_MS)
    return newest


def capture_id(newest: Locator) -> str:
    """The id in the link to the public page."""
    address = newest.locator("a.page").get_attribute("href") or ""
    found = re.search(r"/a/([a-z0-9]+)$", address)
    assert found, address
    return found.group(1)


def facts(newest: Locator) -> dict[str, str]:
    """Each fact's name and what is said about it."""
    lines: list[tuple[str, str]] = newest.locator(".facts li:not(.waiting)").evaluate_all(
        "lines => lines.map(line => ['.name', '.sentence'].map(part => line.querySelector(part).textContent))"
    )
    return dict(lines)


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


def slow_upload(page: Page, bytes_per_s: int) -> Any:
    """Make the network's way up slow, as on a phone in the country."""
    session = page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", conditions)
    return session


def pick(page: Page, *photos: bytes) -> None:
    """Choose several at once from the gallery."""
    files = [FilePayload(name=f"IMG_{at}.jpg", mimeType="image/jpeg", buffer=photo) for at, photo in enumerate(photos)]
    page.get_by_label("Choose from gallery").set_input_files(files)
    expect(page.locator("#chosen li")).to_have_count(len(photos))


def shoot(page: Page) -> None:
    """Take a photo with the camera in the page."""
    before = page.locator("#chosen li").count()
    page.get_by_role("button", name="Take several in a row").click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("1 photo taken")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#chosen li")).to_have_count(before + 1)


def all_anchored(page: Page, count: int) -> None:
    expect(page.locator("#photos h2", has_text="Registered and anchored")).to_have_count(count, timeout=DONE_MS)
    expect(page.locator("#photos article")).to_have_count(count)


def ready(page: Page) -> None:
    """Wait until the page would open without a network."""
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    expect(page.locator("html")).to_be_attached()
    page.evaluate(
        """() => navigator.serviceWorker.controller ||
           new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done, {once: true}))"""
    )
