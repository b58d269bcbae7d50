"""The soft binding resolution API: what was stripped is found again, by anybody; what is private never is."""

import base64
import http.client
import io
import json
import struct
import zlib
from typing import Any
from urllib.parse import quote, urlencode

import c2pa
import pytest
from PIL import Image, ImageEnhance

from provenance.container import manifest_store
from settings import MAX_UPLOAD_BYTES
from tests.photos import encoded, jpeg, picture
from tests.service import Answer, Running

RECOVERED = "recovered by soft binding, pixels not hash-bound"


def stripped(seed: int, quality: int = 50) -> bytes:
    """As a messenger or a screenshot leaves a photo: smaller, compressed anew, without any metadata."""
    return encoded(picture(seed).resize((640, 480)), "JPEG", quality=quality)


def by_content(service: Running, photo: bytes, media_type: str = "image/jpeg", **query: Any) -> Answer:
    path = "/v1/matches/byContent" + (f"?{urlencode(query)}" if query else "")
    return service.ask("POST", path, photo, key=None, Content_Type=media_type)


def by_binding(service: Running, value: str, alg: str = "io.iscc.v0", **query: Any) -> Answer:
    return service.ask("GET", f"/v1/matches/byBinding?{urlencode({'alg': alg, 'value': value, **query})}", key=None)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [match["manifestId"] for match in answer.json["matches"]]


def iscc(service: Running, capture: dict[str, Any]) -> str:
    """The code as its own manifest says it, in base64."""
    bindings = service.ask("GET", capture["links"]["fingerprint"]).json["soft_bindings"]
    code = next(binding["value"] for binding in bindings if binding["alg"] == "io.iscc.v0").removeprefix("ISCC:")
    return base64.b64encode(base64.b32decode(code + "=" * (-len(code) % 8))).decode()


@pytest.fixture(scope="module")
def known(service: Running) -> dict[str, Any]:
    """A published photo."""
    capture: dict[str, Any] = service.register(jpeg(7101)).json
    return capture


@pytest.fixture(scope="module")
def private(service: Running) -> dict[str, Any]:
    """A photo that is not published."""
    capture: dict[str, Any] = service.register(jpeg(7102), Capture_Metadata='{"published": false}').json
    return capture


@pytest.mark.parametrize("base", ["", "/v1"])
def test_a_stripped_photo_gets_its_signed_store_back_byte_for_byte(
    service: Running, known: dict[str, Any], base: str, tmp_path: Any
) -> None:
    found = service.ask("POST", f"{base}/matches/byContent", stripped(7101), key=None, Content_Type="image/jpeg")
    (match,) = found.json["matches"]
    assert (match["manifestId"], found.json["note"]) == (known["manifest"]["label"], RECOVERED)
    assert match["similarityScore"] >= 90
    store = service.ask("GET", f"{base}/manifests/{match['manifestId']}", key=None)
    assert (store.status, store.headers["Content-Type"]) == (200, "application/c2pa")
    assert store.headers["Capture-Note"] == RECOVERED
    signed = tmp_path / "signed.jpg"
    signed.write_bytes(service.ask("GET", known["links"]["file"]).body)
    assert store.body == manifest_store(signed, "image/jpeg")


def test_the_active_manifest_alone_is_a_store_that_readers_open(service: Running, known: dict[str, Any]) -> None:
    signed = service.ask("GET", known["links"]["file"]).body
    again = service.register(signed).json  # its store has the first one's manifest too, as the parent
    label = again["manifest"]["label"]
    whole, active, explicit = (
        service.ask("GET", f"/v1/manifests/{label}{query}", key=None).body
        for query in ("", "?returnActiveManifest=true", "?returnActiveManifest=false")
    )
    assert explicit == whole
    assert known["manifest"]["label"].encode() in whole
    assert len(active) < len(whole) and whole.endswith(active[struct.unpack(">I", active[8:12])[0] + 8 :])
    reader = c2pa.Reader("application/c2pa", io.BytesIO(active))
    assert json.loads(reader.json())["active_manifest"] == label


def test_the_registered_algorithm_alone_finds_it_too(service: Running, known: dict[str, Any]) -> None:
    assert known["manifest"]["label"] in ids(by_content(service, stripped(7101, 30), alg="io.iscc.v0"))


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "application/octet-stream", "image/*"])
def test_the_bytes_decide_and_not_what_they_are_declared_as(
    service: Running, known: dict[str, Any], media_type: str
) -> None:
    assert known["manifest"]["label"] in ids(by_content(service, stripped(7101), media_type))


def test_a_crop_and_a_collage_are_resolved_by_content_and_a_stranger_is_not(
    service: Running, known: dict[str, Any]
) -> None:
    crop = encoded(picture(7101).crop((150, 100, 700, 520)), "JPEG", quality=80)
    assert known["manifest"]["label"] in ids(by_content(service, crop))
    assert by_content(service, jpeg(7199)).json == {"matches": []}


