"""A real browser before the whole real service. Skipped, with the reason, where there is no Chromium."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.service import Running

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",  # a camera that films a moving picture
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP capture.test 127.0.0.1",  # an address that is not loopback's: nothing is "secure" there
)
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 30_000  # other work may share the machine


@dataclass
class Watched:
    """A page, and whatever went wrong on it that nobody expected."""

    page: Page
    context: BrowserContext
    home: str
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, *texts: str) -> None:
        """These may stand in the console: browsers report every refused request there."""
        self.expected += texts

    def another(self, path: str = "/") -> Page:
        """A further tab, watched like the first."""
        page = self.context.new_page()
        _watch(self, page)
        page.goto(path)
        return page

    def unexpected(self) -> list[str]:
        """What stood in the console, ran into an error or went to a foreign host."""
        return [trouble for trouble in self.troubles if not any(text in trouble for text in self.expected)]


Visit = Callable[..., Watched]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, service: Running) -> Iterator[Visit]:
    """Open an address of the service in a fresh profile; at the end nothing unexpected may have happened."""
    opened: list[Watched] = []

    def open_(path: str = "/", **settings: Any) -> Watched:
        context = browser.new_context(**{"viewport": PHONE, "base_url": service.base, "has_touch": True, **settings})
        context.set_default_timeout(PATIENCE_MS)
        watched = Watched(context.new_page(), context, urlsplit(settings.get("base_url", service.base)).netloc)
        opened.append(watched)
        context.on("request", lambda sent: _request(watched, sent))
        _watch(watched, watched.page)
        watched.page.goto(path)
        return watched

    yield open_
    for watched in opened:
        watched.context.close()
    assert [watched.unexpected() for watched in opened] == [[] for _ in opened]


@pytest.fixture
def phone(visit: Visit, service: Running) -> Watched:
    """The capture page on a small phone, opened by the address with the key."""
    return visit(f"/#key={service.key}")


def _watch(watched: Watched, page: Page) -> None:
    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            watched.troubles.append(f"console: {message.text}")

    page.on("console", console)
    page.on("pageerror", lambda error: watched.troubles.append(f"script: {error}"))


def _request(watched: Watched, sent: Request) -> None:
    parts = urlsplit(sent.url)
    if parts.scheme not in ("blob", "data") and parts.netloc != watched.home:
        watched.troubles.append(f"foreign host: {sent.url}")
