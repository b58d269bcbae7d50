"""Registering a photo through HTTP: the answers a client relies on, good input and bad."""

import base64
import hashlib
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from settings import MAX_UPLOAD_BYTES
from tests.photos import encoded, jpeg, picture, small_jpeg
from tests.service import Answer, Running

FACTS = ("asset", "credentials", "fingerprint", "verdict", "manifest", "leaf", "inclusion", "anchor")


def _problem(answer: Answer, status: int, kind: str) -> dict[str, object]:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == f"/docs#problem-{kind}"
    assert "Traceback" not in answer.body.decode()
    assert answer.json["detail"]
    found: dict[str, object] = answer.json
    return found


def test_a_photo_is_anchored_and_has_every_fact(service: Running) -> None:
    answer = service.register(small_jpeg(1))
    assert answer.status == 201, answer.body
    capture = answer.json
    assert answer.headers["Location"] == f"/v1/captures/{capture['id']}"
    assert capture["status"] == "anchored"
    assert all(capture[name] is not None for name in FACTS)
    assert capture["asset"]["sha256"] == hashlib.sha256(small_jpeg(1)).hexdigest()
    assert capture["credentials"]["state"] == "none"
    assert capture["verdict"]["kind"] == "original"
    assert capture["anchor"]["state"] == "included"
    assert capture["anchor"]["note"] == "local chain: not independent proof"
    assert list(capture["timings"]) == list(FACTS)
    assert service.ask("GET", f"/v1/captures/{capture['id']}").json == capture


def test_everything_that_was_made_can_be_fetched(service: Running) -> None:
    photo = jpeg(2)
    capture = service.register(photo).json
    links = capture["links"]
    assert service.ask("GET", links["original"]).body == photo
    signed = service.ask("GET", links["file"])
    assert hashlib.sha256(signed.body).hexdigest() == capture["manifest"]["signed_sha256"]
    assert signed.headers["Content-Type"] == "image/jpeg"
    store = service.ask("GET", links["manifest"])
    assert store.headers["Content-Type"] == "application/c2pa"
    assert hashlib.sha256(store.body).hexdigest() == capture["manifest"]["sha256"]
    assert store.body in signed.body or len(store.body) > 65_000  # longer ones are split over segments
    thumbnail = Image.open(io.BytesIO(service.ask("GET", links["thumbnail"]).body))
    assert max(thumbnail.size) == 512
    assert service.ask("GET", links["receipt"]).json["leaf"] == capture["leaf"]["digest"]
    again = service.ask("GET", links["file"], If_None_Match=signed.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_without_wait_the_answer_comes_at_once_and_the_work_goes_on(service: Running) -> None:
    answer = service.ask("POST", "/v1/captures", small_jpeg(3), Content_Type="image/jpeg")
    assert answer.status == 202
    assert answer.json["status"] == "received"
    assert answer.json["anchor"] is None
    end = time.monotonic() + 20
    while service.ask("GET", answer.headers["Location"]).json["status"] != "anchored":
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_same_bytes_twice_are_one_capture(service: Running) -> None:
    first = service.register(small_jpeg(4))
    second = service.register(small_jpeg(4))
    assert (first.status, second.status) == (201, 200)
    assert first.json["id"] == second.json["id"]


def test_the_same_bytes_at_once_are_one_capture(service: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.register(small_jpeg(5)), range(8)))
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({answer.json["id"] for answer in answers}) == 1


def test_another_owner_is_told_of_the_exact_copy(service: Running) -> None:
    first = service.register(small_jpeg(6)).json
    other = service.command("keys", "add", "another").stdout.strip()
    second = service.ask(
        "POST", "/v1/captures", small_jpeg(6), key=other, Content_Type="image/jpeg", Prefer="wait=30"
    ).json
    assert second["id"] != first["id"]
    assert second["verdict"]["kind"] == "exact_copy"
    assert second["verdict"]["matches"][0]["id"] == first["id"]
    assert second["verdict"]["matches"][0]["score"] == 1.0


@pytest.mark.parametrize(
    "turn", [None, Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.TRANSVERSE]
)
def test_a_near_copy_is_found_in_every_orientation(service: Running, turn: Image.Transpose | None) -> None:
    seed = 700 + (turn.value if turn is not None else 50)
    first = service.register(jpeg(seed)).json
    copy = picture(seed).resize((640, 480))
    copy = copy.transpose(turn) if turn is not None else copy
    verdict = service.register(encoded(copy, "JPEG", quality=60)).json["verdict"]
    assert verdict["kind"] == "near_copy"
    assert verdict["matches"][0]["id"] == first["id"]


def _cmyk() -> bytes:
    return encoded(picture(20).convert("CMYK"), "JPEG")


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(21), "JPEG", exif=exif)


