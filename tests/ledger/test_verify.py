"""The one-file verifier without a network: what passes, and that each damage fails at the step that it belongs to."""

import copy
import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import c2pa
import pillow_heif
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import checkpoint, verify
from ledger.checkpoint import CheckpointSigner
from ledger.receipt import receipt
from ledger.sequence import sequence
from pipeline.errors import Rejected
from provenance.keys import Identity
from tests.ledger.log_world import ORIGIN, TERMS, World, anchor_of, digest, picture, signer

VKEY = str(signer().vkey)
STEPS = ["receipt", "photo", "terms", "leaf", "inclusion", "checkpoint", "signature", "chain"]
Document = dict[str, Any]


def jumbf(size: int) -> bytes:
    """A manifest store as far as its header goes."""
    description = struct.pack(">I4s4s", 29, b"jumd", b"c2pa") + bytes(13) + b"c2pa"
    return struct.pack(">I4s", 8 + len(description) + size, b"jumb") + description + bytes(size)


def in_jpeg(photo: bytes, store: bytes, step: int = 60_000) -> bytes:
    """A JPEG with the store in APP11 segments after its first two bytes."""
    parts = [store[8 + at : 8 + at + step] for at in range(0, len(store) - 8, step)]
    bodies = [b"JP" + struct.pack(">HI", 0x211, count) + store[:8] + part for count, part in enumerate(parts, start=1)]
    segments = b"".join(b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body for body in bodies)
    return photo[:2] + segments + photo[2:]


def in_png(photo: bytes, store: bytes) -> bytes:
    """A PNG with the store in a caBX chunk after its header."""
    chunk = struct.pack(">I", len(store)) + b"caBX" + store + struct.pack(">I", zlib.crc32(b"caBX" + store))
    return photo[:33] + chunk + photo[33:]


PHOTO = picture("JPEG")
STORE = jumbf(100_000)
SIGNED = in_jpeg(PHOTO, STORE)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """An anchored receipt of PHOTO, the fourth of seven leaves."""
    world = World.make(tmp_path_factory.mktemp("log"))
    world.seal_many(3)
    name = world.seal("photo", PHOTO, STORE)
    world.seal_many(3, "after")
    sequence(world.log, world.signer, 100)
    world.log.record_anchor(anchor_of(7))
    return receipt(world.get(name), world.log, TERMS)


def results(document: Any, photo: bytes = PHOTO, key: str | None = VKEY) -> dict[str, str]:
    """Each step's result, and nothing but the eight steps in their order."""
    steps = verify.verify(document, photo, key=key)
    assert [step.name for step in steps] == STEPS
    assert all(step.sentence and "\n" not in step.sentence for step in steps)
    return {step.name: step.result for step in steps}


def failed(document: Any, photo: bytes = PHOTO, key: str | None = VKEY) -> list[str]:
    return [name for name, result in results(document, photo, key).items() if result == "failed"]


def sentence(name: str, document: Any, photo: bytes = PHOTO, key: str | None = VKEY) -> str:
    return next(step.sentence for step in verify.verify(document, photo, key=key) if step.name == name)


def changed(document: Document, path: str, value: Any) -> Document:
    """A copy with another value at "a.b.0"; `...` takes the name out."""
    copied: Any = copy.deepcopy(document)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner = copied
    for part in way:
        inner = inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copied  # type: ignore[no-any-return]


# -- what passes ------------------------------------------------------------------------------------------------------


def test_every_step_passes_for_the_upload(document: Document) -> None:
    assert results(document) == dict.fromkeys(STEPS, "passed") | {"chain": "not checked"}
    assert "2026-11-22 12:30:15 UTC" in sentence("leaf", document)


def test_every_step_passes_for_the_signed_photo(document: Document) -> None:
    assert results(document, SIGNED) == dict.fromkeys(STEPS, "passed") | {"chain": "not checked"}
    assert "added to it are the registered ones" in sentence("photo", document, SIGNED)


def test_without_a_key_the_signature_is_not_checked(document: Document) -> None:
    assert results(document, key=None)["signature"] == "not checked"
    assert "--key" in sentence("signature", document, key=None)


def test_json_text_and_its_values_are_the_same(document: Document) -> None:
    text = json.dumps(document)
    assert verify.verify(text, PHOTO, key=VKEY) == verify.verify(text.encode(), PHOTO, key=VKEY)
    assert verify.verify(text, PHOTO, key=VKEY) == verify.verify(document, PHOTO, key=VKEY)


