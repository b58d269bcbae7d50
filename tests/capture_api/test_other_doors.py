"""Verify, the log, the public page, the documentation and the operators' doors."""

import base64
import hashlib
import json
import re
import time
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from PIL import Image

from capture_api.openapi import CALLS, document
from docs.make_api import api_text
from ledger.tree import verify_inclusion
from tests.photos import encoded, jpeg, picture, small_jpeg
from tests.service import ROOT, Running


def test_verify_finds_a_copy_and_registers_nothing(service: Running) -> None:
    known = service.register(jpeg(100)).json["id"]
    copy = encoded(picture(100).resize((500, 375)), "JPEG", quality=50)
    before = service.ask("GET", "/metrics").body.decode()
    answer = service.ask("POST", "/v1/verify", copy, Content_Type="image/jpeg")
    assert answer.status == 200, answer.body
    assert answer.json["verdict"] == "near_copy"
    best = answer.json["matches"][0]
    assert (best["id"], best["kind"]) == (known, "near_copy")
    assert best["distance"] <= 31
    assert answer.json["credentials"]["state"] == "none"
    assert "crops" in answer.json["note"].lower()
    after = service.ask("GET", "/metrics").body.decode()
    count = re.compile(r'capture_captures\{which="all"\} (\S+)')
    assert count.findall(before) == count.findall(after)
    assert list((service.home / "blobs/incoming").iterdir()) == []


def test_verify_knows_the_same_bytes_and_says_original_otherwise(service: Running) -> None:
    service.register(small_jpeg(101))
    assert service.ask("POST", "/v1/verify", small_jpeg(101), Content_Type="image/jpeg").json["verdict"] == "exact_copy"
    fresh = service.ask("POST", "/v1/verify", small_jpeg(102), Content_Type="image/jpeg").json
    assert (fresh["verdict"], fresh["matches"]) == ("original", [])


def test_verify_sees_the_upload_of_the_second_before(service: Running) -> None:
    for seed in range(103, 108):
        known = service.register(jpeg(seed)).json["id"]
        copy = encoded(picture(seed), "JPEG", quality=40)
        found = service.ask("POST", "/v1/verify", copy, Content_Type="image/jpeg").json
        assert [match["id"] for match in found["matches"]] == [known]


def test_verify_refuses_what_it_cannot_read(service: Running) -> None:
    answer = service.ask("POST", "/v1/verify", small_jpeg(109)[:9000], Content_Type="image/jpeg")
    assert (answer.status, answer.json["type"]) == (422, "/docs#problem-rejected")
    assert service.ask("POST", "/v1/verify", b"", Content_Type="image/jpeg").status == 400


def test_the_log_proves_a_leaf_to_a_stranger(service: Running) -> None:
    capture = service.register(small_jpeg(110)).json
    receipt = service.ask("GET", capture["links"]["receipt"]).json
    size, root = receipt["checkpoint"].splitlines()[1:3]
    verify_inclusion(
        bytes.fromhex(receipt["leaf"]),
        receipt["inclusion"]["index"],
        int(size),
        [bytes.fromhex(step) for step in receipt["inclusion"]["proof"]],
        base64.b64decode(root),
    )
    note = service.ask("GET", "/log/checkpoint", key=None)
    assert int(note.body.decode().splitlines()[1]) >= int(size)
    index = receipt["inclusion"]["index"]
    tile = service.ask("GET", f"/log/tile/0/000.p/{index + 1}", key=None)
    assert tile.headers["Cache-Control"].endswith("immutable")
    assert tile.body[32 * index :].hex() == receipt["leaf"]


@pytest.mark.parametrize(
    "place",
    [
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/05",
        "0/000.p/" + "9" * 5000,
        "0/000.p/%D9%A1",
        "0/%D9%A0%D9%A0%D9%A0",
        "0/0",
        "0/x000/000",
        "0/999",
        "70/000",
        "64/000",
        "00/000",
        "entries/000",
        "0/x000",
        "0/0000",
        "0/../0",
    ],
)
def test_tiles_that_do_not_exist(service: Running, place: str) -> None:
    assert service.ask("GET", f"/log/tile/{place}", key=None).status == 404


def test_the_public_page_shows_rights_and_no_secrets(service: Running) -> None:
    metadata = json.dumps({"rights": {"creator": "<b>Ada</b>", "licence": "cc-by-4.0", "ai_training": "not_allowed"}})
    capture = service.register(small_jpeg(111), Capture_Metadata=metadata).json
    page = service.ask("GET", capture["links"]["public"], key=None, Accept="text/html")
    text = page.body.decode()
    assert page.status == 200
    assert "&lt;b&gt;Ada&lt;/b&gt;" in text
    assert "<b>Ada" not in text
    assert "not independent proof" in text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    as_json = service.ask("GET", capture["links"]["public"], key=None, Accept="application/json")
    shown = as_json.json
    assert shown["rights"] == capture["rights"]
    assert shown["anchor"]["transaction"] == capture["anchor"]["transaction"]
    raw = service.ask("GET", capture["links"]["fingerprint"]).json
    # The ISCC identifies the photo for everybody: it stands in the manifest that is public.
    codes = [binding["value"] for binding in raw["soft_bindings"] if binding["alg"] != "io.iscc.v0"]
    secrets = [*capture["leaf"]["statement"][1:2], *codes]
    assert not [secret for secret in secrets if secret in as_json.body.decode() or secret in text]
    thumbnail = service.ask("GET", f"{capture['links']['public']}/thumbnail", key=None)
    assert (thumbnail.status, thumbnail.headers["Content-Type"]) == (200, "image/jpeg")
    assert service.ask("GET", "/a/nothing", key=None).status == 404
    page = service.ask("GET", "/a/nothing", key=None, Accept="text/html")
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_health_readiness_and_metrics(service: Running) -> None:
    assert service.ask("GET", "/healthz", key=None).json == {"status": "ok"}
    ready = service.ask("GET", "/readyz").json
    assert ready["engines"] == dict.fromkeys(("database", "blobs", "queue", "chain", "signer"), "ok")
    assert service.ask("GET", "/readyz", key=None).status == 401
    service.register(small_jpeg(112))
    text = service.ask("GET", "/metrics").body.decode()
    for name in ("capture_registered_total", 'capture_stage_seconds_count{stage="sign"}', "capture_log_size"):
        assert float(re.search(f"^{re.escape(name)} (\\S+)", text, re.M).group(1)) > 0  # type: ignore[union-attr]


