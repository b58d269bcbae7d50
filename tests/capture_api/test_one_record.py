"""One word about a photo's rights in every language: what a scenario comes to, and what each reader makes of it."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from capture_api.openapi import document
from tests.capture_api import readers
from tests.capture_api.readers import Said
from tests.capture_api.test_works import ask, made
from tests.photos import jpeg
from tests.service import Answer, Running

IN_COPYRIGHT = "https://rightsstatements.org/vocab/InC/1.0/"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
PERSON = {"creator": "Ada Lovelace", "credit": "Ada / Agentur Ü", "copyright_notice": "© 2026 Ada <Lovelace>"}


@dataclass(frozen=True)
class Scenario:
    """What an owner did, and what has to be said of it. `licence`: a URL, or the path of one here."""

    stated: dict[str, str]
    licence: str
    ai: str
    offer: dict[str, Any] | None = None
    price: int | None = None
    whole: bool = False
    sold_to_ai: bool = False


SCENARIOS = {
    "allowed": Scenario({"ai_training": "allowed"}, IN_COPYRIGHT, "allowed"),
    "ask": Scenario({"ai_training": "ask"}, IN_COPYRIGHT, "ask"),
    "not allowed": Scenario({"ai_training": "not_allowed"}, IN_COPYRIGHT, "not_allowed"),
    "open": Scenario({"licence": "cc-by-4.0", "ai_training": "not_allowed"}, CC_BY, "not_allowed", whole=True),
    "remix": Scenario({"ai_training": "ask"}, "/terms/commercial-remix", "ask",
                      {"preset": "commercial-remix", "share": 100_000, "fee": "700"}, 700),
    "sold to AI": Scenario({"ai_training": "not_allowed"}, "/terms/ai-training-paid", "ask",
                           {"preset": "ai-training-paid", "fee": "900"}, 900, sold_to_ai=True),
    "closed": Scenario({"licence": "cc-by-4.0", "ai_training": "allowed"}, IN_COPYRIGHT, "not_allowed",
                       {"preset": "all-rights-reserved"}),
    "opened": Scenario({"ai_training": "not_allowed"}, "https://creativecommons.org/publicdomain/zero/1.0/", "allowed",
                       {"preset": "cc0"}, whole=True),
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A photo of a scenario, and its service."""

    service: Running
    id: str
    scenario: Scenario
    token: str | None

    def get(self, path: str = "") -> Answer:
        return self.service.ask("GET", f"/a/{self.id}{path}", key=None)

    @property
    def expected(self) -> Said:
        base = self.service.base if self.scenario.licence.startswith("/") else ""
        return {
            "licence": base + self.scenario.licence, "ai": self.scenario.ai, "creator": PERSON["creator"],
            "credit": PERSON["credit"], "notice": PERSON["copyright_notice"], "token": self.token,
            "price": self.scenario.price, "on_sale": self.scenario.price is not None,
            "tdm": "0" if self.scenario.ai == "allowed" else "1",
            "asked_at": f"{self.service.base}/a/{self.id}" + ("/copy" if self.scenario.sold_to_ai else ""),
        }  # fmt: skip


@pytest.fixture(scope="module", params=SCENARIOS)
def shown(service: Running, request: pytest.FixtureRequest) -> Shown:
    scenario, seed = SCENARIOS[request.param], 9700 + list(SCENARIOS).index(request.param)
    metadata = json.dumps({"rights": PERSON | scenario.stated})
    capture = str(service.register(jpeg(seed), Capture_Metadata=metadata).json["id"])
    if scenario.offer is None:
        return Shown(service, capture, scenario, None)
    made(service, capture, scenario.offer)
    token = ask(service, "GET", f"/v1/captures/{capture}/asset").json["token"]
    return Shown(service, capture, scenario, token)


def agree(said: Said, expected: Said) -> None:
    """Raise AssertionError unless all that a language carries is what it has to be."""
    coarse = said.get("ai") == "reserved" and expected["ai"] != "allowed"
    assert said == {name: expected[name] for name in said} | ({"ai": "reserved"} if coarse else {})


def test_every_dialect_says_what_counts(shown: Shown) -> None:
    expected = shown.expected
    agree(readers.of_json(shown.get("?format=json")), expected)
    agree(readers.of_json_ld(shown.get("?format=jsonld")), expected)
    agree(readers.of_page(shown.get("?format=html")), expected)
    said = readers.of_rsl(shown.get("?format=rsl"))
    agree(said, expected if said["ai"] == "ask" else expected | {"asked_at": None})
    agree(readers.of_xmp(shown.get("/thumbnail")), expected)
    url = quote(f"{shown.service.base}/a/{shown.id}", safe="")
    agree(readers.of_oembed(shown.service.ask("GET", f"/oembed?url={url}", key=None)), expected)


