"""The embedded index's files: complete, repaired when they are damaged, shared by everybody on the machine.

What it answers is the contract's matter (tests/contracts_of/test_index.py).
"""

import os
import random
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from fingerprint.codefile import HEADER_BYTES, TAIL_ROWS
from fingerprint.index import ScanIndex
from fingerprint.scan import BLOCK_ROWS, arranged
from store.fingerprints import FingerprintRows, Row
from tests.contracts_of.fingerprint_table import Table, code, insert

COLUMNS = (8, 8, 8, 8, 8, 4, 1, 1)  # bytes: four words, ISCC, check, quality, is there an ISCC
BLOCK_BYTES = BLOCK_ROWS * sum(COLUMNS)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    made = Table.on_sqlite("scan", tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def index(table: Table) -> ScanIndex:
    return ScanIndex(table.folder, FingerprintRows(table.database))


def another(table: Table) -> ScanIndex:
    """The index as another process has it: nothing is checked yet."""
    return ScanIndex(table.folder, FingerprintRows(table.database))


def ids(neighbours: object) -> list[str]:
    assert isinstance(neighbours, list)
    return [each.capture_id for each in neighbours]


def add_numbered(table: Table, numbers: Sequence[int]) -> None:
    with table.adding() as connection:
        for number in numbers:
            insert(connection, f"capture {number}", code(number), 100, number=number)


def filled(table: Table, index: ScanIndex, count: int = 30) -> tuple[Path, bytes]:
    """The file with this many rows, half of them flat, and what is in it."""
    start = index.count(None)
    table.add_all([(code(k), k % 2 * 100) for k in range(start, start + count)], iscc=bytes(8))
    assert index.count(None) == start + count
    path = table.folder / "codes-v2"
    return path, path.read_bytes()


def test_numbers_that_are_missing_leave_gaps(table: Table, index: ScanIndex) -> None:
    numbers = [3, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5, 2 * BLOCK_ROWS + 7]
    add_numbered(table, numbers)
    assert (index.count(None), index.count(4), index.count(3)) == (6, 1, 0)
    assert [index.count(number) for number in numbers] == [0, 1, 2, 3, 4, 5]
    # A gap's row is zeroes: it is near a code of zeroes, and is none.
    assert (index.near(bytes(32), 0, None), list(index.iscc(bytes(8), 64, None))) == ([], [])
    for number in numbers:
        assert ids(index.near(code(number), 0, None)) == ids(another(table).near(code(number), 31, None))
        assert ids(index.near(code(number), 60, number + 1)) == [f"capture {number}"]
    assert (table.folder / "codes-v2").stat().st_size == HEADER_BYTES + 3 * BLOCK_BYTES


def test_blocks_that_are_added_are_seen_through_an_older_mapping(table: Table, index: ScanIndex) -> None:
    other = another(table)
    for number in (1, BLOCK_ROWS, BLOCK_ROWS + 1, 4 * BLOCK_ROWS):
        add_numbered(table, [number])
        assert ids(index.near(code(number), 0, None)) == [f"capture {number}"]
        assert ids(other.near(code(number), 0, None)) == [f"capture {number}"]
        index, other = other, index


def test_many_neighbours_are_asked_for_in_pieces(table: Table, index: ScanIndex) -> None:
    captures = table.add_all([(code(1), 100)] * 1100)
    assert ids(index.near(code(1), 0, None)) == captures


def test_nobody_else_reads_the_codes(table: Table, index: ScanIndex) -> None:
    filled(table, index)
    assert table.folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in table.folder.iterdir())


def test_what_an_earlier_version_kept_is_removed(table: Table, index: ScanIndex) -> None:
    (table.folder / "codes-v1").write_bytes(b"40 bytes a row")
    index.rebuild()
    assert sorted(file.name for file in table.folder.iterdir()) == ["codes-v2", "lock"]


# Damage


