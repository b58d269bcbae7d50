"""The index's contract: exact, fresh in every process, repaired when it is damaged."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprint.codes import ORIENTATIONS
from fingerprint.index import BATCH_ROWS, ScanIndex
from pipeline.ports import Index, Neighbour
from tests.fingerprint.sqlite_rows import SqliteRows, StoredRow

REPOSITORY = Path(__file__).resolve().parents[2]
ROW_BYTES = 40


def code(seed: object) -> bytes:
    """A code that is far from every other."""
    return hashlib.sha256(repr(seed).encode()).digest()


def flipped(pdq: bytes, bits: int) -> bytes:
    """The code with its last `bits` bits turned over."""
    return (int.from_bytes(pdq) ^ ((1 << bits) - 1)).to_bytes(32)


@pytest.fixture
def rows(tmp_path: Path) -> SqliteRows:
    return SqliteRows(tmp_path / "rows.db")


@pytest.fixture
def index(tmp_path: Path, rows: SqliteRows) -> ScanIndex:
    return ScanIndex(tmp_path / "index", rows)


def ids(neighbours: object) -> list[str]:
    assert isinstance(neighbours, list)
    return [each.capture_id for each in neighbours]


def test_is_an_index(index: ScanIndex) -> None:
    port: Index = index
    assert port.count(None) == 0
    assert port.near(code(1), 31, None) == []


def test_nearest_first_then_oldest(index: ScanIndex, rows: SqliteRows) -> None:
    far, old, near, young = (rows.add(flipped(code(1), bits)) for bits in (32, 20, 3, 20))
    found = index.near(code(1), 31, None)
    assert found == [Neighbour(near, 3, "upright"), Neighbour(old, 20, "upright"), Neighbour(young, 20, "upright")]
    assert far not in ids(found)
    assert ids(index.near(code(1), 32, None)) == [near, old, young, far]


def test_before_leaves_out_itself_and_what_came_later(index: ScanIndex, rows: SqliteRows) -> None:
    captures = [rows.add(code(1)) for _ in range(4)]
    for place, capture in enumerate(captures):
        before = index.position(capture)
        assert ids(index.near(code(1), 0, before)) == captures[:place]
        assert index.count(before) == place
    assert index.near(code(1), 0, 0) == []
    assert ids(index.near(code(1), 0, 10**9)) == captures


def test_flat_photos_are_counted_and_never_proposed(index: ScanIndex, rows: SqliteRows) -> None:
    for quality in (0, 49):
        rows.add(code(1), quality=quality)
    good = [rows.add(code(1), quality=quality) for quality in (50, 100)]
    assert ids(index.near(code(1), 31, None)) == good
    assert index.count(None) == 4


def test_the_orientation_says_how_the_registered_photo_was_turned(index: ScanIndex, rows: SqliteRows) -> None:
    asked = [code(name) for name in ORIENTATIONS]
    capture = rows.add(flipped(asked[ORIENTATIONS.index("rotated_90")], 2))
    # The photo turned by 90 degrees is the registered one: the registered one turned by 270 is the photo.
    assert index.near(b"".join(asked), 31, None) == [Neighbour(capture, 2, "rotated_270")]
    assert index.near(asked[0], 31, None) == []


@pytest.mark.parametrize("size", [0, 31, 33, 9 * 32])
def test_what_is_no_code_is_refused(index: ScanIndex, size: int) -> None:
    with pytest.raises(ValueError, match="PDQ codes"):
        index.near(bytes(size), 31, None)


def test_same_and_position_ask_the_table(index: ScanIndex, rows: SqliteRows) -> None:
    digest = bytes(32)
    first, second = rows.add(code(1), sha256=digest), rows.add(code(2), sha256=digest)
    assert list(index.same(digest, None)) == [first, second]
    assert list(index.same(digest, index.position(second))) == [first]
    with pytest.raises(LookupError):
        index.position("nobody")


def test_numbers_that_are_missing_leave_gaps(index: ScanIndex, rows: SqliteRows) -> None:
    for number in (3, BATCH_ROWS * 2 + 5, BATCH_ROWS * 2 + 7):
        rows.add(code(number), number=number)
    assert index.count(None) == 3
    assert index.count(4) == 1
    assert index.count(3) == 0
    # A gap's row is zeroes: it is near a code of zeroes, and is none.
    assert index.near(bytes(32), 0, None) == []
    assert len(index.near(code(BATCH_ROWS * 2 + 5), 0, None)) == 1


def test_deleted_rows_are_not_proposed(index: ScanIndex, rows: SqliteRows) -> None:
    gone, kept = rows.add(code(1)), rows.add(code(1))
    assert ids(index.near(code(1), 0, None)) == [gone, kept]
    rows.remove(gone)
    assert ids(index.near(code(1), 0, None)) == [kept]
    rows.remove(kept)  # the newest: the file is now longer than the table
    assert index.near(code(1), 0, None) == []
    new = rows.add(code(2))
    assert ids(index.near(code(2), 0, None)) == [new]


def test_many_neighbours_are_asked_for_in_pieces(index: ScanIndex, rows: SqliteRows) -> None:
    captures = [rows.add(code(1)) for _ in range(1100)]  # SqliteRows refuses more than 500 numbers at once
    assert ids(index.near(code(1), 0, None)) == captures


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 49, 50, 100])), max_size=40),
    st.integers(0, 45),
    st.integers(1, 50),
)
def test_equals_brute_force_on_skewed_codes(
    tmp_path_factory: pytest.TempPathFactory, stored: list[tuple[int, int]], radius: int, before: int
) -> None:
    folder = tmp_path_factory.mktemp("skewed")
    rows = SqliteRows(folder / "rows.db")
    captures = [rows.add(flipped(code(0), bits), quality=quality) for bits, quality in stored]
    expected = sorted(
        (bits, place)
        for place, (bits, quality) in enumerate(stored)
        if bits <= radius and quality >= 50 and place + 1 < before
    )
    found = ScanIndex(folder / "index", rows).near(code(0), radius, before)
    assert [(each.distance, each.capture_id) for each in found] == [(d, captures[p]) for d, p in expected]


# Freshness, and several writers


def test_another_index_over_the_same_folder_sees_it_at_once(tmp_path: Path, rows: SqliteRows) -> None:
    one, other = (ScanIndex(tmp_path / "index", rows) for _ in range(2))
    for k in range(20):
        capture = rows.add(code(k))
        asked, also = (one, other) if k % 2 else (other, one)
        assert ids(asked.near(code(k), 0, None)) == ids(also.near(code(k), 0, None)) == [capture]


def writers(tmp_path: Path, how_many: int, rows_each: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.fingerprint.sqlite_rows", str(tmp_path / "rows.db")]
    for _ in range(how_many):
        yield subprocess.Popen(
            [*command, str(tmp_path / "index"), str(rows_each)], cwd=REPOSITORY, text=True, stdout=subprocess.PIPE
        )


def test_what_another_process_writes_is_seen_while_it_writes(
    tmp_path: Path, index: ScanIndex, rows: SqliteRows
) -> None:
    rows.add(code("before"))
    (writer,) = writers(tmp_path, 1, 150)
    assert writer.stdout is not None
    seen = 0
    for line in writer.stdout:
        capture, written = line.split()
        assert ids(index.near(bytes.fromhex(written), 0, None)) == [capture]
        assert len(index.near(code("before"), 0, None)) == 1
        seen += 1
    assert writer.wait() == 0
    writer.stdout.close()
    assert (seen, index.count(None)) == (150, 151)
    content = (tmp_path / "index" / "codes-v1").read_bytes()
    index.rebuild()
    assert (tmp_path / "index" / "codes-v1").read_bytes() == content


def test_threads_of_one_process(index: ScanIndex, rows: SqliteRows) -> None:
    wrong: list[object] = []

    def work(name: int) -> None:
        for k in range(15):
            capture = rows.add(code((name, k)))
            found = ids(index.near(code((name, k)), 0, None))
            if found != [capture]:
                wrong.append((name, k, found))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert index.count(None) == 60


# Damage


def filled(index: ScanIndex, rows: SqliteRows) -> tuple[Path, bytes]:
    for k in range(30):
        rows.add(code(k), quality=k % 2 * 100)
    assert index.count(None) == 30
    return index._file, index._file.read_bytes()


@pytest.mark.parametrize("left", [0, 1, 39, 40, 41, 29 * 40 + 39])
def test_a_file_that_is_cut_short_is_completed(tmp_path: Path, index: ScanIndex, rows: SqliteRows, left: int) -> None:
    path, content = filled(index, rows)
    path.write_bytes(content[:left])
    assert ids(index.near(code(29), 0, None)) == ids(ScanIndex(tmp_path / "index", rows).near(code(29), 0, None))
    assert len(index.near(code(29), 0, None)) == 1
    assert path.read_bytes() == content


@pytest.mark.parametrize("tail", [b"\0" * 40, b"\xff" * 40, b"\0" * 25, b"\xaa" * 200])
def test_what_does_not_belong_at_the_end_is_repaired(
    tmp_path: Path, index: ScanIndex, rows: SqliteRows, tail: bytes
) -> None:
    path, content = filled(index, rows)
    path.write_bytes(content[: -len(tail)] + tail)
    fresh = ScanIndex(tmp_path / "index", rows)
    assert len(fresh.near(code(29), 0, None)) == 1
    assert path.read_bytes() == content
    path.write_bytes(content + tail)
    assert ScanIndex(tmp_path / "index", rows).count(None) == 30
    assert path.read_bytes()[: len(content)] == content


@pytest.mark.parametrize("place", range(ROW_BYTES))
def test_every_byte_of_a_row_is_guarded(tmp_path: Path, index: ScanIndex, rows: SqliteRows, place: int) -> None:
    path, content = filled(index, rows)
    damaged = bytearray(content)
    damaged[17 * ROW_BYTES + place] ^= 1
    path.write_bytes(damaged)
    assert ScanIndex(tmp_path / "index", rows).count(None) == 30
    assert path.read_bytes() == content


def test_a_file_of_another_database_is_replaced(tmp_path: Path, index: ScanIndex, rows: SqliteRows) -> None:
    filled(index, rows)
    restored = SqliteRows(tmp_path / "restored.db")
    only = restored.add(code("restored"))
    fresh = ScanIndex(tmp_path / "index", restored)
    assert ids(fresh.near(code("restored"), 0, None)) == [only]
    assert fresh.near(code(29), 0, None) == []


def test_the_file_may_be_deleted_at_any_time(index: ScanIndex, rows: SqliteRows) -> None:
    path, content = filled(index, rows)
    path.unlink()
    assert index.count(None) == 30
    assert path.read_bytes() == content


def test_a_rebuild_leaves_readers_their_file(index: ScanIndex, rows: SqliteRows) -> None:
    path, content = filled(index, rows)
    with path.open("rb") as held:
        index.rebuild()
        assert held.read() == content  # renamed over, never cut: a mapping of it stays valid
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o077 == 0


class FailingRows(SqliteRows):
    """The real table, behind a connection that breaks in the middle of the catch-up."""

    fail_after: int = 10**9

    def after(self, number: int, limit: int) -> list[StoredRow]:
        if number >= self.fail_after:
            raise ConnectionError("the database went away")
        return list(super().after(number, min(limit, 7)))


@pytest.mark.parametrize("fail_after", [0, 1, 7, 14, 28])
def test_a_catch_up_that_breaks_off_is_resumed(tmp_path: Path, fail_after: int) -> None:
    rows = FailingRows(tmp_path / "rows.db")
    index = ScanIndex(tmp_path / "index", rows)
    filled(index, rows)
    for k in range(30, 60):
        rows.add(code(k))
    rows.fail_after = 30 + fail_after
    with pytest.raises(ConnectionError):
        index.near(code(59), 0, None)
    rows.fail_after = 10**9
    assert len(index.near(code(59), 0, None)) == 1
    assert index.count(None) == 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_carries_it(index: ScanIndex, rows: SqliteRows) -> None:
    filled(index, rows)
    child = os.fork()
    if child == 0:
        rows.add(code("child"))
        os._exit(0 if len(index.near(code("child"), 0, None)) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(index.near(code("child"), 0, None)) == 1


def test_a_row_that_is_no_code_is_refused(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "rows.db")
    rows.add(b"too short")
    with pytest.raises(ValueError, match="no PDQ code"):
        ScanIndex(tmp_path / "index", rows).count(None)