def _sixteen() -> bytes:
    return encoded(picture(22).convert("L").convert("I;16"), "PNG")


@pytest.mark.parametrize(
    ("make", "media_type"),
    [
        (lambda: encoded(picture(23), "PNG"), "image/png"),
        (_cmyk, "image/jpeg"),
        (_turned, "image/jpeg"),
        (lambda: encoded(picture(24).convert("L"), "JPEG"), "image/jpeg"),
        (lambda: encoded(picture(25).quantize(64), "PNG"), "image/png"),
        (lambda: encoded(picture(26).convert("RGBA"), "PNG"), "image/png"),
        (_sixteen, "image/png"),
        (lambda: encoded(picture(27), "WEBP"), "image/webp"),
        (lambda: encoded(picture(28), "TIFF"), "image/tiff"),
        (lambda: encoded(picture(29), "AVIF"), "image/avif"),
        (lambda: encoded(picture(30), "GIF"), "image/gif"),
    ],
)
def test_every_kind_of_photo_works(service: Running, make: Callable[[], bytes], media_type: str) -> None:
    answer = service.register(make(), media_type=media_type)
    assert answer.status == 201, answer.body
    assert answer.json["asset"]["media_type"] == media_type
    assert answer.json["manifest"]["state"] == "trusted"


def _multipart(parts: list[tuple[str, str, bytes]]) -> tuple[bytes, str]:
    body = b"".join(
        b'--xyz\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), f'; filename="{file}"'.encode() if file else b"", content)
        for name, file, content in parts
    )
    return body + b"--xyz--\r\n", "multipart/form-data; boundary=xyz"


def test_multipart_with_metadata(service: Running) -> None:
    rights = {"creator": "Ada Lovelace", "licence": "cc-by-4.0", "ai_training": "ask"}
    metadata = json.dumps({"rights": rights, "published": False}).encode()
    body, kind = _multipart([("metadata", "", metadata), ("file", "a.jpg", small_jpeg(31))])
    answer = service.register(body, media_type=kind)
    assert answer.status == 201, answer.body
    assert answer.json["rights"] | rights == answer.json["rights"]
    assert "public" not in answer.json["links"]
    assert service.ask("GET", f"/a/{answer.json['id']}", key=None).status == 404


def test_a_large_photo_in_a_form(service: Running) -> None:
    photo = jpeg(39, 3000, 2250, quality=97)
    body, kind = _multipart([("metadata", "", b"{}"), ("file", "a.jpg", photo)])
    assert len(photo) > 3_000_000
    answer = service.register(body, media_type=kind)
    assert answer.status == 201, answer.body
    assert service.ask("GET", answer.json["links"]["original"]).body == photo


def test_other_characters_in_a_header_are_refused_and_not_changed(service: Running) -> None:
    metadata = '{"rights": {"creator": "José"}}'.encode().decode("latin-1")  # UTF-8 bytes, as curl sends them
    answer = service.register(small_jpeg(38), Capture_Metadata=metadata)
    assert answer.status == 422
    assert "u00e9" in answer.json["detail"]


def test_rights_in_a_header(service: Running) -> None:
    metadata = json.dumps({"rights": {"creator": "Zoë", "credit": "Zoë / Agency"}})
    answer = service.register(small_jpeg(32), Capture_Metadata=metadata)
    assert answer.json["rights"]["creator"] == "Zoë"


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ('{"rights": {"licence": "gpl"}}', "licence"),
        ('{"rights": {"ai_training": "maybe"}}', "ai_training"),
        ('{"rights": {"owner": "me"}}', "owner"),
        ('{"keep_location": "yes"}', "keep_location"),
        ('{"colour": 1}', "colour"),
        ("{", "metadata"),
        ("[]", "metadata"),
    ],
)
def test_wrong_metadata_names_the_field(service: Running, metadata: str, named: str) -> None:
    answer = service.register(small_jpeg(33), Capture_Metadata=metadata)
    assert answer.status == 422
    assert named in answer.json["detail"]


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([("metadata", "", b"{}")], 400),
        ([("file", "a.jpg", b"")], 400),
        ([("file", "a.jpg", b"x"), ("file", "b.jpg", b"y")], 400),
        ([("other", "", b"x"), ("file", "a.jpg", b"x")], 400),
        ([("metadata", "", b" " * 100_000), ("file", "a.jpg", b"x")], 413),
    ],
)
def test_wrong_forms(service: Running, parts: list[tuple[str, str, bytes]], status: int) -> None:
    body, kind = _multipart(parts)
    answer = service.register(body, media_type=kind)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_empty_body(service: Running) -> None:
    _problem(service.register(b""), 400, "empty-upload")


