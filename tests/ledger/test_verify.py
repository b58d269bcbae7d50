"""The one-file verifier without a network: what passes, and that each damage fails at the step that it belongs to."""

import copy
import json
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c2pa
import pillow_heif
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger import checkpoint, verify
from ledger.checkpoint import CheckpointSigner
from ledger.receipt import receipt
from ledger.sequence import sequence
from pipeline.errors import Rejected
from provenance.keys import Identity
from tests.ledger.log_world import ORIGIN, TERMS, World, anchor_of, digest, picture, signer

VKEY = str(signer().vkey)
STEPS = list(verify.STEPS)
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


def check(document: Any, photo: bytes = PHOTO, key: str = VKEY) -> list[tuple[str, str, str]]:
    """All steps of a receipt as JSON text, or as the values that become it."""
    return verify.verify(document if isinstance(document, bytes) else json.dumps(document).encode(), photo, key)


def results(document: Any, photo: bytes = PHOTO, key: str = VKEY) -> dict[str, str]:
    """Each step's result, and nothing but the seven steps in their order."""
    steps = check(document, photo, key)
    assert [name for name, _, _ in steps] == STEPS
    assert {result for _, result, _ in steps} <= {"passed", "failed", "not checked"}
    assert all(sentence and "\n" not in sentence for _, _, sentence in steps)
    return {name: result for name, result, _ in steps}


def failed(document: Any, photo: bytes = PHOTO, key: str = VKEY) -> list[str]:
    return [name for name, result in results(document, photo, key).items() if result == "failed"]


def sentence(wanted: str, document: Any, photo: bytes = PHOTO, key: str = VKEY) -> str:
    return next(sentence for name, _, sentence in check(document, photo, key) if name == wanted)


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
    assert results(document) == dict.fromkeys(STEPS, "passed")
    assert "2026-11-22 12:30:15 UTC" in sentence("leaf", document)


def test_every_step_passes_for_the_signed_photo(document: Document) -> None:
    assert results(document, SIGNED) == dict.fromkeys(STEPS, "passed")
    assert "added to it are the registered ones" in sentence("photo", document, SIGNED)


def test_without_a_key_the_signature_is_not_checked(document: Document) -> None:
    assert results(document, key="")["signature"] == "not checked"
    assert "--key" in sentence("signature", document, key="")


def test_a_receipt_without_an_anchor_is_checked_as_far(document: Document) -> None:
    assert failed(changed(document, "anchor", None)) == []


def test_brackets_in_a_text_are_no_nesting(document: Document) -> None:
    for text in ("[" * 5000, '"[\\' * 1000, "{" * 600 + "\\"):
        assert failed(changed(document, "rights.credit", text)) == ["terms"]


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
    assert "nor the photo signed from it" in sentence("photo", document, in_jpeg(PHOTO, jumbf(50)))
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
        ("version", True, "receipt", "a number is not whole"),
        ("version", 1.0, "receipt", "a number is not whole"),
        ("statement", [], "receipt", "misshapen"),
        ("statement", None, "receipt", "misshapen"),
        ("statement.1", "00" * 31, "receipt", "not 64 lower-case hex"),
        ("statement.1", "0x" + "00" * 31, "receipt", "not 64 lower-case hex"),
        ("statement.1", "AB" * 32, "receipt", "not 64 lower-case hex"),
        ("leaf", "00" * 32 + "\n", "receipt", "not 64 lower-case hex"),
        ("leaf", "\u0660" * 64, "receipt", "not 64 lower-case hex"),
        ("inclusion", [], "receipt", "malformed"),
        ("inclusion.index", -1, "receipt", "a number is not whole"),
        ("inclusion.index", 10**400, "receipt", "a number is not whole"),
        ("inclusion.index", "3", "receipt", "a number is not whole"),
        ("inclusion.proof", ["00" * 32] * 65, "inclusion", "length for this place"),
        ("inclusion.proof", "00" * 32, "receipt", "misshapen"),
        ("checkpoint", "", "checkpoint", "malformed"),
        ("checkpoint", "x" * 300_000, "checkpoint", "malformed"),
        ("checkpoint", 7, "checkpoint", "malformed"),
        ("asset.size", None, "receipt", "a number is not whole"),
        ("asset.size", 1, "photo", "receipt says otherwise"),
        ("manifest", ..., "receipt", "malformed: KeyError('manifest')"),
        ("inclusion.tree_size", 2**64, "receipt", "not whole, or not below 2^63"),
        ("rights.creator", "Mallory", "terms", "not the one in the statement"),
        ("rights", "\ud800", "terms", "malformed"),
        ("rights", ..., "terms", "not the one"),
        ("rights", [], "terms", "not the one"),
        ("statement.0", b"capture/leaf/v2".ljust(32, b"\0").hex(), "leaf", "not the digest of a statement"),
        ("statement.9", "01" * 32, "leaf", "not the digest of a statement"),
        ("statement.5", "01" * 32, "leaf", "not the digest of a statement"),
        ("inclusion.index", 2, "inclusion", "does not lead"),
        ("inclusion.index", 7, "inclusion", "no such entry"),
        ("inclusion.proof", [], "inclusion", "length for this place"),
        ("inclusion.proof", ["00" * 32] * 5, "inclusion", "length for this place"),
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
        "7",
        "\ufeff{}",
    ):
        assert results(text if isinstance(text, bytes) else text.encode()) == {"receipt": "failed"} | dict.fromkeys(
            STEPS[1:], "not checked"
        )


