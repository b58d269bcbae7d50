"""The verdict, with real photos through the real index."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from fingerprint.codes import ORIENTATIONS, PDQ, undoing
from fingerprint.decode import picture_of
from fingerprint.hashes import fingerprint
from fingerprint.index import ScanIndex
from fingerprint.match import MAX_DISTANCE, MAX_MATCHES, judge
from pipeline.record import Fingerprint, Verdict, decode, encode
from tests.fingerprint.photos import photo
from tests.fingerprint.sqlite_rows import SqliteRows
from tests.fingerprint.test_hashes import turn


class Register:
    """What the stages do: commit the fingerprint's row, then judge against what is older."""

    def __init__(self, folder: Path) -> None:
        self.rows = SqliteRows(folder / "rows.db")
        self.index = ScanIndex(folder / "index", self.rows)

    def add(self, image: Image.Image, content: bytes | None = None) -> str:
        found, digest = self.look(image, content)
        return self.rows.add(bytes.fromhex(found.value(PDQ)), found.quality, digest)

    def look(self, image: Image.Image, content: bytes | None = None) -> tuple[Fingerprint, bytes]:
        return fingerprint(picture_of(image)), hashlib.sha256(content or image.tobytes()).digest()

    def judge(self, image: Image.Image, content: bytes | None = None, before: int | None = None) -> Verdict:
        return judge(*self.look(image, content), self.index, before)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def test_the_first_photo_is_an_original(register: Register) -> None:
    verdict = register.judge(photo())
    assert (verdict.kind, verdict.matches, verdict.compared_with) == ("original", (), 0)
    assert "Crops" in verdict.note
    assert "not looked for yet" in verdict.note


def test_the_same_bytes_are_an_exact_copy(register: Register) -> None:
    first = register.add(photo())
    verdict = register.judge(photo())
    (match,) = verdict.matches
    assert verdict.kind == match.kind == "exact_copy"
    assert (match.id, match.score_ppm, match.distance) == (first, 1_000_000, 0)
    assert (match.evidence.alg, match.evidence.orientation) == ("sha256", "upright")
    assert verdict.compared_with == 1


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_and_shrunk_copy_is_a_near_copy(register: Register, orientation: str) -> None:
    first = register.add(photo())
    register.add(turn(photo(), "rotated_90").crop((300, 100, 700, 400)))  # another picture
    verdict = register.judge(turn(photo().resize((450, 350)), orientation))
    (match,) = verdict.matches
    assert verdict.kind == match.kind == "near_copy"
    assert match.id == first
    assert match.distance <= 12
    assert match.score_ppm == (256 - match.distance) * 1_000_000 // 256
    assert match.evidence.orientation == orientation  # how the registered photo was turned to give this one
    assert match.evidence.alg == PDQ
    assert verdict.compared_with == 2


def test_a_capture_matches_neither_itself_nor_a_later_one(register: Register) -> None:
    one, two, three = (register.add(photo()) for _ in range(3))
    index = register.index
    assert register.judge(photo(), before=index.position(one)).kind == "original"
    assert [match.id for match in register.judge(photo(), before=index.position(two)).matches] == [one]
    assert [match.id for match in register.judge(photo(), before=index.position(three)).matches] == [one, two]


def test_equal_bytes_come_before_near_copies_and_older_before_younger(register: Register) -> None:
    near_old = register.add(photo(), b"an older copy of other bytes")
    exact_old, exact_young = register.add(photo()), register.add(photo())
    near_young = register.add(photo(), b"a younger copy of other bytes")
    verdict = register.judge(photo())
    assert [match.id for match in verdict.matches] == [exact_old, exact_young, near_old, near_young]
    assert [match.kind for match in verdict.matches] == ["exact_copy"] * 2 + ["near_copy"] * 2
    assert verdict.kind == "exact_copy"


def test_flat_photos_match_by_bytes_only(register: Register) -> None:
    flat, other = Image.new("RGB", (300, 200), "grey"), Image.new("RGB", (310, 200), "white")
    first = register.add(flat)
    assert register.judge(other).kind == "original"
    verdict = register.judge(flat)
    assert [(match.id, match.kind) for match in verdict.matches] == [(first, "exact_copy")]
    assert verdict.note == "Too little detail for fingerprints: compared by bytes only."


def test_a_detailed_photo_never_matches_a_flat_one(register: Register) -> None:
    found, digest = register.look(photo())
    register.rows.add(bytes.fromhex(found.value(PDQ)), 49)
    assert judge(found, digest, register.index, None).kind == "original"


@pytest.mark.parametrize(("bits", "kind"), [(MAX_DISTANCE, "near_copy"), (MAX_DISTANCE + 1, "original")])
def test_the_threshold(register: Register, bits: int, kind: str) -> None:
    found, digest = register.look(photo())
    moved = int(found.value(PDQ), 16) ^ ((1 << bits) - 1)
    register.rows.add(moved.to_bytes(32))
    assert judge(found, digest, register.index, None).kind == kind


def test_the_list_is_bounded_and_says_so(register: Register) -> None:
    first = register.add(photo(), b"0")
    for k in range(1, MAX_MATCHES + 5):
        register.add(photo(), b"%d" % k)
    verdict = register.judge(photo())
    assert len(verdict.matches) == MAX_MATCHES
    assert verdict.matches[0].id == first
    assert f"The best {MAX_MATCHES} of {MAX_MATCHES + 5} matches are listed." in verdict.note


def test_a_verdict_survives_the_record(register: Register) -> None:
    register.add(photo())
    verdict = register.judge(photo())
    assert decode(Verdict, encode(verdict)) == verdict


def test_a_symmetrical_photo_matches_upright(register: Register) -> None:
    half = photo(450, 700)
    symmetrical = Image.new("RGB", (900, 700))
    symmetrical.paste(half, (0, 0))
    symmetrical.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (450, 0))
    register.add(symmetrical, b"original")
    (match,) = register.judge(symmetrical).matches
    assert (match.distance, match.evidence.orientation) == (0, "upright")
    assert undoing("upright") == "upright"
