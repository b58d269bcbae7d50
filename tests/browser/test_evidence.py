"""The pages that show matches, on a phone: what is said, what is outlined, and what is kept back."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.conftest import Visit, Watched
from tests.browser.steps import anchored, card, choose, overflow, register
from tests.photos import encoded, jpeg, picture
from tests.service import Running

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def checker(visit: Visit) -> Watched:
    """The check page on a phone whose browser runs no script."""
    return visit("/verify", viewport=PHONE, java_script_enabled=False)


@pytest.fixture
def blank(visit: Visit) -> Watched:
    """A page that has the template of a match, and no match."""
    return visit("/", viewport=PHONE)


def check(page: Page, photo: bytes, name: str = "found.jpg") -> Locator:
    """Choose a photo, send it, and wait for the answer."""
    page.locator("#file").set_input_files(FilePayload(name=name, mimeType="image/jpeg", buffer=photo))
    page.get_by_role("button", name="Check it").click()
    page.wait_for_load_state()
    return page.locator("main")


def altered(seed: int) -> bytes:
    return encoded(picture(seed).resize((640, 480)), "JPEG", quality=50)


def test_a_registered_photo_is_found_and_shown(checker: Watched, service: Running, tmp_path: Path) -> None:
    known = service.register(jpeg(9301)).json
    page = checker.page
    answer = check(page, altered(9301))
    expect(answer.get_by_role("heading", name="No Content Credentials came with this file")).to_be_visible()
    expect(answer.get_by_text("1 registered photo has to do with it")).to_be_visible()
    match = answer.locator(".match").first
    expect(match.get_by_role("heading")).to_have_text("The registered photo as a whole, saved again or altered")
    expect(match.get_by_role("link", name="Open its public page")).to_have_attribute("href", f"/a/{known['id']}")
    expect(match.get_by_role("img", name="Your photo")).to_be_visible()
    theirs = match.get_by_role("img", name="The registered photo")
    expect(theirs).to_have_attribute("src", f"/a/{known['id']}/thumbnail")
    theirs.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.theirs img').naturalWidth === 512")
    expect(match).to_contain_text("of 1.")
    expect(answer).to_contain_text("recovered by soft binding, pixels not hash-bound")
    match.get_by_text("Its Content Credentials").click()
    with page.expect_download() as saved:
        match.get_by_role("link", name="Save the manifest store").click()
    store = service.ask("GET", known["links"]["manifest"]).body
    assert saved.value.path().read_bytes() == store
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / "found.png", full_page=True)


def test_a_signed_photo_and_a_tampered_one_are_told_apart(checker: Watched, service: Running) -> None:
    signed = service.ask("GET", service.register(jpeg(9304)).json["links"]["file"]).body
    tampered = signed[:-2000] + bytes([signed[-2000] ^ 1]) + signed[-1999:]
    answer = check(checker.page, signed)
    expect(answer.get_by_role("heading", name="Intact Content Credentials from a trusted signer")).to_be_visible()
    answer = check(checker.page, tampered)
    expect(answer.get_by_role("heading", name="do not fit: do not rely on them")).to_be_visible()
    expect(answer.get_by_text("the file was changed after it was signed")).to_be_visible()
    expect(answer.locator(".match").get_by_role("img", name="The registered photo")).to_be_visible()


def test_what_was_not_checked_is_said_when_nothing_is_found(checker: Watched, service: Running) -> None:
    service.register(jpeg(9302))
    note = service.ask("POST", "/v1/verify", jpeg(9303), Content_Type="image/jpeg").json["note"]
    answer = check(checker.page, jpeg(9303))
    expect(answer.get_by_text("No registered photo was found in it")).to_be_visible()
    expect(answer.locator(".match")).to_have_count(0)
    assert note.split(":")[-1].strip(" .") in answer.inner_text()


def test_a_private_photo_is_not_known(checker: Watched, service: Running) -> None:
    hidden = service.register(jpeg(9314), Capture_Metadata=json.dumps({"published": False})).json
    answer = check(checker.page, altered(9314))
    expect(answer.get_by_text("No registered photo was found in it")).to_be_visible()
    assert hidden["id"] not in checker.page.content()


def test_one_photo_after_another_and_what_is_refused(checker: Watched, service: Running) -> None:
    page = checker.page
    checker.expect("415")
    service.register(jpeg(9305))
    expect(check(page, altered(9305)).locator(".match")).to_have_count(1)
    refused = check(page, b"Dear diary", "diary.jpg")
    expect(refused.get_by_role("alert")).to_contain_text("not a kind of photo")
    expect(refused.locator(".match")).to_have_count(0)
    expect(check(page, jpeg(9306)).get_by_text("No registered photo was found in it")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_a_file_says_is_text_and_never_code(checker: Watched, service: Running) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
    answer = check(checker.page, encoded(picture(9315), "JPEG", exif=exif))
    expect(answer.get_by_text("onerror=alert(1)>")).to_be_visible()
    rights = {"rights": {"creator": "<svg onload=alert(1)>"}}
    service.register(jpeg(9316), Capture_Metadata=json.dumps(rights))
    match = check(checker.page, altered(9316)).locator(".match")
    match.get_by_text("Its Content Credentials").click()
    expect(match.get_by_text("<svg onload=alert(1)>")).to_be_visible()


def test_the_way_to_the_check_page(visit: Visit) -> None:
    page = visit("/", viewport=PHONE).page
    page.get_by_role("link", name="Check a photo").click()
    expect(page.get_by_role("heading", name="Check a photo")).to_be_visible()
    assert page.url.endswith("/verify")


def test_the_capture_page_shows_what_a_registered_photo_has_to_do_with(visit: Visit, service: Running) -> None:
    known = service.register(jpeg(9309)).json
    page = visit(f"/#key={service.key}", viewport=PHONE).page
    choose(page, altered(9309))
    register(page)
    found = anchored(page).locator(".found")
    expect(found.get_by_role("link", name="Open its public page")).to_have_attribute("href", f"/a/{known['id']}")
    expect(found.get_by_role("img", name="The registered photo")).to_be_visible()
    with page.expect_download() as comparison:
        found.get_by_role("button", name="Save the comparison").click()
    assert comparison.value.suggested_filename == f"comparison-{known['id']}.png"
    assert comparison.value.path().read_bytes().startswith(b"\x89PNG")
    assert overflow(page) <= 0
    choose(page, jpeg(9310))
    register(page)
    expect(anchored(page, 2).locator(".found")).to_be_hidden()
    expect(card(page)).to_contain_text("No copy was found")


def test_the_public_page_shows_both_photos(visit: Visit, service: Running) -> None:
    known = service.register(jpeg(9311)).json
    copy = service.register(altered(9311)).json
    page = visit(f"/a/{copy['id']}", viewport=PHONE).page
    section = page.get_by_role("region", name="Earlier photos it has to do with")
    expect(section.get_by_role("img", name="The earlier photo")).to_be_visible()
    expect(section.get_by_role("link", name="Open its public page")).to_have_attribute("href", f"/a/{known['id']}")
    assert overflow(page) <= 0
    page = visit(f"/a/{known['id']}", viewport=PHONE).page
    expect(page.get_by_role("region", name="Earlier photos")).to_have_count(0)


COLLAGE = {9321: (30, 40, 430, 340), 9322: (330, 420, 730, 720), 9323: (40, 860, 640, 1310)}


def collage() -> Image.Image:
    """A tall picture with three registered photos in it; something is pasted over the last."""
    sheet = Image.new("RGB", (760, 1400), (240, 238, 230))
    for seed, (left, top, right, bottom) in COLLAGE.items():
        sheet.paste(picture(seed).resize((right - left, bottom - top)), (left, top))
    sheet.paste(picture(9324, 160, 110), (260, 1000))
    return sheet


# Where on the screen each outline's corners are, as parts of the picture that it lies over.
_ON_SCREEN = """(svg) => {
    const over = svg.parentElement.querySelector('img').getBoundingClientRect();
    const line = svg.querySelector('polygon.line'), to = line.getScreenCTM();
    const part = (p) => [(p.x - over.x) / over.width, (p.y - over.y) / over.height];
    return [...line.points].map((p) => part(p.matrixTransform(to)));
}"""


def test_every_photo_in_a_collage_is_outlined_where_it_lies(checker: Watched, service: Running, tmp_path: Path) -> None:
    known = {service.register(jpeg(seed)).json["id"]: place for seed, place in COLLAGE.items()}
    answer = check(checker.page, encoded(collage(), "JPEG", quality=85))
    expect(answer.get_by_text("3 registered photos have to do with it")).to_be_visible()
    matches = answer.locator(".match")
    expect(matches).to_have_count(3)
    for match in matches.all():
        expect(match.get_by_role("heading")).to_have_text("The registered photo, or part of it, is inside this picture")
        public = match.get_by_role("link", name="Open its public page")
        found = (public.get_attribute("href") or "").rsplit("/", 1)[-1]
        left, top, right, bottom = known.pop(found)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        seen = match.locator(".ours svg").evaluate(_ON_SCREEN)
        for (x, y), (a, b) in zip(seen, corners, strict=True):
            assert abs(x - a / 760) < 0.02 and abs(y - b / 1400) < 0.02
        expect(match.get_by_text("surrounds what both pictures show")).to_be_visible()
        match.locator(".theirs img").scroll_into_view_if_needed()
    assert overflow(checker.page) <= 0
    checker.page.screenshot(path=tmp_path / "collage.png", full_page=True)


def test_the_public_page_outlines_them_too_and_says_it_without_script(
    visit: Visit, service: Running, tmp_path: Path
) -> None:
    known = service.register(jpeg(9325)).json
    crop = service.register(encoded(picture(9325).crop((200, 120, 700, 520)), "JPEG", quality=85)).json
    assert crop["verdict"]["kind"] == "contained_in"
    page = visit(f"/a/{crop['id']}", viewport=PHONE).page
    section = page.get_by_role("region", name="Earlier photos it has to do with")
    seen = section.locator(".theirs svg").evaluate(_ON_SCREEN)
    for (x, y), (a, b) in zip(seen, [(200, 120), (700, 120), (700, 520), (200, 520)], strict=True):
        assert abs(x - a / 800) < 0.02 and abs(y - b / 600) < 0.02
    expect(section.get_by_role("img", name="This photo, all of it outlined")).to_be_visible()
    assert overflow(page) <= 0
    section.screenshot(path=tmp_path / "public.png")
    plain = visit(f"/a/{crop['id']}", viewport=PHONE, java_script_enabled=False).page
    for text in (crop["verdict"]["matches"][0]["checked"], "This is a part of the registered photo"):
        expect(plain.get_by_role("region", name="Earlier photos").get_by_text(text)).to_be_visible()
    expect(plain.get_by_role("link", name="Open its public page")).to_have_attribute("href", f"/a/{known['id']}")


def test_a_photo_that_lies_on_its_side_is_outlined_as_it_is_seen(checker: Watched, service: Running) -> None:
    service.register(jpeg(9326))
    sheet = Image.new("RGB", (1000, 800), (240, 238, 230))
    sheet.paste(picture(9326).resize((480, 360)), (60, 300))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side; shown, and asked about, after the turn
    stored = encoded(sheet.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=88, exif=exif)
    match = check(checker.page, stored).locator(".match")
    seen = match.locator(".ours svg").evaluate(_ON_SCREEN)
    for (x, y), (a, b) in zip(seen, [(60, 300), (540, 300), (540, 660), (60, 660)], strict=True):
        assert abs(x - a / 1000) < 0.02 and abs(y - b / 800) < 0.02


EVIDENCE = {
    # The registered photo, 800 x 600, lies at half its size at (500, 200) in a picture of 2000 x 1000.
    "box": [[500, 200], [900, 200], [900, 500], [500, 500]],
    "reverse_box": [[-1000, -400], [3000, -400], [3000, 1600], [-1000, 1600]],
    "homography": [[0.5, 0, 500], [0, 0.5, 200], [0, 0, 1]],
    "dimensions": {"width": 800, "height": 600},
    "correlation": [[95, 12], [None, 60]],
}

_ITEM = """async ([matches, dimensions]) => {
    const { matchItems } = await import('/static/evidence.js');
    const list = Object.assign(document.createElement('ol'), { className: 'matches', id: 'drawn' });
    list.replaceChildren(...matchItems(matches, '/static/icon.svg', dimensions));
    document.querySelector('main').prepend(list);
}"""


def show(page: Page, evidence: dict[str, Any], **changes: Any) -> Locator:
    """A match as the module draws it, in a page that has its template."""
    match = {"id": "x", "kind": "contains", "means": "M", "checked": "C.", "score": 0.9, "links": {}} | changes
    page.evaluate(_ITEM, [[match | {"evidence": evidence}], {"width": 2000, "height": 1000}])
    return page.locator("#drawn .match")


def test_the_box_is_outlined_where_it_is(blank: Watched) -> None:
    match = show(blank.page, EVIDENCE, links={"thumbnail": "/static/icon.svg"})
    ours, theirs = match.locator(".ours svg"), match.locator(".theirs svg")
    assert ours.get_attribute("viewBox") == "0 0 2000 1000"
    assert theirs.get_attribute("viewBox") == "0 0 800 600"
    points = "500.0 200.0 900.0 200.0 900.0 500.0 500.0 500.0"
    expect(ours.locator("polygon.line")).to_have_attribute("points", points)
    expect(ours.locator(".differs")).to_have_attribute("points", "700.0 200.0 900.0 200.0 900.0 350.0 700.0 350.0")
    expect(theirs.locator(".differs")).to_have_attribute("points", "400.0 0.0 800.0 0.0 800.0 300.0 400.0 300.0")
    # On the screen the outline's sheet covers the picture.
    over, image = ours.bounding_box(), match.locator(".ours img").bounding_box()
    assert over and image
    assert all(abs(over[side] - image[side]) < 1.5 for side in ("x", "y", "width", "height"))


def test_the_outline_is_told_to_those_who_do_not_see_it(blank: Watched) -> None:
    match = show(blank.page, EVIDENCE, links={"thumbnail": "/static/icon.svg"})
    ours = "Your picture, outlined from 25 % to 45 % of its width and from 20 % to 50 % of its height"
    expect(match.get_by_role("img", name=ours)).to_be_visible()
    expect(match.get_by_role("img", name="The registered photo, all of it outlined")).to_be_visible()
    expect(match.locator("svg").first).to_have_attribute("aria-hidden", "true")
    expect(match.get_by_text("surrounds what both pictures show. Where it is pink, they differ.")).to_be_visible()


def test_without_a_box_nothing_is_outlined(blank: Watched) -> None:
    match = show(blank.page, dict.fromkeys(EVIDENCE), links={"thumbnail": "/static/icon.svg"})
    expect(match.locator("svg")).to_have_count(0)
    expect(match.locator(".key-to-marks")).to_be_hidden()


def test_words_from_the_service_are_text_and_never_code(blank: Watched) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    links = {"public": "javascript:alert(1)//../x", "thumbnail": "http://192.0.2.1/x.png"}
    blank.expect("404")
    match = show(blank.page, EVIDENCE, means=hostile, checked=hostile, links=links)
    expect(match.get_by_role("heading")).to_have_text(hostile)
    assert "javascript:" not in (match.get_by_role("link").get_attribute("href") or "")
    expect(match.locator(".theirs img")).to_have_attribute("src", "/x.png")


def test_a_window_beyond_the_horizon_is_not_drawn(blank: Watched) -> None:
    beyond = EVIDENCE | {"homography": [[1, 0, 0], [0, 1, 0], [-0.0025, 0, 1]], "correlation": [[0, 100], [100, 0]]}
    match = show(blank.page, beyond)
    expect(match.locator(".ours .differs")).to_have_count(0)
    expect(match.locator(".theirs .differs")).to_have_count(2)
