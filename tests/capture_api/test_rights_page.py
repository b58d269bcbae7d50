"""`/a/{id}` through its door: one record in every dialect, and the same word about rights in each."""

import hashlib
import io
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from PIL import Image

from provenance.keys import Identity
from tests.capture_api.test_location import located, place_in
from tests.photos import jpeg
from tests.provenance.orders import signed_copy
from tests.rights.test_xmp import fields
from tests.service import Answer, Running

NS = {"r": "https://rslstandard.org/rsl"}
HOSTILE = "\"Ada\" </script><script>alert('x')</script> <!-- ]]> &amp; {{ 7 * 7 }}; rel=next"
DIALECTS = {
    "html": "text/html",
    "jsonld": "application/ld+json",
    "json": "application/json",
    "rsl": "application/rsl+xml",
    "c2pa": "application/c2pa",
    "image": "image/jpeg",
}
RIGHTS = {
    "creator": HOSTILE,
    "credit": "Ada Lovelace / Agentur Ü",
    "copyright_notice": "© 2026 Ada <b>Lovelace</b>",
    "licence": "cc-by-4.0",
    "ai_training": "ask",
}


class Head(HTMLParser):
    """What a machine reads in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta, self.links = dict[str, str](), list[dict[str, str | None]]()
        self.scripts, self._within = dict[str | None, str](), list[str | None]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "meta":
            self.meta[str(found.get("property") or found.get("name"))] = str(found.get("content"))
        if tag == "link":
            self.links.append(found)
        if tag == "script":
            self._within = [found.get("type")]
            self.scripts.setdefault(found.get("type"), "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._within = []

    def handle_data(self, data: str) -> None:
        if self._within:
            self.scripts[self._within[0]] += data


@dataclass(frozen=True)
class Published:
    """A published photo and its service."""

    service: Running
    capture: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/a/{self.capture['id']}"

    def get(self, accept: str | None = None, query: str = "") -> Answer:
        headers: dict[str, Any] = {"Accept": accept} if accept is not None else {}
        return self.service.ask("GET", self.path + query, key=None, **headers)


def without_xmp(picture: bytes) -> bytes:
    """A small picture as it was stored."""
    at = picture.index(b"\xff\xe1")
    return picture[:at] + picture[at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big") :]


def register(service: Running, seed: int, **metadata: Any) -> Published:
    return Published(service, service.register(jpeg(seed), Capture_Metadata=json.dumps(metadata)).json)


@pytest.fixture(scope="module")
def photo(service: Running) -> Published:
    return register(service, 7401, rights=RIGHTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_each_dialect_is_had_by_accept_and_by_link(photo: Published, name: str) -> None:
    for answer in (photo.get(DIALECTS[name]), photo.get(query=f"?format={name}")):
        assert answer.status == 200
        assert answer.headers["Content-Type"].split(";")[0] == DIALECTS[name]
        assert "Accept" in answer.headers["Vary"]
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Usage"] == "train-ai=n, ai-use=n, search=y"
        assert answer.headers["tdm-reservation"] == "1"
        assert answer.headers["tdm-policy"] == photo.service.base + photo.path
        assert f'<{photo.service.base}{photo.path}?format=c2pa>; rel="c2pa-manifest"' in answer.headers["Link"]
        assert '<https://creativecommons.org/licenses/by/4.0/>; rel="license"' in answer.headers["Link"]


def test_all_dialects_say_the_same(photo: Published) -> None:
    capture, page = photo.capture, photo.service.base + photo.path
    record = photo.get("application/json").json["record"]
    assert {name: record[name] for name in RIGHTS if name != "licence"} == {
        name: value for name, value in RIGHTS.items() if name != "licence"
    }
    assert record["sha256"] == capture["asset"]["sha256"]
    assert record["anchor"]["transaction"] == capture["anchor"]["transaction"]
    assert record["log_index"] == capture["inclusion"]["index"]

    head = Head(photo.get("text/html").body.decode())
    linked = json.loads(photo.get("application/ld+json").body)
    assert json.loads(head.scripts["application/ld+json"]) == linked
    assert (linked["creator"]["name"], linked["creditText"], linked["copyrightNotice"]) == (
        record["creator"], record["credit"], record["copyright_notice"],
    )  # fmt: skip
    assert (linked["license"], linked["acquireLicensePage"]) == (record["licence_url"], record["acquire_page"])
    assert (linked["contentUrl"], linked["thumbnailUrl"]) == (record["image"]["url"], record["thumbnail"]["url"])
    assert {item["propertyID"]: item["value"] for item in linked["identifier"]} == {
        "sha256": record["sha256"], "ISCC": record["iscc"], "capture": record["id"],
        "log-index": str(record["log_index"]), "transaction": record["anchor"]["transaction"],
    }  # fmt: skip

    content = ElementTree.fromstring(photo.get("application/rsl+xml").body).find("r:content", NS)
    assert content is not None
    assert content.get("url") == photo.path
    assert content.findtext("r:terms", namespaces=NS) == record["licence_url"]
    assert content.findtext("r:copyright", namespaces=NS) == record["credit"]
    assert content.findtext("r:license/r:payment/r:custom", namespaces=NS) == record["acquire_page"] == page

    assert head.meta["og:url"] == page
    assert head.meta["og:image"] == record["thumbnail"]["url"]
    assert record["credit"] in head.meta["og:title"]
    assert record["licence_title"] in head.meta["og:description"]
    assert (head.meta["tdm-reservation"], head.meta["tdm-policy"]) == ("1", page)
    embedded = photo.service.ask("GET", f"/oembed?url={quote(page, safe='')}", key=None).json
    assert (embedded["type"], embedded["url"]) == ("photo", record["thumbnail"]["url"])
    assert (embedded["author_name"], embedded["license_url"]) == (record["creator"], record["licence_url"])
    assert embedded["ai_training"] == record["ai_training"]


def test_the_manifest_says_the_same_too(photo: Published) -> None:
    store = photo.get("application/c2pa").body
    assert hashlib.sha256(store).hexdigest() == photo.capture["manifest"]["sha256"]
    record = photo.get("application/json").json["record"]
    for stated in (record["credit"], record["copyright_notice"], record["licence_url"]):
        assert stated.encode() in store
    assert b"constrained" in store


def test_every_link_leads_to_what_it_says(photo: Published) -> None:
    found = re.findall(r'<([^>]*)>; rel="([a-z0-9-]+)"(?:; type="([^"]+)")?', photo.get().headers["Link"])
    ours = [(url, kind) for url, _, kind in found if url.startswith(photo.service.base) and kind]
    assert len(ours) == 7  # five alternates, the RSL licence, the manifest
    for url, kind in ours:
        answer = photo.service.ask("GET", url.removeprefix(photo.service.base), key=None)
        # oEmbed's discovery has a type of its own for what is JSON when it comes (oEmbed 1.0, sections 2.3 and 4).
        came = "application/json" if kind == "application/json+oembed" else kind
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, came)
    in_page = {link.get("href") for link in Head(photo.get("text/html").body.decode()).links}
    assert {url for url, kind in ours if kind != "text/html"} <= in_page


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("image/avif,image/webp,image/*,*/*;q=0.8", "image/jpeg"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/*;q=0.3, text/html;q=0.2", "application/ld+json"),
        ("image/png, application/rsl+xml;q=0.1", "application/rsl+xml"),
        ("text/html; q=nonsense, application/json", "application/json"),
    ],
)
def test_the_best_of_what_is_accepted(photo: Published, accept: str | None, kind: str) -> None:
    assert photo.get(accept).headers["Content-Type"].split(";")[0] == kind


def test_what_cannot_be_had_is_said_in_words(photo: Published) -> None:
    refused = photo.get("video/mp4, image/png")
    assert (refused.status, refused.json["type"]) == (406, "/docs#problem-not-acceptable")
    assert all(kind in refused.json["detail"] for kind in DIALECTS.values())
    assert "Accept" in refused.headers["Vary"]
    unknown = photo.get(query="?format=svg")
    assert unknown.status == 400
    assert all(name in unknown.json["detail"] for name in DIALECTS)


def test_names_are_never_code(photo: Published) -> None:
    page = photo.get("text/html")
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    text = page.body.decode()
    assert "alert('x')</script>" not in text
    assert set(Head(text).scripts) == {"module", "application/ld+json"}


def test_the_whole_photo_only_where_its_licence_lets_everybody_copy_it(service: Running, photo: Published) -> None:
    whole = photo.get("image/jpeg").body
    assert hashlib.sha256(whole).hexdigest() == photo.capture["manifest"]["signed_sha256"]
    reserved = register(service, 7402, rights={"creator": "Ada", "ai_training": "allowed"})
    small = reserved.get("image/*")
    assert hashlib.sha256(without_xmp(small.body)).hexdigest() == reserved.capture["manifest"]["thumbnail_sha256"]
    assert "c2pa-manifest" not in small.headers["Link"]
    assert "c2pa-manifest" in reserved.get("text/html").headers["Link"]
    assert (
        json.loads(reserved.get("application/ld+json").body)["contentUrl"] == f"{service.base}{reserved.path}/thumbnail"
    )
    thumbnail = service.ask("GET", f"{reserved.path}/thumbnail", key=None)
    for answer in (small, thumbnail):
        assert (answer.headers["Content-Usage"], answer.headers["tdm-reservation"]) == (
            "train-ai=y, ai-use=y, search=y",
            "0",
        )
        assert "tdm-policy" not in answer.headers
        assert 'rel="license"' in answer.headers["Link"]


def test_the_place_it_was_taken_is_in_no_dialect(service: Running, tmp_path: Path) -> None:
    metadata = json.dumps({"rights": {"licence": "cc0"}})
    capture = service.register(located(7408), Capture_Metadata=metadata).json
    photo = Published(service, capture)
    made, whole = capture["manifest"], photo.get("image/jpeg").body
    assert made["location"] == "removed"
    assert hashlib.sha256(whole).hexdigest() == made["public"]["sha256"]
    assert place_in(whole, tmp_path) is None
    assert hashlib.sha256(photo.get("application/c2pa").body).hexdigest() == made["public"]["manifest_sha256"]

    signed, _ = signed_copy(located(7409), "image/jpeg", tmp_path, Identity.load_or_make(tmp_path / "keys"))
    unreadable = signed.read_bytes().replace(b"c2pa.claim.v2", b"c2pa.claim.v9")
    withheld = Published(service, service.register(unreadable, Capture_Metadata=metadata).json)
    assert withheld.capture["manifest"]["location"] == "withheld"
    small = hashlib.sha256(without_xmp(withheld.get("image/*").body)).hexdigest()
    assert small == withheld.capture["manifest"]["thumbnail_sha256"]
    refused = withheld.get("application/c2pa")
    assert (refused.status, refused.json["type"]) == (403, "/docs#problem-location-withheld")
    assert "c2pa-manifest" not in withheld.get("text/html").headers["Link"]
    assert "iscc" not in withheld.get("application/json").json["record"]


def test_a_picture_has_the_pixels_that_its_record_states(service: Running) -> None:
    for seed, width, height in ((7405, 1001, 334), (7406, 333, 997), (7407, 300, 200)):
        taken = service.register(jpeg(seed, width, height), Capture_Metadata='{"rights": {"licence": "cc0"}}').json
        record = Published(service, taken).get("application/json").json["record"]
        for of, query in (("thumbnail", "/thumbnail"), ("image", "?format=image")):
            picture = Image.open(io.BytesIO(service.ask("GET", f"/a/{taken['id']}{query}", key=None).body))
            assert picture.size == (record[of]["dimensions"]["width"], record[of]["dimensions"]["height"])


def test_who_has_the_picture_already_is_told_its_rights_again(photo: Published) -> None:
    first = photo.get("image/jpeg")
    again = photo.service.ask("GET", photo.path, key=None, Accept="image/jpeg", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["Content-Usage"] == "train-ai=n, ai-use=n, search=y"


def test_the_small_picture_says_whose_it_is(photo: Published) -> None:
    """IPTC's fields, which search engines read for their badge, are those of the record."""
    record = photo.get("application/json").json["record"]
    answer = photo.service.ask("GET", f"{photo.path}/thumbnail", key=None)
    said = fields(Image.open(io.BytesIO(answer.body)).info["xmp"])
    assert said["dc:creator"] == record["creator"]
    assert said["photoshop:Credit"] == record["credit"]
    assert said["dc:rights"] == record["copyright_notice"]
    assert said["xmpRights:WebStatement"] == record["licence_url"]
    assert said["plus:LicensorURL"] == record["acquire_page"]
    assert said["plus:DataMining"].endswith("/DMI-PROHIBITED-SEECONSTRAINT")
    again = photo.service.ask("GET", f"{photo.path}/thumbnail", key=None, If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    stated = json.dumps(RIGHTS | {"ai_training": "allowed"}).encode()
    path = f"/v1/captures/{photo.capture['id']}/rights"
    assert photo.service.ask("PUT", path, stated, Content_Type="application/json").status == 200
    fresh = photo.service.ask("GET", f"{photo.path}/thumbnail", key=None, If_None_Match=answer.headers["ETag"])
    assert fresh.status == 200, "other rights are another picture"
    assert b"DMI-ALLOWED" in fresh.body


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json;q=0, */*", 200),
        ("text/html;q=0", 406),
        ("*/*;q=0", 406),
        ("application/rsl+xml, */*;q=0", 200),
    ],
)
def test_what_is_not_wanted_does_not_come(photo: Published, accept: str, status: int) -> None:
    answer = photo.get(accept)
    assert answer.status == status
    refused = [each.split(";")[0].strip() for each in accept.split(",") if each.endswith("q=0")]
    assert answer.headers["Content-Type"].split(";")[0] not in refused


