"""Threads that look for work, for ever: what pause each kind of trouble asks for."""

import logging

import pytest

from pipeline.errors import Conflict, Rejected, Unavailable
from workers.rounds import AFTER_FAULT_S, WAITING_S, rounds


class Over(Exception):
    """The test has seen enough."""


def test_why_it_waits_is_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    away, behind = Unavailable("the chain"), Unavailable("the log")
    troubles = iter([away, away, behind, behind, away, None, away, away])

    def look() -> None:
        if trouble := next(troubles, Over()):
            raise trouble

    def sleep(seconds: float) -> None:
        if seconds == AFTER_FAULT_S:
            raise Over

    caplog.set_level(logging.INFO)
    with pytest.raises(Over):
        rounds("the work", look, 0.25, sleep)
    said = [(row.levelname, row.getMessage().rpartition(" ")[2]) for row in caplog.records[:-1]]
    assert said == [
        ("WARNING", "chain"), ("INFO", "chain"), ("WARNING", "log"), ("INFO", "log"), ("WARNING", "chain"),
        ("WARNING", "chain"), ("INFO", "chain"),
    ]  # fmt: skip


def test_whatever_happens_it_looks_again(caplog: pytest.LogCaptureFixture) -> None:
    troubles = iter([None, Unavailable("the chain"), Conflict("two chains"), Rejected("a fault"), None])
    pauses: list[float] = []

    def look() -> None:
        if trouble := next(troubles):
            raise trouble

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rounds("the work", look, 0.25, sleep)
    assert pauses == [0.25, WAITING_S, AFTER_FAULT_S, AFTER_FAULT_S, 0.25]
    assert [(row.levelno, row.getMessage()) for row in caplog.records] == [
        (logging.WARNING, "the work waits: the chain"),
        (logging.ERROR, "the work is out of use until a person has looked: two chains"),
        (logging.ERROR, "the work met a fault of ours"),
    ]
