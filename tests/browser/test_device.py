"""A page's own key as the device: made in the browser, never to leave it, and what the pages say of what it signed."""

import base64
import hashlib
from typing import Any

from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Watched
from tests.browser.steps import all_anchored, anchored, capture_id, choose, overflow, ready, register
from tests.photos import jpeg
from tests.service import Running

SIGNS = """async ([key, photo]) => {
    const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt(0));
    const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    const base64url = (buffer) => base64(buffer).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const digest = async (content) => `sha-256=:${base64(await crypto.subtle.digest('SHA-256', content))}:`;
    const ask = (method, path, body, headers) =>
        fetch(path, { method, body, headers: { Authorization: `Bearer ${key}`, ...headers } });
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    const signed = async (path, content, keyid) => {
        const { nonce } = await (await ask('POST', '/v1/devices/nonce')).json();
        const created = Math.floor(Date.now() / 1000);
        const input = `("@method" "@path" "content-digest");created=${created};keyid="${keyid}";nonce="${nonce}"`;
        const told = await digest(content);
        const text = `"@method": POST\n"@path": ${path}\n"content-digest": ${told}\n"@signature-params": ${input}`;
        const how = { name: 'ECDSA', hash: 'SHA-256' };
        const value = base64(await crypto.subtle.sign(how, pair.privateKey, new TextEncoder().encode(text)));
        return { 'Content-Digest': told, 'Signature-Input': `capture=${input}`, Signature: `capture=:${value}:` };
    };
    const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey);
    const { kty, crv, x, y } = jwk;
    const canonical = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
    const thumbprint = base64url(await crypto.subtle.digest('SHA-256', canonical));
    const enrolment = new TextEncoder().encode(JSON.stringify({ name: 'page', public_key: jwk, attestation: null }));
    const vouched = { 'Content-Type': 'application/json', ...(await signed('/v1/devices', enrolment, thumbprint)) };
    const device = await (await ask('POST', '/v1/devices', enrolment, vouched)).json();
    const tus = { 'Tus-Resumable': '1.0.0' };
    const start = { ...tus, 'Upload-Length': bytes.length, ...(await signed('/v1/uploads', bytes, device.id)) };
    const created = await ask('POST', '/v1/uploads', undefined, start);
    const again = await ask('POST', '/v1/uploads', undefined, start);
    const piece = { ...tus, 'Upload-Offset': 0, 'Content-Type': 'application/offset+octet-stream' };
    const done = await ask('PATCH', created.headers.get('Location'), bytes, piece);
    const replay = { status: again.status, ...(await again.json()) };
    return { device, status: created.status, replay, location: done.headers.get('Content-Location') };
}"""


def test_a_key_that_cannot_leave_the_browser_vouches_and_the_pages_say_so(phone: Watched, service: Running) -> None:
    page, photo = phone.page, jpeg(9050)
    phone.expect("403 (Forbidden)")  # of the replay
    done: Any = page.evaluate(SIGNS, [service.key, base64.b64encode(photo).decode()])
    assert (done["status"], done["device"]["level"]) == (201, "key")
    assert (done["replay"]["status"], done["replay"]["reason"]) == (403, "replayed")
    fact = service.ask("GET", done["location"]).json["device"]
    assert (fact["device"], fact["photo"]) == (done["device"]["id"], hashlib.sha256(photo).hexdigest())
    choose(page, photo)
    register(page)
    newest = anchored(page)
    expect(newest.get_by_text("Nobody but the uploader vouches for that key.")).to_be_visible()
    expect(newest.get_by_text("It does not prove that the device’s camera took the photo")).to_be_visible()
    newest.get_by_role("link", name="Open its public page").click()
    expect(page.get_by_text("A device signed for this very file when it was uploaded")).to_be_visible()
    assert overflow(page) <= 0


def vouched(service: Running, page: Page, photos: int = 1) -> Any:
    """What is known of the device that signed for the newest photo on the page."""
    return service.ask("GET", f"/v1/captures/{capture_id(anchored(page, photos))}").json["device"]


def enrolled(page: Page) -> str:
    """Wait for the page's own key; its device's id."""
    found: str = page.evaluate(
        """async () => { const { setting } = await import('/static/store.js');
           for (let at = 0; at < 100; at += 1) {
               const device = await setting('device');
               if (device) return device.id;
               await new Promise((wake) => setTimeout(wake, 50));
           } }"""
    )
    return found


def test_the_page_signs_for_what_it_sends(phone: Watched, service: Running) -> None:
    page, photo = phone.page, jpeg(9051)
    device = enrolled(page)
    choose(page, photo)
    register(page)
    fact = vouched(service, page)
    assert (fact["device"], fact["way"], fact["attested"]["level"]) == (device, "request", "key")
    assert fact["photo"] == hashlib.sha256(photo).hexdigest() and fact["notices"] == []
    key = "async () => (await (await import('/static/store.js')).setting('device')).pair.privateKey.extractable"
    assert page.evaluate(key) is False
    page.reload()
    assert enrolled(page) == device  # one key, as long as it is kept
    page.goto(f"/a/{capture_id(anchored(page))}")
    expect(page.get_by_text("A device signed for this very file when it was uploaded")).to_be_visible()


def test_photos_taken_without_a_network_keep_the_time_of_the_device(phone: Watched, service: Running) -> None:
    page = phone.page
    device = enrolled(page)
    ready(page)
    phone.context.set_offline(True)
    for at, seed in enumerate((9052, 9055), 1):
        taken = FilePayload(name=f"{seed}.jpg", mimeType="image/jpeg", buffer=jpeg(seed))
        page.get_by_label("Take a photo").set_input_files(taken)
        expect(page.locator("#chosen li")).to_have_count(at)
    register(page)
    phone.context.set_offline(False)
    all_anchored(page, 2)
    links = page.locator("#photos a.page").evaluate_all("all => all.map((each) => each.pathname.split('/').pop())")
    facts = [service.ask("GET", f"/v1/captures/{each}").json["device"] for each in links]
    assert [(fact["way"], fact["device"], fact["counter"]) for fact in reversed(facts)] == [
        ("statement", device, 1), ("statement", device, 2),
    ]  # fmt: skip
    assert all(fact["device_time"] <= fact["received_at"] and fact["notices"] == [] for fact in facts)


def test_a_revoked_device_loses_no_photo_and_the_next_has_a_new_key(phone: Watched, service: Running) -> None:
    phone.expect("403")
    page = phone.page
    revoked = enrolled(page)
    assert service.ask("DELETE", f"/v1/devices/{revoked}").status == 200
    choose(page, jpeg(9053))
    register(page)
    assert vouched(service, page) is None
    choose(page, jpeg(9054))
    register(page)
    assert vouched(service, page, 2)["device"] not in (None, revoked)
