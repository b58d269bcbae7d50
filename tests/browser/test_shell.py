"""The app around the queue: readable for everybody, installable, open without a network, able to tell and to share."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.accessible import faults
from tests.browser.conftest import Visit, Watched
from tests.browser.steps import all_anchored, anchored, capture_id, card, choose, overflow, pick, ready, register
from tests.photos import jpeg
from tests.service import Running

CUT = "net::ERR_"


class Releases(BaseHTTPRequestHandler):
    """The service's own pages; from the second release on with another heading, and so with another worker."""

    service: ClassVar[str]
    now: ClassVar[int] = 1

    def do_GET(self) -> None:
        """Fetch it from the service."""
        with urllib.request.urlopen(self.service + self.path) as answer:
            body, kind = answer.read(), answer.headers["Content-Type"]
        if self.now > 1 and self.path == "/":
            body = body.replace(b"<h1>Register photos</h1>", b"<h1>The second release</h1>")
        if self.now > 1 and self.path == "/sw.js":
            body = body.replace(b'"version": "', b'"version": "second')
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def releases(service: Running) -> Iterator[str]:
    """An address at which the service is of the release `Releases.now`."""
    Releases.service, Releases.now = service.base, 1
    with ThreadingHTTPServer(("127.0.0.1", 0), Releases) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, service: Running, scheme: str) -> None:
    watched = visit("/", color_scheme=scheme)
    watched.expect(CUT, "415")
    page, seed = watched.page, 9820 + 5 * (scheme == "dark")
    assert faults(page) == [], "asking for the key"
    page.goto(f"/#key={service.key}")
    assert faults(page) == [], "empty"
    pick(page, jpeg(seed), jpeg(seed + 1))
    assert faults(page) == [], "the form"
    watched.context.set_offline(True)
    register(page)
    expect(page.locator("#photos h2")).to_have_count(2)
    assert faults(page) == [], "the queue without a network"
    page.get_by_role("button", name="Take several in a row").click()
    expect(page.get_by_role("button", name="Take the photo")).to_be_enabled()
    assert faults(page) == [], "the camera"
    page.get_by_role("button", name="Done").click()
    watched.context.set_offline(False)
    all_anchored(page, 2)
    choose(page, b"no photo at all" + bytes([scheme == "dark"]))
    register(page)
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults(page) == [], "failed"
    card(page).get_by_role("button", name="Remove").click()
    card(page).get_by_role("button", name="Delete it for good?").click()
    card(page).get_by_text("Details", exact=True).click()
    card(page).get_by_role("button", name="QR code").click()
    assert faults(page) == [], "done"
    assert overflow(page) <= 0


def test_axe_would_find_something(phone: Watched) -> None:
    phone.page.evaluate("document.querySelector('#chooser').append(document.createElement('button'))")
    assert any("button-name" in fault for fault in faults(phone.page))


def test_the_qr_code_leads_to_the_public_page(phone: Watched, service: Running) -> None:
    choose(phone.page, jpeg(9830))
    register(phone.page)
    newest = anchored(phone.page)
    newest.get_by_role("button", name="QR code").click()
    picture = newest.get_by_role("img", name="QR code").screenshot()
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert cv2.QRCodeDetector().detectAndDecode(pixels)[0] == f"{service.base}/a/{capture_id(newest)}"


def test_sharing_falls_back_to_copying(phone: Watched, service: Running) -> None:
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.context.add_init_script(
        "navigator.share = () => Promise.reject(new DOMException('no app', 'NotAllowedError'));"
    )
    phone.page.reload()
    choose(phone.page, jpeg(9831))
    register(phone.page)
    newest = anchored(phone.page)
    newest.get_by_role("button", name="Share").click()
    expect(newest.get_by_role("button", name="Copied")).to_be_visible()
    assert phone.page.evaluate("navigator.clipboard.readText()") == f"{service.base}/a/{capture_id(newest)}"