def test_text_is_not_a_photo(service: Running) -> None:
    _problem(service.register(b"hello " * 100), 415, "wrong-media-type")


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "video/mp4", "application/x-www-form-urlencoded"])
def test_wrong_content_type(service: Running, kind: str) -> None:
    _problem(service.register(small_jpeg(34), media_type=kind), 415, "wrong-media-type")


def test_over_the_limit_is_refused_before_it_is_sent(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(_head(service, MAX_UPLOAD_BYTES + 1))
        client.settimeout(5)
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_over_the_limit_in_chunks(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(_head(service, None))
        body, answer = small_jpeg(35) + bytes(MAX_UPLOAD_BYTES), b""
        try:
            for start in range(0, len(body), 1_000_000):
                part = body[start : start + 1_000_000]
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            client.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = client.recv(1000)
        except ConnectionResetError:
            return  # the answer was sent while we were still sending; nothing was registered, see below
    assert answer.startswith(b"HTTP/1.1 413"), answer


def _chunked(service: Running, photo: bytes, digest: bytes | None) -> bytes:
    header = b"Content-Digest: sha-256=:" + base64.b64encode(digest) + b":\r\n\r\n" if digest else b"\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(_head(service, None)[:-2] + header)
        for start in range(0, len(photo), 1000):
            part = photo[start : start + 1000]
            client.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        client.sendall(b"0\r\n\r\n")
        client.settimeout(10)
        return client.recv(100)


def test_chunked_uploads_need_a_digest(service: Running) -> None:
    photo = small_jpeg(36)
    assert _chunked(service, photo, None).startswith(b"HTTP/1.1 411")
    assert _chunked(service, photo, hashlib.sha256(photo).digest()).startswith(b"HTTP/1.1 202")


def _head(service: Running, length: int | None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"POST /v1/captures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n"
        f"Content-Type: image/jpeg\r\n{size}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_connection_cut_half_way_leaves_nothing(service: Running, chunked: bool) -> None:
    photo = small_jpeg(37 + chunked)
    half = photo[: len(photo) // 2]
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(_head(service, None if chunked else len(photo)))
        client.sendall(b"%x\r\n%s\r\n" % (len(half), half) if chunked else half)
        time.sleep(0.3)
    end = time.monotonic() + 10
    while list((service.home / "blobs/incoming").iterdir()):
        assert time.monotonic() < end, "what came is still there"
        time.sleep(0.1)
    digest = hashlib.sha256(half).hexdigest()
    assert not (service.home / f"blobs/sha256/{digest[:2]}/{digest}").exists()


def test_content_digest(service: Running) -> None:
    photo = small_jpeg(40)
    right = base64.b64encode(hashlib.sha256(photo).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    _problem(service.register(photo, Content_Digest=f"sha-256=:{wrong}:"), 400, "wrong-digest")
    _problem(service.register(photo, Content_Digest="md5=:AAAA:"), 400, "wrong-digest")
    _problem(service.register(photo, Content_Digest=right), 400, "wrong-digest")
    digest = hashlib.sha256(photo).hexdigest()
    assert not (service.home / f"blobs/sha256/{digest[:2]}/{digest}").exists()
    assert service.register(photo, Content_Digest=f"sha-256=:{right}:").status == 201


def test_idempotency_key(service: Running) -> None:
    first = service.register(small_jpeg(41), Idempotency_Key="upload-1")
    again = service.register(small_jpeg(41), Idempotency_Key="upload-1")
    other = service.register(small_jpeg(42), Idempotency_Key="upload-1")
    assert first.json["id"] == again.json["id"]
    _problem(other, 422, "idempotency-key-reused")
    quoted = service.register(small_jpeg(41), Idempotency_Key='"upload-1"')
    assert (quoted.status, quoted.json["id"]) == (200, first.json["id"]), "as a structured field it is the same key"
    _problem(service.register(small_jpeg(42), Idempotency_Key="x" * 300), 400, "malformed-request")


def test_an_idempotency_key_of_many_at_once_stands_for_one(service: Running) -> None:
    photos = [small_jpeg(4500 + i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda photo: service.register(photo, Idempotency_Key="at-once"), photos))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 422}, "one is not answered yet, or it has the key now"
    for photo, answer in zip(photos, answers, strict=True):
        if answer.status != 201:
            assert service.register(photo).status == 201, "what was refused was not registered"


def test_the_same_bytes_with_other_wishes_are_told_so(service: Running) -> None:
    first = service.register(small_jpeg(4510))
    again = service.register(small_jpeg(4510), Capture_Metadata='{"published": false}')
    assert "notice" not in first.json
    assert "still stand" in again.json["notice"]
    assert again.json["published"] is True


def test_a_reviewer_reads_all_but_what_is_the_owners_alone(service: Running) -> None:
    links = service.register(small_jpeg(4511)).json["links"]
    key = service.command("keys", "add", "reviewer", "--scope", "review").stdout.strip()
    for name in ("self", "file", "thumbnail", "manifest"):
        assert service.ask("GET", links[name], key=key).status == 200
    both = service.command("keys", "add", "b", "--scope", "review", "--scope", "capture").stdout.strip()
    for name in ("original", "receipt"):
        assert service.ask("GET", links[name], key=both).status == 404


@pytest.mark.parametrize("key", [None, "wrong", "cap_" + "A" * 43])
@pytest.mark.parametrize("path", ["/v1/captures", "/v1/verify"])
def test_no_key_or_a_wrong_one(service: Running, key: str | None, path: str) -> None:
    answer = service.ask("POST", path, small_jpeg(43), key=key, Content_Type="image/jpeg")
    _problem(answer, 401, "no-key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_scopes_and_revocation(service: Running) -> None:
    key = service.command("keys", "add", "reader", "--scope", "review").stdout.strip()
    _problem(
        service.ask("POST", "/v1/captures", small_jpeg(44), key=key, Content_Type="image/jpeg"), 403, "not-allowed"
    )
    _problem(service.ask("GET", "/metrics", key=key), 403, "not-allowed")
    key = service.command("keys", "add", "gone").stdout.strip()
    listed = service.command("keys", "list").stdout
    key_id = next(line.split()[0] for line in listed.splitlines() if line.endswith("gone"))
    assert key not in listed
    assert service.ask("GET", "/readyz", key=key).status == 200
    assert service.command("keys", "revoke", key_id).returncode == 0
    assert service.ask("GET", "/readyz", key=key).status == 401


def test_unknown_and_foreign_captures_look_alike(service: Running) -> None:
    mine = service.register(small_jpeg(45)).json["id"]
    other = service.command("keys", "add", "stranger").stdout.strip()
    foreign = _problem(service.ask("GET", f"/v1/captures/{mine}", key=other), 404, "not-found")
    unknown = _problem(service.ask("GET", "/v1/captures/aaaaaaaaaaaaaaaaaaaaaaaa", key=other), 404, "not-found")
    assert str(foreign["detail"]).replace(mine, "") == str(unknown["detail"]).replace("a" * 24, "")
    for what in ("file", "original", "thumbnail", "manifest", "receipt", "events"):
        assert service.ask("GET", f"/v1/captures/{mine}/{what}", key=other).status == 404


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(30_000 * 200), 9)
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("photo", "media_type", "reason"),
    [
        (small_jpeg(46)[:20_000], "image/jpeg", "early"),
        (_bomb(), "image/png", "30000x30000"),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 500, "image/jpeg", ""),
        (encoded(picture(47), "PNG")[:3000], "image/png", ""),
    ],
)
def test_what_cannot_be_decoded_is_rejected_and_kept(
    service: Running, photo: bytes, media_type: str, reason: str
) -> None:
    answer = service.register(photo, media_type=media_type)
    problem = _problem(answer, 422, "rejected")
    assert reason in str(problem["detail"])
    capture = answer.json["capture"]
    assert capture["status"] == "rejected"
    assert service.ask("GET", capture["links"]["original"]).body == photo
    assert service.ask("GET", f"/v1/captures/{capture['id']}/file").status == 404


def test_events_tell_each_fact_and_end(service: Running) -> None:
    capture = service.ask("POST", "/v1/captures", small_jpeg(48), Content_Type="image/jpeg").json
    text = service.ask("GET", capture["links"]["events"]).body.decode()
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    facts = [json.loads(event["data"]) for event in events if event.get("event") == "fact"]
    assert [fact["name"] for fact in facts] == list(FACTS)
    ids = [event["id"] for event in events if "id" in event]
    assert (len(ids), len(set(ids))) == (len(FACTS) + 1, len(FACTS)), "the end has the last fact's"
    assert json.loads(events[-1]["data"]) == {"status": "anchored"}


def test_unknown_paths_and_methods_are_problems(service: Running) -> None:
    _problem(service.ask("GET", "/nothing"), 404, "not-found")
    answer = service.ask("DELETE", "/v1/captures")
    _problem(answer, 405, "wrong-method")
    assert "POST" in answer.headers["Allow"]


def test_memory_does_not_grow_with_the_photo(service: Running) -> None:
    def resident_mb() -> float:
        api = psutil.Process(service.processes()["api"])
        return float(sum(process.memory_info().rss for process in [api, *api.children(recursive=True)]) / 1e6)

    service.register(small_jpeg(4600))
    before = resident_mb()
    for seed in range(4601, 4604):
        photo = jpeg(seed) + bytes([seed % 256]) * 45_000_000  # what stands behind a JPEG's end is kept and ignored
        assert service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg").status == 202
        assert service.ask("GET", f"/v1/captures/{service.register(photo).json['id']}/original").body == photo
    assert resident_mb() - before < 40
