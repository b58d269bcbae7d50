"""The ways a stage can fail. Raised where known, caught only at the doors (HTTP, queue, command line)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Rejected(Exception):
    """The input is bad and stays bad: never retry (HTTP 422). The text says what is wrong with it."""


class Unavailable(Exception):
    """An engine is out of reach: try again later with back-off (HTTP 503). The text names the engine."""


class Conflict(Exception):
    """A write-once value would change: stop and alert (HTTP 409). The text names both values."""


class Held(Exception):
    """A person has to answer before the work goes on, at the latest at `until`. The text says what is asked."""

    def __init__(self, what: str, until: datetime) -> None:
        super().__init__(what)
        self.until = until


class Erased(LookupError):
    """The capture's owner had it erased (HTTP 410): nobody reads it, and nobody adds to it.

    `published`: whether anyone could see that it was there. `facts`: the tombstone (`leaf`) and its way into the log.
    """

    def __init__(
        self, capture_id: str, owner: str, erased_at: datetime, published: bool, facts: Mapping[str, Any]
    ) -> None:
        super().__init__(f"{capture_id} was erased at {erased_at.isoformat()}")
        self.capture_id, self.owner, self.erased_at = capture_id, owner, erased_at
        self.published, self.facts = published, facts
