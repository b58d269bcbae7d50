"""Rights stated again after a photo was sealed: through HTTP into the log, and out to strangers."""

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.photos import small_jpeg
from tests.service import Answer, Running
from tests.traces import found_in

CC_BY = {"creator": "Ada Lovelace", "licence": "cc-by-4.0", "ai_training": "allowed"}
RESERVED = {"creator": "Ada Lovelace", "licence": "all-rights-reserved", "ai_training": "not_allowed"}


def stated(service: Running, capture_id: str, rights: object, key: str | None = "") -> Answer:
    """State these rights of a capture."""
    body = json.dumps(rights).encode()
    return service.ask("PUT", f"/v1/captures/{capture_id}/rights", body, key, Content_Type="application/json")


def anchored(service: Running, capture_id: str, number: int) -> dict[str, Any]:
    """An entry of the history, once a block holds it."""
    end = time.monotonic() + 20
    while True:
        entry: dict[str, Any] = service.ask("GET", f"/v1/captures/{capture_id}/rights").json["history"][number]
        if entry["anchor"]:
            return entry
        assert time.monotonic() < end, "the statement is not anchored"
        time.sleep(0.1)


def registered(service: Running, seed: int) -> dict[str, Any]:
    """A photo under CC BY, anchored."""
    metadata = json.dumps({"rights": CC_BY})
    capture: dict[str, Any] = service.register(small_jpeg(seed), Capture_Metadata=metadata).json
    return capture


@pytest.fixture(scope="module")
def restated(service: Running) -> dict[str, Any]:
    """A photo that was registered under CC BY, and is all rights reserved since."""
    capture = registered(service, 71600)
    answer = stated(service, capture["id"], RESERVED)
    assert answer.status == 200, answer.body
    anchored(service, capture["id"], 1)
    return capture


def test_the_history_has_both_and_the_newest_counts(service: Running, restated: dict[str, Any]) -> None:
    told = service.ask("GET", restated["links"]["rights"]).json
    assert told["rights"] == {**told["rights"], **RESERVED}
    first, second = told["history"]
    assert (first["number"], first["rights"]["licence"], first["leaf"]) == (0, "cc-by-4.0", restated["leaf"]["digest"])
    assert (second["number"], second["rights"]["licence"]) == (1, "all-rights-reserved")
    assert second["stated_at"] > first["stated_at"]
    assert second["inclusion"]["index"] > first["inclusion"]["index"]
    capture = service.ask("GET", restated["links"]["self"]).json
    assert (capture["rights"], capture["status"]) == (told["rights"], "anchored")
    again = stated(service, restated["id"], RESERVED)
    assert (again.status, again.json) == (200, told), "what is stated already is not stated again"


def test_every_dialect_says_the_newest(service: Running, restated: dict[str, Any]) -> None:
    address = f"/a/{restated['id']}"
    page = service.ask("GET", address, key=None, Accept="text/html")
    assert page.headers["Content-Usage"] == "train-ai=n, ai-use=n, search=y"
    html = page.body.decode()
    assert "All rights reserved" in html
    assert "What was stated before" in html
    assert "Any use with credit (CC BY 4.0)" in html
    assert "with the rights that were stated with it, stands at" in html
    own_place = anchored(service, restated["id"], 1)["inclusion"]["index"]
    assert f"an entry of their own, at position {own_place}." in html
    record = service.ask("GET", f"{address}?format=json", key=None).json["record"]
    assert (record["ai_training"], record["whole_image"]) == ("not_allowed", False)
    assert [each["licence_title"] for each in record["earlier"]] == ["Any use with credit (CC BY 4.0)"]
    assert record["earlier"][0]["log_index"] == restated["inclusion"]["index"]
    assert "rightsstatements.org" in service.ask("GET", f"{address}?format=jsonld", key=None).json["license"]
    assert b"ai-all" in service.ask("GET", f"{address}?format=rsl", key=None).body


