"""The libraries that browsers load are those of the lock, byte for byte, and their licences are shipped with them."""

import hashlib
import json
import re
from typing import Any

import pytest

from tests.service import ROOT

VENDORED = ROOT / "capture_api" / "vendored"
SHIPPED = ROOT / "capture_api" / "static" / "vendor"
LIBRARIES: dict[str, Any] = json.loads((VENDORED / "vendored.json").read_text())
LOCK: dict[str, Any] = json.loads((VENDORED / "package-lock.json").read_text())["packages"]


def test_nothing_else_is_shipped() -> None:
    assert {file.name for file in SHIPPED.iterdir()} == {*LIBRARIES, "licences.txt"}


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_a_library_is_that_of_the_lock(name: str) -> None:
    said = LIBRARIES[name]
    locked = LOCK[f"node_modules/{said['package']}"]
    assert (said["version"], said["integrity"], said["licence"]) == (
        locked["version"], locked["integrity"], locked["license"],
    )  # fmt: skip
    shipped = (SHIPPED / name).read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == said["sha256"]
    made = VENDORED / "node_modules" / said["package"] / said["path"]
    if made.exists():  # `make test` fetches them, checked against the lock's integrity
        assert re.sub(r"\n?//# sourceMappingURL=.*\n?$", "\n", made.read_text()) == shipped.decode()
    assert f"{said['package']} {said['version']} ({said['licence']})" in (SHIPPED / "licences.txt").read_text()


def test_the_locks_name_no_registry() -> None:
    for lock in (VENDORED / "package-lock.json", ROOT / "tests/browser/package-lock.json"):
        assert "resolved" not in lock.read_text()
