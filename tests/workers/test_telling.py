"""Telling receivers that are well, slow, down, gone, or kill us: over real HTTP, as the operator allows it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from notify.webhook import new_secret, secret_text
from notify.webpush import Receiver as PushReceiver
from pipeline.record import Asset, Request, Rights
from settings import load_settings
from store.subscriptions import Kind, Subscription
from tests.databases import give_tables
from tests.notify.browser import Browser, verified_claims
from tests.notify.receiver import Receiver, until
from tests.service import ROOT
from wiring import Services
from workers import telling
from workers.telling import Telling, back_off_s

OWNER, DAY_S = "owner", 24 * 3600


class World:
    """A service without its processes: a home, an owner, and a worker that tells."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"CAPTURE_HOME": str(folder / "data"), "CAPTURE_WEBHOOK_NETWORKS": "127.0.0.0/8"}
        self.services = Services(load_settings(self.environ))
        give_tables(self.services.database)
        self.services.keys.add("k", frozenset({"capture"}), Rights(), lambda _: bytes(20), lambda _: None)
        self.key_id = self.services.keys.all()[0].id
        self._started, self.later_s = time.time(), 0.0
        # The clock goes when the test says so: no pause ends by itself while the machine is busy.
        self.telling = Telling(self.services, "here", lambda: self._started + self.later_s)
        self._captures = 0

    def subscribe(self, receiver: str, secret: bytes, kind: Kind = "webhook", name: str = "wh_1") -> None:
        here, sealed = self.services, self.services.notify_keys.seal.close(secret, name)
        here.subscriptions.add(name, kind, OWNER, self.key_id, receiver, ("*",), sealed, here.changes.newest())

    def happen(self, number: int = 1) -> None:
        """So many captures are registered."""
        for _ in range(number):
            self._captures += 1
            name = f"capture-{self._captures}"
            kept = self.services.blobs.put(name.encode())
            asset = Asset(kept.sha256, "image/jpeg", kept.size)
            self.services.captures.register(name, OWNER, bytes(20), Request(Rights()), asset)

    def tell(self, name: str = "wh_1") -> None:
        """Once, in this thread."""
        self.services.deliveries.make(self.telling._now_ms())
        self.telling.tell(name)

    def look(self) -> bool:
        """Once, each receiver in a thread of its own."""
        self.telling.look()
        return True

    def webhook(self, name: str = "wh_1", kind: Kind = "webhook") -> Subscription:
        return self.services.subscriptions.get(name, OWNER, kind)

    def waiting(self, name: str = "wh_1") -> int:
        return len(self.services.deliveries.of(name, 999))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_receiver_is_told_in_order_and_can_check_it(world: World, receiver: Receiver) -> None:
    secret = new_secret()
    world.subscribe(receiver.url, secret)
    world.happen(2)
    world.tell()
    told = [Webhook(secret_text(secret)).verify(each.body, each.headers) for each in receiver.received]
    assert [(each["type"], each["data"]["id"]) for each in told] == [
        ("capture.received", "capture-1"),
        ("capture.received", "capture-2"),
    ]
    assert set(told[0]["data"]) == {"id", "status", "link"}
    assert world.waiting() == 0
    assert world.webhook().delivered_at


def test_a_receiver_that_is_down_and_comes_back(world: World, receiver: Receiver) -> None:
    world.subscribe(receiver.url, new_secret())
    receiver.status = 503
    world.happen(3)
    world.tell()
    assert len(receiver.received) == 1, "one question, until it is well"
    assert (world.webhook().state, world.webhook().problem) == ("failing", "it answered 503")
    world.tell()
    assert len(receiver.received) == 1, "a pause comes first"
    receiver.close()
    world.later_s += 10
    world.tell()
    assert world.webhook().problem == "the connection failed"
    again = Receiver(receiver.port)
    world.later_s += 20
    world.tell()
    assert world.webhook().state == "active"
    first = receiver.received[0].headers["webhook-id"]
    assert first in [each.headers["webhook-id"] for each in again.received], "the same id, however often"
    assert (len(again.received), world.waiting()) == (3, 0)
    again.close()


def test_a_message_that_is_refused_for_a_day_is_listed_and_can_be_told_again(world: World, receiver: Receiver) -> None:
    world.subscribe(receiver.url, new_secret())
    before = world.services.changes.newest()
    poisoned = b"capture-1"
    receiver.before = lambda received: setattr(receiver, "status", 500 if poisoned in received.body else 204)
    world.happen(2)
    for _ in range(40):
        world.tell()
        world.later_s += 3600 * 1.3
    (failed,) = world.services.deliveries.of("wh_1", 9)
    assert failed.failed_at
    assert (failed.capture_id, failed.problem) == ("capture-1", "it answered 500")
    assert failed.attempts > 10
    assert sum(b"capture-2" in each.body for each in receiver.received) == 1, "it did not hold up the other"
    sent = len(receiver.received)
    world.later_s += DAY_S
    world.tell()
    assert len(receiver.received) == sent, "it is given up"
    poisoned = b"nothing"
    world.services.subscriptions.replay("wh_1", before)
    world.tell()
    assert [json.loads(each.body)["data"]["id"] for each in receiver.received[sent:]] == ["capture-1", "capture-2"]
    assert receiver.received[-2].headers["webhook-id"] == failed.message_id
    assert world.waiting() == 0