def test_its_receipt_verifies_without_us(service: Running, restated: dict[str, Any], tmp_path: Path) -> None:
    link = anchored(service, restated["id"], 1)["links"]["receipt"]
    document = service.ask("GET", link).json
    assert (document["version"], document["previous"]) == (3, restated["leaf"]["digest"])
    (tmp_path / "rights.json").write_text(json.dumps(document))
    (tmp_path / "photo.jpg").write_bytes(small_jpeg(71600))
    node = f"http://127.0.0.1:{(service.home / 'run/chain-port').read_text()}"
    files = [str(tmp_path / "rights.json"), str(tmp_path / "photo.jpg")]
    asked = ["--key", str(service.home / "keys/log/log.vkey"), "--rpc", node, "--log", f"{service.base}/log"]
    done = service.command("verify", *files, *asked)
    assert (done.returncode, done.stdout.count("passed")) == (0, 9), done.stdout
    promise = tmp_path / "promise.txt"
    promise.write_text(restated["promise"])
    kept = service.command("verify", *files, *asked[:2], "--promise", str(promise))
    assert kept.returncode == 1
    assert "one of what was stated later" in kept.stdout


@pytest.mark.parametrize(
    ("name", "value", "step"),
    [
        ("previous", "00" * 32, "receipt"),
        ("previous", None, "receipt"),
        ("version", 1, "receipt"),
        ("device", {}, "receipt"),
        ("rights", CC_BY, "terms"),
        ("leaf", "00" * 32, "leaf"),
    ],
)
def test_a_receipt_that_says_otherwise_is_named(
    service: Running, restated: dict[str, Any], tmp_path: Path, name: str, value: object, step: str
) -> None:
    document = service.ask("GET", f"/v1/captures/{restated['id']}/rights/1/receipt").json
    document = {each: held for each, held in (document | {name: value}).items() if held is not None}
    (tmp_path / "rights.json").write_text(json.dumps(document))
    (tmp_path / "photo.jpg").write_bytes(small_jpeg(71600))
    done = service.command("verify", str(tmp_path / "rights.json"), str(tmp_path / "photo.jpg"))
    assert done.returncode == 1
    assert f"failed       {step}" in done.stdout


def test_a_statement_does_not_pass_for_the_photos_own_receipt(
    service: Running, restated: dict[str, Any], tmp_path: Path
) -> None:
    """Whoever says version 1 of a later statement is told that it is none."""
    document = service.ask("GET", f"/v1/captures/{restated['id']}/rights/1/receipt").json
    del document["previous"]
    (tmp_path / "rights.json").write_text(json.dumps(document | {"version": 1}))
    (tmp_path / "photo.jpg").write_bytes(small_jpeg(71600))
    done = service.command("verify", str(tmp_path / "rights.json"), str(tmp_path / "photo.jpg"))
    assert "failed       leaf" in done.stdout


