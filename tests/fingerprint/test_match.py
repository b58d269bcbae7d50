"""The verdict, with real pictures through the real database, blob store and index."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image, ImageDraw, ImageOps

from fingerprint import match as module
from fingerprint.codes import ORIENTATIONS, PDQ
from fingerprint.decode import picture_of
from fingerprint.match import MAX_MATCHES
from pipeline.errors import Unavailable
from pipeline.record import Alignment, Asset, Match, Request, Rights, Verdict, decode, encode
from pipeline.run import Work, fingerprint
from settings import load_settings
from store.schema import fingerprints
from tests.databases import give_tables
from tests.fingerprint.test_hashes import turn
from tests.photos import picture
from wiring import Services


class Register:
    """What the stages do: commit the fingerprint with its rows, then judge against what is older."""

    def __init__(self, home: Path, count: int = 0) -> None:
        self.services = Services(load_settings({"CAPTURE_HOME": str(home)}))
        give_tables(self.services.database)
        self.home, self.count = home, count

    def add(self, image: Image.Image, content: bytes | None = None) -> str:
        self.count += 1
        sha256 = self.services.blobs.put(content or image.tobytes()).sha256
        owner, records = f"owner{self.count}", self.services.captures
        capture_id = records.register(
            f"c{self.count}", owner, bytes(20), Request(Rights()), Asset(sha256, "image/png", 1)
        )
        work = Work(self.services, records.get(capture_id), Path("in memory"), picture_of(image))
        records.put(capture_id, "fingerprint", fingerprint(work))
        return capture_id

    def judge(self, image: Image.Image, content: bytes | None = None, before: int | None = None) -> Verdict:
        domains, seen = self.services.domains, picture_of(image)
        sha256 = hashlib.sha256(content or image.tobytes()).digest()
        return domains.judge(domains.fingerprint(seen), seen, sha256, before)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register(tmp_path / "home")
    yield register
    register.services.close()


@pytest.fixture(scope="module")
def crowded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with four photos in it, to be copied: to fingerprint them takes half a second."""
    register = Register(tmp_path_factory.mktemp("crowded") / "home")
    for seed in range(100, 104):
        register.add(picture(seed))
    register.services.close()
    return register.home


@pytest.fixture
def crowd(crowded_home: Path, tmp_path: Path) -> Iterator[Register]:
    """A register with four other photos in it."""
    crowd = Register(Path(shutil.copytree(crowded_home, tmp_path / "crowd")), 4)
    yield crowd
    crowd.services.close()


def the_match(verdict: Verdict) -> Match:
    """The only match; it must be the first registered after the crowd."""
    (match,) = verdict.matches
    assert verdict.kind == match.kind
    return match


def alignment(match: Match) -> Alignment:
    assert match.evidence.alignment is not None
    return match.evidence.alignment


def box(match: Match) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(alignment(match).box) / 100


def framed(inner: Image.Image, width: int, height: int, at: tuple[int, int], seed: int = 500) -> Image.Image:
    """The picture inside another one."""
    outer = picture(seed, width, height)
    outer.paste(inner, at)
    return outer


def test_the_first_photo_is_an_original(register: Register) -> None:
    verdict = register.judge(picture(1))
    assert (verdict.kind, verdict.matches, verdict.compared_with) == ("original", (), 0)
    assert "Not found: parts under a tenth of this picture's width" in verdict.note


def test_the_same_bytes_are_an_exact_copy(crowd: Register) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(picture(1)))
    assert (match.id, match.kind, match.score_ppm, match.distance) == (mine, "exact_copy", 1_000_000, 0)
    assert (match.evidence.alg, match.evidence.alignment) == ("sha256", None)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_and_shrunk_copy_is_a_near_copy(crowd: Register, orientation: str) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(turn(picture(1).resize((400, 300)), orientation)))
    assert (match.id, match.kind, match.evidence.orientation) == (mine, "near_copy", orientation)
    assert match.distance <= 16
    assert match.score_ppm > 900_000
    assert alignment(match).visible_ppm > 950_000


def test_a_negative_is_a_near_copy_and_said_to_be_one(crowd: Register) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(ImageOps.mirror(ImageOps.invert(picture(1)))))
    assert (match.id, match.kind, match.evidence.negative) == (mine, "near_copy", True)
    assert (match.evidence.alg, match.evidence.orientation) == (PDQ, "mirrored")


