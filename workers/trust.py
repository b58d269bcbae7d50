"""When trust lists change, signers are judged again: a dated verdict beside the facts, which stay as they were."""

import logging

from pipeline.errors import Unavailable
from provenance.trust import TrustLists
from store.bell import PHOTOS
from wiring import Services

BATCH = 50  # captures rung for at a time, while the queue has nothing else to do

log = logging.getLogger(__name__)


class Rejudging:
    """Goes through all captures whenever the lists are others than before, until none is left to be judged again.

    Where it stands is not stored: what was judged already is skipped, so a restart only looks once more.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lists = ""
        self._after: int | None = 0
        self._rang = False

    def step(self) -> int:
        """Ring for the next captures that are due; for how many."""
        lists = self._read_lists()
        if lists != self._lists:
            self._lists, self._after, self._rang = lists, 0, False
        if self._after is None or self._services.bell.length(PHOTOS):
            return 0
        due, self._after = self._services.trust_verdicts.due(lists, self._after, BATCH)
        for capture_id in due:
            self._services.bell.judge_again(capture_id)
        self._rang |= bool(due)
        if self._after is None and self._rang:  # once more: a ring may have been lost
            self._after, self._rang = 0, False
        return len(due)

    def _read_lists(self) -> str:
        """The digest of the lists as they are now: they may be changed while the service runs."""
        own = self._services.trust.lists[0].pem
        try:
            return TrustLists.load(own, self._services.settings.trust_places).digest
        except Unavailable as wrong:
            log.error("signers are judged by the lists of before: %s", wrong)
            return self._lists
