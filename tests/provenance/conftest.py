"""A signing identity of the tests' own, made once."""

import pytest

from provenance.keys import Identity


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.load_or_make(tmp_path_factory.mktemp("keys") / "c2pa")
