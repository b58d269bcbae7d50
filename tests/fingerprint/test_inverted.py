"""The inverted file against a brute force over the table that it is derived from, whatever happens to its files."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fingerprint import blocks, inverted
from fingerprint.features import POINT, keypoints, pack
from fingerprint.inverted import InvertedFile, Probes
from tests.fingerprint.point_rows import (
    SMALL_BLOCK,
    SMALL_FAN,
    WORDS,
    Rows,
    as_found,
    brute_force,
    question,
    some_points,
)


class Unreadable(Rows):
    """A table of which only the newest number and single rows are read: all else must come from files."""

    def between(self, first: int, last: int) -> Sequence[tuple[int, bytes]]:
        assert first == last, f"{first} to {last} were read from the database"
        return super().between(first, last)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "points-v1").iterdir())


def file_of(folder: Path, first: int, last: int) -> Path:
    return folder / "points-v1" / f"{first:012d}-{last:012d}"


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverted, "BLOCK", SMALL_BLOCK)
    monkeypatch.setattr(inverted, "FAN", SMALL_FAN)
    monkeypatch.setattr(inverted, "CHUNK", 50)
    monkeypatch.setattr(inverted, "FULLEST", 1_000_000)  # the points here stand in few cells; see test_match_crowded
    monkeypatch.setattr(blocks, "SLICE", 40)


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Ten photos: two and a half files."""
    rows = Rows(tmp_path / "points.sqlite")
    for seed in range(10):
        rows.add(pack(some_points(seed)))
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_an_empty_table_answers_nothing(tmp_path: Path, folder: Path) -> None:
    searched = InvertedFile(folder, Rows(tmp_path / "points.sqlite"))
    assert searched.seal() == 0
    for before in (None, 0, 1, 5):
        assert as_found(searched.search(question(), before)) == []


