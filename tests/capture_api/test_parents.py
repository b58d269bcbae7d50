"""Derivatives at the door: who may be named as a parent, through every door, and what the log commits to."""

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.parents import asset_id, parents_digest
from provenance.location import tells_location
from tests.capture_api.test_register import _problem
from tests.photos import encoded, jpeg, picture
from tests.provenance.test_exif import BERLIN, exif
from tests.service import Answer, Running

FIRST_SEED = 1600  # no other test uses these pictures


class People:
    """Somebody else's key, and photos that are registered once for all tests here."""

    def __init__(self, service: Running) -> None:
        self.service = service
        self.other = service.command("keys", "add", "other-parent").stdout.strip()

    def photo(self, seed: int, key: str = "", **metadata: Any) -> Any:
        return registered(self.service, jpeg(FIRST_SEED + seed, 400, 300), key, **metadata).json


def registered(service: Running, photo: bytes, key: str = "", wait: int = 30, **metadata: Any) -> Answer:
    return service.register(photo, wait, key=key, Capture_Metadata=json.dumps(metadata))


def work_of(capture: Any) -> int:
    return asset_id(bytes.fromhex(capture["asset"]["sha256"]), capture["inclusion"]["index"])


@pytest.fixture(scope="module")
def people(service: Running) -> People:
    return People(service)


@pytest.fixture(scope="module")
def mine(people: People) -> Any:
    return people.photo(0, published=False)


@pytest.fixture(scope="module")
def theirs(people: People) -> Any:
    return people.photo(1, people.other)


@pytest.fixture(scope="module")
def child(people: People, mine: Any, theirs: Any) -> Any:
    licence = work_of(theirs) + 77
    return people.photo(2, parents=[{"id": theirs["id"], "licence": str(licence)}, {"id": mine["id"]}])


def test_the_leaf_commits_to_the_parents(service: Running, child: Any, mine: Any, theirs: Any) -> None:
    assert child["status"] == "anchored"
    assert bytes.fromhex(child["leaf"]["statement"][7]) == parents_digest([work_of(mine), work_of(theirs)])
    assert bytes.fromhex(mine["leaf"]["statement"][7]) == bytes(32)
    licence = f"0x{work_of(theirs) + 77:064x}"
    assert child["parents"] == [{"id": theirs["id"], "licence": licence}, {"id": mine["id"], "licence": None}]
    assert service.ask("GET", f"/v1/captures/{child['id']}").json["parents"] == child["parents"]


def test_receipt_and_bundle_of_a_derivative_verify(service: Running, child: Any, tmp_path: Path) -> None:
    receipt = service.ask("GET", child["links"]["receipt"])
    assert receipt.json["statement"] == child["leaf"]["statement"]
    for name, content in {
        "receipt.json": receipt.body,
        "photo": service.ask("GET", child["links"]["signed"]).body,
    }.items():
        (tmp_path / name).write_bytes(content)
    told = service.command("verify", str(tmp_path / "receipt.json"), str(tmp_path / "photo"))
    assert told.returncode == 0, told.stdout + told.stderr
    cose = service.ask("GET", child["links"]["receipt_cose"]).body
    (tmp_path / "receipt.cose").write_bytes(cose)
    (tmp_path / "statement.bin").write_bytes(bytes.fromhex("".join(receipt.json["statement"])))
    told = service.command("verify", str(tmp_path / "receipt.cose"), str(tmp_path / "photo"),
                           "--statement", str(tmp_path / "statement.bin"))  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("parents", "says"),
    [
        ([], "parents"),
        ([{"id": f"p{n}"} for n in range(17)], "parents"),
        ([{"id": ""}], "parents.0.id"),
        ([{"id": "x", "price": 1}], "parents.0.price"),
        ([{"id": 7}], "parents.0.id"),
        ([{"id": "no-id"}], "parents.0.id"),
        ("x", "parents"),
    ],
)
def test_parents_that_cannot_be_read(service: Running, parents: Any, says: str) -> None:
    answer = registered(service, jpeg(FIRST_SEED + 3, 100, 80), wait=0, parents=parents)
    assert str(_problem(answer, 422, "invalid-metadata")["detail"]).startswith(says)


def refused(service: Running, parent: Any, says: str, key: str = "", photo: bytes = b"") -> None:
    answer = registered(service, photo or jpeg(FIRST_SEED + 4, 100, 80), key, 0, parents=[parent])
    found = _problem(answer, 422, "invalid-parent")
    assert says in str(found["detail"]) and found["parent"] == parent["id"][:40]


def test_a_parent_is_ones_own_or_published(service: Running, people: People, mine: Any) -> None:
    unknown = "no such capture that is yours or published"
    refused(service, {"id": "nothingofthatkind"}, unknown)
    refused(service, {"id": mine["id"]}, unknown, people.other)
    answer = registered(
        service, jpeg(FIRST_SEED + 4, 100, 80), wait=0, parents=[{"id": mine["id"]}, {"id": mine["id"]}]
    )
    assert "named twice" in str(_problem(answer, 422, "invalid-parent")["detail"])


