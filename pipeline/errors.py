"""The three ways a stage can fail. Raised where known, caught only at the doors (HTTP, queue, command line)."""


class Rejected(Exception):
    """The input is bad and stays bad: never retry (HTTP 422). The text says what is wrong with it."""


class Unavailable(Exception):
    """An engine is out of reach: try again later with back-off (HTTP 503). The text names the engine."""


class Conflict(Exception):
    """A write-once value would change: stop and alert (HTTP 409). The text names both values."""
