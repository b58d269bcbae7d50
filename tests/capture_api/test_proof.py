"""What an owner takes away, through HTTP: the promise at once, the receipt when it is logged, the proof bundle."""

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from ledger import cose, verify
from tests.photos import encoded, picture, small_jpeg
from tests.service import Running


def unpacked(service: Running, capture: dict[str, dict[str, str]], folder: Path) -> Path:
    """The bundle of a capture, in a folder of its own."""
    answer = service.ask("GET", capture["links"]["bundle"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip"), answer.body
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Cache-Control"] == "no-store"
    zipfile.ZipFile(io.BytesIO(answer.body)).extractall(folder)
    return folder


def check(folder: Path, *arguments: str) -> tuple[int, str]:
    """What the verifier in the folder says with nothing but Python."""
    command = [sys.executable, "-I", "-S", "verify.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("seed", "kind"), [(900, "JPEG"), (901, "PNG")])
def test_the_bundle_of_a_new_photo_passes_every_step(service: Running, tmp_path: Path, seed: int, kind: str) -> None:
    photo = encoded(picture(seed), kind)
    capture = service.register(photo, media_type=f"image/{kind.lower()}").json
    folder = unpacked(service, capture, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert (code, out.count("passed")) == (0, 8), out
    assert check(folder)[0] == 3
    signed = next(folder.glob("photo.*"))
    assert signed.read_bytes() == service.ask("GET", capture["links"]["file"]).body
    chain = (folder / "certificates.pem").read_text()
    assert chain.count("BEGIN CERTIFICATE") == 2  # the authorities: the photo itself carries the leaf that signed it
    assert "PRIVATE" not in chain
    assert service.ask("GET", capture["links"]["bundle"]).body == service.ask("GET", capture["links"]["bundle"]).body


def test_a_format_that_does_not_come_apart_is_left_to_a_validator(service: Running, tmp_path: Path) -> None:
    capture = service.register(encoded(picture(902), "WEBP"), media_type="image/webp").json
    folder = unpacked(service, capture, tmp_path)
    code, out = check(folder, "--key", (service.home / "keys/log/log.vkey").read_text())
    assert (code, out.count("passed")) == (3, 7), out
    assert "not checked  photo        it is not the upload itself" in out


def test_the_bundle_is_its_owners_alone(service: Running) -> None:
    links = service.register(small_jpeg(903)).json["links"]
    for scope in ("capture", "review"):
        other = service.command("keys", "add", f"other-{scope}", "--scope", scope).stdout.strip()
        for name in ("bundle", "receipt", "receipt_cose"):
            assert service.ask("GET", links[name], key=other).status in (403, 404)
    assert service.ask("GET", links["bundle"], key=None).status == 401
    assert service.ask("GET", "/v1/captures/nothing/bundle").status == 404


def test_the_promise_comes_with_the_202_and_is_kept(service: Running, tmp_path: Path) -> None:
    photo = small_jpeg(904)
    answer = service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg")
    assert answer.status == 202
    note = answer.json["promise"]
    key = (service.home / "keys/log/log.vkey").read_text()
    said = verify.open_note(note, key)
    assert said[:2] == ["capture/promise/v1", f"capture {answer.json['id']}"]
    again = service.register(photo).json
    assert again["promise"] == note
    (tmp_path / "promise.txt").write_text(note)
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "receipt.json").write_bytes(receipt(service, again["id"]))
    done = service.command(
        "verify", f"{tmp_path}/receipt.json", f"{tmp_path}/photo.jpg", "--promise", f"{tmp_path}/promise.txt",
        "--log", f"{service.base}/log",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed       promise" in done.stdout
    assert "passed       log" in done.stdout


def test_the_receipt_is_there_as_cose(service: Running, tmp_path: Path) -> None:
    photo = small_jpeg(907)
    capture = service.register(photo).json
    links = capture["links"]
    answer = service.ask("GET", links["receipt_cose"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, 'application/cose; cose-type="cose-sign1"')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{capture["id"]}.cose"'
    document = service.ask("GET", links["receipt"])
    words = [bytes.fromhex(word) for word in document.json["statement"]]
    said = cose.verify(answer.body, words, (service.home / "keys/log/log.vkey").read_text())
    assert (said.capture, said.index) == (capture["id"], document.json["inclusion"]["index"])
    folder = unpacked(service, capture, tmp_path)
    assert (folder / "receipt.cose").read_bytes() == answer.body
    assert (folder / "statement.bin").read_bytes() == b"".join(words)
    wishes = ["receipt.cose", "photo.jpg", "--statement", "statement.bin"]
    done = service.command("verify", *(part if part.startswith("--") else f"{folder}/{part}" for part in wishes))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/cose", 'application/cose; cose-type="cose-sign1"'),
        ('application/cose; cose-type="cose-sign1"', 'application/cose; cose-type="cose-sign1"'),
        ("application/cose;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, application/cose", 'application/cose; cose-type="cose-sign1"'),
        ("nonsense;;;,", "application/json"),
    ],
)
def test_the_receipt_comes_as_it_is_asked_for(service: Running, accept: str, expected: str) -> None:
    links = service.register(small_jpeg(907)).json["links"]
    answer = service.ask("GET", links["receipt"], Accept=accept)
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Vary"]) == (200, expected, "Accept")


def receipt(service: Running, capture_id: str) -> bytes:
    """The receipt, as soon as there is one."""
    end = time.monotonic() + 30
    while (answer := service.ask("GET", f"/v1/captures/{capture_id}/receipt")).status != 200:
        assert time.monotonic() < end, answer.body
        time.sleep(0.05)
    return answer.body


def test_a_refused_photo_was_promised_that_too(service: Running) -> None:
    answer = service.register(small_jpeg(905)[:5000])
    assert answer.status == 422
    note = answer.json["capture"]["promise"]
    lines = verify.open_note(note, (service.home / "keys/log/log.vkey").read_text())
    assert lines[-1] == "in the log, or refused with a reason, by the time above"


def test_a_receipt_completes_itself(service: Running) -> None:
    """Logged, it passes every step that needs nobody; anchored, its chain value is there, and it passes the same."""
    photo, key = small_jpeg(906), (service.home / "keys/log/log.vkey").read_text()
    first = receipt(service, service.ask("POST", "/v1/captures", photo, Content_Type="image/jpeg").json["id"])
    last = receipt(service, service.register(photo).json["id"])
    for text in (first, last):
        assert {result for _, result, _ in verify.verify(text, photo, key)} == {"passed"}
    assert json.loads(last)["anchor"]["state"] in ("included", "final")
    assert json.loads(last)["leaf"] == json.loads(first)["leaf"]
