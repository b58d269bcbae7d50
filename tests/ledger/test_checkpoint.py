"""Checkpoints: signing, keys on disk, and everything that is refused."""

import base64
import json
import re
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, CheckpointSigner, VerifierKey, parse, verify
from pipeline.errors import Conflict, Rejected
from tests.ledger.log_world import ORIGIN, digest, signer

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent.parent / "golden" / "ledger.json").read_text())["checkpoint"]
VKEY = str(signer().vkey)
NOTE = signer().sign(7, digest("root"))
TEXT, SIGNATURES = NOTE.split("\n\n")

# A real checkpoint of the Go module mirror's database, and its published key. Origin and key name differ there.
GO_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_NOTE = """go.sum database tree
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_a_real_checkpoint_of_another_log_verifies() -> None:
    checkpoint = verify(GO_NOTE, GO_VKEY, origin="go.sum database tree")
    assert (checkpoint.size, checkpoint.root.hex()[:8]) == (20852163, "0ac5186a")
    with pytest.raises(Rejected, match=r"of the log 'go.sum database tree', not 'sum.golang.org'"):
        verify(GO_NOTE, GO_VKEY)


def test_the_golden_checkpoint_has_not_changed() -> None:
    assert GOLDEN["vkey"] == VKEY
    assert signer().sign(GOLDEN["size"], bytes.fromhex(GOLDEN["root"])) == GOLDEN["note"]


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_verifies(size: int, root: bytes) -> None:
    note = signer().sign(size, root)
    assert verify(note, VKEY) == Checkpoint(ORIGIN, size, root)
    assert verify(note, VKEY, origin=ORIGIN).size == size


@given(st.integers(0, len(NOTE) - 1), st.characters())
def test_any_changed_character_is_refused(at: int, character: str) -> None:
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    if changed != NOTE:
        with pytest.raises(Rejected):
            verify(changed, VKEY)


@given(st.text(max_size=400))
def test_no_text_makes_the_parser_raise_anything_but_rejected(text: str) -> None:
    for candidate in (text, f"{text}\n\n{SIGNATURES}", f"{TEXT}\n\n{text}"):
        try:
            parse(candidate)
        except Rejected as rejected:
            assert str(rejected)


def test_witnesses_may_add_their_signatures() -> None:
    witness = CheckpointSigner("witness.example/w1", Ed25519PrivateKey.generate())
    other = witness.sign(1, bytes(32)).split("\n\n")[1]  # a signature over another text: not ours to judge
    note = NOTE + other
    assert [signature.name for signature in parse(note).signatures] == [ORIGIN, "witness.example/w1"]
    assert verify(note, VKEY).size == 7
    assert verify(f"{TEXT}\n\n{other}{SIGNATURES}", VKEY).size == 7
    with pytest.raises(Rejected, match="does not belong to this text"):
        verify(note, str(witness.vkey), origin=ORIGIN)


def test_every_signature_under_the_keys_name_and_id_must_hold() -> None:
    bad = base64.b64encode(signer().vkey.key_id + bytes(64)).decode()
    with pytest.raises(Rejected, match="does not belong"):
        verify(f"{NOTE}\u2014 {ORIGIN} {bad}\n", VKEY)


def test_extension_lines_are_signed_too() -> None:
    with pytest.raises(Rejected, match="does not belong"):
        verify(f"{TEXT}\nextension\n\n{SIGNATURES}", VKEY)


def test_another_key_and_another_log_are_refused() -> None:
    same_name = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    with pytest.raises(Rejected, match=r"no signature by log.example/capture with the key"):
        verify(NOTE, str(same_name.vkey))
    with pytest.raises(Rejected, match=r"is of the log 'log.example/capture', not 'other'"):
        verify(NOTE, VKEY, origin="other")


ROOT = base64.b64encode(digest("root")).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ORIGIN}\n07\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n+7\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n 7\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n\u0667\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n{2**63}\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n{'9' * 5000}\n{ROOT}", "plain decimal"),
        (f"{ORIGIN}\n7\n{ROOT[:-1]}", "not base64"),
        (f"{ORIGIN}\n7\n{ROOT} ", "not base64"),
        (f"{ORIGIN}\n7\n{ROOT[:-2]}{chr(ord(ROOT[-2]) + 1)}=", "one base64 form"),
        (f"{ORIGIN}\n7\nAAAA", "root has 3 bytes"),
        (f"{ORIGIN}\n7", "an origin, a size and a root"),
        (f"\n7\n{ROOT}", "no empty line"),
        (f"{ORIGIN}\n7\n\n{ROOT}", "no empty line"),
        (f"{ORIGIN}\r\n7\n{ROOT}", "control character"),
        (f"{ORIGIN}\0\n7\n{ROOT}", "control character"),
        (f"{ORIGIN}\ud800\n7\n{ROOT}", "surrogate"),
    ],
)
def test_malformed_texts_are_named(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse(f"{text}\n\n{SIGNATURES}")


@pytest.mark.parametrize(
    ("signatures", "reason"),
    [
        ("", "newline"),
        ("\n", "signature line"),
        (SIGNATURES[:-1], "newline"),
        (SIGNATURES.replace("\u2014", "-"), "signature line"),
        (SIGNATURES.replace(" ", "  "), "signature line"),
        (SIGNATURES.replace(ORIGIN, "a+b"), "no key name"),
        (SIGNATURES.replace(ORIGIN, "a\u00a0b"), "no key name"),
        (f"\u2014 {ORIGIN} AAAA\n", "shorter than a key id"),
        (f"\u2014 {ORIGIN} !!!!\n", "not base64"),
        (SIGNATURES + "x" * 300_000, "over 262144 characters"),
    ],
)
def test_malformed_signatures_are_named(signatures: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse(f"{TEXT}\n\n{signatures}")


# -- keys -------------------------------------------------------------------------------------------------------------


def test_verifier_keys_survive_the_way_through_text() -> None:
    key = signer().vkey
    assert VerifierKey.parse(f" {key}\n") == key
    assert VerifierKey.parse(GO_VKEY).key_id.hex() == "033de0ae"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "name\\+id\\+key"),
        ("name", "name\\+id\\+key"),
        (VKEY.replace("+", "-"), "name\\+id\\+key"),
        (VKEY.upper(), "name\\+id\\+key"),
        (VKEY[:-4], "one of Ed25519"),
        (re.sub(r"\+[0-9a-f]{8}\+A", lambda m: m.group()[:-1] + "B", VKEY), "one of Ed25519"),
        (re.sub(r"\+[0-9a-f]{8}\+", "+00000000+", VKEY), "its name and key make"),
        ("x" + VKEY, "its name and key make"),
        ("a b" + VKEY, "no key name"),
        (VKEY[:-1] + "!", "not base64"),
    ],
)
def test_malformed_verifier_keys_are_named(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        VerifierKey.parse(text)


def test_a_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "log"
    first = CheckpointSigner.load_or_make(folder, ORIGIN)
    assert stat.S_IMODE((folder / "log.skey").stat().st_mode) == 0o600
    assert (folder / "log.vkey").read_text() == f"{first.vkey}\n"
    for origin in (ORIGIN, None):
        again = CheckpointSigner.load_or_make(folder, origin)
        assert again.sign(3, digest("r")) == first.sign(3, digest("r"))
    assert sorted(path.name for path in folder.iterdir()) == ["log.skey", "log.vkey"]


def test_a_log_without_a_given_name_is_called_after_its_key(tmp_path: Path) -> None:
    one, two = (CheckpointSigner.load_or_make(tmp_path / name, None).origin for name in "ab")
    assert re.fullmatch(r"localhost/log-[0-9a-f]{16}", one)
    assert one != two
    assert CheckpointSigner.load_or_make(tmp_path / "a", None).origin == one


def test_a_log_cannot_be_renamed(tmp_path: Path) -> None:
    CheckpointSigner.load_or_make(tmp_path, ORIGIN)
    with pytest.raises(Conflict, match=r"is called log.example/capture and cannot become other"):
        CheckpointSigner.load_or_make(tmp_path, "other")


def test_a_lost_vkey_file_is_written_again(tmp_path: Path) -> None:
    vkey = CheckpointSigner.load_or_make(tmp_path, ORIGIN).vkey
    (tmp_path / "log.vkey").unlink()
    CheckpointSigner.load_or_make(tmp_path, None)
    assert (tmp_path / "log.vkey").read_text() == f"{vkey}\n"


def test_two_first_starts_at_once_use_one_key(tmp_path: Path) -> None:
    keys: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        keys.append(str(CheckpointSigner.load_or_make(tmp_path, None).vkey))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {(tmp_path / "log.vkey").read_text().strip()}


@pytest.mark.parametrize("origin", ["a b", "a+b", "a\tb"])
def test_a_name_that_no_note_can_carry_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Rejected, match="no key name"):
        CheckpointSigner.load_or_make(tmp_path, origin)
    assert list(tmp_path.iterdir()) == []


def test_key_files_that_are_open_or_damaged_are_refused(tmp_path: Path) -> None:
    CheckpointSigner.load_or_make(tmp_path, ORIGIN)
    path = tmp_path / "log.skey"
    text = path.read_text()
    path.chmod(0o640)
    with pytest.raises(Conflict, match="chmod 600"):
        CheckpointSigner.load_or_make(tmp_path, ORIGIN)
    path.chmod(0o600)
    damages = {"": "no private key", text[:-9]: "base64|no Ed25519", text.replace(ORIGIN, "other"): "its name and key",
               VKEY: "no private key"}  # fmt: skip
    for damage, reason in damages.items():
        path.write_text(damage)
        with pytest.raises(Rejected, match=reason):
            CheckpointSigner.load_or_make(tmp_path, None)


@pytest.mark.parametrize(("size", "root"), [(-1, bytes(32)), (2**63, bytes(32)), (1, bytes(31))])
def test_nothing_impossible_is_signed(size: int, root: bytes) -> None:
    with pytest.raises(Rejected, match="no tree size and root"):
        signer().sign(size, root)
