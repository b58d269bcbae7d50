"""The queue as a phone lives: photos taken without a network, tabs killed, two of them, and the network back."""

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, FilePayload, Page, Request, expect

from settings import MAX_UPLOAD_BYTES
from tests.browser.accessible import faults
from tests.browser.conftest import Visit, Watched
from tests.browser.steps import (
    DONE_MS,
    all_anchored,
    anchored,
    capture_id,
    card,
    choose,
    pick,
    ready,
    register,
    shoot,
    slow_upload,
)
from tests.photos import jpeg
from tests.service import Running

CUT = "net::ERR_"


def headings(page: Page) -> list[str]:
    """What the cards say, the newest first."""
    return page.locator("#photos h2").all_inner_texts()


def crash(page: Page) -> None:
    """The tab is killed, as phones do it: nothing of it runs any more."""
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash", timeout=3_000)
    page.close()


def shelf(page: Page) -> list[Any]:
    """The queue's items, as they lie in IndexedDB."""
    items: list[Any] = page.evaluate("async () => (await import('/static/store.js')).items()")
    return items


def since(service: Running, cursor: str = "") -> Any:
    """The owner's captures that changed behind a cursor."""
    answer = service.ask("GET", f"/v1/captures?limit=100{f'&since={cursor}' if cursor else ''}").json
    while answer["more"]:
        more = service.ask("GET", f"/v1/captures?limit=100&since={answer['cursor']}").json
        answer = more | {"captures": answer["captures"] + more["captures"]}
    return answer


class Sent:
    """What a browser asks of the service."""

    def __init__(self, watched: Watched) -> None:
        self.requests: list[tuple[str, str, int]] = []
        watched.context.on("request", self._note)

    def _note(self, request: Request) -> None:
        path = request.url.split("/", 3)[3]
        self.requests.append((request.method, path, int(request.headers.get("upload-offset", 0))))

    def begun(self) -> int:
        return sum(1 for method, path, _ in self.requests if (method, path) == ("POST", "v1/uploads"))

    def offsets(self) -> list[int]:
        return [offset for method, _, offset in self.requests if method == "PATCH"]


def test_photos_taken_offline_arrive_once_although_the_tab_was_killed(phone: Watched, service: Running) -> None:
    phone.expect(CUT)
    before, sent = since(service)["cursor"], Sent(phone)
    photos = [jpeg(9801), jpeg(9802)]
    ready(phone.page)
    phone.context.set_offline(True)
    phone.page.reload()  # the shell opens without a network, with the key
    shoot(phone.page)
    for at, photo in enumerate(photos):
        phone.page.get_by_label("Choose from gallery").set_input_files(
            FilePayload(name=f"{at}.jpg", mimeType="image/jpeg", buffer=photo)
        )
        expect(phone.page.locator("#chosen li")).to_have_count(at + 2)
    expect(phone.page.locator("#offline")).to_contain_text("3 photos are kept on this device")
    register(phone.page)
    expect(phone.page.locator("#photos h2")).to_have_text(["Waiting for the network"] * 3)
    digests = {item["sha256"] for item in shelf(phone.page)}
    crash(phone.page)
    again = phone.another()
    expect(again.locator("#photos h2")).to_have_text(["Waiting for the network"] * 3)
    phone.context.set_offline(False)
    all_anchored(again, 3)
    expect(again.locator("#offline")).to_be_hidden()
    arrived = since(service, before)["captures"]
    assert {hashlib.sha256(photo).hexdigest() for photo in photos} < digests
    assert sorted(each["asset"]["sha256"] for each in arrived) == sorted(digests)  # each once
    assert all(each["status"] == "anchored" for each in arrived)
    assert sent.begun() == 3


def test_a_tab_killed_in_the_middle_of_an_upload_loses_no_acknowledged_byte(phone: Watched, service: Running) -> None:
    sent, photo = Sent(phone), jpeg(9803, 1600, 1200, quality=95) + bytes(6_000_000)
    choose(phone.page, photo)
    slow_upload(phone.page, 2_000_000)
    register(phone.page)
    expect(phone.page.locator(".sent")).to_have_text(re.compile(r"^[4-9]\.\d MB of"))
    crash(phone.page)
    page = phone.another()
    original = service.ask("GET", f"/v1/captures/{capture_id(anchored(page))}/original").body
    assert original == photo
    assert sent.begun() == 1
    assert sent.offsets()[0] == 0 and sent.offsets()[-1] > 2_000_000, sent.offsets()


def test_two_tabs_send_each_photo_once_and_one_takes_over(phone: Watched, service: Running) -> None:
    phone.expect("409")  # bytes of the closed tab may still come in when the other asks how many there are
    before, sent = since(service)["cursor"], Sent(phone)
    other = phone.another()
    photos = [jpeg(9804 + at, 1600, 1200, quality=95) for at in range(4)]
    pick(phone.page, *photos)
    expect(other.locator("#chosen li")).to_have_count(4)  # one queue, whatever the tab
    for page in (phone.page, other):
        slow_upload(page, 1_500_000)
    register(phone.page)
    expect(other.locator("#photos article")).to_have_count(4)
    other.get_by_role("button", name="Pause", exact=True).first.click()  # the newest, from the tab that does not send
    expect(phone.page.locator("#photos h2", has_text="Paused")).to_have_count(1)
    phone.page.close()
    expect(other.locator("#photos h2", has_text="Registered and anchored")).to_have_count(3, timeout=DONE_MS)
    other.get_by_role("button", name="Resume", exact=True).click()
    all_anchored(other, 4)
    arrived = since(service, before)["captures"]
    assert sorted(each["asset"]["sha256"] for each in arrived) == sorted(hashlib.sha256(p).hexdigest() for p in photos)
    assert sent.begun() in (4, 5)  # a tab that closes while it begins an upload does not hear of it