@pytest.mark.parametrize("left", [0, 1, 15, 16, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + BLOCK_BYTES - 1])
def test_a_file_that_is_cut_short_is_completed(table: Table, index: ScanIndex, left: int) -> None:
    path, content = filled(table, index)
    path.write_bytes(content[:left])
    for each in (index, another(table)):
        assert len(each.near(code(29), 0, None)) == 1
        assert each.count(None) == 30
    assert path.read_bytes()[HEADER_BYTES:] == content[HEADER_BYTES:]


@pytest.mark.parametrize("rows", [31, 40, BLOCK_ROWS, BLOCK_ROWS + 1, 2**63])
def test_rows_that_are_counted_and_not_there(table: Table, index: ScanIndex, rows: int) -> None:
    """As after a power cut: the page with the count was written, the rows were not."""
    path, content = filled(table, index)
    path.write_bytes(rows.to_bytes(8, "little") + content[8:])
    assert (another(table).count(None), len(index.near(code(29), 0, None))) == (30, 1)
    table.add(code(30))
    assert len(another(table).near(code(30), 0, None)) == 1


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_rows_that_were_written_and_not_counted(table: Table, index: ScanIndex, rows: int) -> None:
    """As after a kill in the middle of a catch-up."""
    path, content = filled(table, index)
    torn = bytearray(rows.to_bytes(8, "little") + content[8:])
    torn[HEADER_BYTES + 8 * rows : HEADER_BYTES + 8 * 40] = b"\xaa" * 8 * (40 - rows)
    path.write_bytes(torn)
    assert (another(table).count(None), len(index.near(code(29), 0, None))) == (30, 1)
    assert path.read_bytes()[HEADER_BYTES:][: 8 * 30] == content[HEADER_BYTES:][: 8 * 30]


def byte_places(row: int) -> list[int]:
    """Where each byte of a row of the first block is in the file."""
    places: list[int] = []
    column = HEADER_BYTES
    for width in COLUMNS:
        places += range(column + row * width, column + (row + 1) * width)
        column += BLOCK_ROWS * width
    return places


@pytest.mark.parametrize("place", range(sum(COLUMNS)))
def test_every_byte_of_a_row_is_guarded(table: Table, index: ScanIndex, place: int) -> None:
    path, content = filled(table, index)
    for bit in (1, 128):
        damaged = bytearray(content)
        damaged[byte_places(17)[place]] ^= bit
        path.write_bytes(damaged)
        assert another(table).count(None) == 30
        assert path.read_bytes()[HEADER_BYTES:] == content[HEADER_BYTES:]


def test_the_tail_is_looked_at_across_blocks(table: Table, index: ScanIndex) -> None:
    add_numbered(table, [1, BLOCK_ROWS - 5, BLOCK_ROWS + 5])
    index.count(None)
    path = table.folder / "codes-v2"
    content = path.read_bytes()
    assert TAIL_ROWS > 20
    damaged = bytearray(content)
    damaged[byte_places(BLOCK_ROWS - 6)[0]] ^= 1
    path.write_bytes(damaged)
    assert len(another(table).near(code(BLOCK_ROWS - 5), 0, None)) == 1


def test_a_damaged_file_is_no_longer_used_once_another_process_made_it_anew(table: Table, index: ScanIndex) -> None:
    path, _ = filled(table, index)
    assert len(index.near(code(29), 0, None)) == 1
    with path.open("r+b") as file:
        file.seek(byte_places(29)[0])
        file.write(b"\xff\xff")
    assert len(another(table).near(code(29), 0, None)) == 1
    assert len(index.near(code(29), 0, None)) == 1


def test_there_are_no_holes_in_the_file(table: Table, index: ScanIndex) -> None:
    """Writing through a mapping into a hole kills the process when the disk is full."""
    add_numbered(table, [1, 2 * BLOCK_ROWS + 1])
    index.count(None)
    with (table.folder / "codes-v2").open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == HEADER_BYTES + 3 * BLOCK_BYTES


