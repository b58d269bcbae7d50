"""Places that only so many may hold at once, in every process: uploads of one key, and one request an Idempotency-Key.

They are kept by the queue's server and end by themselves when their holder is silent: a killed process, or a phone
that lost its network, takes its place with it for `SILENT_S` at most. When the server is out of reach everybody gets a
place: no upload fails for the queue's sake (docs/why-002).
"""

import logging
import secrets
import time
from typing import Any

import redis

SILENT_S = 60
BEAT_S = 10  # how often a place is renewed while bytes come

# In one step: drop the silent, count, take.
_TAKE = """
redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[1])
if redis.call('zcard', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('zadd', KEYS[1], ARGV[2], ARGV[3])
redis.call('expire', KEYS[1], ARGV[5])
return 1
"""

log = logging.getLogger(__name__)


class Slot:
    """A place that is held until `give` is called, or nothing was heard for `SILENT_S`."""

    def __init__(self, connection: Any, name: str, token: str) -> None:
        self._connection, self._name, self._token = connection, name, token
        self._next_beat = time.monotonic() + BEAT_S

    def beat(self) -> None:
        """Bytes came: keep the place. Costs something only every `BEAT_S`."""
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT_S
            try:
                self._connection.zadd(self._name, {self._token: time.time() + SILENT_S}, xx=True)
                self._connection.expire(self._name, SILENT_S)
            except redis.RedisError as error:
                log.warning("a place was not renewed: %s", error)

    def give(self) -> None:
        """Give the place back."""
        try:
            self._connection.zrem(self._name, self._token)
        except redis.RedisError as error:
            log.warning("a place ends by itself: %s", error)


class Slots:
    """All places, by name."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def take(self, name: str, most: int) -> Slot | None:
        """One of `most` places of this name, or None when all are held."""
        name, token, now = f"capture:slots:{name}", secrets.token_hex(8), time.time()
        try:
            taken = self._connection.eval(_TAKE, 1, name, now, now + SILENT_S, token, most, SILENT_S)
        except redis.RedisError as error:
            log.warning("places are not counted: %s", error)
            taken = 1
        return Slot(self._connection, name, token) if taken else None
