"""Matches through HTTP: what each door shows, and to whom."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from PIL import Image

from capture_api.openapi import document
from tests.photos import encoded, jpeg, picture
from tests.service import Answer, Running

PRIVATE = json.dumps({"published": False})


def altered(seed: int, quality: int = 45) -> bytes:
    """Another file of the same picture."""
    return encoded(picture(seed).resize((640, 480)), "JPEG", quality=quality)


@dataclass(frozen=True)
class Pair:
    """A registered photo, and a copy that somebody else registered later."""

    first: dict[str, Any]
    second: dict[str, Any]
    key: str  # of the second's owner

    @property
    def match(self) -> dict[str, Any]:
        found: dict[str, Any] = self.second["verdict"]["matches"][0]
        return found

    @property
    def evidence(self) -> str:
        return f"/v1/captures/{self.second['id']}/matches/{self.first['id']}/evidence.png"


@pytest.fixture(scope="module")
def stranger(service: Running) -> str:
    return service.command("keys", "add", "stranger").stdout.strip()


@pytest.fixture(scope="module")
def reviewer(service: Running) -> str:
    return service.command("keys", "add", "reviewer", "--scope", "review").stdout.strip()


@pytest.fixture(scope="module")
def published(service: Running, stranger: str) -> Iterator[Pair]:
    first = service.register(jpeg(3101)).json
    yield Pair(first, service.register(altered(3101), key=stranger).json, stranger)


@pytest.fixture(scope="module")
def private(service: Running, stranger: str) -> Iterator[Pair]:
    first = service.register(jpeg(3102), Capture_Metadata=PRIVATE).json
    yield Pair(first, service.register(altered(3102), key=stranger).json, stranger)


def is_like(answer: Answer, unknown: Answer, one: str, other: str) -> bool:
    """Whether nothing but the name tells two problems apart."""
    return (answer.status, answer.body.decode().replace(one, other)) == (unknown.status, unknown.body.decode())


def test_a_match_leads_to_the_published_photo_and_to_the_evidence(service: Running, published: Pair) -> None:
    first = published.first["id"]
    assert (published.match["id"], published.match["kind"]) == (first, "near_copy")
    assert published.match["links"] == {
        "public": f"/a/{first}", "thumbnail": f"/a/{first}/thumbnail", "evidence": published.evidence,
    }  # fmt: skip
    for name in ("public", "thumbnail"):
        assert service.ask("GET", published.match["links"][name], key=None).status == 200
    schema = {"$ref": "#/components/schemas/Verdict", "components": document()["components"]}
    Draft202012Validator(schema).validate(published.second["verdict"])


def test_the_evidence_is_a_picture_of_both(service: Running, published: Pair) -> None:
    answer = service.ask("GET", published.evidence, key=published.key)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Cache-Control"].startswith("private")
    sheet = Image.open(io.BytesIO(answer.body)).convert("RGB")
    assert sheet.width == 2 * 512 + 3 * 16
    for left in (16, 16 + 512 + 16):
        shown = sheet.crop((left + 20, 64, left + 492, 408)).resize((59, 43))
        expected = picture(3101).resize((512, 384)).crop((20, 20, 492, 364)).resize((59, 43))
        apart = [abs(a - b) for a, b in zip(shown.convert("L").tobytes(), expected.convert("L").tobytes(), strict=True)]
        assert sum(apart) / len(apart) < 12


def test_nobody_sees_the_picture_of_anothers_unpublished_photo(service: Running, private: Pair) -> None:
    assert private.match["id"] == private.first["id"]
    assert private.match["links"] == {}
    assert private.match["distance"] is None
    refused = service.ask("GET", private.evidence, key=private.key)
    unknown = service.ask("GET", f"/v1/captures/{'a' * 24}", key=private.key)
    assert refused.status == 404
    assert is_like(refused, unknown, private.first["id"], "a" * 24)
    events = service.ask("GET", private.second["links"]["events"], key=private.key).body.decode()
    assert private.first["id"] in events
    assert "evidence.png" not in events
    assert "evidence.png" in service.ask("GET", f"/v1/captures/{private.second['id']}").body.decode()


def test_a_reviewer_and_the_owner_of_both_see_the_evidence(service: Running, private: Pair, reviewer: str) -> None:
    assert service.ask("GET", private.evidence, key=reviewer).status == 200
    shown = service.ask("GET", f"/v1/captures/{private.second['id']}", key=reviewer).json
    first = private.first["id"]
    assert shown["verdict"]["matches"][0]["links"] == {"self": f"/v1/captures/{first}", "evidence": private.evidence}
    assert shown["verdict"]["matches"][0]["distance"] <= 31
    own = service.register(altered(3102, 80), Capture_Metadata=PRIVATE).json
    link = next(m["links"]["evidence"] for m in own["verdict"]["matches"] if m["id"] == private.first["id"])
    assert service.ask("GET", link).status == 200
    # The stranger's copy is published, so its picture may be seen by whoever it is a match for.
    assert {m["id"] for m in own["verdict"]["matches"] if "evidence" in m["links"]} == {
        private.first["id"], private.second["id"],
    }  # fmt: skip


def test_a_moderator_compares_without_registering(service: Running, private: Pair, reviewer: str) -> None:
    asked = service.ask("POST", "/v1/verify", altered(3102, 75), key=reviewer, Content_Type="image/jpeg")
    assert asked.status == 200
    assert private.first["id"] in {match["id"] for match in asked.json["matches"]}


def test_the_evidence_needs_a_key_and_a_capture_of_ones_own(service: Running, published: Pair) -> None:
    assert service.ask("GET", published.evidence, key=None).status == 401
    turned = f"/v1/captures/{published.first['id']}/matches/{published.second['id']}/evidence.png"
    refused = service.ask("GET", turned, key=published.key)
    unknown = service.ask("GET", f"/v1/captures/{'a' * 24}", key=published.key)
    assert is_like(refused, unknown, published.first["id"], "a" * 24)


def test_a_pair_that_is_no_match_says_where_the_matches_are(service: Running, published: Pair, private: Pair) -> None:
    capture = f"/v1/captures/{published.second['id']}"
    answers = [
        service.ask("GET", f"{capture}/matches/{other}/evidence.png", key=published.key)
        for other in (private.first["id"], "a" * 24)
    ]
    assert is_like(answers[0], answers[1], private.first["id"], "a" * 24)
    problem = answers[1].json
    assert (problem["status"], problem["type"]) == (404, "/docs#problem-not-found")
    assert capture in problem["detail"]


def test_the_same_bytes_have_evidence_too(service: Running, stranger: str) -> None:
    first = service.register(jpeg(3103)).json
    second = service.register(jpeg(3103), key=stranger).json
    match = second["verdict"]["matches"][0]
    assert (match["kind"], match["checked"], match["evidence"]["box"]) == (
        "exact_copy",
        "Every byte is the same.",
        None,
    )
    assert match["id"] == first["id"]
    assert service.ask("GET", match["links"]["evidence"], key=stranger).body.startswith(b"\x89PNG")


def test_a_refused_photo_has_no_evidence_that_is_not_there(service: Running) -> None:
    refused = service.register(jpeg(3104)[:9000]).json["capture"]
    answer = service.ask("GET", f"/v1/captures/{refused['id']}/matches/{'a' * 24}/evidence.png")
    assert answer.status == 404
    assert "was refused and has no verdict" in answer.json["detail"]


def test_raw_fingerprints_are_for_the_owner_and_reviewers(service: Running, private: Pair, reviewer: str) -> None:
    link = private.first["links"]["fingerprint"]
    raw = service.ask("GET", link).json
    assert service.ask("GET", link, key=reviewer).json == raw
    assert all(binding["value"] for binding in raw["soft_bindings"])
    unknown = service.ask("GET", f"/v1/captures/{'a' * 24}/fingerprint", key=private.key)
    assert is_like(service.ask("GET", link, key=private.key), unknown, private.first["id"], "a" * 24)
    assert service.ask("GET", link, key=None).status == 401
    shown = {binding["alg"]: binding for binding in private.first["fingerprint"]["soft_bindings"]}
    for binding in raw["soft_bindings"]:
        short = len(binding["value"]) <= 1000
        assert shown[binding["alg"]].get("value") == (binding["value"] if short else None)
    assert len(json.dumps(private.first["fingerprint"])) < 2000


def test_strangers_see_the_matches_that_are_published(service: Running, published: Pair, private: Pair) -> None:
    shown = service.ask("GET", f"/a/{published.second['id']}", key=None, Accept="application/json").json["verdict"]
    links = published.match["links"]
    assert shown["matches"] == [{**published.match, "links": {k: links[k] for k in ("public", "thumbnail")}}]
    assert shown["unpublished_matches"] == 0
    hidden = service.ask("GET", f"/a/{private.second['id']}", key=None, Accept="application/json")
    assert (hidden.json["verdict"]["matches"], hidden.json["verdict"]["unpublished_matches"]) == ([], 1)
    page = service.ask("GET", f"/a/{private.second['id']}", key=None, Accept="text/html").body
    for text in (hidden.body.decode(), page.decode()):
        assert private.first["id"] not in text
    assert "1 more is a photo that its owner has not published" in " ".join(page.decode().split())


def test_the_public_page_says_it_without_script(service: Running, published: Pair) -> None:
    text = service.ask("GET", f"/a/{published.second['id']}", key=None, Accept="text/html").body.decode()
    for part in (published.match["means"], published.match["checked"], published.second["verdict"]["note"][1:]):
        assert part.replace("'", "&#39;") in text
    assert f'src="/a/{published.first["id"]}/thumbnail"' in text


def test_verify_shows_published_photos_and_no_others(service: Running, published: Pair, private: Pair) -> None:
    for pair, names in ((published, {"public", "thumbnail"}), (private, set())):
        seed = 3101 if pair is published else 3102
        answer = service.ask("POST", "/v1/verify", altered(seed, 30), key=pair.key, Content_Type="image/jpeg")
        match = next(match for match in answer.json["matches"] if match["id"] == pair.first["id"])
        assert set(match["links"]) == names
        assert match["means"] and match["checked"]
        assert answer.json["dimensions"] == {"width": 640, "height": 480}
        schema = {"$ref": "#/components/schemas/Verification", "components": document()["components"]}
        Draft202012Validator(schema).validate(answer.json)


def test_there_is_a_page_that_checks(service: Running) -> None:
    page = service.ask("GET", "/verify", key=None)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Check a photo" in page.body.decode()


def pasted(seeds: tuple[int, ...], places: tuple[tuple[int, int, int, int], ...], size: tuple[int, int]) -> Image.Image:
    """Pictures at these places (left, top, right, bottom) of a larger one."""
    sheet = Image.new("RGB", size, (40, 44, 52))
    for seed, (left, top, right, bottom) in zip(seeds, places, strict=True):
        sheet.paste(picture(seed).resize((right - left, bottom - top)), (left, top))
    return sheet


def off_by(box: list[list[float]], place: tuple[int, int, int, int]) -> float:
    """How far the worst corner is from where it should be, in pixels."""
    left, top, right, bottom = place
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return max(float(((x - a) ** 2 + (y - b) ** 2) ** 0.5) for (x, y), (a, b) in zip(box, corners, strict=True))


def test_every_source_of_a_collage_is_named_with_its_box(service: Running) -> None:
    seeds, places = (3110, 3111), ((40, 60, 640, 510), (700, 300, 1240, 705))
    known = [service.register(jpeg(seed)).json["id"] for seed in seeds]
    collage = encoded(pasted(seeds, places, (1300, 760)), "JPEG", quality=85)
    answer = service.ask("POST", "/v1/verify", collage, Content_Type="image/jpeg").json
    assert answer["verdict"] == "contains"
    found = {match["id"]: match["evidence"] for match in answer["matches"]}
    for number, place in zip(known, places, strict=True):
        assert off_by(found[number]["box"], place) < 12
        assert found[number]["dimensions"] == {"width": 800, "height": 600}
        assert found[number]["visible"] > 0.97
        covers = (place[2] - place[0]) * (place[3] - place[1]) / (1300 * 760)
        assert found[number]["covers"] == pytest.approx(covers, rel=0.05)
    assert set(found) == set(known)


def test_a_crop_is_a_part_of_the_registered_photo(service: Running) -> None:
    known = service.register(jpeg(3112)).json["id"]
    crop = encoded(picture(3112).crop((200, 120, 700, 520)), "JPEG", quality=85)
    answer = service.ask("POST", "/v1/verify", crop, Content_Type="image/jpeg").json
    (match,) = answer["matches"]
    assert (answer["verdict"], match["kind"], match["id"]) == ("contained_in", "contained_in", known)
    assert match["means"] == "This is a part of the registered photo"
    assert off_by(match["evidence"]["reverse_box"], (200, 120, 700, 520)) < 8
    assert off_by(match["evidence"]["box"], (-200, -120, 600, 480)) < 12
    assert match["evidence"]["covers"] > 0.97
    assert match["evidence"]["visible"] == pytest.approx(500 * 400 / (800 * 600), rel=0.05)


def test_the_evidence_outlines_the_part_and_shades_what_was_changed(service: Running) -> None:
    service.register(jpeg(3113))
    place = (300, 200, 900, 650)
    sheet = pasted((3113,), (place,), (1200, 900))
    sheet.paste(picture(3114, 150, 120), (450, 300))  # covers a part of it
    second = service.register(encoded(sheet, "JPEG", quality=85)).json
    match = second["verdict"]["matches"][0]
    assert match["kind"] == "contains"
    drawn = Image.open(io.BytesIO(service.ask("GET", match["links"]["evidence"]).body)).convert("RGB")
    scale = 512 / 1200

    def colour(x: float, y: float) -> tuple[int, int, int]:
        pixel = drawn.getpixel((16 + round(x * scale), 44 + round(y * scale)))
        assert isinstance(pixel, tuple)
        return pixel[0], pixel[1], pixel[2]

    def is_line(x: float, y: float) -> bool:
        near = [colour(x + dx, y + dy) for dx in range(-12, 13, 2) for dy in range(-12, 13, 2)]
        return any(red > 200 and green > 170 and blue < 60 for red, green, blue in near)

    assert all(is_line(*point) for point in ((300, 425), (600, 200), (900, 425), (600, 650)))
    assert not any(is_line(*point) for point in ((150, 100), (1050, 800)))
    # Windows of the registered photo whose middle lies well within what was pasted over it.
    grid = match["evidence"]["correlation"]
    middles = {
        (300 + 600 * (column + 0.5) / len(values), 200 + 450 * (row + 0.5) / len(grid)): value
        for row, values in enumerate(grid)
        for column, value in enumerate(values)
        if value is not None
    }
    covered = {(x, y): value for (x, y), value in middles.items() if 475 < x < 575 and 325 < y < 395}
    assert covered and all(value < 60 for value in covered.values())
    for red, green, blue in (colour(*place) for place in covered):
        assert red > green and blue > green
    outside = [value for (x, y), value in middles.items() if not (420 < x < 630 and 270 < y < 450)]
    assert sum(value >= 60 for value in outside) > 0.9 * len(outside)
