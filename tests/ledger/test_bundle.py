"""The proof bundle: anybody's Python checks it where nothing else is, and names the file that was changed."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ledger.bundle import pieces, write_bundle
from ledger.receipt import receipt
from ledger.sequence import sequence
from tests.ledger.log_world import TERMS, World, anchor_of, picture, signer
from tests.ledger.test_verify import PHOTO, SIGNED, STORE

VKEY = str(signer().vkey)
NAMES = ["README.txt", "certificates.pem", "checkpoint.txt", "log.vkey", "photo.jpg", "receipt.cose", "receipt.json",
         "statement.bin", "verify.py", "files.txt"]  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bundle of a photo with Content Credentials, the second of three leaves."""
    return made(tmp_path_factory.mktemp("log"), SIGNED)


def made(folder: Path, signed: bytes, suffix: str = "jpg") -> bytes:
    world = World.make(folder)
    world.seal("before")
    name = world.seal("photo", PHOTO, STORE)
    world.seal("after")
    sequence(world.log, world.signer, 3)
    world.log.record_anchor(anchor_of(3))
    file = io.BytesIO()
    document = receipt(world.get(name), world.log, TERMS)
    write_bundle(file, document, [signed[:1000], signed[1000:]], suffix, "certificates\n", world.signer)
    return b"".join(pieces(file))


@pytest.fixture
def folder(archive: bytes, tmp_path: Path) -> Path:
    """The bundle, unpacked where nothing else is."""
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """What the verifier says to somebody who has nothing but Python, and has no network."""
    command = [sys.executable, "-I", "-S", "verify.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_it_checks_itself(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)
    code, out = run(folder)
    assert out.count("passed") == 8, out
    assert code == 3  # the key came with it
    assert "compare the log's key with the one that its operator publishes" in out
    code, out = run(folder, "--key", VKEY)
    assert (code, out.count("passed")) == (0, 8)


def test_it_can_be_checked_from_elsewhere(folder: Path) -> None:
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), "--key", VKEY]
    assert subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("part", [0.03, 0.5, 0.97])
@pytest.mark.parametrize("name", NAMES)
def test_a_changed_byte_names_its_file(folder: Path, name: str, part: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(len(content) * part)] ^= 1
    (folder / name).write_bytes(content)
    code, out = run(folder)
    assert code not in (0, 3), out
    assert name in "".join(line for line in out.splitlines(keepends=True) if not line.startswith("passed")), out
    others = set(NAMES) - {name, "files.txt", "verify.py"}
    failed = next((line for line in out.splitlines() if line.startswith("failed       files.txt")), "")
    assert not any(other in failed for other in others), failed


def test_the_list_is_what_other_programs_understand(folder: Path) -> None:
    lines = (folder / "files.txt").read_text().split("\n\n")[0].splitlines()
    assert lines[:2] == ["capture/bundle/v1", "capture photo"]
    digests = {name: digest for digest, name in (line.split("  ") for line in lines[2:])}
    assert digests == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES[:-1]}


def test_a_list_by_nobody_is_refused(folder: Path) -> None:
    """An empty log.vkey must not turn the signed list into one that anybody could have written."""
    (folder / "log.vkey").write_text("")
    code, out = run(folder)
    assert code == 1
    assert "failed       files.txt" in out


@pytest.mark.parametrize("name", ["写真.txt", "\x9b2J.txt"])
def test_a_list_with_names_that_a_terminal_would_obey_is_refused(folder: Path, name: str) -> None:
    """Whoever makes a bundle signs its list with a key of their own: what is printed of it is ASCII."""
    listed = f"capture/bundle/v1\ncapture photo\n{hashlib.sha256(b'').hexdigest()}  {name}\n"
    (folder / name).write_bytes(b"")
    (folder / "files.txt").write_text(signer().sign_text(listed), encoding="utf-8")
    code, out = run(folder)
    assert (code, "it lists no bundle's files" in out) == (1, True)
    assert out.isascii()


def test_a_bundle_of_another_log_does_not_pass_for_ours(folder: Path) -> None:
    other = "other+" + VKEY.partition("+")[2]
    code, out = run(folder, "--key", other)
    assert (code, "log.vkey/--key is damaged" in out) == (1, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    code, out = run(folder)
    assert code == 2
    assert (name in out) or name == "photo.jpg", out


def test_the_same_state_gives_the_same_bytes(archive: bytes, tmp_path: Path) -> None:
    assert made(tmp_path, SIGNED) == archive


def test_the_pieces_of_the_receipt_agree(folder: Path) -> None:
    document = json.loads((folder / "receipt.json").read_text())
    assert (folder / "checkpoint.txt").read_text() == document["checkpoint"]
    assert (folder / "photo.jpg").read_bytes() == SIGNED


def test_a_format_that_does_not_come_apart_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    zipfile.ZipFile(io.BytesIO(made(tmp_path / "log", picture("WEBP"), "webp"))).extractall(tmp_path / "out")
    code, out = run(tmp_path / "out", "--key", VKEY)
    assert code == 3
    assert "a C2PA validator must check" in out
    assert "passed       files.txt" in out
