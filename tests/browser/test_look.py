"""What every page owes its readers: small screens, both colour schemes, no script where none is needed, no keyhole."""

import re
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import PHONE, Visit, Watched
from tests.browser.steps import anchored, choose, overflow, register
from tests.photos import jpeg
from tests.service import Running

WIDE = {"width": 1200, "height": 900}

# WCAG 2.2, 1.4.3: the contrast of every visible text against what is painted behind it.
_FAINT = """() => {
    const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = numbers(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest('.unseen, .skip, title')) continue;
        const [one, two] = [numbers(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
        const contrast = (one + 0.05) / (two + 0.05);
        if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
    }
    return found;
}"""

# Every control is at least 44 pixels high, or lies in a label that is; links within a sentence are exempt.
_SMALL = """() => [...document.querySelectorAll('button, a.button, a.brand, nav a, input, select, summary')]
    .filter((e) => e.checkVisibility() && !e.closest('.unseen'))
    .map((e) => [e.closest('label') ?? e, e])
    .filter(([target]) => target.getBoundingClientRect().height < 44)
    .map(([target, e]) => `${target.getBoundingClientRect().height}: ${e.id || e.textContent.trim()}`)"""

_NAMELESS = """() => [...document.querySelectorAll('input, select, textarea')]
    .filter((e) => !e.labels?.length && !e.ariaLabel).map((e) => e.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "wide"])
def test_every_step_is_readable_and_large_enough(visit: Visit, service: Running, scheme: str, viewport: Any) -> None:
    seed = 9201 + 2 * (scheme == "dark") + (viewport == WIDE)
    watched = visit("/", color_scheme=scheme, viewport=viewport)
    watched.expect("415")
    page = watched.page
    _check(page)
    page.goto(f"/#key={service.key}")
    _check(page)
    choose(page, b"no photo")
    register(page)
    expect(page.get_by_role("alert")).to_be_visible()
    _check(page)
    choose(page, jpeg(seed))
    _check(page)
    register(page)
    newest = anchored(page, 2)  # beside the one that was refused
    _check(page)
    newest.get_by_role("link", name="Open its public page").click()
    expect(page.get_by_role("heading", name="What is not known")).to_be_visible()
    _check(page)
    page.goto("/verify")
    _check(page)
    page.locator("#file").set_input_files(
        FilePayload(name="a.jpg", mimeType="image/jpeg", buffer=jpeg(seed, quality=60))
    )
    page.get_by_role("button", name="Check it").click()
    expect(page.locator(".match").first).to_be_visible()
    page.get_by_text("Its Content Credentials").first.click()
    _check(page)
    page.goto("/docs")
    _check(page, targets=viewport == PHONE)


def _check(page: Page, targets: bool = True) -> None:
    page.wait_for_load_state()  # a page that is still coming can be measured before its style sheet is there
    page.evaluate(
        "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations === 1).map(a => a.finished))"
    )
    assert overflow(page) <= 0
    assert page.evaluate(_FAINT) == []
    assert page.evaluate(_NAMELESS) == []
    if targets:
        assert page.evaluate(_SMALL) == []


def test_dark_is_dark_and_light_is_light(visit: Visit) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    assert visit("/", color_scheme="light").page.evaluate(paper) == "rgb(245, 244, 238)"
    assert visit("/", color_scheme="dark").page.evaluate(paper) == "rgb(17, 20, 18)"


def test_a_photo_can_be_registered_with_the_keyboard_alone(phone: Watched) -> None:
    page = phone.page
    # Asked for now: later, the browser may learn of it only after the key was pressed.
    page.on("filechooser", lambda _: None)
    reached = _tab(page, 5)
    assert reached == ["Skip to the content", "Capture", "Check a photo", "API", "camera"]
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose from gallery")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg(9211)})
    expect(page.get_by_role("heading", name="The photo and its rights")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Leave out a.jpg")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Ask me").is_checked()
    assert _tab(page, 5) == ["creator", "credit", "licence", "published", "keep-location"]
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Register")).to_be_focused()
    page.keyboard.press("Enter")
    anchored(page)


def _tab(page: Page, times: int) -> list[str]:
    reached = []
    for _ in range(times):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    return reached


def test_without_script_the_public_page_and_the_docs_say_all(visit: Visit, service: Running) -> None:
    known = service.register(jpeg(9212)).json
    page = visit(f"/a/{known['id']}", java_script_enabled=False).page
    for text in (known["asset"]["sha256"], known["anchor"]["transaction"], known["anchor"]["contract"]):
        expect(page.get_by_text(text)).to_be_visible()
    expect(page.get_by_role("heading", name="What is not known")).to_be_visible()
    expect(page.get_by_text("Local chain: not independent proof.")).to_be_visible()
    expect(page.get_by_text("capture verify receipt.json photo.jpg")).to_be_visible()
    # Chromium under test keeps <noscript> unread even when scripts are off: its text is looked for in the source.
    shell = service.ask("GET", "/", key=None).body.decode()
    assert re.search(r"<noscript>.*needs JavaScript.*</noscript>", shell, re.DOTALL)


def test_the_public_page_can_be_shown_in_a_message(visit: Visit, service: Running) -> None:
    known = service.register(jpeg(9213)).json
    page = visit(f"/a/{known['id']}").page
    meta = {
        name: page.locator(f'meta[property="og:{name}"]').get_attribute("content")
        for name in ("title", "url", "image", "description")
    }
    assert meta["url"] == f"{service.base}/a/{known['id']}"
    assert meta["image"] == f"{service.base}/a/{known['id']}/thumbnail"
    assert service.ask("GET", f"/a/{known['id']}/thumbnail", key=None).body[:2] == b"\xff\xd8"
    assert "A registered photo" in str(meta["title"]) and "AI training: No" in str(meta["description"])


def test_the_docs_show_every_call_schema_and_problem(visit: Visit, service: Running) -> None:
    spec = service.ask("GET", "/openapi.json", key=None).json
    page = visit("/docs", java_script_enabled=False).page
    for path, item in spec["paths"].items():
        for method, call in item.items():
            needs_key = " key" if call.get("security", spec.get("security")) else ""
            section = page.get_by_role("region", name=f"{method.upper()} {path}{needs_key}", exact=True)
            text = section.inner_text()
            assert path in text and all(status in text for status in call["responses"])
            assert all(parameter["name"] in text for parameter in call["parameters"])
    ids = page.locator("[id]").evaluate_all("all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    links = page.locator('a[href^="#"]').evaluate_all("all => all.map(e => e.getAttribute('href').slice(1))")
    assert set(links) <= set(ids)  # no link into nothing
    problems = spec["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert {problem.split("#")[1] for problem in problems} <= set(ids)
    assert {f"schema-{name}" for name in spec["components"]["schemas"]} <= set(ids)


def test_injected_code_does_not_run_and_is_noticed(phone: Watched) -> None:
    """The content security policy holds, and the watch over the console sees when it has to."""
    phone.page.evaluate(
        """() => { const script = document.createElement('script'); script.textContent = 'window.ran = true';
                   document.body.append(script); }"""
    )
    phone.page.evaluate("fetch('http://192.0.2.1/').catch(() => {})")
    assert phone.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in trouble for trouble in phone.unexpected())
    phone.expect("Content Security Policy", "192.0.2.1")
