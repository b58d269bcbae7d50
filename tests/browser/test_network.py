"""The capture page on a phone's network: slow, cut off in the middle of anything, and back again.

The service is the real one; only the way to it is disturbed.
"""

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit, Watched
from tests.browser.steps import DONE_MS, FACTS, anchored, card, choose, facts, register, slow_upload
from tests.photos import jpeg
from tests.service import Running

CUT = "net::ERR_"  # how Chromium names every broken connection
EVENTS = re.compile(r"/events$")


def test_a_slow_upload_shows_how_far_it_is(phone: Watched) -> None:
    page, photo = phone.page, jpeg(9101, 1600, 1200, quality=95)
    choose(page, photo)
    slow_upload(page, len(photo) // 4)
    register(page)
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    seen = _percents(page)
    assert any(0 < percent < 100 for percent in seen) and seen == sorted(seen), seen
    expect(page.locator("#sent")).to_have_text(re.compile(r"^[\d.]+ (KB|MB|bytes) of [\d.]+ [KM]B$"))
    anchored(page)


def test_stopping_an_upload_registers_nothing(phone: Watched) -> None:
    page, photo = phone.page, jpeg(9102, 1600, 1200, quality=95)
    choose(page, photo)
    session = slow_upload(page, len(photo) // 20)
    register(page)
    expect(page.locator("#sent")).to_have_text(re.compile(r"^[1-9]"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Register")).to_be_visible()
    expect(page.locator("#spoken")).to_contain_text("Stopped. Nothing was registered.")
    session.detach()
    register(page)
    expect(anchored(page).locator(".already")).to_be_hidden()  # new: the service had kept nothing


def test_a_lost_network_is_said_and_trying_again_helps(phone: Watched) -> None:
    phone.expect(CUT)
    page = phone.page
    choose(page, jpeg(9103))
    phone.context.set_offline(True)
    register(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The connection was lost")
    expect(alert).to_contain_text("trying again is safe")
    phone.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    anchored(page)


def test_a_refused_key_is_told_from_a_lost_network(visit: Visit) -> None:
    """A service that refuses before the body is read may close the connection: the browser then hides the 401."""
    wrong = visit("/#key=not-the-key")
    wrong.expect("401", CUT)
    wrong.page.route("**/v1/captures", lambda route: route.abort("connectionreset"))
    choose(wrong.page, jpeg(9104))
    register(wrong.page)
    expect(wrong.page.get_by_role("alert")).to_contain_text("data/api-key")
    expect(wrong.page.get_by_label("API key")).to_be_focused()


def test_without_any_event_stream_polling_gets_there(phone: Watched) -> None:
    phone.expect(CUT)
    phone.page.route(EVENTS, lambda route: route.abort("connectionreset"))
    choose(phone.page, jpeg(9105))
    register(phone.page)
    assert list(facts(anchored(phone.page))) == FACTS


def test_a_stream_that_is_cut_in_an_event_goes_on(phone: Watched) -> None:
    cuts: list[int] = []

    def cut(route: Route) -> None:
        whole = route.fetch().body()  # the service's own answer, to its end
        length = len(whole) if len(cuts) == 2 else len(whole) * (len(cuts) + 1) // 3
        cuts.append(length)
        route.fulfill(status=200, content_type="text/event-stream", body=whole[:length])

    phone.page.route(EVENTS, cut)
    phone.page.route(
        re.compile(r"/v1/captures/[a-z0-9]+$"), lambda route: route.abort()
    )  # no polling: the stream alone
    phone.expect(CUT)
    choose(phone.page, jpeg(9106))
    register(phone.page)
    newest = anchored(phone.page)
    assert len(cuts) == 3
    assert list(facts(newest)) == FACTS
    expect(newest.locator(".facts li")).to_have_count(len(FACTS))  # each once, though they came three times
    expect(newest.locator(".quiet-line")).to_be_hidden()


def test_while_the_network_is_away_the_page_says_so_and_comes_back(phone: Watched) -> None:
    phone.expect(CUT)
    page = phone.page
    away = re.compile(r"/v1/captures/")
    page.route(away, lambda route: route.abort("internetdisconnected"))
    choose(page, jpeg(9107))
    register(page)
    expect(card(page).get_by_role("status").first).to_contain_text("Your photo is safe")
    page.unroute(away)
    anchored(page)
    expect(card(page).locator(".quiet-line")).to_be_hidden()


def test_a_service_that_is_out_of_order_is_said_in_words(phone: Watched, service: Running) -> None:
    """What a proxy answers when the service is down: no problem+json, no JSON at all."""
    phone.expect("502")
    broken = [True]

    def answer(route: Route) -> None:
        if broken.pop() if broken else False:
            route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")
        else:
            route.continue_()

    phone.page.route("**/v1/captures", answer)
    choose(phone.page, jpeg(9108))
    register(phone.page)
    expect(phone.page.get_by_role("alert")).to_contain_text("Something in the service is broken")
    assert "<h1>" not in phone.page.get_by_role("alert").inner_text()
    phone.page.get_by_role("button", name="Try again").click()
    anchored(phone.page)


def _percents(page: Page) -> list[int]:
    """What the bar shows, every 100 ms until the photo is on the page."""
    script = """() => new Promise((resolve) => {
        const seen = []; const bar = document.getElementById('bar');
        const timer = setInterval(() => {
            if (!document.getElementById('sending').hidden) { seen.push(bar.value); return; }
            clearInterval(timer); resolve(seen);
        }, 100); })"""
    page.set_default_timeout(DONE_MS)
    found: list[int] = page.evaluate(script)
    return found
