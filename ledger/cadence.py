"""When a chain's next block comes, from those that were seen: so that one transaction carries as much as it can."""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

SAMPLES = 16
# A chain that makes blocks when there is something to put into them, or as slowly as this, has no cadence to wait for.
MIN_INTERVAL_S, MAX_INTERVAL_S = 1, 15
TOLERANCE = 0.25  # of the interval: what is seen later or earlier than this shows that there is no cadence
# How long before a block a transaction leaves, as a part of the interval: more after each block that it missed, and
# slowly less again.
LEAST_LEAD, MOST_LEAD = 0.16, 0.6
AFTER_A_MISS, AFTER_A_HIT = 1.5, 0.95


@dataclass(slots=True)
class Cadence:
    """Block numbers, and when each was first seen, in seconds of the monotonic clock.

    A chain with a cadence makes blocks at multiples of an interval of whole seconds, though it may leave some out. What
    we see of them is late, and never early. Their own times are of no use here: a chain that rounds the time of the day
    says that two seconds passed, or none, where one did.
    """

    _seen: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _lead: float = LEAST_LEAD
    _aimed_at: float | None = None

    def saw(self, number: int, at: float) -> None:
        """The block was there at this time, and not long before. One that is not newer starts all over again."""
        self._learn(at)
        if self._seen and (number <= self._seen[-1][0] or at <= self._seen[-1][1]):
            self._seen.clear()
        self._seen.append((number, at))

    def interval_s(self) -> int | None:
        """The time between two blocks; None while it is not known, or not regular."""
        steps = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(self._seen)]
        if len(steps) < 2:
            return None
        interval = round(min(steps))
        if not MIN_INTERVAL_S <= interval <= MAX_INTERVAL_S:
            return None
        return interval if all(abs(late) <= TOLERANCE * interval for late in self._lateness(interval)) else None

    def next_after(self, now: float) -> float | None:
        """When the next block is expected after `now`; None when that is not known."""
        interval = self.interval_s()
        if interval is None:
            return None
        # The least late of all that were seen tells best when they come.
        due = self._seen[-1][1] + min(self._lateness(interval))
        return due + (max(0, int((now - due) // interval)) + 1) * interval

    def _lateness(self, interval: int) -> list[float]:
        """By how much each was seen later within its interval than the newest, or earlier."""
        newest, half = self._seen[-1][1], interval / 2
        return [(at - newest + half) % interval - half for _, at in self._seen]

    def sending_time(self, now: float) -> float:
        """When a transaction should leave to get into the next block and no sooner: `now` when nothing is known."""
        due, interval = self.next_after(now), self.interval_s()
        if due is None or interval is None:
            return now
        self._aimed_at = due
        return max(now, due - self._lead * interval)

    def _learn(self, at: float) -> None:
        """From a block that has a transaction which was sent in time for the block that was due."""
        interval, aimed_at = self.interval_s(), self._aimed_at
        self._aimed_at = None
        if aimed_at is None or interval is None:
            return
        if at < aimed_at - LEAST_LEAD / 2 * interval:
            self._seen.clear()  # it was made for our transaction: what we saw is our own cadence
            return
        missed = at > aimed_at + interval / 2
        self._lead *= AFTER_A_MISS if missed else AFTER_A_HIT
        self._lead = min(max(self._lead, LEAST_LEAD), MOST_LEAD)