def test_a_parent_is_another_file(service: Running, people: People, theirs: Any) -> None:
    refused(service, {"id": theirs["id"]}, "the very same file", photo=jpeg(FIRST_SEED + 1, 400, 300))


def test_a_licence_is_its_parents(service: Running, mine: Any, theirs: Any) -> None:
    work = work_of(theirs)
    for text in ("ten", "0x", "-1", "0", str(2**256)):
        refused(service, {"id": theirs["id"], "licence": text}, "256-bit number")
    for foreign in (work, work_of(mine) + 1):
        refused(service, {"id": theirs["id"], "licence": hex(foreign)}, "not one of this work's")


def test_what_was_refused_or_erased_is_no_parent(service: Running, people: People) -> None:
    broken = service.register(jpeg(FIRST_SEED + 5)[:9000])
    assert broken.status == 422
    refused(service, {"id": broken.json["capture"]["id"]}, "it was refused")
    published, private = people.photo(6, people.other), people.photo(7, people.other, published=False)
    for gone in (published, private):
        assert service.ask("DELETE", f"/v1/captures/{gone['id']}", key=people.other).status == 202
    refused(service, {"id": published["id"]}, "had it erased")
    refused(service, {"id": private["id"]}, "no such capture that is yours or published")


def test_a_parent_that_is_not_logged_yet_is_asked_for_again(service: Running) -> None:
    waiting = registered(service, jpeg(FIRST_SEED + 8, 400, 300), wait=0, hold_s=60).json
    photo = jpeg(FIRST_SEED + 9, 400, 300)
    answer = registered(service, photo, wait=0, parents=[{"id": waiting["id"]}])
    assert _problem(answer, 409, "parent-not-logged")["parent"] == waiting["id"]
    assert int(answer.headers["Retry-After"]) >= 1
    service.ask("PATCH", f"/v1/captures/{waiting['id']}", b"{}", Content_Type="application/json")
    service.register(jpeg(FIRST_SEED + 8, 400, 300))  # the same photo: waits until it is anchored
    assert registered(service, photo, parents=[{"id": waiting["id"]}]).status == 201


def test_an_idempotency_key_stands_for_the_parents_too(service: Running, mine: Any, theirs: Any) -> None:
    photo = jpeg(FIRST_SEED + 10, 400, 300)

    def ask(*parents: Any) -> Answer:
        said = json.dumps({"parents": [{"id": parent["id"]} for parent in parents]} if parents else {})
        return service.register(photo, 0, Idempotency_Key="of-a-collage", Capture_Metadata=said)

    first = ask(mine)
    assert first.status == 202 and ask(mine).json["id"] == first.json["id"]
    assert _problem(ask(mine, theirs), 422, "idempotency-key-reused")
    assert _problem(ask(), 422, "idempotency-key-reused")
    noted = registered(service, photo, wait=0, parents=[{"id": theirs["id"]}])
    assert (noted.status, [parent["id"] for parent in noted.json["parents"]]) == (200, [mine["id"]])
    assert "settings that you stated then still stand" in noted.json["notice"]