def test_known_photos_are_not_sent_again(phone: Watched, service: Running) -> None:
    photo, sent = jpeg(9810), Sent(phone)
    known = service.register(photo).json["id"]
    choose(phone.page, photo)
    register(phone.page)
    assert capture_id(anchored(phone.page)) == known
    expect(card(phone.page).get_by_text("You registered this photo already")).to_be_visible()
    assert sent.begun() == 0
    choose(phone.page, jpeg(9811))
    choose(phone.page, jpeg(9811))
    expect(phone.page.get_by_role("alert")).to_contain_text("It is in the list already")
    expect(phone.page.locator("#chosen li")).to_have_count(1)


def test_a_failed_upload_says_why_and_trying_again_helps(phone: Watched) -> None:
    phone.expect("400")
    refusal = {"type": "/docs#problem-malformed-request", "title": "Not so", "detail": "The request was garbled."}
    body, kind = json.dumps(refusal | {"status": 400}), "application/problem+json"
    phone.page.route("**/v1/uploads", lambda route: route.fulfill(status=400, content_type=kind, body=body), times=1)
    choose(phone.page, jpeg(9812))
    register(phone.page)
    reason = phone.page.get_by_role("alert")
    expect(reason).to_contain_text("Not so")
    expect(reason).to_contain_text("The request was garbled.")
    expect(reason).to_contain_text("Try again.")
    assert headings(phone.page) == ["Not sent"]
    assert faults(phone.page) == []
    phone.page.reload()  # the reason is kept
    expect(reason).to_contain_text("The request was garbled.")
    phone.page.get_by_role("button", name="Try again").click()
    anchored(phone.page)


def test_a_digest_of_other_bytes_is_made_anew_once(phone: Watched, service: Running) -> None:
    """What was remembered wrongly must not send the same bytes for ever."""
    phone.expect("400")
    photo = jpeg(9813)
    choose(phone.page, photo)
    phone.page.evaluate(
        """async () => { const store = await import('/static/store.js');
           for (const {id} of await store.items()) await store.change(id, {sha256: 'ab'.repeat(32)}); }"""
    )
    register(phone.page)
    stored = service.ask("GET", f"/v1/captures/{capture_id(anchored(phone.page))}").json["asset"]["sha256"]
    assert stored == hashlib.sha256(photo).hexdigest()


def test_chosen_photos_wait_for_their_form_over_a_reload(phone: Watched) -> None:
    pick(phone.page, jpeg(9814), jpeg(9815), jpeg(9816))
    phone.page.get_by_role("button", name="Leave out IMG_1.jpg").click()
    expect(phone.page.locator("#chosen li")).to_have_count(2)
    phone.page.reload()
    expect(phone.page.locator("#chosen li")).to_have_count(2)
    expect(phone.page.locator("#chosen img").first).to_be_visible()
    assert not phone.page.get_by_role("switch", name="Keep the location").is_checked()
    phone.page.get_by_role("button", name="Register 2 photos").click()
    all_anchored(phone.page, 2)
    phone.page.reload()
    all_anchored(phone.page, 2)  # the list stays until it is cleared
    phone.page.get_by_role("button", name="Clear finished").click()
    expect(phone.page.locator("#photos article")).to_have_count(0)
    assert shelf(phone.page) == []


def test_over_plain_http_photos_are_sent_all_the_same(visit: Visit, service: Running) -> None:
    """Where browsers give no digest, no service worker and no locks: a service in the same house, without TLS."""
    base = f"http://capture.test:{service.port}"
    page = visit(f"/#key={service.key}", base_url=base).page
    assert page.evaluate("[isSecureContext, 'serviceWorker' in navigator, Boolean(crypto.subtle)]") == [False] * 3
    choose(page, jpeg(9834))
    register(page)
    anchored(page)


def test_a_browser_that_keeps_nothing_says_so(visit: Visit, service: Running) -> None:
    watched = visit("/docs")
    watched.context.add_init_script(
        "indexedDB.open = () => { throw new DOMException('a private window', 'InvalidStateError'); };"
    )
    watched.page.goto(f"/#key={service.key}")
    choose(watched.page, jpeg(9835))
    expect(watched.page.get_by_role("alert")).to_contain_text("This browser keeps nothing")
    expect(watched.page.get_by_role("alert")).to_contain_text("Leave the private window")


def test_photos_of_a_hundred_megabytes_are_kept_and_go_on(phone: Watched, service: Running, tmp_path: Path) -> None:
    large, photo = tmp_path / "large.jpg", jpeg(9836) + bytes(MAX_UPLOAD_BYTES - 500_000)
    large.write_bytes(photo)
    phone.page.get_by_label("Choose from gallery").set_input_files(large)
    expect(phone.page.locator("#chosen li")).to_have_count(1, timeout=DONE_MS)
    phone.page.reload()  # it lies on the shelf, whole
    register(phone.page)
    arrived = re.compile("^(Received|Registered)")
    expect(card(phone.page).get_by_role("heading", level=2)).to_have_text(arrived, timeout=DONE_MS)
    stored = service.ask("GET", f"/v1/captures/{shelf(phone.page)[0]['captureId']}").json["asset"]
    assert (stored["size"], stored["sha256"]) == (len(photo), hashlib.sha256(photo).hexdigest())
