"""The examples do what they say, against the running service, with nothing but the standard library."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from examples.ai_made import SOURCE_TYPES
from pipeline.parents import SourceType
from tests.photos import encoded, jpeg, picture
from tests.service import ROOT, Running

SEED = 1800  # no other test uses these pictures


def made(service: Running, file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a generator's backend would."""
    key, at = str(service.home / "api-key"), service.base
    command = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "examples/ai_made.py"),
        str(file),
        "--key-file",
        key,
        "--service",
        at,
    ]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def parents(service: Running) -> list[Any]:
    other = service.command("keys", "add", "whose-works-are-used").stdout.strip()
    return [service.register(jpeg(SEED + n, 640, 480), key=other).json for n in range(2)]


def test_the_example_knows_every_source_type() -> None:
    assert get_args(SourceType) == SOURCE_TYPES


def test_an_ai_made_work_with_its_parents(service: Running, parents: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "made.png"
    file.write_bytes(encoded(picture(SEED + 10, 640, 480), "PNG"))
    named = [argument for parent in parents for argument in ("--parent", parent["id"])]
    run = made(service, file, *named, "--creator", "A model of ours")
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["status"], told["not_named"]) == ("anchored", [])
    assert told["parents"] == [parent["id"] for parent in parents]
    capture = service.ask("GET", f"/v1/captures/{told['id']}").json
    assert capture["digital_source_type"] == "trainedAlgorithmicMedia"
    signed = service.ask("GET", capture["links"]["file"]).body
    found = service.ask("POST", "/v1/verify", signed, Content_Type="image/png").json["credentials"]
    assert (found["ai"], found["worst"]) == ("made_by_ai", "trusted")
    assert [(each["action"], each["digital_source_type"]) for each in found["actions"] if each["depth"] == 0] == [
        ("c2pa.created", "trainedAlgorithmicMedia"), ("c2pa.placed", None), ("c2pa.placed", None),
    ]  # fmt: skip
    assert [(each["relation"], each["state"]) for each in found["ingredients"] if each["depth"] == 1] == [
        ("componentOf", "trusted")
    ] * 2
    page = service.ask("GET", f"/a/{told['id']}", key=None).body.decode()
    assert "Made by AI, as its uploader stated." in page
    assert json.loads(made(service, file, *named, "--creator", "A model of ours").stdout)["id"] == told["id"]


def test_a_work_that_was_used_and_not_named(service: Running, parents: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "made.jpg"
    whole = picture(SEED + 11, 1280, 480)
    whole.paste(picture(SEED, 640, 480), (640, 0))
    file.write_bytes(encoded(whole, "JPEG"))
    run = made(service, file, "--type", "compositeWithTrainedAlgorithmicMedia")
    assert run.returncode == 3, run.stderr
    (one,) = json.loads(run.stdout)["not_named"]
    assert (one["id"], one["kind"], one["terms"]["licence"]) == (parents[0]["id"], "contains", "all-rights-reserved")


def test_a_refusal_is_told_in_a_sentence(service: Running, tmp_path: Path) -> None:
    file = tmp_path / "made.jpg"
    file.write_bytes(jpeg(SEED + 12))
    run = made(service, file, "--parent", "nobody")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("The parent 'nobody' cannot be named")
