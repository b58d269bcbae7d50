"""`capture verify`: offline as the one-file verifier, and with the log of today and the promise when asked."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import checkpoint, verify, verify_door
from ledger.checkpoint import CheckpointSigner
from ledger.promise import DEADLINE, parse, promise
from ledger.receipt import receipt
from ledger.sequence import sequence
from pipeline.errors import Rejected
from tests.ledger.answering import answering
from tests.ledger.log_world import CAPTURED_AT, ORIGIN, TERMS, World, anchor_of, leaf_of, signer
from tests.ledger.monitor_world import Served, served

VKEY = str(signer().vkey)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The database of a log when it had 7 leaves, and when it had 300: each test has a copy."""
    folder = tmp_path_factory.mktemp("grown")
    world = World.make(folder)
    world.seal_many(6)
    world.seal("photo", store=b"store")
    sequence(world.log, world.signer, 7)
    seven = _copied(world, folder, folder / "seven.db")
    world.seal_many(293, "later")
    sequence(world.log, world.signer, 1000)
    return {7: seven, 300: _copied(world, folder, folder / "three-hundred.db")}


def _copied(world: World, folder: Path, to: Path) -> Path:
    world.database.close()  # else a part is in another file
    return Path(shutil.copyfile(folder / "capture.db", to))


@pytest.fixture
def world(tmp_path: Path, grown: dict[int, Path]) -> World:
    """A log of 300 leaves, of which the receipt's checkpoint covers 7."""
    shutil.copyfile(grown[7], tmp_path / "capture.db")
    return World.make(tmp_path)


@pytest.fixture
def document(world: World) -> bytes:
    """The receipt of the photo b"photo"."""
    return json.dumps(receipt(world.get("photo"), world.log, TERMS)).encode()


@pytest.fixture
def log(world: World, document: bytes, grown: dict[int, Path], tmp_path: Path) -> Iterator[tuple[str, Served]]:
    """The log of today, at an address."""
    world.database.close()
    shutil.copyfile(grown[300], tmp_path / "capture.db")
    with served(world.log) as found:
        yield found


def step(name: str, document: bytes, **wishes: Any) -> tuple[str, str]:
    """The result of one step and its sentence."""
    found = next(s for s in verify_door.verify(document, b"photo", **{"key": VKEY} | wishes) if s.name == name)
    return found.result, found.sentence


def promised(capture: str = "photo", upload: bytes = b"photo", by: CheckpointSigner | None = None) -> str:
    """A promise for an upload, by the log's signer or another."""
    return promise(by or signer(), capture, leaf_of(upload, b"").statement[2], CAPTURED_AT)


# -- the log of today -------------------------------------------------------------------------------------------------


def test_the_log_of_today_begins_with_the_receipts(document: bytes, log: tuple[str, Served]) -> None:
    result, sentence = step("log", document, log=log[0])
    assert (result, sentence) == ("passed", "the log, now of 300 entries, begins with the 7 of this checkpoint")
    assert step("log", document, log=log[0] + "/")[0] == "passed"


def test_a_log_that_did_not_grow_is_the_same(world: World, document: bytes) -> None:
    with served(world.log) as (url, _):
        assert step("log", document, log=url)[0] == "passed"


def test_a_log_with_another_past_is_named(document: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World.make(tmp_path / "other")  # the same key signs another history
    other.seal_many(50, "other")
    sequence(other.log, other.signer, 1000)
    with served(other.log) as (url, _):
        result, sentence = step("log", document, log=url)
    assert result == "failed"
    assert "does not begin with this checkpoint any more" in sentence


def test_a_log_that_lost_entries_is_named(document: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World.make(tmp_path / "other")
    other.seal_many(3)
    sequence(other.log, other.signer, 1000)
    with served(other.log) as (url, _):
        result, sentence = step("log", document, log=url)
    assert (result, "now shows 3 entries, and had 7" in sentence) == ("failed", True)


def test_a_checkpoint_by_another_key_is_named(document: bytes, log: tuple[str, Served], world: World) -> None:
    stranger = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    note = stranger.sign(300, world.log.root_at(300)).encode()
    log[1].change = lambda path, content: note if path.endswith("checkpoint") else content
    result, sentence = step("log", document, log=log[0])
    assert (result, "not this log's" in sentence) == ("failed", True)


@pytest.mark.parametrize("spoil", [lambda c: None, lambda c: b"\xff" * len(c), lambda c: c[:-1]])
def test_damaged_tiles_prove_nothing_either_way(document: bytes, log: tuple[str, Served], spoil: Any) -> None:
    log[1].change = lambda path, content: spoil(content) if "/tile/" in path else content
    assert step("log", document, log=log[0])[0] == "not checked"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"<html>", b"x" * 2_000_000])
def test_a_log_without_sense_never_passes(document: bytes, log: tuple[str, Served], content: bytes | None) -> None:
    log[1].change = lambda path, _: content
    assert step("log", document, log=log[0])[0] in ("failed", "not checked")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/log", "file:///etc", "nonsense", "http://["])
def test_a_log_out_of_reach_is_not_checked(document: bytes, url: str) -> None:
    assert step("log", document, log=url)[0] == "not checked"


def test_without_a_key_the_log_cannot_be_asked(document: bytes, log: tuple[str, Served]) -> None:
    assert step("log", document, log=log[0], key="")[0] == "not checked"
    assert step("log", document)[0] == "not checked"


# -- the promise ------------------------------------------------------------------------------------------------------


