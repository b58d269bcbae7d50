"""Uploads in pieces that a device vouches for: what became of them is as of a plain upload, or nothing is."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from settings import load_settings
from store.schema import uploads
from tests.capture_api.test_devices import refused
from tests.capture_api.test_proof import check, unpacked
from tests.capture_api.test_uploads import PIECE, begun, done_header, draft, large, node, said, tus
from tests.devices import Phone, b64url, nonce_of
from tests.notify.receiver import until
from tests.photos import small_jpeg
from tests.service import Answer, Running
from wiring import Services

PLACE = "/v1/uploads"


@pytest.fixture(scope="module")
def phone(service: Running) -> Phone:
    """An enrolled phone."""
    made = Phone()
    answer = made.enrol(service)
    assert answer.status == 201, answer.body
    return made


def asked(service: Running, length: int, **headers: Any) -> Answer:
    """The answer to a request that begins an upload."""
    return tus(service, "POST", PLACE, b"", Upload_Length=str(length), **headers)


def sent(service: Running, location: str, photo: bytes) -> Answer:
    """The answer to the photo's bytes, all at once."""
    return tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE)


def capture_of(service: Running, answer: Answer) -> Any:
    """The capture that an upload became."""
    assert answer.status in (200, 201, 202, 204), answer.body
    return service.ask("GET", answer.headers["Content-Location"]).json


def state_of(service: Running, photo: bytes) -> str:
    """Whether the service knows the photo."""
    body = json.dumps({"sha256": [hashlib.sha256(photo).hexdigest()]}).encode()
    answer = service.ask("POST", "/v1/captures/check", body, Content_Type="application/json")
    return str(answer.json["results"][0]["state"])


def begun_count(service: Running) -> int:
    return len(list((service.home / "uploads").glob("*")))