def test_parents_come_through_multipart_and_through_pieces(service: Running, mine: Any) -> None:
    metadata, photo = json.dumps({"parents": [{"id": mine["id"]}]}), jpeg(FIRST_SEED + 11, 400, 300)
    parts = (
        b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' + metadata.encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    )  # fmt: skip
    whole = service.ask("POST", "/v1/captures", parts, Content_Type="multipart/form-data; boundary=b")
    assert [parent["id"] for parent in whole.json["parents"]] == [mine["id"]]
    made = in_pieces(service, jpeg(FIRST_SEED + 12, 400, 300), metadata)
    assert made.status == 201, made.body
    capture = service.ask("GET", made.headers["Content-Location"]).json
    assert [parent["id"] for parent in capture["parents"]] == [mine["id"]]
    none = in_pieces(service, jpeg(FIRST_SEED + 13, 400, 300), '{"parents": [{"id": "nobody"}]}')
    assert _problem(none, 422, "invalid-parent")


def in_pieces(service: Running, photo: bytes, metadata: str) -> Answer:
    said = f"metadata {base64.b64encode(metadata.encode()).decode()}"
    return service.ask("POST", "/v1/uploads", photo, Tus_Resumable="1.0.0", Upload_Length=str(len(photo)),
                       Content_Type="application/offset+octet-stream", Upload_Metadata=said)  # fmt: skip


def test_erasing_a_parent_takes_the_link_away(service: Running, people: People, mine: Any) -> None:
    parent = people.photo(14, people.other)
    made = people.photo(15, parents=[{"id": parent["id"]}, {"id": mine["id"]}])
    waiting = registered(service, jpeg(FIRST_SEED + 16, 400, 300), wait=0, hold_s=60, parents=[{"id": parent["id"]}])
    assert service.ask("DELETE", f"/v1/captures/{parent['id']}", key=people.other).status == 202
    left = service.ask("GET", f"/v1/captures/{made['id']}").json
    assert ([each["id"] for each in left["parents"]], left["erased_parents"]) == ([mine["id"]], 1)
    assert left["leaf"] == made["leaf"], "what was committed to stands"
    # What was not sealed yet goes on without it: it could never earn with a parent that nobody can prove.
    service.ask("PATCH", f"/v1/captures/{waiting.json['id']}", b"{}", Content_Type="application/json")
    end = time.monotonic() + 30
    while (alone := service.ask("GET", f"/v1/captures/{waiting.json['id']}").json)["leaf"] is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (alone["parents"], alone["erased_parents"]) == ([], 1)
    assert alone["leaf"]["statement"][7] == bytes(32).hex()


def test_a_digest_of_parents_is_of_their_works(child: Any, mine: Any, theirs: Any) -> None:
    """By hand, as docs/derivatives.md says it: nothing of ours computes."""
    words = [
        bytes.fromhex(each["asset"]["sha256"])[:16] + each["inclusion"]["index"].to_bytes(6) + bytes(10)
        for each in (mine, theirs)
    ]
    assert child["leaf"]["statement"][7] == hashlib.sha256(b"".join(sorted(words))).hexdigest()


def ingredients(service: Running, capture: Any, key: str = "") -> list[tuple[str | None, str, str]]:
    """What the inspector finds in the file that others may have."""
    file = service.ask("GET", capture["links"]["file"], key=key).body
    found = service.ask("POST", "/v1/verify", file, Content_Type="image/jpeg")
    assert found.json["credentials"]["worst"] == "trusted", found.json["credentials"]
    named = found.json["credentials"]["ingredients"]
    return [(each["title"], each["relation"], each["state"]) for each in named if each["depth"] == 1]


def test_the_signed_file_shows_its_parents_with_their_credentials(service: Running, child: Any, mine: Any) -> None:
    title = f"Photo registered on {mine['created_at'][:10]}"
    assert ingredients(service, child) == [(title, "componentOf", "trusted")] * 2 + [(None, "parentOf", "none")]
    assert child["manifest"]["carried_parents"] == 2
    assert mine["manifest"]["carried_parents"] == 0


def test_an_altered_parent_is_what_was_opened(service: Running, people: People) -> None:
    known = people.photo(20, people.other, rights={"creator": "Zoë"})
    copy = encoded(picture(FIRST_SEED + 20, 400, 300).resize((300, 225)), "JPEG", quality=70)
    made = registered(service, copy, parents=[{"id": known["id"]}]).json
    assert made["verdict"]["kind"] == "near_copy"
    assert ingredients(service, made) == [("Photo by Zoë", "parentOf", "trusted")]
    # Its own credentials, had it come with some, would be what was opened.
    signed = service.ask("GET", made["links"]["file"]).body
    again = registered(service, signed, people.other, parents=[{"id": made["id"]}]).json
    assert [each[1] for each in ingredients(service, again, people.other)] == ["componentOf", "parentOf"]


def test_a_parent_whose_place_is_its_owners_gives_only_what_others_may_have(service: Running, people: People) -> None:
    """Also to its owner: the derivative would tell where the parent was taken."""
    photo = encoded(picture(FIRST_SEED + 21, 400, 300), "JPEG", exif=exif(gps=BERLIN).tobytes())
    parent = registered(service, photo).json
    assert parent["manifest"]["location"] == "removed"
    made = people.photo(22, parents=[{"id": parent["id"]}])
    assert made["manifest"]["location"] == "absent"
    store = service.ask("GET", made["links"]["manifest"]).body
    label = parent["manifest"]["public"]["label"]
    assert label.encode() in store and not tells_location(store)
    # One whose owner shows its place is carried by a photo that shows its own, and by no other.
    shown = registered(service, encoded(picture(FIRST_SEED + 23, 400, 300), "JPEG", exif=exif(gps=BERLIN).tobytes()),
                       keep_location=True).json  # fmt: skip
    made = people.photo(24, parents=[{"id": shown["id"]}])
    assert (made["manifest"]["carried_parents"], made["manifest"]["location"]) == (0, "absent")
    assert b"withheld" in service.ask("GET", made["links"]["manifest"]).body
    made = people.photo(25, parents=[{"id": shown["id"]}], keep_location=True)
    assert (made["manifest"]["carried_parents"], made["manifest"]["location"]) == (1, "kept")
