"""Where uploads in pieces end: what was refused is not kept, and no part of a photo passes for the whole."""

import base64
import fcntl
import hashlib
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.capture_api.test_uploads import PIECE, begun, done_header, draft, large, original, said, tus
from tests.photos import jpeg
from tests.service import Running

WRONG = "sha256 " + base64.b64encode(bytes(32)).decode()


def test_of_a_large_piece_with_a_wrong_checksum_nothing_is_kept(service: Running) -> None:
    photo = large(8601, 3_500_000)  # of so many bytes, some are committed before the last ones come
    location = begun(service, len(photo))
    assert tus(service, "PATCH", location, photo[:9000], Upload_Offset="0", Content_Type=PIECE).status == 204
    piece = {"Upload_Offset": "9000", "Content_Type": PIECE}
    assert tus(service, "PATCH", location, os.urandom(3_000_000), Upload_Checksum=WRONG, **piece).status == 460
    assert tus(service, "HEAD", location).headers["Upload-Offset"] == "9000"
    done = tus(service, "PATCH", location, photo[9000:], **piece)
    assert original(service, done.headers["Content-Location"]) == photo


def known(service: Running, photo: bytes) -> str:
    asked = json.dumps({"sha256": [hashlib.sha256(photo).hexdigest()]}).encode()
    answer = service.ask("POST", "/v1/captures/check", asked, Content_Type="application/json")
    return str(answer.json["results"][0]["state"])


def cut_off(service: Running, method: str, path: str, version: int, piece: bytes, **headers: str) -> bytes:
    """Send the last bytes without saying how many they are, and lose the connection before their end."""
    said = {"Upload-Draft-Interop-Version": str(version), "Transfer-Encoding": "chunked"} | done_header(version, True)
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in (said | headers).items()]
    head = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {service.key}", *lines, "", ""]
    with socket.create_connection(("127.0.0.1", service.port)) as dying:
        dying.sendall("\r\n".join(head).encode() + b"%x\r\n%b\r\n" % (len(piece), piece))
        dying.settimeout(1)
        with suppress(TimeoutError, ConnectionError):
            return dying.recv(10_000)
    return b""


@pytest.mark.parametrize("version", [3, 5, 6, 8])
def test_half_a_photo_whose_length_was_not_told_is_none(service: Running, version: int) -> None:
    photo = large(8610 + version, 200_000)
    cut_off(service, "POST", "/v1/captures", version, photo[:100_000], Content_Type="image/jpeg")
    first = draft(service, version, "POST", "/v1/captures", photo[:50_000], **done_header(version, False))
    piece = {"Upload_Offset": "50000", "Content_Type": "application/partial-upload"}
    cut_off(service, "PATCH", first.headers["Location"], version, photo[50_000:100_000], **piece)
    time.sleep(1)
    assert known(service, photo[:100_000]) == "unknown"
    done = draft(
        service, version, "PATCH", first.headers["Location"], photo[50_000:], **piece, **done_header(version, True)
    )
    assert original(service, done.headers["Content-Location"]) == photo


def test_a_photo_whose_length_is_never_told_ends_with_an_empty_piece(service: Running) -> None:
    photo = jpeg(8620)
    answer = cut_off(service, "POST", "/v1/captures", 8, photo)
    assert answer.startswith(b"HTTP/1.1 411")
    first = draft(service, 8, "POST", "/v1/captures", iter([photo]), Upload_Complete="?0")  # type: ignore[arg-type]
    assert (first.status, first.headers["Upload-Offset"]) == (201, str(len(photo)))
    last = {"Upload_Offset": str(len(photo)), "Upload_Complete": "?1", "Content_Type": "application/partial-upload"}
    done = draft(service, 8, "PATCH", first.headers["Location"], b"", **last)
    assert original(service, done.headers["Content-Location"]) == photo


@pytest.mark.parametrize("partial", [False, True], ids=["alone", "joined"])
def test_what_was_refused_is_not_in_the_photo(service: Running, partial: bool) -> None:
    photo = large(8630 + partial, 100_000)
    kind = {"Upload_Concat": "partial"} if partial else {}
    first = tus(service, "POST", "/v1/uploads", photo, Upload_Defer_Length="1", Content_Type=PIECE, **kind)
    location, piece = first.headers["Location"], {"Upload_Offset": "100000", "Content_Type": PIECE}
    assert tus(service, "PATCH", location, bytes(5000), Upload_Checksum=WRONG, **piece).status == 460
    # The length is told by a request that brings too much: that is refused, the length stands.
    assert tus(service, "PATCH", location, b"more", Upload_Length="100000", **piece).status == 400
    done = tus(service, "HEAD", location)
    if partial:
        done = tus(service, "POST", "/v1/uploads", b"", Upload_Concat=f"final;{location}")
    assert original(service, done.headers["Content-Location"]) == photo


