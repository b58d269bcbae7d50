"""Multi-index hashing: what it finds without looking at every code, and when it leaves that to the scan."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fingerprint import bands
from fingerprint.bands import BAND_PLACES, BANDS, FEW, KEYS, MAX_RADIUS, Bands, asked_keys
from fingerprint.codefile import CodeFile
from fingerprint.index import ScanIndex
from fingerprint.scan import Hit, within
from store.fingerprints import FingerprintRows
from tests.contracts_of.fingerprint_table import Table, insert


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    made = Table.on_sqlite("scan", tmp_path)
    yield made
    made.database.close()


def file_of(table: Table, codes: list[bytes]) -> CodeFile:
    """The file of codes with these on top of what there is."""
    table.add_all([(pdq, 100) for pdq in codes])
    ScanIndex(table.folder, FingerprintRows(table.database)).count(None)
    return CodeFile.open(table.folder / "codes-v2")


def near(code: bytes, bits: int, chance: random.Random) -> bytes:
    value = int.from_bytes(code)
    for bit in chance.sample(range(256), bits):
        value ^= 1 << bit
    return value.to_bytes(32)


def made(table: Table) -> Bands:
    return Bands(table.folder / "bands-v1", from_rows=1)


def scanned(file: CodeFile, asked: bytes, radius: int = MAX_RADIUS) -> list[Hit]:
    return within(file.words, file.length, asked, radius)


def keys_of(code: bytes) -> set[int]:
    """The keys of a code's bands, bit by bit."""
    bits = f"{int.from_bytes(code):0256b}"
    cut = [int("".join(bits[place] for place in places), 2) for places in BAND_PLACES]
    return {band * KEYS + min(each, 2**16 - 1 - each) for band, each in enumerate(cut)}


@pytest.mark.parametrize("seed", range(20))
def test_two_codes_within_31_bits_share_a_key(seed: int) -> None:
    chance = random.Random(seed)
    code = chance.randbytes(32)
    asked = set(asked_keys(code).tolist())
    assert len(asked) == BANDS * 17
    for _ in range(20):
        assert asked & keys_of(near(code, 31, chance))


def test_a_negative_has_the_same_keys() -> None:
    code = random.Random(1).randbytes(32)
    assert np.array_equal(asked_keys(code), asked_keys(bytes(255 - byte for byte in code)))


def test_finds_what_the_scan_finds_in_a_fraction_of_the_rows(table: Table) -> None:
    chance = random.Random(2)
    asked = chance.randbytes(32)
    codes = [chance.randbytes(32) for _ in range(3000)]
    for place in range(0, 3000, 30):
        codes[place] = near(asked, chance.randrange(40), chance)
    file = file_of(table, codes)
    some = made(table)
    found = some.within(file, file.length, asked, MAX_RADIUS)
    assert found == scanned(file, asked)
    assert some._table is not None
    looked_up = some._table.sharing(asked_keys(asked), FEW)
    assert looked_up is not None
    assert {hit.row for hit in scanned(file, asked)} <= set(looked_up.tolist())
    assert len(set(looked_up.tolist()) - set(range(0, 3000, 30))) < 60


def test_rows_that_came_later_are_found_before_and_after_it_is_made_anew(table: Table) -> None:
    chance = random.Random(3)
    asked = chance.randbytes(32)
    some, rows_made = made(table), []
    for _ in range(30):
        file = file_of(table, [near(asked, 20, chance), *(chance.randbytes(32) for _ in range(9))])
        assert some.within(file, file.length, asked, 31) == scanned(file, asked)
        assert some._table is not None
        rows_made.append(some._table.rows)
    assert len(scanned(file, asked)) == 30
    assert 2 < len(set(rows_made)) < 20  # not at every row


def test_a_smaller_number_of_rows_is_not_exceeded(table: Table) -> None:
    chance = random.Random(4)
    asked = chance.randbytes(32)
    file = file_of(table, [near(asked, 10, chance) for _ in range(100)])
    for rows in (1, 50, 79, 80, 81, 100):
        assert made(table).within(file, rows, asked, 31) == within(file.words, rows, asked, 31)


def test_crowded_bands_are_left_to_the_scan(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """All codes in the same buckets: looking each up sixteen times would take longer than looking at all."""
    chance = random.Random(5)
    asked = chance.randbytes(32)
    file = file_of(table, [near(asked, 2, chance) for _ in range(400)])
    assert made(table).within(file, file.length, asked, 31) == scanned(file, asked)
    monkeypatch.setattr(bands, "FEW", 399)
    assert made(table).within(file, file.length, asked, 31) is None


def test_wide_radii_and_few_codes_are_left_to_the_scan(table: Table) -> None:
    file = file_of(table, [bytes(32)] * 10)
    assert made(table).within(file, file.length, bytes(32), MAX_RADIUS + 1) is None
    assert Bands(table.folder / "bands-v1", from_rows=11).within(file, 10, bytes(32), 31) is None


def test_a_table_of_other_codes_is_not_used(table: Table, tmp_path: Path) -> None:
    chance = random.Random(6)
    codes = [chance.randbytes(32) for _ in range(100)]
    file = file_of(table, codes)
    assert made(table).within(file, 100, codes[50], 31) == [Hit(50, 0, 0)]
    held = made(table)
    held.within(file, 100, codes[50], 31)
    with table.database.write() as connection:
        connection.exec_driver_sql("delete from fingerprints")
    index = ScanIndex(table.folder, FingerprintRows(table.database))
    index.rebuild()
    file = file_of(table, codes[::-1])
    rows = [hit.row for hit in scanned(file, codes[50])]
    for each in (held, made(table)):
        found = each.within(file, file.length, codes[50], 31)
        assert found is not None
        assert [hit.row for hit in found] == rows != [50]


def test_rows_whose_numbers_came_again_are_not_looked_up_by_what_they_were(table: Table) -> None:
    chance = random.Random(8)
    index = ScanIndex(table.folder, FingerprintRows(table.database), bands_from=1)
    for _ in range(3):
        asked = chance.randbytes(32)
        with table.adding() as connection:
            connection.exec_driver_sql("delete from fingerprints")
            for number in range(1, 50):
                insert(
                    connection,
                    f"{asked.hex()[:12]} {number}",
                    asked if number == 7 else chance.randbytes(32),
                    100,
                    number=number,
                )
        assert [each.distance for each in index.near(asked, 31, None)] == [0]
        with table.adding() as connection:
            connection.exec_driver_sql("delete from fingerprints where number > 5")
        assert index.near(asked, 31, None) == []


def test_another_process_making_it_leaves_the_scan_to_answer(table: Table) -> None:
    import fcntl

    file = file_of(table, [bytes(32)] * 10)
    with (table.folder / "bands-v1.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert made(table).within(file, 10, bytes(32), 31) is None
    assert len(made(table).within(file, 10, bytes(32), 31) or []) == 10


def test_it_takes_64_bytes_a_code_and_two_megabytes(table: Table) -> None:
    chance = random.Random(7)
    file = file_of(table, [chance.randbytes(32) for _ in range(1000)])
    made(table).within(file, 1000, bytes(32), 31)
    size = (table.folder / "bands-v1").stat().st_size
    assert size == 4096 + 8 * (BANDS * KEYS + 1) + 64 * 1000