def test_it_can_be_installed_and_opens_without_a_network(phone: Watched) -> None:
    phone.expect(CUT)
    page = phone.page
    ready(page)
    session = phone.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    told = json.loads(manifest["data"])
    assert {(icon["sizes"], icon["purpose"]) for icon in told["icons"]} > {("192x192", "maskable"), ("512x512", "any")}
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [], [{"errorId": "in-incognito", "errorArguments": []}],  # tests run in a profile that is thrown away
    )  # fmt: skip
    phone.context.set_offline(True)
    page.reload()
    expect(page.get_by_label("Take a photo")).to_be_attached()
    page.goto("/verify")
    expect(page.get_by_role("heading", name="There is no network")).to_be_visible()
    page.get_by_role("link", name="Back to your photos").click()
    expect(page.get_by_label("Take a photo")).to_be_attached()


def test_the_worker_keeps_the_shell_and_nothing_of_the_api(phone: Watched, service: Running) -> None:
    ready(phone.page)
    choose(phone.page, jpeg(9832))
    register(phone.page)
    anchored(phone.page)
    kept = phone.page.evaluate(
        """async () => Object.fromEntries(await Promise.all((await caches.keys()).map(async (name) =>
           [name, (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname)])))"""
    )
    script = service.ask("GET", "/sw.js", key=None)
    shell = json.loads(script.body.decode().split("const SHELL = ", 1)[1].split(";\n", 1)[0])
    assert {name: sorted(paths) for name, paths in kept.items()} == {
        f"shell-{shell['version']}": sorted(shell["files"])
    }
    assert not [path for paths in kept.values() for path in paths if path.startswith(("/v1/", "/a/"))]
    assert "worker-src 'self'" in script.headers["Content-Security-Policy"]
    assert script.headers["Cache-Control"] == "no-cache"


def test_a_push_message_becomes_a_notification(phone: Watched, service: Running) -> None:
    phone.context.grant_permissions(["notifications"])
    ready(phone.page)
    session = phone.context.new_cdp_session(phone.page)
    registrations: list[Any] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda told: registrations.extend(told["registrations"]))
    session.send("ServiceWorker.enable")
    while not any(each["scopeURL"].startswith(service.base) for each in registrations):
        phone.page.wait_for_timeout(50)  # the test's own time ends this
    told = {"id": "x", "status": "anchored"}
    message = {"type": "capture.anchored", "timestamp": "2026-01-01T00:00:00Z", "data": told}
    where = {"origin": service.base, "registrationId": registrations[-1]["registrationId"]}
    session.send("ServiceWorker.deliverPushMessage", where | {"data": json.dumps(message)})
    shown = """async () => { const worker = await navigator.serviceWorker.ready;
        for (let at = 0; at < 250; at += 1) {
            const [first] = await worker.getNotifications();
            if (first) return [first.title, first.body, first.tag];
            await new Promise((wake) => setTimeout(wake, 100));
        } }"""
    title, body, tag = phone.page.evaluate(shown)
    assert title == "Your photo is anchored" and "the chain" in body and tag == "x"


def test_nobody_is_asked_for_notifications_before_the_button_is_pressed(phone: Watched) -> None:
    ready(phone.page)
    phone.page.evaluate(
        """() => { window.asked = 0;
           Notification.requestPermission = async () => { window.asked += 1; return 'denied'; }; }"""
    )
    choose(phone.page, jpeg(9833))
    register(phone.page)
    anchored(phone.page)
    assert phone.page.evaluate("window.asked") == 0
    phone.page.get_by_role("button", name="Notify me").click()
    expect(phone.page.locator("#push-said")).to_contain_text("not allowed for this site")
    assert phone.page.evaluate("window.asked") == 1


def test_a_new_release_serves_the_next_visit_as_a_whole(visit: Visit, releases: str) -> None:
    page = visit("/", base_url=releases).page
    ready(page)
    Releases.now = 2
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Register photos")  # what is kept, at once
    page.evaluate(
        """async () => {
            for (let at = 0; at < 200; at += 1) {
                const names = await caches.keys();
                if (names.length === 1 && names[0].startsWith('shell-second')) return;
                await new Promise((wake) => setTimeout(wake, 50));
            }
            throw new Error(`still ${await caches.keys()}`);
        }"""
    )
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("The second release")