def test_a_crop_is_contained_in_the_photo(crowd: Register) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(picture(1).crop((300, 150, 760, 500))))
    assert (match.id, match.kind) == (mine, "contained_in")
    assert np.abs(box(match) - [(-300, -150), (500, -150), (500, 450), (-300, 450)]).max() < 6
    assert abs(alignment(match).visible_ppm / 1e6 - 460 * 350 / (800 * 600)) < 0.02
    assert alignment(match).covers_ppm > 990_000


def test_a_photo_inside_another_is_contained_with_its_corners(crowd: Register) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(framed(picture(1).resize((320, 240)), 900, 700, (500, 100))))
    assert (match.id, match.kind) == (mine, "contains")
    assert np.abs(box(match) - [(500, 100), (820, 100), (820, 340), (500, 340)]).max() < 5
    reverse = np.array(alignment(match).reverse_box) / 100
    assert np.abs(reverse[0] - (-500 * 2.5, -100 * 2.5)).max() < 25
    assert alignment(match).inliers >= 10


def test_all_sources_of_a_collage_are_named(crowd: Register) -> None:
    two = {crowd.add(picture(1)), crowd.add(picture(2))}
    both = Image.new("RGB", (1000, 400), "white")
    both.paste(picture(1).resize((480, 360)), (10, 20))
    both.paste(ImageOps.mirror(picture(2).resize((480, 360))), (510, 20))
    verdict = crowd.judge(both)
    assert verdict.kind == "contains"
    assert {match.id for match in verdict.matches} == two
    assert {match.evidence.orientation for match in verdict.matches} == {"upright", "mirrored"}


def test_a_free_turn_is_found_with_its_corners(crowd: Register) -> None:
    mine = crowd.add(picture(1))
    match = the_match(crowd.judge(picture(1).rotate(12, Image.Resampling.BICUBIC, expand=True)))
    assert match.id == mine
    assert match.kind in ("near_copy", "contains")
    edge = np.hypot(*(box(match)[1] - box(match)[0]))
    assert abs(edge - 800) < 8


def test_what_differs_shows_in_the_correlation_map(crowd: Register) -> None:
    crowd.add(picture(1))
    edited = picture(1)
    ImageDraw.Draw(edited).rectangle((0, 0, 260, 260), fill="orange")
    values = alignment(the_match(crowd.judge(edited))).correlation
    rows, columns = len(values), len(values[0])
    corner = [v for row in values[: rows // 4] for v in row[: columns // 5] if v is not None]
    rest = [v for row in values[rows // 2 :] for v in row if v is not None]
    assert max(corner) < 60
    assert min(rest) > 60


def _page(portrait: Image.Image, words: str) -> Image.Image:
    """The same app around any photo."""
    page = Image.new("RGB", (600, 1000), "white")
    draw = ImageDraw.Draw(page)
    for y in range(20, 200, 30):
        draw.text((20, y), "The same words on every page of it, and a line below", fill="black", font_size=22)
        draw.line((20, y + 28, 560, y + 28), fill="grey")
    draw.text((20, 900), words, fill="black", font_size=24)
    page.paste(portrait.resize((560, 420)), (20, 300))
    return page


def test_two_photos_under_one_template_accuse_nobody(crowd: Register) -> None:
    crowd.add(_page(picture(1), "one"))
    verdict = crowd.judge(_page(picture(2), "another"))
    assert verdict.kind in ("original", "shares_region")
    assert all(match.kind == "shares_region" for match in verdict.matches)


def test_a_capture_matches_neither_itself_nor_a_later_one(register: Register) -> None:
    one, two, three = (register.add(picture(1)) for _ in range(3))
    index = register.services.index
    assert register.judge(picture(1), before=index.position(one)).kind == "original"
    assert [match.id for match in register.judge(picture(1), before=index.position(two)).matches] == [one]
    assert [match.id for match in register.judge(picture(1), before=index.position(three)).matches] == [one, two]


def test_equal_bytes_come_before_near_copies_and_older_before_younger(register: Register) -> None:
    near_old = register.add(picture(1), b"an older copy of other bytes")
    exact_old, exact_young = register.add(picture(1)), register.add(picture(1))
    near_young = register.add(picture(1), b"a younger copy of other bytes")
    verdict = register.judge(picture(1))
    assert [match.id for match in verdict.matches] == [exact_old, exact_young, near_old, near_young]
    assert [match.kind for match in verdict.matches] == ["exact_copy"] * 2 + ["near_copy"] * 2


def test_a_photo_that_is_gone_stops_matching_at_once(register: Register) -> None:
    mine = register.add(picture(1))
    half = picture(1).crop((0, 0, 500, 400))
    assert the_match(register.judge(half)).id == mine
    with register.services.database.write() as connection:
        connection.execute(fingerprints.delete().where(fingerprints.c.capture_id == mine))
    assert register.judge(half).kind == "original"
    assert register.judge(picture(1)).kind == "original"
    assert sa.inspect(register.services.database.engine).has_table("local_features")


def test_a_photo_that_is_erased_while_it_is_compared_with_is_no_match(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = register.add(picture(1)), register.add(picture(1).resize((600, 450)))
    read = register.services.blobs.read
    erased: list[str] = []

    def erasing(sha256: bytes, *more: int) -> Iterator[bytes]:
        if not erased:
            erased.append(mine)
            register.services.erasures.erase(mine)
            register.services.erasures.remove_blobs(mine)
        return read(sha256, *more)

    monkeypatch.setattr(register.services.blobs, "read", erasing)
    assert [match.id for match in register.judge(picture(1).crop((0, 0, 700, 560))).matches] == [other]
    assert erased == [mine]


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (300, 200), "grey"),
        picture(7, 60, 50),
        Image.linear_gradient("L").convert("RGB"),
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (400, 500, 3), np.uint8)),
    ],
    ids=["flat", "tiny", "gradient", "noise"],
)
def test_pictures_without_detail_match_by_bytes_only(crowd: Register, image: Image.Image) -> None:
    mine = crowd.add(image)
    assert crowd.judge(image, b"other bytes").matches == ()
    verdict = crowd.judge(image)
    assert (the_match(verdict).id, verdict.kind) == (mine, "exact_copy")
    assert verdict.note == "Too little detail for fingerprints: compared by bytes only."


