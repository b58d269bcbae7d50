"""Webhooks and push messages are sent beside everything else, each receiver by a thread of its own."""

import ipaddress
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from notify.address import check
from notify.message import message
from notify.post import post
from notify.webhook import signed_headers
from notify.webpush import Receiver, encrypt
from pipeline.errors import Rejected, Unavailable
from store.changes import STATUS_OF_TYPE
from store.database import as_text
from store.deliveries import Delivery
from store.subscriptions import Subscription
from wiring import Services

LOOK_S = 0.25  # how often we look for something to tell
AFTER_FAULT_S = 10.0
TURN_S = 5.0  # a receiver for which much waits lets others have its thread after this
# Receivers at once. Those that failed of late have threads of their own: they may all be slow, and delay nobody else.
WELL, FAILING = 32, 8
GIVE_UP_S = 24 * 3600
DISABLE_AFTER = timedelta(days=5)
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 3600.0
LONGEST_PAUSE_S = 300.0  # of a receiver: then it is tried again, so that one that is well is told within this
_GONE = {"webhook": (410,), "push": (404, 410)}

log = logging.getLogger(__name__)


class Telling:
    """Sends what is due, and notes what became of it; while a receiver fails, with longer and longer pauses."""

    def __init__(self, services: Services, holder: str, clock: Callable[[], float] = time.time) -> None:
        self._services, self._holder, self._clock = services, holder, clock
        settings = services.settings
        self._networks = tuple(map(ipaddress.ip_network, settings.webhook_networks))
        self._threads = {False: threading.BoundedSemaphore(WELL), True: threading.BoundedSemaphore(FAILING)}
        self._busy: set[str] = set()

    def run(self) -> None:
        """Tell, for ever."""
        freed = False
        while True:
            try:
                if not freed:
                    self._services.deliveries.free(self._holder)
                    freed = True
                self.look()
            except Unavailable as unavailable:
                log.warning("telling waits: %s", unavailable)
            except Exception:
                log.exception("telling met a fault of ours")
                time.sleep(AFTER_FAULT_S)
            time.sleep(LOOK_S)

    def look(self) -> None:
        """Start to tell every receiver for which something is due."""
        now_ms = self._now_ms()
        self._services.deliveries.make(now_ms)
        for subscription_id, failing in self._services.deliveries.due(now_ms):
            if subscription_id not in self._busy and self._threads[failing].acquire(blocking=False):
                self._busy.add(subscription_id)
                threading.Thread(target=self._turn, args=(subscription_id, failing), daemon=True).start()

    def _turn(self, subscription_id: str, failing: bool) -> None:
        try:
            self.tell(subscription_id)
        except Unavailable as unavailable:
            log.warning("telling %s waits: %s", subscription_id, unavailable)
        except Exception:
            log.exception("telling %s met a fault of ours", subscription_id)
        finally:
            self._busy.discard(subscription_id)
            self._threads[failing].release()

    def tell(self, subscription_id: str) -> None:
        """Send what is due to one receiver, until it fails, nothing is left, or its turn is over."""
        end, store = time.monotonic() + TURN_S, self._services.deliveries
        try:
            while time.monotonic() < end and (next_ := store.take(subscription_id, self._holder, self._now_ms())):
                if not self._deliver(*next_):
                    break
        finally:
            with suppress(Unavailable):
                store.release(subscription_id, self._holder)

    def _deliver(self, told: Subscription, delivery: Delivery) -> bool:
        try:
            status = self._send(told, delivery)
        except (Rejected, Unavailable) as problem:
            return self._failed(told, delivery, str(problem))
        if 200 <= status < 300:
            self._services.deliveries.delivered(told.id, delivery.number)
            return True
        if status in _GONE[told.kind]:
            log.info("%s says that it is gone (%d)", told.id, status)
            self._services.deliveries.end(told, f"it answered {status}: it is gone")
            return False
        return self._failed(told, delivery, f"it answered {status}")

    def _send(self, told: Subscription, delivery: Delivery) -> int:
        services = self._services
        secret = services.notify_keys.seal.open(told.secret, told.id)
        target = check(told.url, self._networks)
        status, moment = STATUS_OF_TYPE.get(delivery.type), as_text(delivery.happened_at)
        body = message(delivery.type, moment, delivery.capture_id, status, services.settings.public_url)
        now = int(self._clock())
        if told.kind == "webhook":
            return post(target, body, signed_headers(secret, delivery.message_id, now, body))
        # Of what a browser slept through, the last word on each capture is enough.
        headers = services.notify_keys.sender.headers(told.url, delivery.capture_id, now)
        return post(target, encrypt(body, Receiver.unpack(secret)), headers)

    def _failed(self, told: Subscription, delivery: Delivery, problem: str) -> bool:
        """Note it; the problem is for the owner, and the log names no address: it may hold a secret."""
        log.info("%s was not told %s: attempt %d", told.id, delivery.message_id, delivery.attempts + 1)
        now = self._clock()
        self._services.deliveries.failed(
            told, delivery, problem,
            retry_ms=round(1000 * (now + back_off_s(delivery.attempts, LONGEST_RETRY_S))),
            pause_ms=round(1000 * (now + back_off_s(told.failures, LONGEST_PAUSE_S))),
            given_up_ms=round(1000 * (now - GIVE_UP_S)),
            disable_before=datetime.fromtimestamp(now, UTC) - DISABLE_AFTER,
        )  # fmt: skip
        return False

    def _now_ms(self) -> int:
        return round(1000 * self._clock())


def back_off_s(attempts: int, longest_s: float) -> float:
    """The pause after so many attempts and one more: twice as long each time, give or take a quarter.

    The jitter keeps receivers that failed together from being asked together again.
    """
    pause_s = min(longest_s, FIRST_RETRY_S * (1 << min(attempts, 20)))
    return pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, keeps no secret
