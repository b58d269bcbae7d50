"""The capture page from the key to the public page, as a person on a small phone uses it."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from settings import MAX_UPLOAD_BYTES
from tests.browser.conftest import Visit, Watched
from tests.browser.steps import FACTS, anchored, capture_id, card, choose, facts, overflow, register
from tests.photos import encoded, jpeg, picture
from tests.service import Running


def test_a_photo_goes_from_the_gallery_to_its_public_page(phone: Watched, service: Running) -> None:
    page, photo = phone.page, jpeg(9001)
    assert page.url == f"{service.base}/"  # the key is out of the address bar
    choose(page, photo)
    expect(page.get_by_role("img", name="Preview of the chosen photo")).to_be_visible()
    page.get_by_label("Who took it?").fill("Ada Li")
    assert overflow(page) <= 0
    register(page)
    newest = anchored(page)
    assert list(facts(newest)) == FACTS
    times = newest.locator(".at").all_inner_texts()
    assert len(times) == len(FACTS) and all(re.fullmatch(r"· [\d.]+ m?s", text) for text in times), times
    assert "kept untouched" in facts(newest)["Received"]
    assert "Local chain: not independent proof" in facts(newest)["Anchored"]
    expect(newest.get_by_text("Local chain: not independent proof", exact=True)).to_be_visible()
    assert overflow(page) <= 0
    newest.get_by_role("link", name="Open its public page").click()
    expect(page.get_by_role("heading", name="A registered photo")).to_be_visible()
    expect(page.get_by_text(hashlib.sha256(photo).hexdigest())).to_be_visible()
    expect(page.get_by_text("That this photo was taken by Ada Li was not checked")).to_be_visible()
    assert overflow(page) <= 0


def test_receipt_and_signed_photo_can_be_saved(phone: Watched, service: Running) -> None:
    page = phone.page
    choose(page, jpeg(9002))
    register(page)
    newest = anchored(page)
    known = service.ask("GET", f"/v1/captures/{capture_id(newest)}").json
    with page.expect_download() as receipt:
        newest.get_by_role("button", name="Receipt").click()
    assert receipt.value.suggested_filename == f"receipt-{known['id']}.json"
    assert json.loads(receipt.value.path().read_bytes())["leaf"] == known["leaf"]["digest"]
    with page.expect_download() as signed:
        newest.get_by_role("button", name="Signed photo").click()
    assert signed.value.suggested_filename == f"signed-{known['id']}.jpg"
    assert hashlib.sha256(signed.value.path().read_bytes()).hexdigest() == known["manifest"]["signed_sha256"]


def test_the_thumbnail_replaces_the_preview(phone: Watched) -> None:
    choose(phone.page, jpeg(9003, 1600, 1200))
    register(phone.page)
    thumbnail = anchored(phone.page).locator(".thumb")
    expect(thumbnail).to_be_visible()
    phone.page.wait_for_function("document.querySelector('.thumb').naturalWidth === 512")  # the service's, not ours


def test_the_same_photo_again_says_that_it_is_registered(phone: Watched) -> None:
    page, photo = phone.page, jpeg(9004)
    choose(page, photo)
    register(page)
    first = capture_id(anchored(page))
    choose(page, photo)
    register(page)
    expect(card(page).get_by_text("You registered this photo already")).to_be_visible()
    assert capture_id(anchored(page, 2)) == first
    assert list(facts(card(page))) == FACTS
    expect(card(page).locator(".thumb")).to_be_visible()


def test_a_photo_can_be_erased(phone: Watched, service: Running) -> None:
    page = phone.page
    choose(page, jpeg(9008))
    register(page)
    newest = anchored(page)
    erased = capture_id(newest)
    newest.get_by_text("Erase this photo").click()
    assert overflow(page) <= 0
    newest.get_by_role("button", name="Erase it for good").click()
    expect(newest.get_by_role("heading", name="Erased")).to_be_visible()
    expect(newest.get_by_role("button", name="Receipt")).to_be_hidden()
    assert service.ask("GET", f"/v1/captures/{erased}").status == 410
    choose(page, jpeg(9008))
    register(page)
    expect(card(page).get_by_role("alert")).to_contain_text("You erased this photo before")  # it stays away by itself
    page.get_by_role("button", name="Register it again").click()
    assert capture_id(anchored(page, 2)) != erased, "the same photo again is a new registration"


def test_several_photos_one_after_another(phone: Watched) -> None:
    page, ids = phone.page, set()
    for count, seed in enumerate((9005, 9006, 9007), 1):
        choose(page, jpeg(seed), name=f"{seed}.jpg")
        register(page)
        ids.add(capture_id(anchored(page, count)))
    assert len(ids) == 3
    expect(page.locator("#photos article")).to_have_count(3)
    expect(page.locator("#photos details[open]")).to_have_count(1)  # the others are folded, to leave room
    expect(card(page).get_by_text("9007.jpg")).to_be_visible()


def test_the_camera_button_takes_a_photo_too(phone: Watched) -> None:
    camera = phone.page.get_by_label("Take a photo")
    assert camera.get_attribute("capture") == "environment"
    camera.set_input_files({"name": "image.jpg", "mimeType": "image/jpeg", "buffer": jpeg(9008)})
    register(phone.page)
    anchored(phone.page)


def test_the_stated_rights_arrive_and_are_remembered(phone: Watched, service: Running) -> None:
    page = phone.page
    choose(page, jpeg(9009))
    assert page.get_by_role("radio", name="No", exact=True).is_checked()  # silence is never consent
    page.get_by_role("radio", name="Ask me").check(force=True)
    page.get_by_label("Who took it?").fill("  <img src=x onerror=alert(1)>  ")
    page.get_by_label("Credit line").fill("Photo: Ада / 港")
    page.get_by_label("What may others do with it?").select_option("cc-by-4.0")
    expect(
        page.get_by_text("Others may use, change and share it, also for money, and name me (CC BY 4.0).")
    ).to_be_visible()
    page.get_by_role("switch", name="Keep the location").check()
    register(page)
    found = service.ask("GET", f"/v1/captures/{capture_id(anchored(page))}").json
    assert found["rights"] == {
        "creator": "<img src=x onerror=alert(1)>",
        "credit": "Photo: Ада / 港",
        "copyright_notice": None,
        "licence": "cc-by-4.0",
        "ai_training": "ask",
    }
    assert found["keep_location"] is True and found["published"] is True
    choose(page, jpeg(9010))
    assert page.get_by_role("radio", name="Ask me").is_checked()
    expect(page.get_by_label("Credit line")).to_have_value("Photo: Ада / 港")
    assert not page.get_by_role("switch", name="Keep the location").is_checked()  # asked anew for each photo
    page.goto(f"/a/{found['id']}")
    expect(page.get_by_text("<img src=x onerror=alert(1)>", exact=True)).to_be_visible()  # text, never code
    expect(page.get_by_text("ask first")).to_be_visible()
    expect(page.get_by_role("link", name="CC BY 4.0")).to_be_visible()


def test_a_private_photo_has_no_public_page(phone: Watched, service: Running) -> None:
    page = phone.page
    choose(page, jpeg(9011))
    page.get_by_role("switch", name="Public page").uncheck()
    register(page)
    newest = anchored(page)
    expect(newest.get_by_text("It has no public page")).to_be_visible()
    expect(newest.get_by_role("link", name="Open its public page")).to_be_hidden()
    expect(newest.get_by_role("button", name="Copy link")).to_be_hidden()
    assert service.ask("GET", f"/a/{capture_id(newest)}", key=None).status == 404


def test_a_copy_is_named_with_a_link_to_the_first(phone: Watched) -> None:
    page, image = phone.page, picture(9012)
    for count, quality in enumerate((92, 60), 1):
        choose(page, encoded(image, "JPEG", quality=quality))
        register(page)
        anchored(page, count)
    first = capture_id(page.locator("#photos article").last)
    assert "The registered photo as a whole, saved again or altered" in facts(card(page))["Compared"]
    link = card(page).locator(".found").get_by_role("link", name="Open its public page")
    expect(link.first).to_have_attribute("href", f"/a/{first}")


def test_the_link_is_copied(phone: Watched, service: Running) -> None:
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(phone.page, jpeg(9013))
    register(phone.page)
    newest = anchored(phone.page)
    newest.get_by_role("button", name="Copy link").click()
    expect(newest.get_by_role("button", name="Copied")).to_be_visible()
    assert phone.page.evaluate("navigator.clipboard.readText()") == f"{service.base}/a/{capture_id(newest)}"


def test_each_fact_is_said_to_those_who_listen(phone: Watched) -> None:
    phone.page.evaluate(
        """() => { window.said = ''; new MutationObserver((changes) => changes.forEach((change) =>
           change.addedNodes.forEach((node) => { window.said += node.textContent; })
           )).observe(document.getElementById('spoken'), {childList: true}); }"""
    )
    choose(phone.page, jpeg(9014))
    register(phone.page)
    anchored(phone.page)
    said = phone.page.evaluate("window.said")
    assert all(f"{name}." in said for name in FACTS[1:]), said
    assert phone.page.locator("#spoken").get_attribute("aria-live") == "polite"


def test_text_that_is_named_jpg_is_refused_in_words(phone: Watched) -> None:
    page = phone.page
    phone.expect("415")
    choose(page, b"Dear diary, this is no photo.", name="diary.jpg")
    expect(page.get_by_text("This browser cannot show a preview")).to_be_visible()
    register(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("not a kind of photo")
    expect(alert).to_contain_text("Choose a photo")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()  # the same again helps nobody
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Delete it for good?").click()
    expect(page.locator("#photos article")).to_have_count(0)
    choose(page, jpeg(9015))
    register(page)
    anchored(page)


def test_a_photo_that_cannot_be_decoded_says_why(phone: Watched) -> None:
    photo = jpeg(9016)
    choose(phone.page, photo[: len(photo) // 3])
    register(phone.page)
    expect(card(phone.page).get_by_role("heading", level=2)).to_have_text("Refused", timeout=60_000)
    reason = card(phone.page).get_by_role("alert").inner_text()
    assert "Your upload is kept" in reason and len(reason) > 100, reason
    expect(card(phone.page).get_by_role("button", name="Receipt")).to_be_hidden()
    expect(phone.page.get_by_label("Take a photo")).to_be_attached()


def test_a_photo_over_the_limit_is_never_sent(phone: Watched, tmp_path: Path) -> None:
    large, sent = tmp_path / "large.jpg", []
    with large.open("wb") as file:
        file.write(jpeg(9017))
        file.truncate(MAX_UPLOAD_BYTES + 1)
    phone.page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    phone.page.get_by_label("Choose from gallery").set_input_files(large)
    expect(phone.page.get_by_role("alert")).to_contain_text("too large")
    expect(phone.page.get_by_role("button", name="Register")).to_be_hidden()
    assert not [each for each in sent if each.startswith("POST") and "/devices" not in each]


@pytest.mark.parametrize("field", ["creator", "credit"])
def test_details_that_are_refused_can_be_changed(phone: Watched, field: str) -> None:
    phone.expect("422")
    choose(phone.page, jpeg(9018 if field == "creator" else 9019))
    phone.page.locator(f"#{field}").fill("Ada \u202eiL")  # turns the reading direction: rights/terms.py refuses it
    register(phone.page)
    expect(phone.page.get_by_role("alert")).to_contain_text(f"rights.{field}")
    phone.page.get_by_role("button", name="Change the details").click()
    expect(phone.page.locator(f"#{field}")).to_have_value("Ada \u202eiL")
    phone.page.locator(f"#{field}").fill("Ada Li")
    register(phone.page)
    anchored(phone.page)


def test_a_wrong_key_is_asked_for_again_and_the_photo_waits(visit: Visit, service: Running) -> None:
    wrong = visit("/#key=not-the-key")
    wrong.expect("401")
    page = wrong.page
    choose(page, jpeg(9020))
    register(page)
    expect(page.get_by_role("alert")).to_contain_text("data/api-key")
    expect(page.get_by_label("API key")).to_be_focused()
    page.get_by_label("API key").fill(f" {service.key}\n")
    page.get_by_role("button", name="Use this key").click()
    anchored(page)  # sent without choosing it again


def test_the_key_is_kept_until_it_is_forgotten(visit: Visit, service: Running) -> None:
    watched = visit("/")
    page = watched.page
    page.get_by_label("API key").fill(service.key)
    page.get_by_role("button", name="Use this key").click()
    page.reload()
    expect(page.get_by_label("Take a photo")).to_be_attached()
    assert page.evaluate("localStorage.getItem('capture.key')") == service.key
    page.get_by_role("button", name="Forget this key").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("JSON.stringify({...localStorage})") == "{}"
    page.goto(f"/#key={service.key}")  # a link with the key, opened where the page is open
    expect(page.get_by_label("API key")).to_be_hidden()
    assert page.url == f"{service.base}/"