@pytest.mark.parametrize("rows", [1, 30, 50])
def test_a_file_of_another_database_is_replaced(tmp_path: Path, table: Table, index: ScanIndex, rows: int) -> None:
    filled(table, index)
    (tmp_path / "other").mkdir()
    restored = Table.on_sqlite("scan", tmp_path / "other")
    captures = restored.add_all([(code(("restored", k)), 100) for k in range(rows)])
    fresh = ScanIndex(table.folder, FingerprintRows(restored.database))
    assert ids(fresh.near(code(("restored", 0)), 0, None)) == captures[:1]
    assert (fresh.near(code(29), 0, None), fresh.count(None)) == ([], rows)
    restored.database.close()


def test_numbers_that_come_again_are_other_rows(table: Table, index: ScanIndex) -> None:
    """A backup of the database was put back while the service ran."""
    filled(table, index)
    other = another(table)
    assert len(other.near(code(29), 0, None)) == 1
    with table.database.write() as connection:
        connection.exec_driver_sql("delete from fingerprints where number > 10")
    assert (index.near(code(29), 0, None), index.count(None)) == ([], 10)
    add_numbered(table, range(11, 41))
    for each in (index, other, another(table)):
        assert (ids(each.near(code(29), 0, None)), each.count(None)) == (["capture 29"], 40)


def test_the_files_may_be_deleted_at_any_time(table: Table, index: ScanIndex) -> None:
    path, content = filled(table, index)
    for file in table.folder.iterdir():
        file.unlink()
    assert index.count(None) == 30
    assert path.read_bytes()[HEADER_BYTES:] == content[HEADER_BYTES:]


def test_a_rebuild_leaves_readers_their_file(table: Table, index: ScanIndex) -> None:
    path, content = filled(table, index)
    with path.open("rb") as held:
        index.rebuild()
        assert held.read() == content  # renamed over, never cut: a mapping of it stays valid
    assert path.read_bytes()[HEADER_BYTES:] == content[HEADER_BYTES:]


class FailingRows(FingerprintRows):
    """The real table, behind a connection that breaks in the middle of the catch-up."""

    fail_after: int = 10**9

    def after(self, number: int, limit: int) -> Sequence[Row]:
        if number >= self.fail_after:
            raise ConnectionError("the database went away")
        return super().after(number, min(limit, 7))


@pytest.mark.parametrize("fail_after", [0, 1, 7, 14, 28])
def test_a_catch_up_that_breaks_off_is_resumed(table: Table, fail_after: int) -> None:
    rows = FailingRows(table.database)
    index = ScanIndex(table.folder, rows)
    filled(table, index)
    table.add_all([(code(k), 100) for k in range(30, 60)])
    rows.fail_after = 30 + fail_after
    with pytest.raises(ConnectionError):
        index.near(code(59), 0, None)
    rows.fail_after = 10**9
    assert (len(index.near(code(59), 0, None)), index.count(None)) == (1, 60)