# -- checkpoint and signature -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n7\n", "\n07\n"), ("\n\n", "\n"), ("\u2014", "-"), ("=\n", "\n"), (ORIGIN, ""), ("\n7\n", "\n7\r\n"),
     ("\n7\n", f"\n{2**63}\n"), ("\n7\n", "\n7\n\n")],
)  # fmt: skip
def test_a_malformed_checkpoint_is_named(document: Document, old: str, new: str) -> None:
    damaged = changed(document, "checkpoint", document["checkpoint"].replace(old, new))
    assert failed(damaged)[0] == "checkpoint"
    assert results(damaged)["inclusion"] == "not checked"
    assert results(damaged)["signature"] != "passed"
    with pytest.raises(Rejected):
        checkpoint.parse(damaged["checkpoint"])


def test_a_checkpoint_by_another_key_is_named(document: Document) -> None:
    stranger = CheckpointSigner(ORIGIN, Ed25519PrivateKey.generate())
    root = checkpoint.parse(document["checkpoint"]).checkpoint.root
    forged = changed(document, "checkpoint", stranger.sign(7, root))
    assert failed(forged) == ["signature"]
    assert sentence("signature", forged) == "the log's key did not sign it"
    copied = changed(document, "checkpoint", signer().sign(6, root).replace("\n6\n", "\n7\n"))
    assert failed(copied) == ["signature"]
    assert sentence("signature", copied) == "the log's key signed another text"


def test_signatures_by_others_are_kept_and_ignored(document: Document) -> None:
    """Witnesses add theirs below; ours must hold in any place, and every one under its name must."""
    text, _, own = document["checkpoint"].rpartition("\n\n")
    witness = checkpoint.signature_line(checkpoint.VerifierKey("witness.example", b"w" * 32), b"s" * 72)
    for lines in (own + witness, witness + own):
        assert failed(changed(document, "checkpoint", f"{text}\n\n{lines}")) == []
    second = checkpoint.signature_line(signer().vkey, b"s" * 64)
    assert failed(changed(document, "checkpoint", f"{text}\n\n{own}{second}")) == ["signature"]


def test_a_signature_that_stands_there_a_thousand_times_is_checked_once(document: Document) -> None:
    text, _, own = document["checkpoint"].rpartition("\n\n")
    copied, began = changed(document, "checkpoint", f"{text}\n\n{own * 5_000}"), time.process_time()
    assert failed(copied) == []
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("key", "reason"),
    [("nonsense", "damaged"), ("", "--key"), (VKEY[:-4], "damaged"), ("x" + VKEY, "damaged"),
     (VKEY.replace("+", "+0", 1), "damaged"), (VKEY[:-1] + "!", "malformed"),
     (str(CheckpointSigner("other", Ed25519PrivateKey.from_private_bytes(b"o" * 32)).vkey), "did not sign it")],
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
        with pytest.raises((ValueError, IndexError)):
            signed_text(mutated)
    else:
        assert signed_text(mutated) == (expected.origin, expected.size, expected.root)


def signed_text(note: str) -> tuple[str, int, bytes]:
    """What the one-file verifier reads of a checkpoint that the log's key signed."""
    check = verify.Check(b"", b"", VKEY)
    check.note, check.numbers = note, [1, 0, 7, 0]
    check.checkpoint()
    check.signature()
    return check.origin, 7, check.root


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


NOT_COVERED = {"capture", "note", "anchor", "asset.media_type", "manifest.size", "manifest.label", "manifest.signer"}


def leaves(value: Any, way: str = "") -> Iterator[str]:
    """The way to every value that is no container, and to every container."""
    if way:
        yield way
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from leaves(inner, f"{way}.{name}".lstrip("."))


@given(st.data(), json_values | st.just(...))
@settings(max_examples=300, deadline=None)
def test_no_single_change_of_what_is_covered_passes(document: Document, data: st.DataObject, value: Any) -> None:
    way = data.draw(st.sampled_from(sorted(leaves(document))))
    if way.split(".")[0] in NOT_COVERED or way in NOT_COVERED:
        return
    text = json.dumps(changed(document, way, value))
    assume(text != json.dumps(document))
    assert set(results(text.encode()).values()) != {"passed"}, way


