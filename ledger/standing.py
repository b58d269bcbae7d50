"""How a work stands at the rights contract, with its terms and its reviews: asked once a second, not once a page."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from ledger.asking import ReviewState, Works, WorkState
from pipeline.errors import Conflict
from pipeline.works import Terms

REMEMBERED_S = 1.0  # a block of the quickest chains; what this service changes itself is asked for anew at once
REVIEW_REMEMBERED_S = 10.0  # reviews last days, and are nearly all carried to the chain by this service
MOST_REMEMBERED = 10_000  # 2 kB each


@dataclass(frozen=True, slots=True)
class Standing:
    """A work on the chain, the terms that it is offered under, and its last review, if there was one."""

    work: WorkState
    terms: Terms
    review: ReviewState


@dataclass(frozen=True, slots=True)
class _Known:
    """What was answered, and when; about reviews, when that was asked last."""

    at: float
    reviewed_at: float
    standing: Standing | None


class Standings:
    """What the rights contract said of works within the last second, of reviews within ten. Threads may share it."""

    def __init__(self, works: Works, clock: Callable[[], float] = time.monotonic) -> None:
        self._works, self._clock = works, clock
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, Hashable], _Known] = OrderedDict()

    def of(self, asset: int, version: Hashable = None) -> Standing | None:
        """How a work stands; None when it was not made. A `version` that was not asked about before is asked for anew.

        Raises Unavailable when no node answers; Conflict for what the contract refuses to tell, and for terms that are
        not those of their id.
        """
        key, now = (asset, version), self._clock()
        with self._lock:
            known = self._known.get(key)
        if known and now - known.at < REMEMBERED_S:
            return known.standing
        found = self._ask(asset, known, now)
        with self._lock:
            self._known[key] = found
            self._known.move_to_end(key)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return found.standing

    def _ask(self, asset: int, known: _Known | None, now: float) -> _Known:
        work = self._works.work(asset)
        if work is None:
            return _Known(now, now, None)
        terms = self._works.terms(work.terms_id)
        if terms is None:
            raise Conflict(f"the chain has no terms {work.terms_id.hex()}, which a work is offered under")
        if known and known.standing and now - known.reviewed_at < REVIEW_REMEMBERED_S:
            return _Known(now, known.reviewed_at, replace(known.standing, work=work, terms=terms))
        return _Known(now, now, Standing(work, terms, self._works.review(asset)))
