"""Orders for the rights contract survive whatever dies: each is carried out once, and none is lost."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.capture_api.test_works import ask, made, registered
from tests.service import Running

PRICE, HOLDERS = 10, 6


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path / "data").start()
    yield running
    running.stop()


def test_nothing_is_paid_twice_or_lost_whoever_is_killed(own_service: Running) -> None:
    service, chance = own_service, random.Random(7)
    capture = registered(service, 7100)
    made(service, capture, {"preset": "commercial", "fee": str(PRICE)})
    orders = []
    for number in range(HOLDERS):
        orders.append(_ordered(service, capture, f"0x{number + 1:040x}"))
        time.sleep(chance.random() / 5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(service.processes()[("ledger", "chain", "ledger")[number % 3]], signal.SIGKILL)
    states = [_finished(service, order) for order in orders]
    assert [state["state"] for state in states] == ["done"] * HOLDERS
    assert len({state["result"]["licence"] for state in states}) == HOLDERS
    revenue = ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]
    assert revenue["received"] == str(PRICE * HOLDERS)


def test_a_chain_that_forgot_is_given_everything_again(own_service: Running) -> None:
    service = own_service
    capture = registered(service, 7101)
    made(service, capture, {"preset": "commercial", "fee": str(PRICE)})
    ask(service, "POST", f"/v1/captures/{capture}/licences", {"holder": "0x" + "5e" * 20})
    _cut_the_power(service)
    saved = list((service.home / "chain").glob("*state*"))
    assert saved
    for state in saved:
        state.unlink()
    service.start()
    end = time.monotonic() + 60
    while (work := ask(service, "GET", f"/v1/captures/{capture}/asset")).status != 200:
        assert time.monotonic() < end, work.body
        time.sleep(0.2)
    while ask(service, "GET", f"/v1/captures/{capture}/revenue").json["currencies"][0]["received"] != str(PRICE):
        assert time.monotonic() < end
        time.sleep(0.2)


def _ordered(service: Running, capture: str, holder: str) -> str:
    """Where the order is: asked for again while the chain is away, as a client does."""
    path, body = f"/v1/captures/{capture}/licences", f'{{"holder": "{holder}"}}'.encode()
    end = time.monotonic() + 60
    # 404: the chain lost the work too, which is being made again.
    while (answer := service.ask("POST", path, body, Content_Type="application/json")).status in (404, 503):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert answer.status in (200, 202), answer.body
    return str(answer.json["links"]["self"])


def _finished(service: Running, path: str) -> dict[str, Any]:
    end = time.monotonic() + 90
    while (state := service.ask("GET", path).json)["state"] == "open":
        assert time.monotonic() < end, state
        time.sleep(0.2)
    found: dict[str, Any] = state
    return found


def _cut_the_power(service: Running) -> None:
    """End all that belongs to it: whoever only loses its parent, as the API's worker, would keep its address."""
    everybody = [each for child in service.processes().values() for each in _family(child)]
    service.stop(signal.SIGKILL)
    for pid in everybody:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _family(pid: int) -> list[int]:
    """A process and all that it began."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [pid, *(each for child in children for each in _family(int(child)))]
