"""When a chain's next block comes, from those that were seen: so that one transaction carries as much as it can."""

from collections import deque
from dataclasses import dataclass, field

SAMPLES = 8
# A chain that makes blocks when there is something to put into them, or as slowly as this, has no cadence to wait for.
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.5, 15.0
TOLERANCE = 0.3  # of the interval: a block later or earlier than this shows that there is no cadence
FRESH_INTERVALS = 5  # further ahead, the error of the interval adds up
# How long before a block a transaction leaves, as a part of the interval: more after each block that it missed, and
# slowly less again.
LEAST_LEAD, MOST_LEAD = 0.12, 0.6
AFTER_A_MISS, AFTER_A_HIT = 1.5, 0.98


@dataclass(slots=True)
class Cadence:
    """Block numbers and when each was first seen, in seconds of the monotonic clock."""

    _seen: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _lead: float = LEAST_LEAD
    _aimed_at: float | None = None

    def saw(self, number: int, at: float) -> None:
        """The block was there at this time, and not long before. One that is not newer starts all over again."""
        self._learn(at)
        if self._seen and (number <= self._seen[-1][0] or at <= self._seen[-1][1]):
            self._seen.clear()
        self._seen.append((number, at))

    def interval_s(self) -> float | None:
        """The time between two blocks; None while it is not known, or not regular."""
        if len(self._seen) < 3:
            return None
        (first, began), (last, ended) = self._seen[0], self._seen[-1]
        interval = (ended - began) / (last - first)
        if not MIN_INTERVAL_S <= interval <= MAX_INTERVAL_S:
            return None
        regular = all(
            abs(at - began - (number - first) * interval) <= TOLERANCE * interval for number, at in self._seen
        )
        return interval if regular else None

    def next_after(self, now: float) -> float | None:
        """When the next block is expected after `now`; None when nothing is known that is still good."""
        interval = self.interval_s()
        if interval is None or now - self._seen[-1][1] > FRESH_INTERVALS * interval:
            return None
        last = self._seen[-1][1]
        return last + (int((now - last) // interval) + 1) * interval

    def sending_time(self, now: float) -> float:
        """When a transaction should leave to get into the next block and no sooner: `now` when nothing is known."""
        due, interval = self.next_after(now), self.interval_s()
        if due is None or interval is None:
            return now
        self._aimed_at = due
        return max(now, due - self._lead * interval)

    def _learn(self, at: float) -> None:
        """From a block that has a transaction which was sent in time for the block that was due."""
        interval = self.interval_s()
        if self._aimed_at is not None and interval is not None:
            missed = at > self._aimed_at + interval / 2
            self._lead *= AFTER_A_MISS if missed else AFTER_A_HIT
            self._lead = min(max(self._lead, LEAST_LEAD), MOST_LEAD)
        self._aimed_at = None