def test_no_points_find_nothing(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    nothing = Probes.of(keypoints(Image.new("L", (200, 200))))
    for _ in range(2):
        assert as_found(searched.search(nothing, None)) == []
        searched.seal()


def test_the_database_alone_answers_in_full(rows: Rows, folder: Path) -> None:
    found = as_found(InvertedFile(folder, rows).search(question(), None))
    assert len(found) > 50
    assert found == brute_force(rows, question())
    assert names(folder) == []


def test_files_answer_as_the_database_does(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    for _ in range(30):
        assert as_found(searched.search(question(), None)) == brute_force(rows, question())
        rows.add(pack(some_points(rows.newest())))
        searched.seal()
    assert names(folder) == [file_of(folder, 1, 32).name, file_of(folder, 33, 40).name]


def test_sealed_numbers_are_not_read_from_the_database(rows: Rows, tmp_path: Path, folder: Path) -> None:
    rows.remove(10)
    rows.remove(9)
    InvertedFile(folder, rows).seal()
    sealed = InvertedFile(folder, Unreadable(tmp_path / "points.sqlite"))
    assert as_found(sealed.search(question(), None)) == brute_force(rows, question())


def test_seal_says_how_many_files_it_made(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    assert searched.seal() == 3  # two, and what they became
    assert searched.seal() == 0
    assert InvertedFile(folder, rows).seal() == 0


@pytest.mark.parametrize("is_sealed", [False, True])
def test_before_leaves_out_what_came_later(rows: Rows, folder: Path, is_sealed: bool) -> None:
    searched = InvertedFile(folder, rows)
    if is_sealed:
        searched.seal()
    for before in range(13):
        found = as_found(searched.search(question(), before))
        assert found == brute_force(rows, question(), before), before
        assert all(number < before for _, number, *_ in found)


def test_numbers_may_be_missing(rows: Rows, folder: Path) -> None:
    """Single ones, both ends of a file, and all the numbers of one."""
    for number in (2, 4, 5, 8):
        rows.remove(number)
    rows.add(pack(some_points(20)), 17)
    rows.add(pack(some_points(21)), 25)
    searched = InvertedFile(folder, rows)
    wanted = brute_force(rows, question())
    assert as_found(searched.search(question(), None)) == wanted
    searched.seal()
    assert as_found(searched.search(question(), None)) == wanted
    assert as_found(InvertedFile(folder, rows).search(question(), None)) == wanted
    assert names(folder) == [file_of(folder, 1, 16).name, file_of(folder, 17, 24).name]


def test_photos_may_have_no_points(tmp_path: Path, folder: Path) -> None:
    rows = Rows(tmp_path / "points.sqlite")
    for seed in range(SMALL_BLOCK * 3):
        rows.add(pack(some_points(seed, 0 if seed < SMALL_BLOCK * 2 else 30)))
    searched = InvertedFile(folder, rows)
    assert searched.seal() == 4
    found = as_found(searched.search(question(), None))
    assert found and found == brute_force(rows, question())


def test_what_is_deleted_after_sealing_is_only_a_proposal(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    searched.seal()
    before = brute_force(rows, question())
    rows.remove(3)
    assert as_found(searched.search(question(), None)) == before


@pytest.mark.parametrize("first", [1, 9])
def test_a_deleted_file_is_read_from_the_database_and_made_again(rows: Rows, folder: Path, first: int) -> None:
    for seed in range(10, 14):
        rows.add(pack(some_points(seed)))
    searched = InvertedFile(folder, rows)
    searched.seal()
    held = names(folder)
    assert held == [file_of(folder, 1, 8).name, file_of(folder, 9, 12).name]
    file_of(folder, first, 8 if first == 1 else 12).unlink()
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())
    assert searched.seal() > 0
    assert names(folder) == held
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def _garbage(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(path.stat().st_size))


def _short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _long(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 1)


DAMAGE = {
    "garbage": _garbage,
    "short": _short,
    "long": _long,
    "no more than a header": lambda path: os.truncate(path, 64),
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_removed_and_made_again(rows: Rows, folder: Path, damage: object) -> None:
    InvertedFile(folder, rows).seal()
    path = file_of(folder, 1, 8)
    damage(path)  # type: ignore[operator]
    again = InvertedFile(folder, rows)
    assert as_found(again.search(question(), None)) == brute_force(rows, question())
    again.check()
    assert names(folder) == []
    assert again.seal() == 3
    assert as_found(again.search(question(), None)) == brute_force(rows, question())


def test_a_file_of_another_database_is_removed_and_made_again(rows: Rows, tmp_path: Path, folder: Path) -> None:
    other = Rows(tmp_path / "other.sqlite")
    for seed in range(50, 60):
        other.add(pack(some_points(seed)))
    InvertedFile(folder, other).seal()
    searched = InvertedFile(folder, rows)
    assert searched.seal() == 3
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def test_after_an_older_backup_the_files_fit_again(rows: Rows, folder: Path) -> None:
    InvertedFile(folder, rows).seal()
    for number in range(6, 11):
        rows.remove(number)
    searched = InvertedFile(folder, rows)
    searched.seal()
    assert names(folder) == [file_of(folder, 1, 4).name]
    for seed in range(70, 76):
        rows.add(pack(some_points(seed)))
    searched.seal()
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def test_a_file_beyond_the_newest_number_is_removed(tmp_path: Path, folder: Path) -> None:
    """Flat photos stand at both ends of it: their points cannot tell that a backup was put back."""
    rows = Rows(tmp_path / "points.sqlite")
    for seed in range(4):
        rows.add(pack(some_points(seed, 30 if seed in (1, 2) else 0)))
    InvertedFile(folder, rows).seal()
    rows.remove(4)
    InvertedFile(folder, rows).check()
    assert names(folder) == []


def test_a_full_disk_leaves_the_answers_whole(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            searched.seal()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert all(name.endswith(".new") for name in names(folder))
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())
    assert searched.seal() == 3
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def test_a_merge_that_was_cut_off_changes_nothing(rows: Rows, folder: Path) -> None:
    """The large file is there and so are some of those that it was made of."""
    InvertedFile(folder, rows).seal()
    parts = [InvertedFile(folder, rows)._read(first, first + 3) for first in (1, 5)]
    for kept in ([parts[1]], parts):
        for part in kept:
            path = file_of(folder, part.first, part.last)
            witness = InvertedFile(folder, rows)._witness(part.first, part.last)
            blocks.write(path, part.first, part.last, witness, [(0, part)])
        searched = InvertedFile(folder, rows)
        assert as_found(searched.search(question(), None)) == brute_force(rows, question())
        searched.seal()
        assert as_found(searched.search(question(), None)) == brute_force(rows, question())


@pytest.mark.parametrize("written", [0, 10, 1000, 10**9])
def test_a_writer_killed_before_the_rename_leaves_nothing_that_counts(rows: Rows, folder: Path, written: int) -> None:
    searched = InvertedFile(folder, rows)
    searched.seal()
    path = file_of(folder, 1, 8)
    left = path.with_suffix(".new")
    left.write_bytes(path.read_bytes()[:written])
    path.unlink()
    for each in (searched, InvertedFile(folder, rows)):
        assert as_found(each.search(question(), None)) == brute_force(rows, question())
    again = InvertedFile(folder, rows)
    again.seal()
    assert as_found(again.search(question(), None)) == brute_force(rows, question())
    assert path.exists()


def test_nobody_else_reads_the_files(rows: Rows, folder: Path) -> None:
    before = os.umask(0)
    try:
        InvertedFile(folder, rows).seal()
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "points-v1").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / "points-v1").iterdir()}
    assert modes == {0o600}


def _sealing(tmp_path: Path, folder: Path, count: int) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "tests.fingerprint.point_rows",
        str(tmp_path / "points.sqlite"),
        str(folder),
        str(count),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_another_process_seals_is_found_at_any_moment(rows: Rows, tmp_path: Path, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    compared = 0
    with _sealing(tmp_path, folder, 60) as other:
        while other.poll() is None:
            before = rows.newest() + 1
            assert as_found(searched.search(question(), before)) == brute_force(rows, question(), before)
            compared += 1
    assert other.returncode == 0
    assert compared > 3
    assert names(folder) == [file_of(folder, 1, 64).name, file_of(folder, 65, 68).name]
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


@pytest.mark.parametrize("after", [3, 17])
def test_a_sealer_may_be_killed(rows: Rows, tmp_path: Path, folder: Path, after: int) -> None:
    with _sealing(tmp_path, folder, 10_000) as other:
        assert other.stdout
        for _ in range(after):
            other.stdout.readline()
        other.send_signal(signal.SIGKILL)
    assert other.returncode == -signal.SIGKILL
    for searched in (InvertedFile(folder, rows), InvertedFile(folder, rows)):
        assert as_found(searched.search(question(), None)) == brute_force(rows, question())
        searched.seal()
        assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def _points_of(number: int) -> list[bytes]:
    """Those codes of this photo that no other has."""
    codes = np.frombuffer(pack(some_points(number - 1)), POINT)["code"]
    return [code.tobytes() for code in codes if code.tobytes() not in WORDS.tobytes()]


def _on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (folder / "points-v1").iterdir())


@pytest.mark.parametrize("number", [1, 3, 8, 9])
def test_what_is_forgotten_is_in_no_file(rows: Rows, tmp_path: Path, folder: Path, number: int) -> None:
    """At both ends of a file, within it, and where no file is."""
    searched = InvertedFile(folder, rows)
    searched.seal()
    before = _on_disk(folder)
    assert all(code in before for code in _points_of(number)) == (number <= 8)
    rows.remove(number)
    searched.forget([number, 77])
    assert not any(code in _on_disk(folder) for code in _points_of(number))
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())
    searched.forget([number])
    for again in (searched, InvertedFile(folder, rows)):
        assert again.seal() == 0, "the files are kept"
        assert as_found(again.search(question(), None)) == brute_force(rows, question())


