"""The capture page on a phone's network: slow, cut off in the middle of anything, and back again.

The service is the real one; only the way to it is disturbed.
"""

import contextlib
import http.client
import re
import time
from urllib.parse import urlsplit

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
    anchored(page)


def test_a_paused_upload_goes_on_where_it_was(phone: Watched) -> None:
    page, photo = phone.page, jpeg(9102, 1600, 1200, quality=95) + bytes(6_000_000)
    sent: list[tuple[str, int]] = []
    page.on("request", lambda request: sent.append((request.method, int(request.headers.get("upload-offset", 0)))))
    choose(page, photo)
    session = slow_upload(page, 2_000_000)
    register(page)
    expect(page.locator(".sent")).to_have_text(re.compile(r"^[3-9]\.\d MB of [\d.]+ MB$"))
    page.get_by_role("button", name="Pause").click()
    expect(card(page).get_by_role("heading", level=2)).to_have_text(re.compile(r"^Paused at \d+ %$"))
    session.detach()
    page.reload()  # what was paused stays so
    expect(card(page).get_by_role("heading", level=2)).to_have_text(re.compile(r"^Paused at \d+ %$"))
    page.get_by_role("button", name="Resume").click()
    anchored(page)
    pieces = [offset for method, offset in sent if method == "PATCH"]
    assert pieces[0] == 0 and pieces[1] > 1_000_000, pieces  # not from the beginning again


def test_a_lost_network_is_said_and_it_goes_on_by_itself(phone: Watched) -> None:
    phone.expect(CUT)
    page = phone.page
    choose(page, jpeg(9103))
    phone.context.set_offline(True)
    expect(page.locator("#offline")).to_contain_text("You are offline. 1 photo is kept on this device")
    register(page)
    expect(card(page).get_by_role("heading", level=2)).to_have_text("Waiting for the network")
    phone.context.set_offline(False)
    anchored(page)
    expect(page.locator("#offline")).to_be_hidden()


def test_a_refused_key_is_told_from_a_lost_network(visit: Visit) -> None:
    """A service that refuses before the body is read may close the connection: the browser then hides the 401."""
    wrong = visit("/#key=not-the-key")
    wrong.expect("401", CUT)
    wrong.page.route("**/v1/uploads", lambda route: route.abort("connectionreset"))
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


def test_a_stream_that_is_cut_in_an_event_goes_on(phone: Watched, service: Running) -> None:
    """The service's own stream, cut again and again: each time it goes on behind the last whole event."""
    start = service.ask("GET", "/v1/captures?limit=100").json
    while start["more"]:
        start = service.ask("GET", f"/v1/captures?limit=100&since={start['cursor']}").json
    since: list[str] = []

    def cut(route: Route) -> None:
        last = route.request.headers.get("last-event-id", "")
        since.append(last)
        told = _stream(service, last or start["cursor"])
        events = told.split(b"\n\n")
        body = b"\n\n".join(events[:3]) + b"\n\n" + events[3][:40] if len(events) > 4 else told
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    phone.page.route(EVENTS, cut)
    phone.page.route(re.compile(r"/v1/captures/[a-z0-9]{24}$"), lambda route: route.abort())  # the stream alone
    phone.expect(CUT)
    choose(phone.page, jpeg(9106))
    register(phone.page)
    newest = anchored(phone.page)
    assert len(since) > 2 and len(set(since)) > 2, since
    assert list(facts(newest)) == FACTS
    expect(newest.locator(".facts li")).to_have_count(len(FACTS))  # each once


def test_while_the_network_is_away_the_page_says_so_and_comes_back(phone: Watched) -> None:
    phone.expect(CUT)
    page = phone.page
    away = re.compile(r"/v1/(captures/[a-z0-9]{24}|events)")
    page.route(away, lambda route: route.abort("internetdisconnected"))
    choose(page, jpeg(9107))
    register(page)
    expect(card(page).get_by_role("status").first).to_contain_text("Your photo is safe")
    page.unroute(away)
    anchored(page)
    expect(card(page).locator(".quiet-line")).to_be_hidden()


def test_a_service_that_is_out_of_order_is_said_in_words(phone: Watched) -> None:
    """What a proxy answers when the service is down: no problem+json, no JSON at all."""
    phone.expect("502")
    phone.page.route(
        "**/v1/uploads", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")
    )
    choose(phone.page, jpeg(9108))
    register(phone.page)
    reason = card(phone.page).locator(".reason")
    expect(reason).to_contain_text("Something in the service is broken")
    expect(reason).to_contain_text("It is tried again by itself")
    assert "<h1>" not in reason.inner_text()
    phone.page.unroute("**/v1/uploads")
    anchored(phone.page)


def _stream(service: Running, last: str) -> bytes:
    """What the event stream says within a second."""
    url, told = urlsplit(service.base), b""
    connection = http.client.HTTPConnection(url.netloc, timeout=1)
    headers = {"Authorization": f"Bearer {service.key}"} | ({"Last-Event-ID": last} if last else {})
    connection.request("GET", "/v1/events", headers=headers)
    answer, end = connection.getresponse(), time.monotonic() + 1
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < end:
            told += answer.read1(65536)
    connection.close()
    return told


def _percents(page: Page) -> list[int]:
    """What the bar shows, every 100 ms until the photo is on the page."""
    script = """() => new Promise((resolve) => {
        const seen = []; const bar = document.querySelector('.photo .sent-bar');
        const timer = setInterval(() => {
            if (!bar.hidden) { seen.push(bar.value); return; }
            clearInterval(timer); resolve(seen);
        }, 100); })"""
    page.set_default_timeout(DONE_MS)
    found: list[int] = page.evaluate(script)
    return found