def test_a_binding_is_found_exactly_and_nearly(service: Running, known: dict[str, Any]) -> None:
    value = iscc(service, known)
    exact = by_binding(service, value)
    assert exact.json["matches"][0] == {"manifestId": known["manifest"]["label"], "similarityScore": 100}
    near, far = bytearray(base64.b64decode(value)), bytearray(base64.b64decode(value))
    near[2] ^= 0b10000001
    far[2:5] = (byte ^ 0xFF for byte in far[2:5])
    (match,) = [
        each
        for each in by_binding(service, base64.b64encode(near).decode()).json["matches"]
        if each["manifestId"] == known["manifest"]["label"]
    ]
    assert match["similarityScore"] == 97
    assert known["manifest"]["label"] not in ids(by_binding(service, base64.b64encode(far).decode()))


def test_a_binding_may_be_posted(service: Running, known: dict[str, Any]) -> None:
    asked = json.dumps({"alg": "io.iscc.v0", "value": iscc(service, known), "more": 1}).encode()
    found = service.ask("POST", "/v1/matches/byBinding?maxResults=1", asked, key=None, Content_Type="application/json")
    assert len(ids(found)) == 1
    assert found.json["matches"][0]["similarityScore"] == 100


def test_results_are_counted_and_the_best_come_first(service: Running) -> None:
    bright = encoded(ImageEnhance.Brightness(picture(7103)).enhance(1.15), "JPEG", quality=60)
    labels = {service.register(photo).json["manifest"]["label"] for photo in (bright, jpeg(7103), stripped(7103))}
    for found in (by_content(service, jpeg(7103)), by_content(service, jpeg(7103), maxResults="9" * 99)):
        scores = [match["similarityScore"] for match in found.json["matches"]]
        assert set(ids(found)) == labels and scores == sorted(scores, reverse=True) and scores[0] == 100
    assert len(ids(by_content(service, jpeg(7103), maxResults=2))) == 2


def test_a_hint_is_looked_up_too_and_comes_last(service: Running, known: dict[str, Any]) -> None:
    other = service.register(jpeg(7104)).json
    hint = {"hintAlg": "io.iscc.v0", "hintValue": iscc(service, other)}
    found = ids(by_content(service, stripped(7101), **hint))
    assert found[0] == known["manifest"]["label"] and found[-1] == other["manifest"]["label"]


def test_private_photos_do_not_exist(service: Running, private: dict[str, Any]) -> None:
    label, value = private["manifest"]["label"], iscc(service, private)
    nothing = by_content(service, jpeg(7198))
    for photo in (jpeg(7102), stripped(7102), service.ask("GET", private["links"]["file"]).body):
        assert by_content(service, photo).json == nothing.json == {"matches": []}
        assert by_content(service, photo, alg="io.iscc.v0").json == {"matches": []}
    assert by_binding(service, value).json == {"matches": []}
    unknown = "urn:c2pa:00000000-0000-4000-8000-000000000000"
    hidden, missing = (service.ask("GET", f"/v1/manifests/{each}", key=None) for each in (label, unknown))
    assert (hidden.status, hidden.body) == (missing.status, missing.body)
    assert hidden.status == 404


def test_erased_photos_are_gone(service: Running) -> None:
    capture = service.register(jpeg(7105)).json
    value = iscc(service, capture)
    assert ids(by_binding(service, value)) == [capture["manifest"]["label"]]
    assert service.ask("DELETE", capture["links"]["self"]).status == 202
    assert by_binding(service, value).json == by_content(service, stripped(7105)).json == {"matches": []}
    assert service.ask("GET", f"/v1/manifests/{capture['manifest']['label']}", key=None).status == 404


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    head = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


