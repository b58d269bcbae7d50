"""As new users would: two photographers, a collage that names one, a stranger who buys, and three who are paid."""

import json
from pathlib import Path
from typing import Any

from encypher_c2pa import verify

from tests.capture_api.test_works import ask, bought, made
from tests.photos import encoded, picture, side_by_side
from tests.service import Running

SEEDS = (1731, 1732)
SHARE = {"preset": "commercial-remix", "share": 100_000, "fee": "0"}
PRICE = 10_007


def test_a_collage_of_two_photos_is_sold_and_everyone_gets_exactly_the_share(service: Running, tmp_path: Path) -> None:
    keys = [service.command("keys", "add", f"story-{number}").stdout.strip() for number in range(3)]
    photos = [_registered(service, encoded(picture(seed, 640, 480), "JPEG", quality=92), key)["id"]
              for seed, key in zip(SEEDS, keys, strict=False)]  # fmt: skip
    for photo, key in zip(photos, keys, strict=False):
        made(service, photo, SHARE, key)

    collage = _registered(service, side_by_side(*SEEDS), keys[2], parents=[{"id": photos[0]}])
    (other,) = collage["undeclared_parents"]
    assert other["id"] == photos[1], "the service names the other, and under which terms it may be used"
    offer = {"preset": "commercial-remix", "share": 100_000, "fee": "0", "currency": None, "ai_training": "denied"}
    assert other["terms"]["offer"] == offer
    made(service, collage["id"], {"preset": "commercial", "fee": str(PRICE)}, keys[2])
    path = f"/v1/captures/{collage['id']}"
    one = ask(service, "POST", f"{path}/derivation", {"parents": [{"id": photos[1]}]}, keys[2])
    assert "names" in one.json["detail"], "the declared one cannot be left out"
    both = {"parents": [{"id": photo} for photo in photos]}
    assert ask(service, "POST", f"{path}/derivation", both, keys[2]).json["state"] == "done"

    _shows_both(service, collage["id"], photos, keys[2])

    run = bought(service, f"{service.base}/a/{collage['id']}", tmp_path, "--use", "commercial", "--at-most", str(PRICE))
    assert run.returncode == 0, run.stderr
    assert _paid(service, collage["id"], [*photos, collage["id"]], keys) == [1000, 1000, 8005]

    copy = (tmp_path / "copy.jpg").read_bytes()
    _shows_its_parent(copy, service, photos[0])
    _every_dialect_says_the_same(service, collage["id"], keys[2])


def _shows_both(service: Running, collage: str, photos: list[str], key: str) -> None:
    """The family has the one that only the chain names beside the other, and calls none undeclared any more."""
    family = ask(service, "GET", f"/v1/captures/{collage}/family", key=key).json
    assert [(each["id"], each["share_ppm"], each["on_chain"]) for each in family["parents"]] == [
        (photo, 100_000, True) for photo in photos
    ]
    shown = ask(service, "GET", f"/v1/captures/{collage}", key=key).json
    public = service.ask("GET", f"/a/{collage}?format=json", key=None).json
    assert family["undeclared_parents"] == shown["undeclared_parents"] == public["undeclared_parents"] == []
    assert [(each["id"], each["share_ppm"]) for each in public["parents"]] == [(photo, 100_000) for photo in photos]
    (child,) = ask(service, "GET", f"/v1/captures/{photos[1]}/family", key=key).json["derivatives"]
    assert (child["id"], child["on_chain"]) == (collage, True)


def _registered(service: Running, photo: bytes, key: str, **metadata: Any) -> Any:
    headers: dict[str, Any] = {"Content_Type": "image/jpeg", "Prefer": "wait=30"}
    answer = service.ask("POST", "/v1/captures", photo, key, Capture_Metadata=json.dumps(metadata), **headers)
    assert answer.status == 201, answer.body
    return answer.json


def _paid(service: Running, work: str, beneficiaries: list[str], keys: list[str]) -> list[int]:
    """What each claim brought, asked for by whom it is for."""
    amounts = []
    for beneficiary, key in zip(beneficiaries, keys, strict=True):
        order = ask(service, "POST", f"/v1/captures/{work}/claims", {"beneficiary": beneficiary}, key).json
        owner = ask(service, "GET", f"/v1/captures/{beneficiary}/asset", key=key).json["owner"]
        assert order["result"]["to"] == owner
        amounts.append(int(order["result"]["amount"]))
    return amounts


def _shows_its_parent(copy: bytes, service: Running, parent: str) -> None:
    """In a validator of somebody else's."""
    root = service.ask("GET", "/keys/root.pem", key=None).body.decode()
    report = verify(copy, "image/jpeg", trust_pem=root, no_default_trust=True, telemetry=False, online=False)
    assert (report["integrity"], report["signature"]) == ("valid", "valid")
    store = service.ask("GET", f"/v1/captures/{parent}/manifest").body
    label = store[store.index(b"urn:c2pa:") :][:45].decode()
    assert label in json.dumps(report, default=str)


def _every_dialect_says_the_same(service: Running, capture: str, key: str) -> None:
    work = ask(service, "GET", f"/v1/captures/{capture}/asset", key=key).json
    told = {name: service.ask("GET", f"/a/{capture}?format={name}", key=None) for name in ("json", "jsonld", "html")}
    assert told["json"].json["record"]["licence_on_chain"]["token"] == work["token"]
    assert work["token"] in [each["value"] for each in told["jsonld"].json["identifier"]]
    assert work["token"] in told["html"].body.decode()
    assert told["json"].json["record"]["licence_on_chain"]["price"] == PRICE