def test_the_bundle_has_the_history(service: Running, restated: dict[str, Any], tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(service.ask("GET", restated["links"]["bundle"]).body)).extractall(tmp_path)
    key = (service.home / "keys/log/log.vkey").read_text()
    for files, steps in ((), 8), (("rights-1.json", "photo.jpg"), 7):
        command = [sys.executable, "-I", "-S", "verify.py", *files, "--key", key]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.count("passed")) == (0, steps), done.stdout
    (tmp_path / "rights-1.json").write_bytes(b"{}")
    command = [sys.executable, "-I", "-S", "verify.py", "--key", key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "changed since the log's key signed the list: rights-1.json" in done.stdout


def test_before_it_is_signed_it_is_part_of_the_upload(service: Running) -> None:
    metadata = json.dumps({"rights": CC_BY, "hold_s": 60})
    held = service.ask(
        "POST", "/v1/captures", small_jpeg(71601), Content_Type="image/jpeg", Capture_Metadata=metadata
    ).json
    answer = stated(service, held["id"], RESERVED)
    assert (answer.status, answer.json["rights"]["licence"]) == (200, "all-rights-reserved")
    time.sleep(1)
    assert service.ask("GET", held["links"]["self"]).json["status"] == "received", "it is held as long as it was"
    path = f"/v1/captures/{held['id']}"
    assert service.ask("PATCH", path, b"{}", Content_Type="application/json").status == 200
    entry = anchored(service, held["id"], 0)
    assert entry["rights"]["licence"] == "all-rights-reserved"
    assert len(service.ask("GET", f"/v1/captures/{held['id']}/rights").json["history"]) == 1
    receipt = service.ask("GET", f"/v1/captures/{held['id']}/receipt").json
    assert receipt["rights"]["licence"] == "all-rights-reserved"


def test_only_its_owner_states(service: Running, restated: dict[str, Any]) -> None:
    other = service.command("keys", "add", "not the owner", check=True).stdout.strip()
    reviewer = service.command("keys", "add", "looks", "--scope", "review", check=True).stdout.strip()
    path = f"/v1/captures/{restated['id']}/rights"
    assert stated(service, restated["id"], RESERVED, other).status == 404
    assert stated(service, restated["id"], RESERVED, None).status == 401
    assert stated(service, restated["id"], RESERVED, reviewer).status == 403
    assert service.ask("GET", path, key=reviewer).status == 200
    assert service.ask("GET", path, key=other).status == 404
    assert service.ask("GET", f"{path}/1/receipt", key=reviewer).status == 403


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ({"licence": "mine"}, "rights.licence"),
        ({"price": 3}, "price' is not a field"),
        ([], "should be an object"),
        ({"ai_training": True}, "rights.ai_training"),
    ],
)
def test_what_is_no_statement_is_refused(service: Running, restated: dict[str, Any], rights: object, said: str) -> None:
    answer = stated(service, restated["id"], rights)
    assert (answer.status, answer.json["type"]) == (422, "/docs#problem-invalid-metadata")
    assert said in answer.json["detail"]


@pytest.mark.parametrize("number", ["0", "2", "99999999999999999999", "-1", "x"])
def test_there_is_no_receipt_of_what_was_not_stated(service: Running, restated: dict[str, Any], number: str) -> None:
    assert service.ask("GET", f"/v1/captures/{restated['id']}/rights/{number}/receipt").status == 404


def test_erasure_takes_what_was_stated_from_the_disk(service: Running) -> None:
    capture = registered(service, 71602)
    name = "Someone Whose Name Is Nowhere Else"
    assert stated(service, capture["id"], RESERVED | {"creator": name}).status == 200
    salt = service.ask("GET", anchored(service, capture["id"], 1)["links"]["receipt"]).json["statement"][1]
    needles = {"name": name.encode(), "salt": bytes.fromhex(salt), "salt as hex": salt.encode()}
    assert set().union(*found_in(service.home, needles).values()) >= {"name", "salt as hex"}
    assert service.ask("DELETE", f"/v1/captures/{capture['id']}").status == 202
    end = time.monotonic() + 10
    while left := found_in(service.home, needles):
        assert time.monotonic() < end, left
        time.sleep(0.2)
    for answer in (stated(service, capture["id"], RESERVED), service.ask("GET", capture["links"]["rights"])):
        assert (answer.status, answer.json["type"]) == (410, "/docs#problem-erased")


def test_a_work_made_later_is_offered_as_stated_last(service: Running) -> None:
    capture = registered(service, 71603)
    assert stated(service, capture["id"], RESERVED).status == 200
    body = b"{}"
    made = service.ask(
        "POST", f"/v1/captures/{capture['id']}/asset", body, Content_Type="application/json", Prefer="wait=30"
    )
    assert made.status == 200, made.body
    terms = service.ask("GET", f"/v1/captures/{capture['id']}/asset").json["terms"]
    assert terms["preset"] == "all-rights-reserved"
