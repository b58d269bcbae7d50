"""The contract of the index, kept by every engine: exact, fresh in every process, without what was deleted."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from fingerprint.bands import BAND_PLACES
from fingerprint.codes import ORIENTATIONS, undoing
from pipeline.ports import Index, Neighbour
from tests.contracts_of.fingerprint_table import (
    Engine,
    Table,
    code,
    insert,
    written_elsewhere,
)

REPOSITORY = Path(__file__).resolve().parents[2]
ALL_BITS = 2**256 - 1


def turned_over(pdq: bytes, *bits: int) -> bytes:
    """The code with these bits turned over."""
    value = int.from_bytes(pdq)
    for bit in bits:
        value ^= 1 << bit
    return value.to_bytes(32)


def negative(pdq: bytes) -> bytes:
    return (int.from_bytes(pdq) ^ ALL_BITS).to_bytes(32)


def ids(neighbours: object) -> list[str]:
    assert isinstance(neighbours, list)
    return [each.capture_id for each in neighbours]


def by_brute_force(
    stored: list[tuple[str, bytes, int]], asked: bytes, radius: int, before: int | None = None
) -> list[Neighbour]:
    """What the port promises, said once more in the plainest way. Rows are numbered from 1 in their order."""
    codes = [int.from_bytes(asked[at : at + 32]) for at in range(0, len(asked), 32)]
    found = []
    for place, (capture_id, pdq, quality) in enumerate(stored):
        bits = int.from_bytes(pdq)
        measured = [((bits ^ each).bit_count(), False, k) for k, each in enumerate(codes)]
        measured += [((bits ^ each ^ ALL_BITS).bit_count(), True, k) for k, each in enumerate(codes)]
        distance, is_negative, k = min(measured)
        if distance <= radius and quality >= 50 and (before is None or place + 1 < before):
            found.append((distance, place, Neighbour(capture_id, distance, undoing(ORIENTATIONS[k]), is_negative)))
    return [each for _, _, each in sorted(found, key=lambda one: one[:2])]


def fill(table: Table, photos: list[tuple[bytes, int]]) -> list[tuple[str, bytes, int]]:
    """Commit them all; id, code and quality of each."""
    added = table.add_all(photos)
    return [(capture_id, *photo) for capture_id, photo in zip(added, photos, strict=True)]


# Exactness


def test_an_empty_one_finds_nothing(index: Engine) -> None:
    port: Index = index
    assert port.count(None) == 0
    assert (index.near(code(1), 31, None), index.near(code(1), 90, None), index.count(None)) == ([], [], 0)
    assert list(index.iscc(bytes(8), 64, None)) == []


def test_nearest_first_then_oldest(table: Table, index: Engine) -> None:
    far, old, near, young = (table.add(turned_over(code(1), *range(bits))) for bits in (32, 20, 3, 20))
    found = index.near(code(1), 31, None)
    assert found == [Neighbour(near, 3, "upright"), Neighbour(old, 20, "upright"), Neighbour(young, 20, "upright")]
    assert ids(index.near(code(1), 32, None)) == [near, old, young, far]


@pytest.mark.parametrize("radius", [0, 7, 31, 60, 80])
def test_planted_copies_equal_brute_force(table: Table, index: Engine, radius: int) -> None:
    chance = random.Random(radius)
    asked = [chance.randbytes(32) for _ in ORIENTATIONS]
    photos = [(chance.randbytes(32), chance.choice([10, 50, 90])) for _ in range(400)]
    for place in range(0, 400, 4):
        bits = chance.sample(range(256), chance.choice([0, 1, radius, radius, radius + 1]))
        planted = turned_over(chance.choice(asked), *bits)
        photos[place] = (negative(planted) if place % 8 else planted, 80)
    stored = fill(table, photos)
    for before in (None, 300, 1):
        expected = by_brute_force(stored, b"".join(asked), radius, before)
        assert index.near(b"".join(asked), radius, before) == expected
        assert len(expected) > 20 or before == 1
    assert index.near(asked[0], radius, None) == by_brute_force(stored, asked[0], radius)


@pytest.mark.parametrize("radius", [0, 5, 31, 40])
def test_skewed_codes_equal_brute_force(table: Table, index: Engine, radius: int) -> None:
    """Few distinct codes, a few bits apart: all in the same buckets, and what approximate indexes lose copies on."""
    chance = random.Random(radius)
    centres = [bytes(32), negative(bytes(32)), code("centre")]
    photos = [
        (turned_over(chance.choice(centres), *chance.sample(range(256), chance.randrange(45))), chance.choice([49, 50]))
        for _ in range(600)
    ]
    stored = fill(table, photos)
    for asked in (b"".join(centres), centres[2] * 8, turned_over(centres[0], *range(0, 250, 10))):
        assert index.near(asked, radius, None) == by_brute_force(stored, asked, radius)


def test_errors_in_any_bits_are_found(table: Table, index: Engine) -> None:
    chance = random.Random(1)
    spread = [[*range(k, 256, 8)][:31] for k in range(8)] + [[*range(k, k + 31)] for k in range(0, 225, 15)]
    spread += [chance.sample(range(256), 31) for _ in range(60)]
    for near in BAND_PLACES:  # two bits off in each band, and one in the only band that tells
        errors = [place for places in BAND_PLACES for place in chance.sample(places, 1 if places is near else 2)]
        spread.append([255 - place for place in errors])
    stored = fill(table, [(turned_over(code(1), *bits), 100) for bits in spread])
    assert index.near(code(1), 31, None) == [Neighbour(each, 31, "upright") for each, _, _ in stored]
    assert index.near(code(1), 30, None) == []


@pytest.mark.parametrize("is_negative", [False, True])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientation_and_negative_say_what_happened(table: Table, index: Engine, name: str, is_negative: bool) -> None:
    asked = [code(each) for each in ORIENTATIONS]
    planted = turned_over(asked[ORIENTATIONS.index(name)], 3, 200)
    capture = table.add(negative(planted) if is_negative else planted)
    # The photo turned by 90 degrees is the registered one: the registered one turned by 270 is the photo.
    assert index.near(b"".join(asked), 31, None) == [Neighbour(capture, 2, undoing(name), is_negative)]


@pytest.mark.parametrize("size", [0, 31, 33, 9 * 32])
def test_what_is_no_code_is_refused(index: Engine, size: int) -> None:
    with pytest.raises(ValueError, match="PDQ codes"):
        index.near(bytes(size), 31, None)
    with pytest.raises(ValueError, match="ISCC"):
        index.iscc(bytes(size), 31, None)


# Order, flat photos, deletes


def test_before_leaves_out_itself_and_what_came_later(table: Table, index: Engine) -> None:
    captures = [table.add(code(1)) for _ in range(4)]
    for place, capture in enumerate(captures):
        before = index.position(capture)
        assert ids(index.near(code(1), 0, before)) == captures[:place]
        assert ids(index.near(code(1), 60, before)) == captures[:place]
        assert index.count(before) == place
    assert index.near(code(1), 0, 0) == []
    assert ids(index.near(code(1), 0, 10**9)) == captures


def test_flat_photos_are_counted_and_never_found(table: Table, index: Engine) -> None:
    for quality in (0, 49):
        table.add(code(1), quality, iscc=bytes(8))
    good = [table.add(code(1), quality, iscc=bytes(8)) for quality in (50, 100)]
    for radius in (0, 31, 60):
        assert ids(index.near(code(1), radius, None)) == good
    assert ids(list(index.iscc(bytes(8), 64, None))) == good
    assert index.count(None) == 4


def test_same_and_position_ask_the_table(table: Table, index: Engine) -> None:
    first, second = table.add(code(1), sha256=bytes(32)), table.add(code(2), sha256=bytes(32))
    assert list(index.same(bytes(32), None)) == [first, second]
    assert list(index.same(bytes(32), index.position(second))) == [first]
    with pytest.raises(LookupError):
        index.position("nobody")


def test_deleted_rows_are_not_found_in_any_process(table: Table, index: Engine) -> None:
    other = table.index()
    first, gone, last = (table.add(code(1), iscc=bytes(8)) for _ in range(3))
    for each in (index, other):
        assert ids(each.near(code(1), 0, None)) == [first, gone, last]
    table.remove(gone)
    for each in (index, other, table.index()):
        assert ids(each.near(code(1), 0, None)) == ids(each.near(code(1), 60, None)) == [first, last]
        assert ids(list(each.iscc(bytes(8), 0, None))) == [first, last]
    index.rebuild()
    for each in (index, other, table.index()):
        assert each.count(None) == 2


def test_the_newest_row_is_deleted(table: Table, index: Engine) -> None:
    first, gone = table.add(code(1)), table.add(code(2))
    assert ids(index.near(code(2), 0, None)) == [gone]
    table.remove(gone)
    for each in (index, table.index()):
        assert (each.near(code(2), 0, None), each.count(None)) == ([], 1)
    again = table.add(code(3))
    for each in (index, table.index()):
        assert ids(each.near(code(3), 0, None)) == [again]
        assert (ids(each.near(code(1), 0, None)), each.near(code(2), 0, None), each.count(None)) == ([first], [], 2)


def test_everything_is_deleted(table: Table, index: Engine) -> None:
    for each in fill(table, [(code(k), 100) for k in range(20)]):
        table.remove(each[0])
    assert (index.near(code(3), 31, None), index.near(code(3), 60, None)) == ([], [])
    index.rebuild()
    assert index.count(None) == 0
    again = table.add(code(3))
    assert ids(index.near(code(3), 0, None)) == ids(table.index().near(code(3), 0, None)) == [again]


# ISCC


def test_isccs_equal_brute_force(table: Table, index: Engine) -> None:
    chance = random.Random(7)
    asked = chance.randbytes(8)
    stored = []
    for _ in range(80):
        distance = chance.randrange(20)
        bits = int.from_bytes(asked)
        for bit in chance.sample(range(64), distance):
            bits ^= 1 << bit
        stored.append((distance, table.add(chance.randbytes(32), iscc=bits.to_bytes(8))))
    table.add(chance.randbytes(32))  # from before ISCCs were stored
    for radius, before in ((0, None), (8, None), (12, 40), (64, None), (64, 1)):
        expected = [
            Neighbour(capture, distance, "upright")
            for place, (distance, capture) in sorted(enumerate(stored), key=lambda each: (each[1][0], each[0]))
            if distance <= radius and (before is None or place + 1 < before)
        ]
        assert list(index.iscc(asked, radius, before)) == expected


# Freshness, and several writers


def another_process(table: Table, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.contracts_of.fingerprint_table", table.engine, table.url]
    return subprocess.Popen(
        [*command, str(table.folder), str(count)], cwd=REPOSITORY, text=True, stdout=subprocess.PIPE
    )


def test_what_another_process_writes_is_seen_while_it_writes(table: Table, index: Engine) -> None:
    before = table.add(code("before"))
    writer = another_process(table, 60)
    assert writer.stdout is not None
    seen = []
    for place, line in enumerate(writer.stdout):
        assert ids(index.near(written_elsewhere(place), 0, None)) == [line.strip()]
        assert ids(index.near(code("before"), 31, None)) == [before]
        seen.append(table.add(code(("here", place))))
        assert ids(index.near(code(("here", place)), 31, None)) == [seen[-1]]
    assert writer.wait() == 0
    writer.stdout.close()
    assert (len(seen), index.count(None), table.index().count(None)) == (60, 121, 121)


def test_threads_of_one_process(table: Table, index: Engine) -> None:
    wrong: list[object] = []

    def work(name: int) -> None:
        for k in range(10):
            capture = table.add(code((name, k)))
            found = ids(index.near(code((name, k)), 0, None))
            if found != [capture]:
                wrong.append((name, k, found))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, index.count(None)) == ([], 40)


def test_of_two_copies_at_once_the_first_to_commit_sees_nothing_and_the_other_sees_it(
    table: Table, index: Engine
) -> None:
    """The slow one has its number first. If the quick one could commit meanwhile, neither would see the other."""
    index.rebuild()
    inserted, commit = threading.Event(), threading.Event()

    def slow() -> None:
        with table.adding() as connection:
            insert(connection, "slow", code(1), 100)
            inserted.set()
            commit.wait(20)

    def quick() -> None:
        inserted.wait(20)
        table.add_all([(code(1), 100)])

    threads = [threading.Thread(target=each) for each in (slow, quick)]
    for thread in threads:
        thread.start()
    inserted.wait(20)
    threads[1].join(0.3)
    assert threads[1].is_alive(), "a second writer drew a number while the first had not committed its own"
    assert index.near(code(1), 0, None) == []
    commit.set()
    for thread in threads:
        thread.join()
    (first, second) = ids(index.near(code(1), 0, None))
    assert first == "slow"
    assert index.near(code(1), 0, index.position(first)) == []
    assert ids(index.near(code(1), 0, index.position(second))) == ["slow"]


def test_what_is_rolled_back_is_never_seen(table: Table, index: Engine) -> None:
    with pytest.raises(DBAPIError), table.database.engine.begin() as connection:
        insert(connection, "undone", code(1), 100)
        insert(connection, "undone", code(2), 100)  # the id is taken
    kept = table.add(code(3))
    for each in (index, table.index()):
        assert (each.near(code(1), 0, None), ids(each.near(code(3), 0, None)), each.count(None)) == ([], [kept], 1)


def test_what_was_deleted_and_forgotten_is_found_no_more_and_not_counted(index: Engine, table: Table) -> None:
    captures = [table.add(code(seed), iscc=bytes([seed]) * 8) for seed in range(5)]
    assert index.count(None) == 5
    for place in (1, 4):
        table.remove(captures[place])
    index.forget([2, 5])
    for each in (index, table.index()):
        assert [len(each.near(code(seed), 0, None)) for seed in range(5)] == [1, 0, 1, 1, 0]
        assert [len(each.iscc(bytes([seed]) * 8, 0, None)) for seed in range(5)] == [1, 0, 1, 1, 0]
        assert each.count(None) == 3
    later = table.add(code("later"))
    assert [each.capture_id for each in index.near(code("later"), 0, None)] == [later]
    assert index.count(None) == 4