def test_many_are_forgotten_at_once_and_by_slices(rows: Rows, folder: Path) -> None:
    for seed in range(10, 40):
        rows.add(pack(some_points(seed)))
    searched = InvertedFile(folder, rows)
    searched.seal()
    gone = [2, 3, 4, 5, 20, 21, 33, 39]
    for number in gone:
        rows.remove(number)
    searched.forget(gone)
    left = _on_disk(folder)
    assert not any(code in left for number in gone for code in _points_of(number))
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())
    for seed in range(40, 70):  # what was written without them is merged like every other
        rows.add(pack(some_points(seed)))
        searched.seal()
    assert names(folder) == [file_of(folder, 1, 64).name, file_of(folder, 65, 68).name]
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())


def test_a_damaged_file_is_not_written_anew(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    searched.seal()
    _short(file_of(folder, 1, 8))
    searched.forget([3])
    assert names(folder) == []


def test_what_a_killed_merge_left_is_removed(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    searched.seal()
    parts = [InvertedFile(folder, rows)._read(first, first + 3) for first in (1, 5)]
    for part in parts:
        witness = searched._witness(part.first, part.last)
        blocks.write(file_of(folder, part.first, part.last), part.first, part.last, witness, [(0, part)])
    file_of(folder, 9, 12).with_suffix(".new").write_bytes(b"half")
    assert len(names(folder)) == 4
    assert searched.seal() == 0
    assert names(folder) == [file_of(folder, 1, 8).name]


def test_files_that_are_none_of_ours_are_in_nobodys_way(rows: Rows, folder: Path) -> None:
    searched = InvertedFile(folder, rows)
    for name in (".DS_Store", "notes-to-self", "1-2-3", "lost+found"):
        (folder / "points-v1" / name).write_text("not ours")
    assert searched.seal() == 3
    assert as_found(searched.search(question(), None)) == brute_force(rows, question())
    assert len(names(folder)) == 5
