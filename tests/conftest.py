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

# What `make test-long` runs, longest first: whole services that are killed, other databases and chains, random courses
# of events, the benchmarks' own material.
LONG = (
    "test_faults.py", "test_postgres.py", "test_signer.py", "capture_api/test_openapi_spec.py", "test_witnesses.py",
    "ledger/test_anchor_faults.py", "ledger/test_anchor_crash.py", "workers/test_crash.py", "test_works_faults.py",
    "test_external_chain.py", "contracts/test_build.py", "fingerprint/test_match_crowded.py",
    "workers/test_relay_account.py", "workers/test_reviewer.py", "workers/test_stamping.py", "store/test_erasure.py",
    "bench/test_copies_material.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long files, and put them first: begun last, one of them would be waited for alone."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONG)}
    for item in items:
        if item.path in places:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole service, once for all tests that do not harm it."""
    home: Path = tmp_path_factory.mktemp("service") / "data"
    # Tests ask more often than the strangers that the limits are for (test_strangers.py has limits).
    running = Running(home, CAPTURE_RATE_LIMITS="100000 100000", CAPTURE_PHOTO_WORKERS="2").start()
    yield running
    running.stop()
