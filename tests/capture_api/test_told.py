"""Being told over HTTP, by the whole service: lists, event streams, webhooks and push messages."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.notify.browser import Browser, verified_claims
from tests.notify.receiver import Receiver, until
from tests.photos import small_jpeg
from tests.service import Answer, Running

STAGES = ["received", "inspected", "fingerprinted", "matched", "signed", "sealed", "logged", "anchored"]
Event = dict[str, Any]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("told") / "data"
    running = Running(home, CAPTURE_WEBHOOK_NETWORKS="127.0.0.0/8").start()
    yield running
    running.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _key(running: Running, name: str) -> str:
    return running.command("keys", "add", name, check=True).stdout.strip()


def _post(running: Running, path: str, value: object, key: str) -> Answer:
    return running.ask("POST", path, json.dumps(value).encode(), key=key, Content_Type="application/json")


def _events(text: str) -> list[Event]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    found = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [each | {"data": json.loads(each["data"])} for each in found]


class Stream:
    """An open event stream, read in a thread of its own."""

    def __init__(self, running: Running, key: str, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        self._connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {key}", **headers})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self._text, self._over = "", False
        threading.Thread(target=self._read, daemon=True).start()
        until(lambda: self.events, "the stream is ready")

    def _read(self) -> None:
        try:
            while not self._over and (piece := self._answer.read1(65536)):
                self._text += piece.decode()
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # closed here, or by the service's end
            return

    @property
    def events(self) -> list[Event]:
        whole, _, _ = self._text.rpartition("\n\n")
        return _events(whole)

    def close(self) -> None:
        self._over = True
        if self._connection.sock:
            self._connection.sock.close()


def _changed(running: Running, key: str, since: str = "", limit: int = 50) -> Any:
    answer = running.ask("GET", f"/v1/captures?limit={limit}&since={since}", key=key)
    assert answer.status == 200, answer.body
    return answer.json


def test_what_changed_page_by_page(running: Running) -> None:
    key = _key(running, "pages")
    assert _changed(running, key)["captures"] == []
    ids = [running.register(small_jpeg(9100 + number), key=key).json["id"] for number in range(3)]
    first = _changed(running, key, limit=2)
    assert ([each["id"] for each in first["captures"]], first["more"]) == (ids[:2], True)
    assert first["captures"][0] == running.ask("GET", f"/v1/captures/{ids[0]}", key=key).json
    assert running.ask("DELETE", f"/v1/captures/{ids[0]}", key=key).status == 202
    second = _changed(running, key, first["cursor"], 2)
    assert ([each["id"] for each in second["captures"]], second["more"]) == (ids[2:], False)
    third = _changed(running, key, second["cursor"])
    assert third["captures"] == [{"id": ids[0], "status": "erased"}], "what changed while we paged comes next"
    assert _changed(running, key, third["cursor"])["captures"] == []
    assert _changed(running, _key(running, "other"))["captures"] == []


@pytest.mark.parametrize("asked", ["since=x", "since=MTIz-", "since=é", "since=LTE", "limit=0", "limit=-1", "limit=x"])
def test_cursors_and_limits_that_are_none(running: Running, asked: str) -> None:
    answer = running.ask("GET", f"/v1/captures?{asked.replace('é', '%C3%A9')}")
    assert (answer.status, answer.json["type"]) == (400, "/docs#problem-malformed-request")


def test_the_events_of_a_capture_go_on_where_they_stopped(running: Running) -> None:
    capture = running.register(small_jpeg(9110)).json
    path = capture["links"]["events"]
    events = _events(running.ask("GET", path).body.decode())
    assert [each["data"].get("status") for each in events] == [*STAGES, "anchored"]
    assert _events(running.ask("GET", path).body.decode()) == events, "ids are the same whenever they are asked for"
    for place in (0, 3, len(STAGES) - 1):
        rest = running.ask("GET", path, Last_Event_ID=events[place]["id"]).body.decode()
        assert _events(rest) == events[place + 1 :]
    assert running.ask("GET", path, Last_Event_ID="x").status == 400


def test_one_stream_of_all_captures_goes_on_where_it_stopped(running: Running) -> None:
    key = _key(running, "stream")
    stream = Stream(running, key)
    running.register(small_jpeg(9119))  # another owner's
    ids = [running.register(small_jpeg(9120 + number), key=key).json["id"] for number in range(2)]
    until(lambda: len(stream.events) == 1 + 2 * len(STAGES), "all is told")
    told = stream.events
    stream.close()
    assert told[0]["event"] == "ready"
    assert [each["data"]["id"] for each in told[1:]] == [ids[0]] * len(STAGES) + [ids[1]] * len(STAGES)
    assert [each["data"]["status"] for each in told[1 : 1 + len(STAGES)]] == STAGES
    assert running.ask("DELETE", f"/v1/captures/{ids[1]}", key=key).status == 202
    again = Stream(running, key, **{"Last-Event-ID": told[5]["id"]})
    until(lambda: again.events[-1]["event"] == "erased", "the erasure is told")
    rest = again.events
    again.close()
    assert rest[1:-1] == told[6 : 1 + len(STAGES)], "of the erased capture nothing but that"
    assert rest[-1]["data"] == {"id": ids[1], "status": "erased"}
    since = _changed(running, key, told[5]["id"])
    assert [each["id"] for each in since["captures"]] == ids, "an event's id is a cursor"


def test_a_webhook_from_its_making_to_its_end(running: Running, receiver: Receiver) -> None:
    key = _key(running, "hook")
    made = _post(running, "/v1/webhooks", {"url": f"{receiver.url}?token=t0k3n"}, key)
    assert made.status == 201
    secret, place = made.json["secret"], made.headers["Location"]
    assert secret.startswith("whsec_")
    capture = running.register(small_jpeg(9130), key=key).json
    until(lambda: len(receiver.received) == len(STAGES), "every stage is told")
    told = [Webhook(secret).verify(each.body, each.headers) for each in receiver.received]
    assert [each["type"] for each in told] == [f"capture.{stage}" for stage in STAGES]
    assert {each["data"]["id"] for each in told} == {capture["id"]}
    until(lambda: running.ask("GET", place, key=key).json["deliveries"] == [], "what was taken waits no more")
    shown = running.ask("GET", place, key=key).json
    assert (shown["state"], "secret" in shown) == ("active", False)
    assert running.ask("GET", "/v1/webhooks", key=key).json["webhooks"][0]["id"] == shown["id"]
    ping = running.ask("POST", f"{place}/test", b"", key=key)
    assert ping.status == 202
    until(lambda: receiver.received[-1].headers["webhook-id"] == ping.json["webhook_id"], "the test comes")
    running.ask("DELETE", f"/v1/captures/{capture['id']}", key=key)
    until(lambda: b"capture.erased" in receiver.received[-1].body, "the erasure is told")
    sent = len(receiver.received)
    assert _post(running, f"{place}/replay", {"since": told[0]["timestamp"]}, key).status == 202
    until(lambda: len(receiver.received) == sent + 1, "what there is still to tell is told again")
    last = receiver.received[-2:]
    assert last[0].headers["webhook-id"] == last[1].headers["webhook-id"] or b"ping" in last[0].body
    assert running.ask("GET", place).status == 404, "another owner's is not there"
    assert running.ask("DELETE", place, key=key).status == 204
    assert running.ask("DELETE", place, key=key).status == 404
    running.register(small_jpeg(9131), key=key)
    assert len(receiver.received) == sent + 1
    assert not [word for word in (secret, "t0k3n", receiver.url) if word in running.log()]


def test_a_browser_is_told_what_matters(running: Running, receiver: Receiver) -> None:
    key, browser = _key(running, "browser"), Browser(receiver.url)
    public_key = running.ask("GET", "/v1/push/key", key=key).json["public_key"]
    made = [_post(running, "/v1/push/subscriptions", browser.subscription, key) for _ in range(2)]
    assert [each.status for each in made] == [201, 201]
    receiver.status = 201
    capture = running.register(small_jpeg(9140), key=key).json
    until(lambda: receiver.received, "the browser is told")
    place = f"/v1/push/subscriptions/{made[1].json['id']}"
    assert running.ask("DELETE", f"/v1/push/subscriptions/{made[0].json['id']}", key=key).status == 404, "replaced"
    assert running.ask("DELETE", place, key=key).status == 204
    (received,) = receiver.received
    assert browser.read(received.body)["data"]["id"] == capture["id"]
    assert browser.read(received.body)["type"] == "capture.anchored"
    verified_claims(received.headers["authorization"], public_key)


def test_a_revoked_key_is_told_nothing(running: Running, receiver: Receiver) -> None:
    key = _key(running, "revoked")
    assert _post(running, "/v1/webhooks", {"url": receiver.url}, key).status == 201
    key_id = next(line.split()[0] for line in running.command("keys", "list").stdout.splitlines() if "revoked" in line)
    receiver.status = 500
    running.ask("POST", "/v1/captures", small_jpeg(9150), key=key, Content_Type="image/jpeg")
    until(lambda: receiver.received, "it was told until now")
    running.command("keys", "revoke", key_id, check=True)
    time.sleep(0.5)
    sent, receiver.status = len(receiver.received), 204
    time.sleep(2.5)
    assert len(receiver.received) == sent


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("webhooks", {"url": "https://169.254.169.254/latest"}, "public internet"),
        ("webhooks", {"url": "http://8.8.8.8/"}, "https"),
        ("webhooks", {"url": "https://nothing.invalid/"}, "looked up"),
        ("webhooks", {"url": "https://[::ffff:10.0.0.1]/"}, "public internet"),
        ("webhooks", {"url": 7}, "url"),
        ("webhooks", {}, "url"),
        ("webhooks", [], "the body"),
        ("webhooks", {"url": "https://8.8.8.8/", "events": []}, "events are"),
        ("webhooks", {"url": "https://8.8.8.8/", "events": ["capture.lost"]}, "events are"),
        ("webhooks", {"url": "https://8.8.8.8/", "more": 1}, "more"),
        ("push/subscriptions", {"endpoint": "https://8.8.8.8/", "keys": {}}, "p256dh"),
        ("push/subscriptions", {"endpoint": "https://10.0.0.1/", "keys": Browser("").subscription["keys"]}, "public"),
    ],
    ids=range(12),
)
def test_what_cannot_be_subscribed(running: Running, path: str, value: object, says: str) -> None:
    answer = _post(running, f"/v1/{path}", value, "")
    assert (answer.status, answer.json["type"]) == (422, "/docs#problem-invalid-subscription")
    assert says in answer.json["detail"].lower()


def test_too_much_of_it(running: Running) -> None:
    key = _key(running, "many")
    for number in range(20):
        assert _post(running, "/v1/webhooks", {"url": f"https://8.8.8.8/{number}"}, key).status == 201
    answer = _post(running, "/v1/webhooks", {"url": "https://8.8.8.8/"}, key)
    assert (answer.status, answer.json["type"]) == (409, "/docs#problem-too-many-subscriptions")
    assert _post(running, "/v1/webhooks", {"url": "a" * 20_000}, key).status == 413
    assert running.ask("GET", "/v1/webhooks", key=None).status == 401
