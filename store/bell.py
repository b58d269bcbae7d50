"""The queue as a bell: it says that there is work, and nothing is lost with it (docs/why-002)."""

import json
import logging
import secrets
from typing import Any

import redis
import rq
from rq.serializers import JSONSerializer

from pipeline.errors import Unavailable

PHOTOS, LEDGER = "photos", "ledger"
PHOTO_JOB, COMPARE_JOB, LEDGER_JOB = "workers.jobs.photo", "workers.jobs.compare", "workers.jobs.ledger"
TRUST_JOB = "workers.jobs.judge_again"
PHOTO_TIMEOUT_S = 120  # a job runs five stages; each renews its own lease of 30 s
LEDGER_TIMEOUT_S = 600
_PENDING = "capture:ledger-pending"

log = logging.getLogger(__name__)


class Bell:
    """Rings for the workers through RQ. Jobs carry ids as JSON, never pickle: who can write here cannot run code."""

    def __init__(self, url: str) -> None:
        self.connection = _connected(url, 5)
        # A question waits longer for its answer than any command of ours may take.
        self._patient = _connected(url, 60)
        self._queues = {
            name: rq.Queue(name, connection=self.connection, serializer=JSONSerializer) for name in (PHOTOS, LEDGER)
        }

    def photo(self, capture_id: str) -> None:
        """A capture waits for its stages."""
        self._ring(PHOTOS, PHOTO_JOB, PHOTO_TIMEOUT_S, capture_id)

    def judge_again(self, capture_id: str) -> None:
        """Trust lists changed: this capture's signer is to be judged again, after all other work."""
        self._ring(PHOTOS, TRUST_JOB, PHOTO_TIMEOUT_S, capture_id)

    def ledger(self) -> None:
        """Leaves wait for the log. One ring is enough for all of them until the ledger worker has heard it."""
        try:
            if self.connection.set(_PENDING, "1", nx=True, ex=5):
                self._ring(LEDGER, LEDGER_JOB, LEDGER_TIMEOUT_S)
        except redis.RedisError as error:
            _unheard(LEDGER, error)

    def ask(self, loan: str, sha256: str, media_type: str, timeout_s: int, by_stranger: bool = False) -> dict[str, Any]:
        """Let a photo worker compare a lent photo and wait for its answer: before all other work, or behind it for a
        stranger, who is told of published photos only.

        Raises Unavailable when none comes in time.
        """
        reply = f"capture:reply:{secrets.token_hex(16)}"
        try:
            # Published, not stored: the answer tells of a photo of which nothing is to be kept.
            with self._patient.pubsub() as channel:  # type: ignore[no-untyped-call]
                channel.subscribe(reply)
                channel.get_message(timeout=5)  # that we are heard: from here on no answer is missed
                self._queues[PHOTOS].enqueue_call(
                    COMPARE_JOB, args=(loan, sha256, media_type, reply, by_stranger), timeout=timeout_s, ttl=timeout_s,
                    result_ttl=0, failure_ttl=3600, at_front=not by_stranger,
                )  # fmt: skip
                answer = channel.get_message(timeout=timeout_s)
        except redis.RedisError as error:
            raise Unavailable(f"the queue did not answer: {error}") from error
        if answer is None:
            raise Unavailable(f"no photo worker answered within {timeout_s} s")
        return dict(json.loads(answer["data"]))

    def reply(self, reply: str, answer: dict[str, Any]) -> None:
        """Answer a question of `ask`, if anybody still waits for it."""
        self.connection.publish(reply, json.dumps(answer))

    def heard(self) -> None:
        """The ledger worker begins: leaves that come from now on need a new ring."""
        self.connection.delete(_PENDING)

    def forget_done(self) -> None:
        """Let the server write its file anew, without what was taken from the queues: answers told of photos."""
        try:
            self.connection.bgrewriteaof()
        except redis.RedisError as error:
            log.warning("the queue's file was not written anew: %s", error)  # a shared server may refuse it

    def length(self, name: str) -> int:
        """Jobs that wait in a queue. Raises Unavailable."""
        try:
            return int(self._queues[name].count)
        except redis.RedisError as error:
            raise Unavailable(f"the queue did not answer: {error}") from error

    def check(self) -> None:
        """Raise Unavailable when the queue does not answer."""
        self.length(PHOTOS)

    def close(self) -> None:
        """Give back the connections."""
        self.connection.close()
        self._patient.close()

    def _ring(self, queue: str, job: str, timeout_s: int, *args: str) -> None:
        try:
            self._queues[queue].enqueue_call(job, args=args, timeout=timeout_s, result_ttl=0, failure_ttl=3600)
        except redis.RedisError as error:
            _unheard(queue, error)


def _connected(url: str, timeout_s: int) -> redis.Redis:
    # Without a name: the library would look up its version among the installed packages for every connection.
    return redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=1, driver_info=None)


def _unheard(queue: str, error: Exception) -> None:
    # The record is in the database; the sweeper rings again. A request never fails for the queue's sake.
    log.warning("the %s queue was not rung: %s", queue, error)