def test_no_key_and_a_wrong_key_take_the_same_time(service: Running) -> None:
    keys = (None, "cap_" + "B" * 43)

    def difference_ms() -> float:
        took: dict[str | None, list[float]] = {key: [] for key in keys}
        for key in keys * 60:  # in turns: what else the machine does meets both alike
            began = time.perf_counter()
            assert service.ask("GET", "/readyz", key=key).status == 401
            took[key].append(time.perf_counter() - began)
        none, wrong = (sorted(times)[30] * 1000 for times in took.values())
        return abs(none - wrong)

    assert any(difference_ms() < 2 for _ in range(3))


def test_the_document_is_valid_openapi_and_served(service: Running) -> None:
    validate(document())
    assert service.ask("GET", "/openapi.json", key=None).json == json.loads(json.dumps(document()))
    docs = service.ask("GET", "/docs", key=None).body.decode()
    assert all(call.path in docs for call in CALLS)


def test_every_route_is_documented() -> None:
    from capture_api import create_app
    from settings import load_settings
    from wiring import Services

    app = create_app(Services(load_settings({"CAPTURE_HOME": "/nonexistent"})))
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).replace("{capture_id}", "{id}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert routes == {(call.method, call.path) for call in CALLS}
    assert (ROOT / "docs" / "api.md").read_text() == api_text(), "run: python -m docs.make_api"


def test_the_receipt_verifies_with_the_command_and_fails_for_another_photo(service: Running, tmp_path: Path) -> None:
    folder = tmp_path
    photo = small_jpeg(113)
    (folder / "photo.jpg").write_bytes(photo)
    made = service.command("register", str(folder / "photo.jpg"), "--receipt", str(folder / "receipt.json"))
    assert made.returncode == 0, made.stderr
    arguments = ["verify", str(folder / "receipt.json"), str(folder / "photo.jpg")]
    engines = json.loads((service.home / "run/engines.json").read_text())
    good = service.command(*arguments, "--rpc", engines["chain_url"])
    assert good.returncode == 0, good.stdout
    assert "failed" not in good.stdout
    changed = bytearray(photo)
    changed[len(photo) // 2] ^= 1
    (folder / "photo.jpg").write_bytes(changed)
    bad = service.command(*arguments)
    assert bad.returncode == 1
    assert "failed" in bad.stdout
    assert hashlib.sha256(changed).hexdigest() != hashlib.sha256(photo).hexdigest()


def test_a_collage_is_registered_and_its_rights_stated_with_the_command(service: Running, tmp_path: Path) -> None:
    other = service.command("keys", "add", "whose photo it shows").stdout.strip()
    parent, shown = (service.register(jpeg(seed, 640, 480), key=other).json["id"] for seed in (71_801, 71_802))
    whole = Image.new("RGB", (1280, 480))
    for place, seed in enumerate((71_801, 71_802)):
        whole.paste(picture(seed, 640, 480), (640 * place, 0))
    (tmp_path / "collage.jpg").write_bytes(encoded(whole, "JPEG", quality=90))
    made = service.command("register", str(tmp_path / "collage.jpg"), "--parent", parent, "--creator", "Ada")
    assert made.returncode == 0, made.stderr
    assert f"not named with --parent: {shown}" in made.stdout and parent not in made.stdout
    capture = made.stdout.split()[0]
    assert [each["id"] for each in service.ask("GET", f"/v1/captures/{capture}").json["parents"]] == [parent]
    stated = service.command("rights", capture, "--licence", "cc-by-4.0", "--creator", "")
    assert stated.returncode == 0, stated.stderr
    first, second = stated.stdout.splitlines()
    assert first.startswith("0  ") and "creator: Ada  licence: all-rights-reserved" in first
    assert second.startswith("1  ") and "licence: cc-by-4.0" in second and "creator" not in second
    assert service.command("rights", capture).stdout == stated.stdout, "without options it only shows them"
    refused = service.command("rights", capture, "--licence", "mine")
    assert refused.returncode == 1 and "rights.licence" in refused.stderr
    wrong = service.command("register", str(tmp_path / "collage.jpg"), "--parent", "nobody")
    assert wrong.returncode == 1 and "nobody" in wrong.stderr


def test_a_photo_is_erased_with_the_command(service: Running, tmp_path: Path) -> None:
    made = service.register(small_jpeg(117)).json
    unsure = service.command("erase", made["id"])
    assert unsure.returncode == 1 and service.ask("GET", made["links"]["self"]).status == 200
    assert service.command("erase", made["id"], "--yes").returncode == 0
    assert service.ask("GET", made["links"]["self"]).status == 410
    again = service.command("erase", "nothing/here", "--yes")
    assert again.returncode == 1 and "Traceback" not in again.stderr
