"""`capture verify` with a COSE receipt: each flaw at its step, and never a good end."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import verify_cose, verify_door
from ledger.cose import cose_receipt
from ledger.promise import promise
from ledger.receipt import receipt
from ledger.sequence import sequence
from tests.ledger.log_world import CAPTURED_AT, TERMS, World, leaf_of, signer

VKEY = str(signer().vkey)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The JSON receipt of the photo b"photo", the last of three leaves."""
    world = World.make(tmp_path_factory.mktemp("log"))
    world.seal_many(2)
    world.seal("photo", store=b"store")
    sequence(world.log, world.signer, 3)
    return json.dumps(receipt(world.get("photo"), world.log, TERMS)).encode()


@pytest.fixture
def folder(tmp_path: Path, document: bytes) -> Path:
    """A COSE receipt, its statement, its photo and its promise."""
    (tmp_path / "receipt.cose").write_bytes(cose_receipt(json.loads(document), signer()))
    (tmp_path / "statement.bin").write_bytes(bytes.fromhex("".join(json.loads(document)["statement"])))
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    (tmp_path / "promise.txt").write_text(promised())
    return tmp_path


def promised(upload: bytes = b"photo") -> str:
    """The log's promise for an upload."""
    return promise(signer(), "photo", leaf_of(upload, b"").statement[2], CAPTURED_AT)


def run(folder: Path, *arguments: str) -> int:
    """The exit code for the receipt and photo in a folder."""
    return verify_door.main([str(folder / "receipt.cose"), str(folder / "photo.jpg"), *arguments])


def cose_step(name: str, document: bytes, **wishes: Any) -> tuple[str, str]:
    """The result of one step and its sentence, for the same receipt as COSE."""
    made = cose_receipt(json.loads(document), signer())
    photo = wishes.pop("photo", b"photo")
    rows = verify_door.verify(wishes.pop("receipt", made), photo, **{"key": VKEY, "statement": document} | wishes)
    assert [row.name for row in rows] == [*verify_cose.STEPS, "chain", "log", "promise"]
    assert all(row.sentence and "\n" not in row.sentence for row in rows)
    found = next(row for row in rows if row.name == name)
    return found.result, found.sentence


COSE_RESULTS = {"receipt": "passed", "leaf": "passed", "photo": "passed", "inclusion": "passed", "signature": "passed",
                "terms": "not checked", "chain": "not checked", "log": "not checked"}  # fmt: skip


def test_a_cose_receipt_passes_with_its_statement(document: bytes) -> None:
    statement = bytes.fromhex("".join(json.loads(document)["statement"]))
    for given in (statement, document):
        assert {name: cose_step(name, document, statement=given)[0] for name in COSE_RESULTS} == COSE_RESULTS
    assert "for the capture 'photo'" in cose_step("signature", document)[1]
    assert "2026-11-22 12:30:15 UTC" in cose_step("leaf", document)[1]
    assert cose_step("promise", document, promise=promised())[0] == "passed"
    assert cose_step("promise", document, promise=promised(upload=b"another"))[0] == "failed"
    assert cose_step("promise", document)[0] == "not checked"


@pytest.mark.parametrize(
    ("step_name", "wishes", "result", "reason"),
    [
        ("leaf", {"statement": None}, "not checked", "give the statement with --statement"),
        ("photo", {"statement": None}, "not checked", "was not given"),
        ("signature", {"statement": None}, "not checked", "was not given"),
        ("signature", {"key": ""}, "not checked", "--key"),
        ("signature", {"key": "x+y"}, "failed", "name+id+key"),
        ("photo", {"photo": b"another"}, "failed", "not the upload"),
        ("leaf", {"statement": bytes(320)}, "failed", "not the digest of a statement"),
        ("signature", {"statement": bytes(320)}, "failed", "did not sign it for this statement"),
        ("leaf", {"statement": b"x"}, "failed", "a file of 320 bytes, or a JSON receipt: it is malformed"),
        ("leaf", {"statement": b"[" * 10**6}, "failed", "more than 500 brackets"),
        ("leaf", {"statement": bytes(319)}, "failed", "320 bytes"),
        ("receipt", {"receipt": b"\xd2"}, "failed", "no CBOR"),
        ("receipt", {"receipt": b"\xd2" * 10**6}, "failed", "at most"),
        ("inclusion", {"receipt": b"\xff"}, "not checked", "not well formed"),
        ("signature", {"receipt": b"\xff"}, "not checked", "not well formed"),
        ("promise", {"receipt": b"\xff", "promise": "x"}, "not checked", "not well formed"),
    ],
)
def test_each_flaw_is_at_its_step(document: bytes, step_name: str, wishes: Any, result: str, reason: str) -> None:
    found = cose_step(step_name, document, **wishes)
    assert (found[0], reason in found[1]) == (result, True), found


def test_no_changed_cose_receipt_ends_well(folder: Path, document: bytes) -> None:
    made = cose_receipt(json.loads(document), signer())
    for at in range(len(made)):
        changed = made[:at] + bytes([made[at] ^ 0x80]) + made[at + 1 :]
        rows = verify_door.verify(changed, b"photo", key=VKEY, statement=document)
        assert "failed" in {row.result for row in rows}
        if at % 20 == 0:
            (folder / "receipt.cose").write_bytes(changed)
            assert run(folder, "--key", VKEY, "--statement", str(folder / "statement.bin")) == 1


def test_exit_codes(folder: Path) -> None:
    statement = ["--statement", str(folder / "statement.bin")]
    assert run(folder, "--key", VKEY, *statement) == 0
    assert run(folder, "--key", VKEY, *statement, "--promise", str(folder / "promise.txt")) == 0
    assert run(folder, *statement) == 3
    assert run(folder, "--key", VKEY) == 3
    assert run(folder, "--key", VKEY, *statement, "--log", "http://127.0.0.1:1") == 3
    assert run(folder, "--key", VKEY, "--statement", str(folder / "none")) == 2
    (folder / "photo.jpg").write_bytes(b"another")
    assert run(folder, "--key", VKEY, *statement) == 1