def test_the_headers_of_every_answer_say_it_too(shown: Shown) -> None:
    paths = [f"?format={name}" for name in ("html", "json", "jsonld", "rsl", "c2pa", "image")]
    paths += ["/thumbnail", "/copy?use=commercial", "/copy?use=ai-training"]
    for path in paths:
        answer = shown.get(path)
        agree(readers.of_headers(answer), shown.expected)
        if answer.status >= 400:
            assert answer.headers["Cache-Control"] == "no-store", path


def test_the_whole_photo_is_given_away_only_where_that_counts(shown: Shown) -> None:
    capture = shown.service.ask("GET", f"/v1/captures/{shown.id}").json
    image, record = shown.get("?format=image"), shown.get("?format=json").json["record"]
    is_whole = hashlib.sha256(image.body).hexdigest() == capture["manifest"]["signed_sha256"]
    assert (is_whole, record["whole_image"]) == (shown.scenario.whole, shown.scenario.whole)
    if not is_whole:
        agree(readers.of_xmp(image), shown.expected)


def test_what_was_stated_stays_and_is_what_the_signed_file_says(shown: Shown) -> None:
    stated = shown.get("?format=json").json["record"]["stated"]
    assert stated["ai_training"] == shown.scenario.stated["ai_training"]
    assert stated["licence"] == shown.scenario.stated.get("licence", "all-rights-reserved")
    said = readers.of_manifest(shown.get("?format=c2pa"))
    was = {"licence": stated["licence_url"], "ai": stated["ai_training"]}
    agree(said, shown.expected | was)


def test_the_catalogue_and_the_price_are_the_records(shown: Shown) -> None:
    for use in ("ai-training", "commercial", "derivatives"):
        row, copy = row_of(shown.service, shown.id, use), shown.get(f"/copy?use={use}")
        assert (row is None) == (copy.status not in (200, 402)), (use, copy.status, row)
        if row:
            conforms(row, "CatalogueRow")
            agree(readers.of_row(row), shown.expected | ({"price": None} if row["free"] else {}))
            assert copy.status == (200 if row["free"] else 402)
        if copy.status == 402:
            conforms(copy.json, "PaymentRequired")
            agree(readers.of_402(copy), shown.expected)


def test_fixed_addresses_contradict_no_photo(shown: Shown) -> None:
    robots = readers.of_robots(shown.service.ask("GET", "/robots.txt", key=None), f"/a/{shown.id}")
    usage = dict(re.findall(r"([a-z-]+)=([yn])", shown.get("?format=html").headers["Content-Usage"]))
    # Of several sources the most restrictive counts: nothing that a photo allows may be forbidden there.
    assert all(robots.get(name, "y") == "y" for name, word in usage.items() if word == "y")
    (rule,) = shown.service.ask("GET", "/.well-known/tdmrep.json", key=None).json
    assert f"/a/{shown.id}".startswith(rule["location"].rstrip("*")), "reserved, unless nearer words say otherwise"
    assert rule["tdm-reservation"] == 1


def test_the_text_of_a_licence_is_what_the_terms_commit_to(shown: Shown) -> None:
    offer = shown.get("?format=json").json["record"].get("licence_on_chain")
    if offer is None or not offer["text_url"].startswith(shown.service.base):
        return
    text = shown.service.ask("GET", offer["text_url"].removeprefix(shown.service.base), key=None)
    assert hashlib.sha256(text.body).hexdigest() == offer["terms"]["legal_text"]
    assert text.headers["ETag"] == f'"{offer["terms"]["legal_text"]}"'
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "immutable" in text.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [("licence", CC_BY), ("ai", "allowed"), ("creator", "Eve"), ("token", "x"), ("price", 1), ("credit", None)],
)
def test_the_comparison_notices_each_fact(shown: Shown, fact: str, wrong: Any) -> None:
    said = readers.of_json(shown.get("?format=json"))
    if said[fact] != wrong:
        with pytest.raises(AssertionError):
            agree(said | {fact: wrong}, shown.expected)


def conforms(value: Any, schema: str) -> None:
    """Raise unless a value is as the API's own description has it."""
    described = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    Draft202012Validator(described).validate(value)


def row_of(service: Running, capture: str, use: str) -> dict[str, Any] | None:
    """The catalogue's row of a photo, from whichever page has it."""
    path: str | None = f"/v1/catalogue?use={use}&limit=3"
    found = []
    while path:
        page = service.ask("GET", path, key=None)
        found += [json.loads(line) for line in page.body.decode().splitlines()]
        path = page.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in page.headers else None
    assert [row["id"] for row in found] == sorted({row["id"] for row in found}), "each once, in order"
    return next((row for row in found if row["id"] == capture), None)
