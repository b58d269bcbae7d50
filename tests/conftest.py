"""Fixtures that run real engines; nothing of ours is mocked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole service, once for all tests that do not harm it."""
    home: Path = tmp_path_factory.mktemp("service") / "data"
    # Tests ask more often than the strangers that the limits are for (test_strangers.py has limits).
    running = Running(home, CAPTURE_RATE_LIMITS="100000 100000").start()
    yield running
    running.stop()
