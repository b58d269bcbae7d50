"""The import rule: pipeline ← the domains ← wiring ← the doors. And what must never be loaded where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOMAINS = {"fingerprint", "provenance", "ledger", "notify", "rights", "store"}
OURS = DOMAINS | {"pipeline", "settings", "wiring", "capture_api", "workers", "supervisor", "cli", "wsgi"}
MAY_IMPORT = {
    "pipeline": set[str](),
    **{domain: {"pipeline"} for domain in DOMAINS},
    "capture_api": {"pipeline", "settings", "wiring", *DOMAINS},
    "workers": {"pipeline", "settings", "wiring", *DOMAINS},
    "supervisor": {"pipeline", "settings", "wiring", "store"},
}


def _imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_the_rule_allows(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        found = {name.split(".")[0] for name in _imports(file)} & OURS - {package}
        if file.parts[-2] == "migrations":
            found -= {"store"}
        assert found <= MAY_IMPORT[package], f"{file.relative_to(ROOT)} imports {found - MAY_IMPORT[package]}"


def test_pipeline_needs_nothing_but_the_standard_library() -> None:
    for file in (ROOT / "pipeline").glob("*.py"):
        foreign = {name.split(".")[0] for name in _imports(file)} - set(sys.stdlib_module_names) - {"pipeline"}
        assert not foreign, f"{file.name} imports {foreign}"


def test_web3_is_named_in_one_file() -> None:
    files = [file for package in OURS for file in (ROOT / package).rglob("*.py")]
    assert {file.name for file in files if any(n.split(".")[0] == "web3" for n in _imports(file))} == {"chain.py"}


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        ("capture_api", "web3 numpy cv2 c2pa PIL faiss"),
        ("workers.jobs, fingerprint.decode, fingerprint.hashes, fingerprint.match, provenance.manifest", "web3"),
        ("workers.main", "web3 cv2 c2pa"),
    ],
)
def test_heavy_modules_stay_out(modules: str, forbidden: str) -> None:
    script = f"import sys; import {modules}; print(*(set('{forbidden}'.split()) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