def test_private_and_erased_photos_answer_alike_in_every_dialect(service: Running) -> None:
    private = register(service, 7403, published=False)
    erased = register(service, 7404)
    service.ask("DELETE", f"/v1/captures/{erased.capture['id']}")
    for photo, status in ((private, 404), (erased, 410), (Published(service, {"id": "nothing"}), 404)):
        for name, kind in DIALECTS.items():
            for answer in (photo.get(kind), photo.get(query=f"?format={name}")):
                expected = "text/html" if name == "html" else "application/problem+json"
                assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (status, expected)
                assert not {"Link", "Content-Usage", "tdm-policy"} & set(answer.headers)
        url = quote(service.base + photo.path, safe="")
        assert service.ask("GET", f"/oembed?url={url}", key=None).status == status


def test_an_embedded_photo_fits_and_is_ours(photo: Published) -> None:
    def embed(query: str) -> Answer:
        return photo.service.ask("GET", f"/oembed?{query}", key=None)

    ours = "url=" + quote(photo.service.base + photo.path, safe="")
    small = embed(f"{ours}&maxwidth=100&maxheight=30").json
    assert (small["width"], small["height"]) == (40, 30)
    full = embed(ours).json
    assert (full["width"], full["height"]) == (512, 384)
    for foreign in ("https://example.com/a/x", "http://[", "", "javascript:/a/x", photo.service.base + "/log"):
        assert embed("url=" + quote(foreign, safe="")).status == 404
    assert embed(ours).headers["Content-Type"] == "application/json"
    xml = embed(f"{ours}&format=xml")
    assert (xml.status, xml.json["type"]) == (501, "/docs#problem-not-implemented")
    for bad in ("0", "-1", "x", "1" * 99):
        assert embed(f"{ours}&maxwidth={bad}").status == 400


def test_a_foreign_host_header_cannot_end_a_header_or_a_link(photo: Published) -> None:
    page = photo.service.ask("GET", photo.path, key=None, Host='evil"><script>', Accept="text/html")
    assert b'evil"><script>' not in page.body
    assert "evil" not in page.headers.get("Link", "")
