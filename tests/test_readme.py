"""The README's commands do what it says, as it says them."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.photos import jpeg
from tests.service import ROOT, Running

README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    ")]


def _shell(service: Running, command: str, folder: Path) -> str:
    """Run a line of the README where `data`, `.venv` and a photo are, against this service."""
    command = command.replace("http://127.0.0.1:8000", service.base)
    run = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=service.environ, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def folder(service: Running, tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(jpeg(8000))
    (tmp_path / "data").symlink_to(service.home)
    if not (ROOT / ".venv/bin/capture").exists():
        pytest.skip("no .venv/bin/capture here: `make setup` makes it")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def test_the_order_of_the_chapters() -> None:
    chapters = re.findall(r"^## (.+)$", README, re.M)
    assert chapters == [
        "Run it",
        "One photo, from upload to receipt",
        "Verify, without us",
        "What is trusted, and what its loss costs",
        "Settings",
        "Limits of this version",
    ]


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_photo_and_the_receipt(service: Running, folder: Path) -> None:
    register, receipt, verify = (next(c for c in COMMANDS if c.startswith(start) and has in c) for start, has in (
        ("curl", "--data-binary"), ("curl", "receipt.json"), (".venv/bin/capture verify", ""),
    ))  # fmt: skip
    capture = json.loads(_shell(service, register, folder))
    assert capture["status"] == "anchored"
    _shell(service, receipt.replace("/ID/", f"/{capture['id']}/"), folder)
    assert json.loads((folder / "receipt.json").read_text())["capture"] == capture["id"]
    told = _shell(service, verify, folder)
    assert told.count("passed") == 7
    assert "failed" not in told


def test_the_register_command(service: Running, folder: Path) -> None:
    command = re.search(r"`(\.venv/bin/capture register [^`]+)`", README)
    assert command
    assert "anchored" in _shell(service, command[1], folder)
    assert (folder / "receipt.json").exists()


def test_the_rights_header(service: Running) -> None:
    header = re.search(r"`Capture-Metadata: ([^`]+)`", README)
    assert header
    answer = service.register(jpeg(8001), Capture_Metadata=header[1])
    assert answer.json["rights"]["creator"] == "Ada"


def test_the_verifier_runs_alone(service: Running, tmp_path: Path) -> None:
    """The bundle of one of the photos, in a folder with nothing but python3."""
    capture = service.register(jpeg(8002)).json
    (tmp_path / "proof.zip").write_bytes(service.ask("GET", capture["links"]["bundle"]).body)
    with zipfile.ZipFile(tmp_path / "proof.zip") as bundle:
        bundle.extractall(tmp_path)
    assert (tmp_path / "verify.py").read_bytes() == (ROOT / "ledger/verify.py").read_bytes()
    key = (service.home / "keys/log/log.vkey").read_text()
    command = ["python3", "-I", "-S", "verify.py", "--key", key]
    run = subprocess.run(command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"^passed +(\S+)", run.stdout, re.M)[0] == "files.txt"


def test_every_link_to_a_file_leads_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_erasure(service: Running, folder: Path) -> None:
    (folder / "photo.jpg").write_bytes(jpeg(8010))
    register = next(command for command in COMMANDS if "--data-binary" in command)
    erase = next(command for command in COMMANDS if "DELETE" in command)
    capture = json.loads(_shell(service, register, folder))["id"]
    assert json.loads(_shell(service, erase.replace("ID", capture), folder))["status"] == "erased"
    assert service.ask("GET", f"/v1/captures/{capture}").status == 410


def test_what_was_stripped_is_found(service: Running, folder: Path) -> None:
    known = service.register(jpeg(8001)).json
    (folder / "stripped.jpg").write_bytes(jpeg(8001, quality=40))
    ask, fetch = (next(c for c in COMMANDS if part in c) for part in ("@stripped.jpg", "store.c2pa"))
    found = json.loads(_shell(service, ask, folder))
    (match,) = found["matches"]
    assert found["note"] in " ".join(README.split())
    _shell(service, fetch.replace("MANIFEST_ID", match["manifestId"]), folder)
    assert (folder / "store.c2pa").read_bytes() == service.ask("GET", known["links"]["manifest"]).body