def test_a_part_becomes_no_capture_in_the_other_dialect(service: Running) -> None:
    photo = jpeg(8640)
    parts = [begun(service, len(half), Upload_Concat="partial") for half in (photo[:2000], photo[2000:])]
    for location, half in zip(parts, (photo[:2000], photo[2000:]), strict=True):
        assert tus(service, "PATCH", location, half, Upload_Offset="0", Content_Type=PIECE).status == 204
    last = {"Upload_Offset": "2000", "Upload_Complete": "?1", "Content_Type": "application/partial-upload"}
    assert draft(service, 8, "HEAD", parts[0]).status == 400
    assert draft(service, 8, "PATCH", parts[0], b"", **last).status == 400
    assert known(service, photo[:2000]) == "unknown"
    done = tus(service, "POST", "/v1/uploads", b"", Upload_Concat=f"final;{parts[0]} {parts[1]}")
    assert original(service, done.headers["Content-Location"]) == photo


def test_parts_of_which_bytes_are_gone_are_not_joined(service: Running) -> None:
    photo = jpeg(8641)
    parts = [begun(service, len(photo), Upload_Concat="partial") for _ in range(2)]
    for location in parts:
        assert tus(service, "PATCH", location, photo, Upload_Offset="0", Content_Type=PIECE).status == 204
    kept = len(list((service.home / "uploads").iterdir()))
    os.truncate(service.home / "uploads" / parts[0].rpartition("/")[2], 0)
    joined = tus(service, "POST", "/v1/uploads", b"", Upload_Concat=f"final;{parts[0]} {parts[1]}")
    assert (joined.status, joined.json["type"]) == (404, "/docs#problem-no-upload")
    (service.home / "uploads" / parts[0].rpartition("/")[2]).unlink()
    joined = tus(service, "POST", "/v1/uploads", b"", Upload_Concat=f"final;{parts[1]} {parts[0]}")
    assert (joined.status, joined.json["type"]) == (404, "/docs#problem-no-upload")
    assert known(service, photo) == "unknown"
    assert len(list((service.home / "uploads").iterdir())) == kept - 1


def test_an_idempotency_key_is_the_same_by_every_door(service: Running) -> None:
    photo, other = jpeg(8650), jpeg(8651)
    first = service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg", Idempotency_Key="by every door")
    quoted = '"by every door"'
    asked = {"Upload_Complete": "?1", "Idempotency_Key": quoted}
    assert draft(service, 8, "POST", "/v1/captures", other, **asked).status == 422
    location = begun(service, len(other), Upload_Metadata=said(**{"idempotency-key": quoted}))
    assert tus(service, "PATCH", location, other, Upload_Offset="0", Content_Type=PIECE).status == 422
    assert draft(service, 8, "POST", "/v1/captures", photo, **asked).json["id"] == first.json["id"]


def test_an_idempotency_key_that_cannot_be_is_refused_before_bytes_come(service: Running) -> None:
    long = {"Upload_Complete": "?0", "Idempotency_Key": "x" * 256}
    answer = draft(service, 8, "POST", "/v1/captures", b"x", **long)
    assert (answer.status, answer.json["type"]) == (400, "/docs#problem-malformed-request")
    for key in ("x" * 256, "\0", "é"):
        metadata = said(**{"idempotency-key": key})
        answer = tus(service, "POST", "/v1/uploads", b"", Upload_Length="9", Upload_Metadata=metadata)
        assert (answer.status, answer.json["type"]) == (400, "/docs#problem-malformed-request")


def test_one_that_waits_to_write_is_told_that_the_upload_was_removed(service: Running) -> None:
    location = begun(service, 1000)
    with (service.home / "uploads" / location.rpartition("/")[2]).open("r+b") as file, ThreadPoolExecutor() as pool:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another writer holds it while the disk is slow
        waits = pool.submit(tus, service, "PATCH", location, b"x", Upload_Offset="0", Content_Type=PIECE)
        time.sleep(0.5)
        assert tus(service, "DELETE", location).status == 204
        fcntl.flock(file, fcntl.LOCK_UN)
        assert (waits.result().status, waits.result().json["type"]) == (404, "/docs#problem-no-upload")


def test_no_more_uploads_than_one_may_begin_however_many_at_once(service: Running) -> None:
    made = service.command("keys", "add", "eager", "--scope", "capture")
    key = next(word for word in made.stdout.split() if word.startswith("cap"))

    def begin(_: int) -> int:
        return tus(service, "POST", "/v1/uploads", b"", key=key, Upload_Length="9").status

    begun(service, 9)  # another owner's, which does not count
    files = len(list((service.home / "uploads").iterdir()))
    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(begin, range(200)))
    assert (statuses.count(201), statuses.count(429)) == (100, 100)
    assert len(list((service.home / "uploads").iterdir())) == files + 100