PHOTO = jpeg(7106)
GOOD = "alg=io.iscc.v0&value=IQG1Eya8G6R2XA"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/matches/byBinding", None, 400),
        ("GET", "/matches/byBinding?alg=io.iscc.v0", None, 400),
        ("GET", "/matches/byBinding?value=IQG1Eya8G6R2XA", None, 400),
        ("GET", "/matches/byBinding?alg=io.iscc.v0&value=***", None, 400),
        ("GET", "/matches/byBinding?alg=io.iscc.v0&value=AAAA", None, 400),
        ("GET", "/matches/byBinding?alg=pdq256-v1&value=AAAA", None, 400),
        ("GET", f"/matches/byBinding?{GOOD}&maxResults=0", None, 400),
        ("GET", f"/matches/byBinding?{GOOD}&maxResults=-1", None, 400),
        ("GET", f"/matches/byBinding?{GOOD}&maxResults=ten", None, 400),
        ("GET", f"/matches/byBinding?{GOOD}&maxResults={'9' * 101}", None, 400),
        ("GET", f"/matches/byBinding?{GOOD}&maxResults=%D9%A1", None, 400),
        ("GET", f"/matches/byBinding?alg=io.iscc.v0&value={'A' * 3000}", None, 414),
        ("POST", "/matches/byBinding", b"", 400),
        ("POST", "/matches/byBinding", b"[]", 400),
        ("POST", "/matches/byBinding", b"\xff\xfe", 400),
        ("POST", "/matches/byBinding", b"[" * 10_000, 400),
        ("POST", "/matches/byBinding", b'{"alg": "io.iscc.v0"}', 400),
        ("POST", "/matches/byBinding", b'{"alg": "io.iscc.v0", "value": 7}', 400),
        ("POST", "/matches/byBinding", b'{"alg": "io.iscc.v0", "value": "%s"}' % (b"A" * 20_000), 413),
        ("POST", "/matches/byContent?alg=com.adobe.icn.dense", PHOTO, 400),
        ("POST", "/matches/byContent?maxResults=0", PHOTO, 400),
        ("POST", "/matches/byContent?hintAlg=io.iscc.v0", PHOTO, 400),
        ("POST", "/matches/byContent?hintValue=AAAA", PHOTO, 400),
        ("POST", "/matches/byContent?hintAlg=io.iscc.v0&hintValue=AAAA", PHOTO, 400),
        ("POST", "/matches/byContent?hintAlg=x&hintValue=IQG1Eya8G6R2XA", PHOTO, 400),
        ("POST", "/matches/byContent", b"", 415),
        ("POST", "/matches/byContent", b"GIF89a" + bytes(20), 415),
        ("POST", "/matches/byContent", PHOTO[:9000], 415),
        ("POST", "/matches/byContent", bomb(), 415),
        ("GET", "/manifests/nonsense", None, 400),
        ("GET", "/manifests/urn:c2pa:1", None, 400),
        ("GET", "/manifests/" + quote("urn:c2pa:00000000-0000-4000-8000-000000000000' or 1=1", safe=""), None, 400),
        ("GET", "/manifests/urn:c2pa:00000000-0000-4000-8000-000000000000?returnActiveManifest=1", None, 400),
        ("GET", "/manifests/urn:c2pa:00000000-0000-4000-8000-000000000000", None, 404),
        ("GET", "/manifests/urn:c2pa:00000000-0000-4000-8000-000000000000:acme:2_1", None, 404),
        ("POST", "/matches/byReference", b"{}", 404),
    ],
)
def test_what_is_wrong_is_said(service: Running, method: str, path: str, body: bytes | None, status: int) -> None:
    answer = service.ask(method, path, body, key=None, Content_Type="image/jpeg")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.body
    assert answer.json["detail"] and "Traceback" not in answer.body.decode()


@pytest.mark.parametrize("media_type", ["audio/mpeg", "video/mp4", "text/plain", "model/gltf+json"])
def test_other_media_are_not_compared(service: Running, media_type: str) -> None:
    assert by_content(service, PHOTO, media_type).status == 415


def test_an_asset_that_is_too_large_is_refused_before_it_is_sent(service: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.putrequest("POST", "/matches/byContent")
    connection.putheader("Content-Type", "image/jpeg")
    connection.putheader("Content-Length", str(MAX_UPLOAD_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["type"]) == (413, "/docs#problem-too-large")
    connection.close()


@pytest.mark.parametrize("query", ["", "?returnActiveManifest=true"])
def test_a_store_that_an_erasure_takes_away_meanwhile_is_asked_for_again(service: Running, query: str) -> None:
    photo = jpeg(7190 + len(query))
    sha256 = service.register(photo).json["manifest"]["sha256"]
    (label,) = ids(by_content(service, photo))
    (service.home / "blobs/sha256" / sha256[:2] / sha256).unlink()
    assert service.ask("GET", f"/v1/manifests/{label}{query}", key=None).status == 503


def test_pages_of_other_sites_may_ask(service: Running) -> None:
    assert by_content(service, PHOTO).headers["Access-Control-Allow-Origin"] == "*"
    asked = service.ask("OPTIONS", "/v1/matches/byContent", key=None, Origin="https://other.example")
    assert asked.status == 200
    assert asked.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert "Access-Control-Allow-Origin" not in service.ask("GET", "/v1/captures/x", key=None).headers


def test_a_photo_that_is_too_flat_is_found_by_its_bytes_only(service: Running) -> None:
    flat = encoded(Image.new("RGB", (400, 300), (90, 90, 90)), "JPEG")
    label = service.register(flat).json["manifest"]["label"]
    assert ids(by_content(service, flat)) == [label]
    assert by_content(service, encoded(Image.new("RGB", (300, 200), (90, 90, 90)), "JPEG")).json == {"matches": []}