def test_a_receipt_without_rights_or_anchor_is_checked_as_far_as_it_goes(document: Document) -> None:
    bare = changed(changed(document, "rights", ...), "anchor", None)
    assert failed(bare) == []
    assert {name for name, result in results(bare).items() if result != "passed"} == {"terms", "chain"}


def test_brackets_in_a_text_are_no_nesting(document: Document) -> None:
    for text in ("[" * 5000, '"[\\' * 1000, "{" * 600 + "\\"):
        assert verify.read(json.dumps(changed(document, "rights.credit", text)))["rights"]["credit"] == text
    for text in ('["a", ' * 501, '{"[": ' * 501, '"' + '\\"[' * 300_000, '["\\\\", ' * 200_000):
        with pytest.raises(ValueError, match=r"brackets|Unterminated"):
            verify.parse(text)


def test_a_local_chain_is_never_called_proof(document: Document) -> None:
    for path, value in (("anchor.local", True), ("anchor.chain_id", 31337)):
        assert "local chain: not independent proof" in sentence("chain", changed(document, path, value))
    assert "local chain" not in sentence("chain", document)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photos_signed_by_the_c2pa_library_come_apart(tmp_path: Path, kind: str) -> None:
    identity, photo = Identity.load_or_make(tmp_path / "keys"), picture(kind)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(photo)
    claim = {"claim_generator_info": [{"name": "test"}], "assertions": [
        {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created", "digitalSourceType":
            "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}]}},
        {"label": "org.example.padding", "data": {"text": "x" * 150_000}},
    ]}  # fmt: skip
    signing = c2pa.Signer.from_callback(identity.sign_es256, c2pa.C2paSigningAlg.ES256, identity.chain_pem)
    with signing, c2pa.Builder(json.dumps(claim)) as builder, source.open("rb") as read, target.open("w+b") as write:
        store = builder.sign(signing, f"image/{kind.lower()}", read, write)
    assert verify.split(target.read_bytes()) == (photo, bytes(store))


# -- what fails, and where --------------------------------------------------------------------------------------------


def test_one_changed_byte_of_the_photo_fails(document: Document) -> None:
    for place in range(0, len(PHOTO), 97):
        other = PHOTO[:place] + bytes([PHOTO[place] ^ 1]) + PHOTO[place + 1 :]
        assert failed(document, other) == ["photo"]


@pytest.mark.parametrize("photo", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"text", PHOTO + b"x", PHOTO[:-1]])
def test_another_file_fails(document: Document, photo: bytes) -> None:
    assert failed(document, photo) == ["photo"]


def test_the_registered_credentials_in_another_photo_are_not_called_proof(document: Document) -> None:
    other = in_jpeg(picture("JPEG")[:-2] + b"x\xff\xd9", STORE)
    assert results(document, other)["photo"] == "not checked"
    assert "C2PA validator" in sentence("photo", document, other)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "GIF", "HEIF", "AVIF"])
def test_a_format_that_does_not_come_apart_is_left_to_a_validator(document: Document, kind: str) -> None:
    pillow_heif.register_heif_opener()
    signed = picture(kind)
    assert results(document, signed)["photo"] == "not checked"
    assert "C2PA validator" in sentence("photo", document, signed)
    assert failed(document, b"text " + signed) == ["photo"]


def test_an_upload_of_any_format_passes(tmp_path: Path) -> None:
    world, photo = World.make(tmp_path), picture("WEBP")
    name = world.seal("photo", photo)
    sequence(world.log, world.signer, 1)
    assert results(receipt(world.get(name), world.log, TERMS), photo)["photo"] == "passed"


def test_other_credentials_in_the_registered_photo_fail(document: Document) -> None:
    assert failed(document, in_jpeg(PHOTO, jumbf(50))) == ["photo"]
    assert "not the registered ones" in sentence("photo", document, in_jpeg(PHOTO, jumbf(50)))
    assert failed(document, in_jpeg(PHOTO + b"x", jumbf(50))) == ["photo"]


@pytest.mark.parametrize("place", range(40))
def test_no_changed_byte_around_the_store_passes(document: Document, place: int) -> None:
    other = SIGNED[:place] + bytes([SIGNED[place] ^ 1]) + SIGNED[place + 1 :]
    assert results(document, other)["photo"] != "passed"


def test_a_changed_checksum_of_a_png_chunk_is_seen() -> None:
    photo, store = picture("PNG"), jumbf(80)
    signed = bytearray(in_png(photo, store))
    signed[33 + 8 + len(store)] ^= 1
    assert verify.split(bytes(signed))[1] == b""


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_the_signed_photo_passes(document: Document, place: int, bit: int) -> None:
    other = SIGNED[:place] + bytes([SIGNED[place] ^ 1 << bit]) + SIGNED[place + 1 :]
    assert results(document, other)["photo"] != "passed"


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", SIGNED[:200]]))
def test_no_file_breaks_the_splitter(content: bytes, start: bytes) -> None:
    rest, store = verify.split(start + content)
    assert len(rest) + len(store) <= len(start + content)