def test_a_lens_correction_is_no_other_scene(crowd: Register) -> None:
    """It bends the whole picture smoothly; parallax moves near and far things apart."""
    mine = crowd.add(picture(1))
    pixels = np.asarray(picture(1))
    y, x = np.indices(pixels.shape[:2], np.float32)
    dx, dy = x / 800 - 0.5, y / 600 - 0.5
    zoom = 1 + 0.12 * (dx * dx + dy * dy - 0.25)
    across, down = (np.asarray(place, np.float32) for place in ((dx * zoom + 0.5) * 800, (dy * zoom + 0.5) * 600))
    bent = cv2.remap(pixels, across, down, cv2.INTER_LINEAR)
    match = the_match(crowd.judge(Image.fromarray(bent)))
    assert (match.id, match.kind) == (mine, "near_copy")


def test_the_list_is_bounded_and_says_so(register: Register) -> None:
    first = register.add(picture(1), b"0")
    for k in range(1, MAX_MATCHES + 5):
        register.add(picture(1), b"%d" % k)
    verdict = register.judge(picture(1))
    assert verdict.matches[0].id == first
    assert len(verdict.matches) == MAX_MATCHES
    assert f"Of {MAX_MATCHES + 5} registered photos that are much like it, the 20 nearest were" in verdict.note


def test_an_answer_that_ran_out_of_time_says_so(crowd: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd.add(picture(1))
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    verdict = crowd.judge(picture(1), b"other bytes")
    assert verdict.kind == "original"
    assert "There was no time to look at all candidates" in verdict.note


def test_a_verdict_that_is_kept_is_never_cut_short(crowd: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd.add(picture(1))
    monkeypatch.setattr(module, "REGISTER_PATIENCE_S", 0.0)
    with pytest.raises(Unavailable, match="the time to compare"):
        crowd.judge(picture(1), b"other bytes", before=100)


def test_a_missing_small_picture_is_said_and_stops_nothing(crowd: Register) -> None:
    lost, mine = crowd.add(picture(1)), crowd.add(ImageOps.posterize(picture(1), 5))
    digest = crowd.services.captures.get(lost).fact("fingerprint").thumbnail_sha256
    (file,) = (crowd.services.settings.home / "blobs").rglob(f"*{digest.hex()[-20:]}*")
    file.unlink()
    verdict = crowd.judge(picture(1).resize((400, 300)))
    assert the_match(verdict).id == mine
    assert "1 that resemble it were not looked at" in verdict.note


def test_a_verdict_survives_the_record(crowd: Register) -> None:
    crowd.add(picture(1))
    verdict = crowd.judge(picture(1).crop((100, 100, 600, 500)))
    assert decode(Verdict, encode(verdict)) == verdict
    assert crowd.judge(picture(1).crop((100, 100, 600, 500))) == verdict
