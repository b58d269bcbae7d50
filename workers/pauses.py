"""When to look again at what waits: longer and longer pauses, in memory only, so that a restart looks at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_S = 0.1
LONGEST_S = 30.0  # what waits that long waits for a person, or for a chain that others run


@dataclass(frozen=True, slots=True)
class _Pause:
    length_s: float
    until: float


class Pauses:
    """One pause for each name: twice as long each time that it is waited for again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: dict[str, _Pause] = {}

    def due(self, waiting: Sequence[str]) -> list[str]:
        """Those of all that wait whose pause is over, in their order; new ones at once. Others are forgotten."""
        now = self._clock()
        self._of = {name: self._of[name] for name in waiting if name in self._of}
        return [name for name in waiting if name not in self._of or self._of[name].until <= now]

    def again(self, name: str) -> None:
        """It still waits: the next pause begins now."""
        before = self._of.get(name)
        length_s = min(LONGEST_S, before.length_s * 2) if before else FIRST_S
        self._of[name] = _Pause(length_s, self._clock() + length_s)