@given(st.data(), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_no_changed_byte_of_the_text_passes(document: Document, data: st.DataObject, flip: int) -> None:
    text = bytearray(json.dumps(document).encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= flip
    if set(results(bytes(text)).values()) == {"passed"}:
        assert covered(json.loads(text)) == covered(document)


def covered(document: Document) -> Document:
    """A receipt without what is documented as not covered, and without names that version 1 does not have."""
    known = {"version", "statement", "leaf", "inclusion", "checkpoint", "asset", "manifest", "rights"}
    kept = {name: value for name, value in document.items() if name in known}
    return kept | {
        "asset": [kept["asset"][name] for name in ("sha256", "size")],
        "manifest": kept["manifest"]["sha256"],
    }


def test_a_name_that_stands_twice_is_refused(document: Document) -> None:
    text = json.dumps(document).replace('"leaf"', '"leaf": 7, "leaf"')
    assert failed(text.encode()) == ["receipt"]
    assert sentence("receipt", text.encode()) == "a name stands twice in one object"


@given(st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_a_truncated_receipt_fails(document: Document, length: int) -> None:
    text = json.dumps(document)
    assert failed(text[: min(length, len(text) - 1)].encode()) == ["receipt"]


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
    """Nothing installed can be imported, and still the signature is checked: exit code 0."""
    for key in ("log.vkey", VKEY):
        code, out, err = run(alone, "receipt.json", "photo.jpg", "--key", key)
        assert (code, err) == (0, "")
        lines = re.findall(r"^(passed|failed|not checked) +(\S+) +(.+)$", out, re.M)
        assert [(result, name) for result, name, _ in lines] == [("passed", name) for name in STEPS]
        assert out.splitlines()[1] == "passed       photo        the file's SHA-256 is the one in the statement"


def test_a_receipt_that_nothing_ties_to_a_known_log_does_not_exit_with_0(alone: Path) -> None:
    code, out, _ = run(alone, "receipt.json", "photo.jpg")
    assert code == 3
    assert out.splitlines()[-1].startswith("you gave no --key")
    (alone / "photo.jpg").write_bytes(b"II*\0")
    code, out, _ = run(alone, "receipt.json", "photo.jpg", "--key", VKEY)
    assert (code, "you gave no" in out) == (3, False)


def test_each_file_with_one_byte_changed_is_named(alone: Path) -> None:
    (alone / "photo.jpg").write_bytes(PHOTO[:-1] + b"\0")
    code, out, _ = run(alone, "receipt.json", "photo.jpg")
    assert code == 1
    assert "failed       photo" in out
    (alone / "photo.jpg").write_bytes(PHOTO)
    text = (alone / "receipt.json").read_text()
    (alone / "receipt.json").write_text(text.replace('"', "'", 1))
    code, out, _ = run(alone, "receipt.json", "photo.jpg")
    assert (code, out.count("not checked")) == (1, 6)
    assert out.startswith("failed       receipt")


@pytest.mark.parametrize(
    "arguments", [["receipt.json"], ["receipt.json", "none.jpg"], ["none.json", "photo.jpg"],
                  ["receipt.json", "photo.jpg", "--key", "none.vkey"], ["receipt.json", ".", "--key", VKEY]],
)  # fmt: skip
def test_inputs_that_cannot_be_read_exit_with_2(alone: Path, arguments: list[str]) -> None:
    code, out, err = run(alone, *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_the_help_documents_the_exit_codes_and_what_is_not_covered(alone: Path) -> None:
    code, out, _ = run(alone, "--help")
    assert code == 0
    assert "Exit codes: 0 every step passed, with the key that you gave" in out
    assert "Not covered: capture, note, asset.media_type" in out


def test_a_stranger_can_read_it() -> None:
    lines = Path(verify.__file__).read_text().splitlines()
    assert len(lines) < 200
    assert max(map(len, lines)) <= 120


def test_it_takes_no_time(document: Document) -> None:
    text, times = json.dumps(document).encode(), []
    for _ in range(9):
        began = time.process_time()
        verify.verify(text, PHOTO, VKEY)
        times.append(time.process_time() - began)
    assert min(times) < 0.05


# -- Ed25519 ----------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.integers(0, 8 * 64 - 1))
@settings(max_examples=40, deadline=None)
def test_its_ed25519_agrees_with_the_packages_own(seed: bytes, message: bytes, flip: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key(), private.sign(message)
    raw = public.public_bytes_raw()
    assert verify.is_signed(raw, signature, message)
    assert not verify.is_signed(raw, signature, message + b"x")
    other = bytes(byte ^ (1 << flip % 8 if at == flip // 8 else 0) for at, byte in enumerate(signature))
    with pytest.raises(InvalidSignature):
        public.verify(other, message)
    assert not verify.is_signed(raw, other, message)
    for length in (0, 32, 63):
        assert not verify.is_signed(raw, signature[:length], message)
    assert not verify.is_signed(raw, signature + b"\0", message)


def test_ed25519_takes_one_spelling_of_a_number() -> None:
    """S and S + the group's order are the same point: RFC 8032 forbids the second."""
    private = Ed25519PrivateKey.from_private_bytes(digest("a key"))
    raw, signature = private.public_key().public_bytes_raw(), private.sign(b"text")
    larger = int.from_bytes(signature[32:], "little") + verify.ORDER
    assert not verify.is_signed(raw, signature[:32] + larger.to_bytes(32, "little"), b"text")
    for no_point in (b"\xff" * 32, (2).to_bytes(32, "little"), (1).to_bytes(31, "little") + b"\x80"):
        with pytest.raises(ValueError, match="no point"):
            verify.is_signed(no_point, signature, b"text")