@pytest.mark.parametrize(("place", "value"), [(9, 3), (11, 1), (7, 0x12), (19, 0)])
def test_parts_of_a_manifest_that_do_not_follow_each_other_are_left_in_place(place: int, value: int) -> None:
    """The number of the part, of the box, and the repeated header of the second segment."""
    second = 2 + 2 + 2 + 8 + 8 + 60_000
    assert verify.split(SIGNED) == (PHOTO, STORE)
    assert SIGNED[second : second + 2] == b"\xff\xeb"
    other = SIGNED[: second + place] + bytes([value]) + SIGNED[second + place + 1 :]
    rest, store = verify.split(other)
    assert len(store) == 60_008
    assert len(rest) == len(other) - 60_008 - 12


def test_a_png_comes_apart_and_a_damaged_one_does_not() -> None:
    photo, store = picture("PNG"), jumbf(10)
    assert verify.split(in_png(photo, store)) == (photo, store)
    assert verify.split(photo) == (photo, b"")
    assert verify.split(in_png(photo, store)[:60])[1] != store


def other_hex(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def test_each_group_of_hex_digits_is_covered_by_a_step(document: Document) -> None:
    """Two digits of every digest in the receipt, the last and one more; 0x values belong to the chain."""
    places = [f"statement.{word}" for word in range(10)]
    places += [f"inclusion.proof.{index}" for index in range(len(document["inclusion"]["proof"]))]
    places += ["leaf", "asset.sha256", "manifest.sha256"]
    first = {"statement.2": "receipt", "statement.3": "receipt", "asset.sha256": "receipt",
             "manifest.sha256": "receipt", "statement.6": "terms"}  # fmt: skip
    for place in places:
        value: Any = document
        for part in place.split("."):
            value = value[int(part) if part.isdigit() else part]
        for at in (17, 63):
            expected = first.get(place, "inclusion" if place.startswith("inclusion") else "leaf")
            assert failed(changed(document, place, other_hex(value, at)))[:1] == [expected], place


def test_the_entry_of_another_photo_does_not_fit(document: Document) -> None:
    assert failed(changed(document, "leaf", digest("another").hex())) == ["leaf", "inclusion"]


@pytest.mark.parametrize(
    ("path", "value", "step", "reason"),
    [
        ("version", 2, "receipt", "newer verifier"),
        ("version", True, "receipt", "version is no whole number"),
        ("version", 1.0, "receipt", "version is no whole number"),
        ("capture", "a b", "receipt", "capture has not the form"),
        ("capture", ..., "receipt", "capture has not the form"),
        ("statement", [], "receipt", "ten words"),
        ("statement", None, "receipt", "statement is no list"),
        ("statement.1", "00" * 31, "receipt", "statement has not the form"),
        ("statement.1", "0x" + "00" * 31, "receipt", "statement has not the form"),
        ("statement.1", "AB" * 32, "receipt", "statement has not the form"),
        ("leaf", "00" * 32 + "\n", "receipt", "leaf has not the form"),
        ("leaf", "\u0660" * 64, "receipt", "leaf has not the form"),
        ("inclusion", [], "receipt", "inclusion is no object"),
        ("inclusion.index", -1, "receipt", "index is no whole number"),
        ("inclusion.index", 10**400, "receipt", "index is no whole number"),
        ("inclusion.index", "3", "receipt", "index is no whole number"),
        ("inclusion.proof", ["00" * 32] * 65, "receipt", "at most 64"),
        ("inclusion.proof", "00" * 32, "receipt", "proof is no list"),
        ("checkpoint", "", "receipt", "checkpoint has not the form"),
        ("checkpoint", "x" * 300_000, "receipt", "checkpoint has not the form"),
        ("asset.size", None, "receipt", "size is no whole number"),
        ("asset.size", 1, "photo", "receipt says otherwise"),
        ("manifest", ..., "receipt", "manifest is no object"),
        ("anchor", "yes", "receipt", "anchor is no object"),
        ("anchor.contract", "Ab" * 20, "receipt", "contract has not the form"),
        ("anchor.transaction", "0x12", "receipt", "transaction has not the form"),
        ("anchor.block", 2**63, "receipt", "block is no whole number"),
        ("anchor.local", "no", "receipt", "neither true nor false"),
        ("anchor.tree_size", 8, "receipt", "different tree sizes"),
        ("rights.creator", "Mallory", "terms", "not the one in the statement"),
        ("rights", {"x": {1}}, "terms", "no canonical form"),
        ("rights", "\ud800", "terms", "no canonical form"),
        ("rights", [], "terms", "not the one"),
        ("statement.0", b"capture/leaf/v2".ljust(32, b"\0").hex(), "leaf", "capture/leaf/v1"),
        ("statement.9", "01" * 32, "leaf", "padding"),
        ("statement.5", "01" * 32, "leaf", "padding"),
        ("inclusion.index", 2, "inclusion", "does not lead"),
        ("inclusion.index", 7, "inclusion", "no such entry"),
        ("inclusion.proof", [], "inclusion", "too short"),
        ("inclusion.proof", ["00" * 32] * 5, "inclusion", "too long"),
    ],
)  # fmt: skip
def test_each_damage_is_named_at_its_step(document: Document, path: str, value: Any, step: str, reason: str) -> None:
    damaged = changed(document, path, value)
    assert failed(damaged)[:1] == [step]
    assert reason in sentence(step, damaged)


def test_another_tree_size_than_the_checkpoints_is_named(document: Document) -> None:
    six = changed(changed(document, "inclusion.tree_size", 6), "anchor", None)
    assert "checkpoint" in failed(six)
    assert sentence("checkpoint", six) == "it is of 7 entries, the proof is not"


def test_a_receipt_that_cannot_be_read_leaves_every_other_step_unchecked() -> None:
    for text in (
        b"",
        b"{",
        b"\xff",
        "[" * 200_000,
        '{"version": ' + "1" * 5000 + "}",
        "null",
        "[]",
        None,
        7,
        [],
        object(),
    ):
        assert results(text) == {"receipt": "failed"} | dict.fromkeys(STEPS[1:], "not checked")


# -- checkpoint and signature -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n7\n", "\n07\n"), ("\n\n", "\n"), ("\u2014", "-"), ("=\n", "\n"), (ORIGIN, ""), ("\n7\n", "\n7\r\n"),
     ("\n7\n", f"\n{2**63}\n"), ("\n7\n", "\n7\n\n")],
)  # fmt: skip
def test_a_malformed_checkpoint_is_named(document: Document, old: str, new: str) -> None:
    damaged = changed(document, "checkpoint", document["checkpoint"].replace(old, new))
    assert failed(damaged) == ["inclusion", "checkpoint", "signature"]
    with pytest.raises(Rejected):
        checkpoint.parse(damaged["checkpoint"])


