"""An objection to a work: it halts licences, its owner appeals without a wallet, somebody decides, everyone is told."""

import hashlib
from pathlib import Path

from tests.capture_api.test_works import REMIX, STRANGER, ask, made, newest, registered, told
from tests.service import Running

EVIDENCE = hashlib.sha256(b"the same photo, from 1999").hexdigest()


def reviewers(service: Running, name: str) -> str:
    """The key of somebody who reviews, and registers nothing."""
    return service.command("keys", "add", name, "--scope", "review").stdout.strip()


def test_an_objection_is_raised_appealed_and_decided(service: Running) -> None:
    moderator = reviewers(service, "moderator")
    capture = registered(service, 7901)
    path = f"/v1/captures/{capture}"
    assert ask(service, "GET", f"{path}/review", key=moderator).json["type"].endswith("no-work")
    made(service, capture, REMIX)
    assert ask(service, "GET", f"{path}/review").json == {
        "in_review": False, "barred": False, "appealed": False, "until": None, "appeal_until": None, "tag": None,
        "evidence": None,
    }  # fmt: skip
    since = newest(service)
    early = ask(service, "POST", f"{path}/appeal", {"evidence": EVIDENCE})
    assert (early.status, "No review" in early.json["detail"]) == (409, True)
    raised = ask(service, "POST", f"{path}/review", {"tag": "copy", "evidence": EVIDENCE}, moderator)
    assert raised.json["state"] == "done", raised.body
    state = ask(service, "GET", f"{path}/review").json
    assert (state["in_review"], state["tag"], state["evidence"]) == (True, "copy", EVIDENCE)
    assert state["appeal_until"] < state["until"]
    sale = ask(service, "POST", f"{path}/licences", {"holder": STRANGER})
    assert (sale.status, "under review" in sale.json["detail"]) == (409, True)
    soon = ask(service, "POST", f"{path}/decision", {"upheld": True, "evidence": EVIDENCE}, moderator)
    assert (soon.status, "can still appeal" in soon.json["detail"]) == (409, True)
    assert ask(service, "POST", f"{path}/appeal", {"evidence": EVIDENCE}).json["state"] == "done", "without a wallet"
    assert ask(service, "GET", f"{path}/review").json["appealed"] is True
    decided = ask(service, "POST", f"{path}/decision", {"upheld": True, "evidence": EVIDENCE}, moderator)
    assert decided.json["result"] == {"upheld": True}
    assert ask(service, "GET", f"{path}/review").json["barred"] is True
    names = told(service, capture, since, 6)
    assert [name for name in names if name != "order-refused"] == ["review"] * 3


def test_only_those_who_may_object_appeal_or_decide(service: Running) -> None:
    moderator = reviewers(service, "other-moderator")
    capture = registered(service, 7902)
    made(service, capture, REMIX)
    path, body = f"/v1/captures/{capture}", {"tag": "copy", "evidence": EVIDENCE}
    photographer = service.command("keys", "add", "photographer", "--scope", "capture").stdout.strip()
    assert ask(service, "POST", f"{path}/review", body, photographer).status == 403
    assert ask(service, "POST", f"{path}/decision", {"upheld": False, "evidence": EVIDENCE}, photographer).status == 403
    assert ask(service, "POST", f"{path}/appeal", {"evidence": EVIDENCE}, photographer).status == 404
    assert ask(service, "POST", f"{path}/appeal", {"evidence": EVIDENCE}, moderator).status == 403
    for wrong in ({"tag": "Copy!", "evidence": EVIDENCE}, {"tag": "copy", "evidence": EVIDENCE[:-1]}, {"tag": "copy"}):
        assert ask(service, "POST", f"{path}/review", wrong, moderator).status == 422


def test_a_moderator_reviews_from_a_terminal(service: Running, tmp_path: Path) -> None:
    capture = registered(service, 7903)
    made(service, capture, REMIX)
    evidence = tmp_path / "evidence.txt"
    evidence.write_bytes(b"the same photo, from 1999")
    raised = service.command("review", "flag", capture, "--tag", "not-mine", "--evidence", str(evidence))
    assert raised.stdout.startswith("done: 0x"), raised.stderr
    assert f"evidence: {EVIDENCE}" in service.command("review", "show", capture).stdout
    ended = service.command("review", "decide", capture, "--dismissed", "--evidence", str(evidence))
    assert ended.stdout.startswith("done: 0x"), ended.stderr
    again = service.command("review", "decide", capture, "--dismissed", "--evidence", str(evidence))
    assert again.returncode == 1 and "No review of this work runs" in again.stderr
    assert ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": STRANGER}).json["state"] == "done"