def test_a_signed_upload_is_vouched_for_like_a_plain_one(service: Running, phone: Phone, tmp_path: Path) -> None:
    photo = small_jpeg(1430)
    location = begun(service, len(photo), **phone.headers("POST", PLACE, photo, nonce_of(service)))
    half = len(photo) // 2
    first = tus(service, "PATCH", location, photo[:half], Upload_Offset="0", Content_Type=PIECE)
    assert first.status == 204 and "Content-Location" not in first.headers
    done = tus(service, "PATCH", location, photo[half:], Upload_Offset=str(half), Content_Type=PIECE)
    fact = capture_of(service, done)["device"]
    assert (fact["device"], fact["way"], fact["attested"]["level"]) == (phone.id, "request", "key")
    assert fact["photo"] == hashlib.sha256(photo).hexdigest() and f'"@path": {PLACE}\n' in fact["text"]
    capture = phone.register(service, photo).json  # waits until it is anchored; the same photo is the same capture
    assert (capture["device"], capture["status"]) == (fact, "anchored")
    assert bytes.fromhex(capture["leaf"]["statement"][0]).rstrip(b"\0") == b"capture/leaf/v2"
    folder = unpacked(service, capture, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert code == 0 and "the device's key, of level 'key', signed for this upload" in out, out
    page = service.ask("GET", f"/a/{capture['id']}", key=None, Accept="text/html").body.decode()
    assert "A device signed for this very file" in page and "Nobody but the uploader vouches for that key" in page


def test_the_change_is_told_with_the_others(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1419)
    capture = phone.register(service, photo).json
    told = service.ask("GET", f"/v1/captures/{capture['id']}/events").body.decode()
    names = [json.loads(line[6:]).get("name") for line in told.splitlines() if line.startswith("data: ")]
    assert names[:2] == ["asset", "device"]


@pytest.mark.parametrize("wish", [{"chunk": 700_000}, {"parallel": 3}], ids=["chunked", "parallel"])
def test_tus_js_client_signs_with_webcrypto(
    service: Running, phone: Phone, tmp_path: Path, wish: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    photo = large(sum(request.node.name.encode()), 1_500_000)
    (tmp_path / "photo.jpg").write_bytes(photo)
    private = phone.jwk | {"d": b64url(phone.private.private_numbers().private_value.to_bytes(32, "big"))}
    done = node(service, tmp_path / "photo.jpg", device={"id": phone.id, "private": private}, **wish)
    fact = service.ask("GET", done["location"]).json["device"]
    assert (fact["device"], fact["photo"]) == (phone.id, hashlib.sha256(photo).hexdigest())


@pytest.mark.parametrize("version", [3, 5, 6, 8])
def test_the_ietfs_dialect_is_signed_where_it_begins(service: Running, phone: Phone, version: int) -> None:
    photo = small_jpeg(1432 + version)
    covered = '"@method" "@path" "repr-digest"'  # the body is a piece: its Content-Digest would be another
    signed = phone.headers("POST", "/v1/captures", photo, nonce_of(service), covered)
    first = draft(service, version, "POST", "/v1/captures", photo[:999], **signed, **done_header(version, False))
    assert first.status == 201, first.body
    piece = {"Content_Type": "application/partial-upload" if version >= 6 else "application/octet-stream"}
    last = draft(service, version, "PATCH", first.headers["Location"], photo[999:], Upload_Offset="999", **piece,
                 **done_header(version, True))  # fmt: skip
    assert capture_of(service, last)["device"]["device"] == phone.id


def test_a_photo_that_comes_with_its_creation_is_vouched_for(service: Running, phone: Phone, tmp_path: Path) -> None:
    photo = small_jpeg(1441)
    signed = phone.headers("POST", PLACE, photo, nonce_of(service), '"@method" "@path" "repr-digest"')
    answer = tus(service, "POST", PLACE, photo, Upload_Length=str(len(photo)), Content_Type=PIECE, **signed)
    assert capture_of(service, answer)["device"]["way"] == "request"
    capture = service.register(photo).json
    folder = unpacked(service, capture, tmp_path)
    assert check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())[0] == 0


@pytest.mark.parametrize("where", ["metadata", "header"])
def test_a_statement_made_offline_may_come_with_the_creation(service: Running, where: str) -> None:
    phone = Phone()
    phone.enrol(service)
    phone.behind_s = 3_600
    photo = small_jpeg(1442 + len(where))
    statement = phone.statement(photo, 7)
    with_it = (
        {"Upload_Metadata": said(statement=statement)} if where == "metadata" else {"Capture_Statement": statement}
    )
    fact = capture_of(service, sent(service, begun(service, len(photo), **with_it), photo))["device"]
    assert (fact["way"], fact["counter"]) == ("statement", 7)
    assert "6 before this one had not come" in fact["notices"][0] and -3_620 < fact["clock_difference_s"] < -3_580


def test_a_replayed_creation_is_refused_and_begins_nothing(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1450)
    signed = phone.headers("POST", PLACE, photo, nonce_of(service))
    first = capture_of(service, sent(service, begun(service, len(photo), **signed), photo))
    before = begun_count(service)
    assert refused(asked(service, len(photo), **signed)) == "replayed"
    assert begun_count(service) == before
    again = phone.headers("POST", PLACE, photo, nonce_of(service))
    repeat = capture_of(service, sent(service, begun(service, len(photo), **again), photo))
    assert (repeat["id"], repeat["device"]) == (first["id"], first["device"])


def test_with_the_same_idempotency_key_a_replay_is_refused_and_a_fresh_signature_answered(
    service: Running, phone: Phone
) -> None:
    photo = small_jpeg(1451)
    signed = phone.headers("POST", "/v1/captures", photo, nonce_of(service))
    plain: dict[str, Any] = {"Content_Type": "image/jpeg", "Idempotency_Key": "vouched-1451"}
    assert service.ask("POST", "/v1/captures", photo, **plain, **signed).status == 202
    assert refused(service.ask("POST", "/v1/captures", photo, **plain, **signed)) == "replayed"
    fresh = phone.headers("POST", "/v1/captures", photo, nonce_of(service))
    answer = service.ask("POST", "/v1/captures", photo, **plain, **fresh)
    assert (answer.status, answer.json["device"]["device"]) == (200, phone.id)


def test_other_bytes_than_were_signed_become_nothing(service: Running, phone: Phone) -> None:
    photo, other = small_jpeg(1452), small_jpeg(1453)
    for vouched in (
        phone.headers("POST", PLACE, photo, nonce_of(service)),
        {"Capture_Statement": phone.statement(photo, 50)},
    ):
        location = begun(service, len(other), **vouched)
        assert refused(sent(service, location, other)) == "wrong-digest"
        assert tus(service, "HEAD", location).status == 404
        assert not (service.home / PLACE.rpartition("/")[2] / location.rpartition("/")[2]).exists()
        assert (state_of(service, photo), state_of(service, other)) == ("unknown", "unknown")


def test_what_could_only_be_refused_later_is_refused_at_once(service: Running, phone: Phone) -> None:
    photo, other = small_jpeg(1454), small_jpeg(1455)
    stated = said(sha256=hashlib.sha256(other).hexdigest())
    before = begun_count(service)
    signed = phone.headers("POST", PLACE, photo, nonce_of(service))
    assert refused(asked(service, len(photo), Upload_Metadata=stated, **signed)) == "wrong-digest"
    elsewhere = phone.headers("POST", "/v1/captures", photo, nonce_of(service))
    assert refused(asked(service, len(photo), **elsewhere)) == "wrong-key"
    other_method = phone.headers("PATCH", PLACE, photo, nonce_of(service))
    assert refused(asked(service, len(photo), **other_method)) == "wrong-key"
    both = phone.headers("POST", PLACE, photo, nonce_of(service)) | {"Upload_Metadata": said(statement="a.b.c")}
    assert refused(asked(service, len(photo), **both)) == "several-signatures"
    assert refused(asked(service, len(photo), Upload_Metadata=said(statement=""))) == "malformed"
    assert begun_count(service) == before


def test_a_nonce_is_its_owners_and_ends(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1456)
    stranger = service.command("keys", "add", "another stranger", "--scope", "capture").stdout.strip()
    theirs = phone.headers("POST", PLACE, photo, nonce_of(service, stranger))
    assert refused(asked(service, len(photo), **theirs)) == "unknown-nonce"
    mine = phone.headers("POST", PLACE, photo, nonce_of(service))
    assert refused(asked(service, len(photo), key=stranger, **mine)) == "unknown-device"
    assert asked(service, len(photo), **mine).status == 201  # refused for another's, it was not used up
    with_services = Services(load_settings(service.environ))
    try:
        ended = with_services.devices.nonce(with_services.keys.all()[0].owner, for_s=0)
    finally:
        with_services.close()
    assert ended
    assert refused(asked(service, len(photo), **phone.headers("POST", PLACE, photo, ended[0]))) == "stale"
    assert refused(phone.register(service, photo, ended[0])) == "stale"


def test_a_nonce_outlives_a_creation_that_is_refused_for_something_else(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1457)
    signed = phone.headers("POST", PLACE, photo, nonce_of(service))
    assert asked(service, 10**12, **signed).json["type"] == "/docs#problem-too-large"
    assert asked(service, len(photo), **signed).status == 201


def test_a_device_that_is_revoked_while_the_bytes_come_vouches_no_more(service: Running) -> None:
    lost, photo = Phone(), small_jpeg(1458)
    lost.enrol(service)
    location = begun(service, len(photo), **lost.headers("POST", PLACE, photo, nonce_of(service)))
    assert service.ask("DELETE", f"/v1/devices/{lost.id}").status == 200
    assert refused(sent(service, location, photo)) == "revoked"
    assert tus(service, "HEAD", location).status == 404 and state_of(service, photo) == "unknown"
    assert refused(asked(service, len(photo), **lost.headers("POST", PLACE, photo, nonce_of(service)))) == "revoked"


def test_a_part_is_vouched_for_by_nobody_and_the_whole_by_who_joins_it(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1459)
    signed = phone.headers("POST", PLACE, photo, nonce_of(service))  # as of a client that sends it with every request
    parts = []
    for piece in (photo[:1000], photo[1000:]):
        location = begun(service, len(piece), Upload_Concat="partial", **signed)
        assert tus(service, "PATCH", location, piece, Upload_Offset="0", Content_Type=PIECE).status == 204
        parts.append(location)
    joined = tus(service, "POST", PLACE, b"", Upload_Concat=f"final;{' '.join(parts)}", **signed)
    assert capture_of(service, joined)["device"]["device"] == phone.id


def test_what_is_signed_outlasts_a_crash_before_the_capture(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1460)
    location = begun(service, len(photo), **phone.headers("POST", PLACE, photo, nonce_of(service)))
    services = Services(load_settings(service.environ))
    try:  # as a process leaves it that is killed after the commit of the last byte
        upload = services.uploads.get(location.rpartition("/")[2], services.keys.all()[0].owner)
        with services.uploads.writer(upload) as writer:
            writer.append(photo)
    finally:
        services.close()
    assert capture_of(service, tus(service, "HEAD", location))["device"]["device"] == phone.id


def test_clocks_that_lie_are_told(service: Running, phone: Phone) -> None:
    for seed, behind_s, told in ((1461, 90_000, "behind"), (1462, -90_000, "ahead of"), (1463, 100, None)):
        photo = small_jpeg(seed)
        phone.behind_s = behind_s
        signed = phone.headers("POST", PLACE, photo, nonce_of(service))
        phone.behind_s = 0
        fact = capture_of(service, sent(service, begun(service, len(photo), **signed), photo))["device"]
        assert abs(fact["clock_difference_s"] + behind_s) < 10
        assert [told in notice for notice in fact["notices"]] == [True] if told else fact["notices"] == []


def test_an_erasure_leaves_nothing_of_what_the_device_signed(service: Running, phone: Phone) -> None:
    photo = small_jpeg(1464)
    statement = phone.statement(photo, 60)
    location = begun(service, len(photo), Upload_Metadata=said(statement=statement))
    capture = capture_of(service, sent(service, location, photo))
    assert service.ask("DELETE", f"/v1/captures/{capture['id']}").status == 202
    services = Services(load_settings(service.environ))
    try:
        with services.database.read() as connection:
            kept = connection.execute(sa.select(uploads.c.metadata).where(uploads.c.capture_id == capture["id"])).all()
    finally:
        services.close()
    assert [row.metadata for row in kept] == ["{}"]
    signature = base64.urlsafe_b64decode(statement.rpartition(".")[2] + "==").hex().encode()
    gone = service.ask("GET", f"/v1/captures/{capture['id']}")
    assert gone.status == 410 and signature not in gone.body
    # Sent at the moment at which the same bytes are removed it is refused with 503, and is sent again.
    digest = hashlib.sha256(photo).hexdigest()
    until(lambda: not (service.home / f"blobs/sha256/{digest[:2]}/{digest}").exists(), "the removal of its bytes")
    again = capture_of(service, sent(service, begun(service, len(photo), Capture_Statement=statement), photo))
    assert again["device"]["notices"] == ["the counter 60 was used before, for another photo or one that was erased"]