def test_a_checkpoint_by_another_key_is_named(document: Document) -> None:
    stranger = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    root = checkpoint.parse(document["checkpoint"]).checkpoint.root
    forged = changed(document, "checkpoint", stranger.sign(7, root))
    assert failed(forged) == ["signature"]
    assert sentence("signature", forged) == "the given key did not sign the checkpoint"
    copied = changed(document, "checkpoint", signer().sign(6, root).replace("\n6\n", "\n7\n"))
    assert failed(copied) == ["signature"]
    assert sentence("signature", copied) == "the signature does not belong to this checkpoint"


@pytest.mark.parametrize(
    ("key", "reason"),
    [("nonsense", "no Ed25519 key"), ("", "--key"), (VKEY[:-4], "no Ed25519 key"), ("x" + VKEY, "damaged"),
     (VKEY.replace("+", "+0", 1), "proper base64|no Ed25519 key"), (VKEY[:-1] + "!", "proper base64"),
     (str(CheckpointSigner("other", Ed25519PrivateKey.generate()).vkey), "another log")],
)  # fmt: skip
def test_unfit_keys_are_named(document: Document, key: str, reason: str) -> None:
    assert results(document, key=key)["signature"] == ("failed" if key else "not checked")
    assert re.search(reason, sentence("signature", document, key=key))


