"""Works that the contract does not sell, or of which nobody can be asked: the record says why, and gives none away."""

import json
import os
import signal
import time
from typing import Any

from ledger.asking import Works, nodes
from ledger.standing import Standings
from tests.capture_api.test_one_record import CC_BY, IN_COPYRIGHT, row_of
from tests.capture_api.test_works import ask, made, registered
from tests.service import Running

EVIDENCE = "ab" * 32
SOLD = {"preset": "ai-training-paid", "fee": "9"}


def record(service: Running, capture: str) -> dict[str, Any]:
    found: dict[str, Any] = service.ask("GET", f"/a/{capture}?format=json", key=None).json["record"]
    return found


def settled(service: Running, capture: str, why_not: str) -> dict[str, Any]:
    """The record, once what was remembered for a second is forgotten."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = record(service, capture)
        if why_not in (found["licence_on_chain"]["why_not"] or ""):
            return found
    raise AssertionError(found["licence_on_chain"])


def refusal(service: Running, capture: str, use: str = "ai-training") -> tuple[int, str]:
    """Why nobody is asked to pay for a copy."""
    answer = service.ask("GET", f"/a/{capture}/copy?use={use}", key=None)
    return answer.status, answer.json["detail"]


def test_what_waits_for_its_parents_is_not_for_sale(service: Running) -> None:
    parent = registered(service, 9721)
    child = registered(service, 9722, Capture_Metadata=json.dumps({"parents": [{"id": parent}]}))
    made(service, parent, {"preset": "commercial-remix", "share": 10, "fee": "0"})
    made(service, child, SOLD)
    found = settled(service, child, "made from")
    offer = found["licence_on_chain"]
    assert (offer["on_sale"], offer["counts"], offer["barred"]) == (False, True, False)
    assert found["licence_url"] == f"{service.base}/terms/ai-training-paid", "its terms count all the same"
    assert refusal(service, child) == (404, offer["why_not"])
    assert row_of(service, child, "ai-training") is None
    page = service.ask("GET", f"/a/{child}?format=rsl", key=None)
    assert 'rel="payment"' not in page.headers["Link"]
    assert f"{service.base}/a/{child}</custom>" in page.body.decode(), "a person can be asked"
    assert ask(service, "POST", f"/v1/captures/{child}/derivation").json["state"] == "done"
    sold = record(service, child)["licence_on_chain"]
    assert (sold["on_sale"], sold["why_not"]) == (True, None), "what was done here is seen at once"
    assert row_of(service, child, "ai-training")


def test_a_review_halts_and_an_objection_that_was_upheld_closes(service: Running) -> None:
    metadata = json.dumps({"rights": {"licence": "cc-by-4.0", "ai_training": "allowed"}})
    capture = registered(service, 9723, Capture_Metadata=metadata)
    made(service, capture)
    path = f"/v1/captures/{capture}"
    assert record(service, capture)["whole_image"]
    assert ask(service, "POST", f"{path}/review", {"tag": "copy", "evidence": EVIDENCE}).json["state"] == "done"
    halted = settled(service, capture, "under review")
    assert (halted["licence_url"], halted["whole_image"]) == (CC_BY, True), "what is free stays so until it is decided"
    ask(service, "POST", f"{path}/appeal", {"evidence": EVIDENCE})
    ask(service, "POST", f"{path}/decision", {"upheld": True, "evidence": EVIDENCE})
    barred = settled(service, capture, "upheld")
    assert (barred["licence_url"], barred["ai_training"], barred["whole_image"]) == (IN_COPYRIGHT, "not_allowed", False)
    assert barred["stated"]["licence"] == "cc-by-4.0"
    for use in ("ai-training", "commercial"):
        assert refusal(service, capture, use) == (403, barred["licence_on_chain"]["why_not"])
        assert row_of(service, capture, use) is None


def test_a_work_that_gave_way_to_an_earlier_one_sells_nothing(service: Running) -> None:
    key = service.command("keys", "add", "late-comer").stdout.strip()
    first, late = registered(service, 9724), registered(service, 9724, key)
    made(service, late, SOLD, key)
    assert record(service, late)["licence_on_chain"]["on_sale"]
    made(service, first, {"preset": "commercial", "fee": "5"})
    gave_way = settled(service, late, "no longer the first")
    assert (gave_way["licence_on_chain"]["on_sale"], gave_way["licence_on_chain"]["counts"]) == (False, False)
    assert (gave_way["licence_url"], gave_way["ai_training"]) == (IN_COPYRIGHT, "not_allowed"), "what was stated"
    assert refusal(service, late) == (409, gave_way["licence_on_chain"]["why_not"])
    assert row_of(service, late, "ai-training") is None


def test_a_chain_that_does_not_answer_gives_nothing_away(service: Running) -> None:
    metadata = json.dumps({"rights": {"licence": "cc-by-4.0", "ai_training": "allowed"}})
    capture = registered(service, 9725, Capture_Metadata=metadata)
    made(service, capture, {"preset": "all-rights-reserved"})
    ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": {"preset": "commercial", "fee": "5"}})
    moved = registered(service, 9733, Capture_Metadata=metadata)
    made(service, moved, {"preset": "cc0"})
    ask(service, "POST", f"/v1/captures/{moved}/moves", {"to": "0x" + "5d" * 20})
    assert record(service, moved)["whole_image"] is True
    os.kill(service.processes()["chain"], signal.SIGSTOP)
    try:
        found, away = settled(service, capture, "cannot be asked"), settled(service, moved, "cannot be asked")
        copy = service.ask("GET", f"/a/{capture}/copy?use=ai-training", key=None)
        listed = service.ask("GET", "/v1/catalogue", key=None)
    finally:
        os.kill(service.processes()["chain"], signal.SIGCONT)
    assert (found["licence_url"], found["whole_image"]) == (f"{service.base}/terms/commercial", False)
    assert (found["ai_training"], found["licence_on_chain"]["on_sale"]) == ("not_allowed", False)
    assert (away["ai_training"], away["whole_image"]) == ("not_allowed", False), "its new owner may have taken it back"
    assert (copy.status, listed.status) == (503, 503)
    assert listed.headers["Retry-After"]
    assert service.ask("GET", f"/a/{capture}/copy?use=commercial", key=None).status == 402


def test_photos_that_are_no_works_are_given_for_what_they_are_free_for(service: Running) -> None:
    metadata = json.dumps({"rights": {"creator": "Ada", "ai_training": "allowed"}})
    capture = registered(service, 9726, Capture_Metadata=metadata)
    copy = service.ask("GET", f"/a/{capture}/copy?use=ai-training", key=None)
    assert copy.body == service.ask("GET", f"/v1/captures/{capture}/file").body
    assert copy.headers["Cache-Control"] == "private, no-cache"
    known = service.ask("GET", f"/a/{capture}/copy?use=ai-training", key=None, If_None_Match=copy.headers["ETag"])
    assert (known.status, known.headers["Content-Usage"]) == (304, copy.headers["Content-Usage"])
    row = row_of(service, capture, "ai-training")
    assert row and (row["free"], row["price"], row["asset"], row["chain"]) == (True, None, None, None)
    assert service.ask("GET", f"/a/{capture}/copy?use=commercial", key=None).status == 409
    assert row_of(service, capture, "commercial") is None
    later = json.dumps({"creator": "Ada", "ai_training": "not_allowed"}).encode()
    service.ask("PUT", f"/v1/captures/{capture}/rights", later, Content_Type="application/json")
    assert row_of(service, capture, "ai-training") is None, "the newest word counts"


def test_pages_of_the_catalogue(service: Running) -> None:
    for bad in (
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e1",
        "limit=",
        "after=%00",
        "after=a-b",
        "use=x",
    ):
        assert service.ask("GET", f"/v1/catalogue?{bad}", key=None).status == 400, bad
    first = service.ask("GET", "/v1/catalogue?use=ai-training&limit=1", key=None)
    assert len(first.body.splitlines()) <= 1
    assert 'limit=1>; rel="next"' in first.headers["Link"]


def test_the_texts_of_licences(service: Running) -> None:
    text = service.ask("GET", "/terms/commercial", key=None)
    assert text.body.startswith(b"Commercial licence")
    again = service.ask("GET", "/terms/commercial", key=None, If_None_Match=text.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    for name in ("cc0", "all-rights-reserved", "..%2f__init__.py", "x"):
        assert service.ask("GET", f"/terms/{name}", key=None).status == 404


def test_what_is_remembered_is_asked_again_in_a_second(service: Running) -> None:
    now, capture = [0.0], registered(service, 9727)
    parent = registered(service, 9729)
    made(service, parent)
    contract = record(service, parent)["licence_on_chain"]["contract"]
    chain = nodes(json.loads((service.home / "run/engines.json").read_text())["chain_url"])
    standings = Standings(Works(chain, contract), lambda: now[0])
    assert standings.of(1) is None
    asset = int(made(service, capture, SOLD)["result"]["asset"], 16)
    first = standings.of(asset, "a")
    assert first and first.terms.fee == 9
    ask(service, "PUT", f"/v1/captures/{capture}/terms", {"terms": {"preset": "cc0"}})
    assert standings.of(asset, "a") == first
    changed = standings.of(asset, "b")
    assert changed and changed.terms.fee == 0, "another version is asked for"
    now[0] = 1.0
    assert standings.of(asset, "a") == changed