def test_a_kept_promise_passes(document: bytes) -> None:
    result, sentence = step("promise", document, promise=promised())
    assert (result, sentence) == (
        "passed",
        "the upload is in the log, as was promised until 2026-11-23 12:30:15 UTC",
    )


@pytest.mark.parametrize("block_time", [1795000000, 5, -(10**40), float("-inf"), "x", None])
def test_an_anchor_that_no_chain_was_asked_for_dates_nothing(world: World, block_time: Any) -> None:
    world.log.record_anchor(anchor_of(7))
    found = receipt(world.get("photo"), world.log, TERMS)
    found["anchor"]["block_time"] = block_time
    result, sentence = step("promise", json.dumps(found).encode(), promise=promised())
    assert (result, sentence.endswith("12:30:15 UTC")) == ("passed", True)


def test_a_promise_says_what_and_until_when() -> None:
    note = promised()
    assert note.splitlines()[:5] == [
        "capture/promise/v1",
        "capture photo",
        f"sha256 {leaf_of(b'photo', b'').statement[2].hex()}",
        "by 2026-11-23T12:30:15Z",
        "in the log, or refused with a reason, by the time above",
    ]
    said = parse(verify.open_note(note, VKEY))
    assert timedelta(0) <= CAPTURED_AT + DEADLINE - said.deadline < timedelta(seconds=1)
    assert note == promised()


def test_a_promise_is_no_checkpoint_and_a_checkpoint_no_promise(document: bytes) -> None:
    with pytest.raises(Rejected):
        checkpoint.verify(promised(), VKEY)
    with pytest.raises(Rejected):
        parse(verify.open_note(json.loads(document)["checkpoint"], VKEY))


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (promised(upload=b"another"), "another upload"),
        (promised(capture="another"), "another capture"),
        (promised(by=CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())), "did not sign it"),
        (promised().replace("2026", "2027"), "signed another text"),
        (signer().sign_text("capture/promise/v1\ncapture photo\n"), "no promise"),
        (signer().sign_text(promised().partition("\n\n")[0].replace("v1", "v2") + "\n"), "version 1"),
        ("", "malformed"),
        ("text", "malformed"),
    ],
)
def test_each_unfit_promise_is_named(document: bytes, note: str, reason: str) -> None:
    result, sentence = step("promise", document, promise=note)
    assert (result, reason in sentence) == ("failed", True), sentence


def test_a_promise_is_not_kept_by_an_upload_that_is_not_in_the_log(document: bytes) -> None:
    values = json.loads(document)
    values["inclusion"]["proof"][0] = "00" * 32
    result, sentence = step("promise", json.dumps(values).encode(), promise=promised())
    assert (result, "does not show that its upload is in the log" in sentence) == ("failed", True)


@given(st.integers(0, 500), st.text(max_size=3), st.integers(0, 3))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_promise_passes(document: bytes, at: int, text: str, length: int) -> None:
    note = promised()
    at %= len(note)
    other = note[:at] + text + note[at + length :]
    assert (step("promise", document, promise=other)[0] == "passed") == (other == note)


# -- the command ------------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> int:
    """The exit code for the receipt and photo in a folder."""
    return verify_door.main([str(folder / "receipt.json"), str(folder / "photo.jpg"), *arguments])


@pytest.fixture
def folder(tmp_path: Path, document: bytes) -> Path:
    """A receipt, its photo and its promise."""
    (tmp_path / "receipt.json").write_bytes(document)
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    (tmp_path / "promise.txt").write_text(promised())
    (tmp_path / "log.vkey").write_text(VKEY + "\n")
    return tmp_path


def test_every_step_is_named(folder: Path, log: tuple[str, Served], capsys: pytest.CaptureFixture[str]) -> None:
    wishes = ["--key", str(folder / "log.vkey"), "--log", log[0], "--promise", str(folder / "promise.txt")]
    assert run(folder, *wishes) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [*verify.STEPS, "chain", "log", "promise"]
    assert [line[13:].split()[0] for line in lines] == named
    assert [line[:12].strip() for line in lines] == ["passed"] * 7 + ["not checked", "passed", "passed"]


def test_what_was_asked_for_and_not_answered_is_no_success(folder: Path) -> None:
    assert run(folder, "--key", VKEY) == 0
    assert run(folder, "--key", VKEY, "--log", "http://127.0.0.1:1") == 3
    assert run(folder, "--key", VKEY, "--rpc", "http://127.0.0.1:1") == 3
    assert run(folder) == 3


def test_what_a_server_says_moves_no_cursor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = b"HTTX\x1b[1A\x1b[2K\rpassed       log          \xe9\x9b all is well\r\n\r\n"
    with answering(lambda connection: connection.sendall(line)) as url:
        assert run(folder, "--key", VKEY, "--log", url) == 3
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert printed.replace("\n", "").isprintable()
    assert r"HTTX\x1b[1A\x1b[2K\rpassed" in printed


def test_a_failed_step_is_1_and_what_cannot_be_read_2(folder: Path) -> None:
    (folder / "photo.jpg").write_bytes(b"another")
    assert run(folder, "--key", VKEY) == 1
    assert run(folder, "--key", VKEY, "--promise", str(folder / "none")) == 2
    (folder / "promise.txt").write_bytes(b"\xff")
    assert run(folder, "--promise", str(folder / "promise.txt")) == 2


def test_an_unreadable_receipt_leaves_all_else_unchecked() -> None:
    steps = verify_door.verify(b"[", b"photo", key=VKEY, promise=promised())
    assert [each.result for each in steps] == ["failed"] + ["not checked"] * 9