@given(st.integers(0, 500), st.text(max_size=3), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_this_verifier_and_the_packages_own_agree_on_checkpoints(at: int, text: str, length: int) -> None:
    note = signer().sign(7, digest("root"))
    at %= len(note)
    mutated = note[:at] + text + note[at + length :]
    try:
        expected = checkpoint.verify(mutated, VKEY)
    except Rejected:
        with pytest.raises(verify.Failed):
            verify.check_signature({"checkpoint": mutated}, VKEY)
    else:
        assert "signed" in verify.check_signature({"checkpoint": mutated}, VKEY)
        assert verify.read_note(mutated)[:3] == (expected.origin, expected.size, expected.root)


# -- anything at all --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=200, deadline=None)
def test_no_json_raises_or_passes(value: Any) -> None:
    assert results(value)["receipt"] == "failed"
    assert results(json.dumps(value))["receipt"] == "failed"


@given(st.data(), json_values)
@settings(max_examples=400, deadline=None)
def test_no_value_in_a_receipts_place_raises(document: Document, data: st.DataObject, value: Any) -> None:
    way: list[str] = []
    inner: Any = document
    while isinstance(inner, dict | list) and inner and (not way or data.draw(st.booleans())):
        names = list(inner) if isinstance(inner, dict) else range(len(inner))
        way.append(str(data.draw(st.sampled_from(list(names)))))
        inner = inner[int(way[-1])] if isinstance(inner, list) else inner[way[-1]]
    results(changed(document, ".".join(way), value))


@given(st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_a_truncated_receipt_fails(document: Document, length: int) -> None:
    text = json.dumps(document)
    assert failed(text[: min(length, len(text) - 1)]) == ["receipt"]


# -- the command, as a stranger runs it -------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path, document: Document) -> Path:
    """A folder with nothing but the verifier, a receipt, a photo and a key."""
    shutil.copy(verify.__file__, tmp_path / "verify.py")
    (tmp_path / "receipt.json").write_text(json.dumps(document))
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    (tmp_path / "log.vkey").write_text(VKEY + "\n")
    return tmp_path


def run(folder: Path, *arguments: str, flags: tuple[str, ...] = ("-I", "-S")) -> tuple[int, str, str]:
    command = [sys.executable, *flags, "verify.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_one_file_and_the_standard_library_are_enough(alone: Path) -> None:
    code, out, err = run(alone, "receipt.json", "photo.jpg", "--key", "log.vkey")
    assert (code, err) == (3, "")  # without the package, nothing vouches for the log
    lines = dict(re.findall(r"^(?:passed|failed|not checked) +(\w+) +(.+)$", out, re.M))
    assert list(lines) == STEPS
    assert out.splitlines()[1] == "passed       photo        the file's SHA-256 is the one in the statement"
    assert "not checked  signature    the Python package cryptography is not installed" in out


def test_with_the_package_the_signature_is_checked(alone: Path) -> None:
    for key in ("log.vkey", VKEY):
        code, out, _ = run(alone, "receipt.json", "photo.jpg", "--key", key, flags=())
        assert code == 0
        assert "passed       signature    the given key signed the checkpoint" in out


def test_a_receipt_that_nothing_ties_to_a_known_log_does_not_exit_with_0(alone: Path) -> None:
    code, out, _ = run(alone, "receipt.json", "photo.jpg", flags=())
    assert code == 3
    last = "nothing ties this receipt to a log that you trust: give --key, or --rpc with --contract"
    assert out.splitlines()[-1] == last
    (alone / "photo.jpg").write_bytes(b"II*\0")
    code, out, _ = run(alone, "receipt.json", "photo.jpg", "--key", VKEY, flags=())
    assert (code, "nothing ties" in out) == (3, False)


def test_each_file_with_one_byte_changed_is_named(alone: Path) -> None:
    (alone / "photo.jpg").write_bytes(PHOTO[:-1] + b"\0")
    code, out, _ = run(alone, "receipt.json", "photo.jpg")
    assert code == 1
    assert "failed       photo" in out
    (alone / "photo.jpg").write_bytes(PHOTO)
    text = (alone / "receipt.json").read_text()
    (alone / "receipt.json").write_text(text.replace('"', "'", 1))
    code, out, _ = run(alone, "receipt.json", "photo.jpg")
    assert (code, out.count("not checked")) == (1, 7)
    assert out.startswith("failed       receipt")


@pytest.mark.parametrize(
    "arguments", [[], ["receipt.json"], ["receipt.json", "none.jpg"], ["none.json", "photo.jpg"],
                  ["receipt.json", "photo.jpg", "--key", "none.vkey"], ["receipt.json", ".", "--key", VKEY]],
)  # fmt: skip
def test_inputs_that_cannot_be_read_exit_with_2(alone: Path, arguments: list[str]) -> None:
    code, out, err = run(alone, *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_the_help_documents_steps_and_exit_codes(alone: Path) -> None:
    code, out, _ = run(alone, "--help")
    assert code == 0
    assert "Exit codes: 0 every step that was checked passed, among them photo and signature" in out
    assert all(re.search(rf"^    {name} ", out, re.M) for name in STEPS)


def test_the_command_works_inside_the_package_too(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([str(alone / "receipt.json"), str(alone / "photo.jpg"), "--key", VKEY]) == 0
    assert capsys.readouterr().out.count("passed") == 7
