"""Time-stamps that were pending when a photo was signed are taken later, beside everything else."""

import logging
import time

from pipeline.errors import Conflict, Erased, Unavailable
from wiring import Services

LOOK_S = 1.0  # how often we look for photos that wait
LONGEST_PAUSE_S = 60.0  # after failures; the first pause is LOOK_S, each next one twice as long
LIMIT = 100  # photos in one look

log = logging.getLogger(__name__)


class Stamping:
    """Asks the time-stamping authority for what is pending; while it fails, with longer and longer pauses.

    As long as anything is pending, no photo worker asks: one process finds out when the authority is well again.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.pause_s = LOOK_S

    def run(self) -> None:
        """Look for photos that wait, for ever; ends at once where no authority is configured."""
        while self._services.settings.tsa_url:
            try:
                self.look()
            except Exception:
                log.exception("time-stamping met a fault of ours")
                self.pause_s = LONGEST_PAUSE_S
            time.sleep(self.pause_s)

    def look(self) -> int:
        """Time-stamp what is pending, oldest first, until the authority fails; how many."""
        stamped = 0
        try:
            for capture_id, sha256 in self._services.captures.unstamped(LIMIT):
                stamped += self._stamp(capture_id, sha256)
        except Unavailable as unavailable:
            if self.pause_s == LOOK_S:
                log.warning("time-stamps wait: %s", unavailable)
            self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        else:
            self.pause_s = LOOK_S
        if stamped:
            log.info("%d time-stamps were taken later", stamped)
        return stamped

    def _stamp(self, capture_id: str, sha256: bytes) -> bool:
        try:
            self._services.captures.put(capture_id, "timestamp", self._services.domains.timestamp(sha256))
        except (Conflict, Erased) as other:  # another machine was quicker, or its owner had it erased meanwhile
            log.info("%s needs no time-stamp any more: %s", capture_id, type(other).__name__)
            return False
        return True
