"""Fixtures that run real engines; nothing of ours is mocked."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.service import Running

# As the service sets it for its processes: on small matrices numpy's threads wait for each other, which takes a third
# more of the processor. Before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long one example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# Files that take longest, each in one process: begun last, one of them would be waited for alone.
SLOW = (
    "ledger/test_anchor_faults.py", "workers/test_crash.py", "test_faults.py", "test_signer.py",
    "contracts_of/test_erasure.py", "workers/test_erasure.py", "test_erasure.py", "fingerprint/test_match_crowded.py",
    "workers/test_stamping.py", "test_external_chain.py", "capture_api/test_credentials.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files first."""
    folder = Path(__file__).parent
    slow = {folder / name for name in SLOW}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole service, once for all tests that do not harm it."""
    home: Path = tmp_path_factory.mktemp("service") / "data"
    # Tests ask more often than the strangers that the limits are for (test_strangers.py has limits).
    running = Running(home, CAPTURE_RATE_LIMITS="100000 100000", CAPTURE_PHOTO_WORKERS="2").start()
    yield running
    running.stop()
