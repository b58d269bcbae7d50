"""docs/conformance.md has a row for every requirement, and the files and tests that it names exist."""

import re
from pathlib import Path

import pytest

from tests.photos import SHARED
from tests.service import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text()
SPECS = SHARED.parent / "specs" / "c2pa-conformance"
ROWS = re.findall(r"^\| ([OA]\.\S+) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.M)


def _required() -> list[str]:
    """O.objective-level.number, counted in the order of the text over all lists of a section."""
    names, objective, level, number, inside = [], "", "", 0, False
    for line in (SPECS / "C2PA Generator Product Security Requirements.md").read_text().splitlines():
        if heading := re.match(r"## (O\.\d)", line):
            objective = heading[1]
        elif heading := re.match(r"### Level (\d)", line):
            level, number, inside = heading[1], 0, True
        elif line.startswith("# "):
            objective = ""
        elif line.startswith("#### "):
            inside = line == "#### Requirements"
        elif objective and inside and re.match(r"\d+\. ", line):
            number += 1
            names.append(f"{objective}-{level}.{number}")
    return names


def test_every_requirement_has_a_row() -> None:
    if not SPECS.exists():
        pytest.skip("the shared specifications are not here")
    text = (SPECS / "Additional Conformance Requirements Against the Content Credentials Specification.md").read_text()
    additional = [f"A.{number}" for number in range(1, text.count("### Stated Requirement") + 1)]
    assert len(additional) == 5 and len(_required()) == 40
    assert [row[0] for row in ROWS] == [*_required(), *additional]


def test_every_row_says_where_or_why() -> None:
    assert len(ROWS) == 45
    for name, _, state, where in ROWS:
        assert state.strip() and where.strip(), name


def test_the_files_and_tests_that_are_named_exist() -> None:
    named = set(re.findall(r"`([a-z_./0-9-]+\.(?:py|md|txt|json|toml))(?:::(\w+))?`", PAGE))
    assert len(named) > 25
    for path, test in named:
        file = ROOT / Path(path)
        assert file.exists(), path
        assert not test or f"def {test}(" in file.read_text(), f"{path}::{test}"