def test_a_full_disk_loses_nothing(table: Table, index: ScanIndex) -> None:
    """The next block does not fit: an error, not a killed process; once there is room, all is there."""
    filled(table, index)
    add_numbered(table, [BLOCK_ROWS + 1])
    size = (table.folder / "codes-v2").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            index.near(code(1), 0, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    for each in (index, another(table)):
        assert ids(each.near(code(BLOCK_ROWS + 1), 0, None)) == [f"capture {BLOCK_ROWS + 1}"]
        assert each.count(None) == 31


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_carries_it(table: Table, index: ScanIndex) -> None:
    filled(table, index)
    table.database.close()
    child = os.fork()
    if child == 0:
        table.add(code("child"))
        os._exit(0 if len(index.near(code("child"), 0, None)) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(index.near(code("child"), 0, None)) == 1


@pytest.mark.parametrize(
    ("pdq", "quality", "iscc"), [(b"too short", 100, None), (bytes(32), 101, None), (bytes(32), 100, b"short")]
)
def test_a_row_that_is_no_code_is_refused(
    table: Table, index: ScanIndex, pdq: bytes, quality: int, iscc: bytes
) -> None:
    table.add(code(1))
    table.add(pdq, quality, iscc)
    with pytest.raises(ValueError, match="row 2"):
        index.count(None)


# Bands


def test_the_bands_answer_once_there_are_enough_codes(table: Table, index: ScanIndex) -> None:
    chance = random.Random(1)
    captures = table.add_all([(chance.randbytes(32), 100) for _ in range(300)])
    by_bands = ScanIndex(table.folder, FingerprintRows(table.database), bands_from=301)
    assert by_bands.near(bytes(32), 31, None) == []
    assert not (table.folder / "bands-v1").exists()
    captures.append(table.add(code(1)))
    assert ids(by_bands.near(code(1), 31, None)) == captures[-1:]
    assert (table.folder / "bands-v1").stat().st_mode & 0o077 == 0
    assert not list(table.folder.glob("*.new"))


# What is deleted


def _on_disk(table: Table) -> bytes:
    return b"".join(path.read_bytes() for path in table.folder.iterdir())


@pytest.mark.parametrize("place", [0, 10, 29])
def test_what_is_forgotten_is_in_no_file(table: Table, index: ScanIndex, place: int) -> None:
    """The first, one in between, and the newest, after which the file ends earlier."""
    captures = table.add_all([(code(k), 100) for k in range(30)], iscc=b"the ISCC")
    assert len(index.near(code(place), 0, None)) == 1
    words = [word.tobytes() for word in arranged(code(place))[:, 0]]
    assert all(word in _on_disk(table) for word in words)
    (table.folder / "codes-v2.new").write_bytes(code(place))  # of a rebuilding that was killed
    table.remove(captures[place])
    index.forget([place + 1, 10**6])
    assert not any(word in _on_disk(table) for word in [*words, code(place)])
    for each in (index, another(table)):
        assert each.near(code(place), 0, None) == []
        assert each.count(None) == 29
        others = [k for k in range(30) if k != place]
        assert [ids(each.near(code(k), 0, None)) for k in others] == [[captures[k]] for k in others]
        assert len(each.iscc(b"the ISCC", 0, None)) == 29
    added = table.add(code("later"))
    assert ids(index.near(code("later"), 0, None)) == [added]


def test_before_there_is_a_file_there_is_nothing_to_forget(index: ScanIndex) -> None:
    index.forget([1])
    assert index.count(None) == 0


def test_the_bands_forget_too(table: Table) -> None:
    """Each band's list has the rows by their keys: who knows where a row stands knows its code."""
    chance = random.Random(5)
    codes = [chance.randbytes(32) for _ in range(500)]
    captures = table.add_all([(each, 100) for each in codes])
    index, other = (ScanIndex(table.folder, FingerprintRows(table.database), bands_from=1) for _ in range(2))
    for each in (index, other):
        assert ids(each.near(codes[7], 31, None)) == captures[7:8]
    path = table.folder / "bands-v1"
    before = path.stat()
    for gone in (7, 8, 499):
        table.remove(captures[gone])
    index.forget([8, 9, 500])
    assert path.stat().st_size == before.st_size - 3 * 64
    members = np.frombuffer(path.read_bytes()[-497 * 64 :], np.uint32)
    assert not set(members.tolist()) & {7, 8, 499}
    for each in (index, other):
        assert [ids(each.near(codes[k], 31, None)) for k in (6, 7, 8, 9, 498)] == [
            captures[6:7], [], [], captures[9:10], captures[498:499],
        ]  # fmt: skip
    assert path.stat().st_size == before.st_size - 3 * 64, "and it was not made anew for that"


def test_a_bands_table_of_an_older_file_goes_as_a_whole(table: Table, index: ScanIndex) -> None:
    captures = table.add_all([(code(k), 100) for k in range(30)])
    by_bands = ScanIndex(table.folder, FingerprintRows(table.database), bands_from=1)
    assert ids(by_bands.near(code(3), 31, None)) == captures[3:4]
    index.rebuild()
    table.remove(captures[3])
    index.forget([4])
    assert not (table.folder / "bands-v1").exists()
    assert by_bands.near(code(3), 31, None) == []
    assert ids(by_bands.near(code(4), 31, None)) == captures[4:5]
