"""`python -m fingerprint`: the self-test and a photo's fingerprint."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint import vectors
from fingerprint.__main__ import main
from fingerprint.decode import decode
from fingerprint.hashes import fingerprint
from pipeline.record import Fingerprint
from pipeline.record import decode as decode_fact
from tests.fingerprint.photos import photo


def test_the_self_test_passes_in_a_process_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-m", "fingerprint"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(done.stdout.splitlines()) == {f"{name}: ok" for name in vectors.pictures()}


def test_the_self_test_tells_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads(vectors.VECTORS.read_text())
    facts["absent"] = facts["hills"]
    facts["flat"] = facts["flat"] | {"quality": 1}
    monkeypatch.setattr(vectors, "VECTORS", tmp_path / "vectors.json")
    vectors.VECTORS.write_text(json.dumps(facts))
    assert main([]) == 1
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["hills"] == "ok"
    assert lines["flat"] == "quality is 0, expected 1"
    assert lines["absent"] == "no such picture"


def test_every_picture_has_an_expected_fingerprint() -> None:
    assert set(vectors.pictures()) == set(vectors.expected())


def test_prints_a_photo_s_fingerprint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photo.jpg"
    photo().save(path)
    assert main([str(path)]) == 0
    printed = decode_fact(Fingerprint, json.loads(capsys.readouterr().out))
    assert printed == fingerprint(decode(path))


@pytest.mark.parametrize("content", [b"text", None])
def test_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None) -> None:
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 1
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["a", "b"]])
def test_a_wrong_call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "python -m fingerprint [PHOTO]" in capsys.readouterr().err