def test_days_of_failures_disable_it_and_a_replay_enables_it(world: World, receiver: Receiver) -> None:
    world.subscribe(receiver.url, new_secret())
    receiver.status = 500
    before = world.services.changes.newest()
    for days in (0, 2, 4, 6):
        world.later_s = days * DAY_S
        world.happen()
        world.tell()
    assert world.webhook().state == "disabled"
    assert world.webhook().disabled_at
    sent = len(receiver.received)
    world.happen()
    world.later_s += DAY_S
    world.tell()
    assert len(receiver.received) == sent
    receiver.status = 204
    world.services.deliveries.ping("wh_1", "msg_ping_1", world.telling._now_ms())
    world.tell()
    assert receiver.received[-1].headers["webhook-id"] == "msg_ping_1", "a test reaches one that is disabled"
    assert json.loads(receiver.received[-1].body)["type"] == "ping"
    world.services.subscriptions.replay("wh_1", before)
    world.tell()
    assert world.webhook().state == "active"
    assert len(receiver.received) == sent + 1 + 5, "nothing of what happened meanwhile is lost"


def test_one_that_says_it_is_gone(world: World, receiver: Receiver) -> None:
    receiver.status = 410
    world.subscribe(receiver.url, new_secret())
    browser = PushReceiver.parse(Browser(receiver.url).subscription["keys"])
    world.subscribe(receiver.url, browser.packed, "push", "push_1")
    world.happen()
    world.tell()
    world.tell("push_1")
    assert world.webhook().state == "disabled"
    with pytest.raises(LookupError):
        world.webhook("push_1", "push")
    assert world.waiting("push_1") == 0


def test_a_browser_reads_what_it_is_told(world: World, receiver: Receiver) -> None:
    browser = Browser(receiver.url)
    packed = PushReceiver.parse(browser.subscription["keys"]).packed
    world.subscribe(receiver.url, packed, "push", "push_1")
    world.happen()
    receiver.status = 201
    world.tell("push_1")
    (received,) = receiver.received
    told = browser.read(received.body)
    assert (told["type"], told["data"]["id"]) == ("capture.received", "capture-1")
    claims = verified_claims(received.headers["authorization"], world.services.notify_keys.sender.public_key)
    assert claims["aud"] == f"http://127.0.0.1:{receiver.port}"
    assert time.time() < claims["exp"] <= time.time() + DAY_S
    assert received.headers["topic"] == "capture-1"
    assert b"capture-1" not in received.body


def test_the_operators_setting_is_asked_whenever_something_is_sent(world: World, receiver: Receiver) -> None:
    world.subscribe(receiver.url, new_secret())
    world.telling._networks = ()
    world.happen()
    world.tell()
    assert not receiver.received
    assert "https://" in str(world.webhook().problem)


def test_a_slow_receiver_delays_nobody(world: World, receiver: Receiver) -> None:
    slow, go_on = Receiver(), threading.Event()
    slow.before = lambda _: go_on.wait(20)
    for number in range(3):
        world.subscribe(f"{slow.url}/{number}", new_secret(), name=f"wh_slow{number}")
    world.subscribe(receiver.url, new_secret())
    world.happen()
    world.telling.look()
    until(lambda: receiver.received, "the quick one is told")
    until(lambda: len(slow.received) == 3, "all slow ones are asked")
    world.happen()
    until(lambda: world.look() and len(receiver.received) == 2, "and told again")
    assert [world.waiting(f"wh_slow{number}") for number in range(3)] == [2, 2, 2]
    assert len(slow.received) == 3, "one at a time"
    go_on.set()
    until(lambda: world.look() and len(slow.received) == 6, "and then they are told too")
    until(lambda: not world.telling._busy, "the threads have ended")
    slow.close()


def _started(world: World, holder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.workers.tell_once", holder]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | world.environ)


def test_killed_between_sending_and_noting(world: World, receiver: Receiver) -> None:
    """At least once: what was sent and not noted is sent again, under the same id, and nothing is left out."""
    world.subscribe(receiver.url, new_secret())
    world.happen(3)
    process = _started(world, "mortal")
    kills = iter([True, True])
    running = [process]

    def kill(_received: object) -> None:
        if next(kills, False):
            running[-1].send_signal(signal.SIGKILL)
            running[-1].wait(10)

    receiver.before = kill
    for number in range(2):
        assert running[-1].wait(30) == -signal.SIGKILL
        assert len(receiver.received) == number + 1
        assert world.waiting() == 3
        running.append(_started(world, "mortal"))
    until(lambda: not world.waiting() and world.webhook().delivered_at, "everything is told")
    running[-1].kill()
    running[-1].wait(10)
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert (len(ids), len(set(ids))) == (5, 3)
    assert ids[0] == ids[1] == ids[2]
    assert len({each.body for each in receiver.received}) == 3, "the same bytes for the same event"


def test_secrets_are_not_in_the_database(world: World, receiver: Receiver, tmp_path: Path) -> None:
    secret = new_secret()
    world.subscribe(receiver.url, secret)
    files = list((tmp_path / "data").rglob("capture.db*"))
    assert files
    assert not any(secret in file.read_bytes() for file in files)


def test_pauses_grow_and_differ() -> None:
    pauses = [back_off_s(attempts, telling.LONGEST_RETRY_S) for attempts in range(30)]
    assert all(0.75 * 2**n <= pause <= 1.25 * 2**n for n, pause in enumerate(pauses[:11]))
    assert max(pauses) <= 1.25 * telling.LONGEST_RETRY_S
    assert len({back_off_s(3, 100) for _ in range(5)}) == 5
