"""`make bench-index`: what does a question to the index cost, against one pass over the memory, and how fresh is it?

Registered codes are random, which is what unrelated photos' codes look like; the questions are codes of pictures made
here, in eight orientations and their negatives, each with one registered copy. `--large` adds 5 and 10 million codes
(3 GB of disk, five minutes). Times are CPU times of one thread (of the wall where a database server works too), so that
other work on the machine disturbs less; it still does, through caches and memory: compare ratios.
"""

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from fingerprint.band_index import BandIndex
from fingerprint.codefile import CodeFile
from fingerprint.hashes import pdq_in_all_orientations
from fingerprint.index import ScanIndex
from fingerprint.scan import within
from store.bands import PostgresBands
from store.database import Database
from store.fingerprints import FingerprintRows
from store.schema import metadata
from tests.contracts_of.fingerprint_table import Table
from tests.photos import picture
from tests.postgres import running_postgres

SIZES = (10_000, 100_000, 1_000_000)
LARGE = (5_000_000, 10_000_000)
POSTGRES_ROWS = 100_000
QUESTIONS = 100
PICTURES = 50
FRESH_PHOTOS = 50
RADIUS = 31
WIDE = 60  # what only proposes
MAX_PASSES = 2.0  # what a scan of a million codes may cost, in passes over the memory
MAX_FRESH_S = 1.0

_RANDOM_ROWS = """
with recursive place(number) as (select 1 union all select number + 1 from place where number < ?)
insert into fingerprints (number, capture_id, sha256, pdq, quality, iscc)
select number, printf('%024x', number), randomblob(32), randomblob(32), 100, randomblob(8) from place
"""


def main() -> int:
    """Run all measurements; the exit status says whether the targets were met."""
    parser = argparse.ArgumentParser(prog="bench.index")
    parser.add_argument("--large", action="store_true", help="also 5 and 10 million codes")
    parser.add_argument("--watch", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        watch(*arguments.watch)
        return 0
    asked = questions()
    ratios, fresh = {}, {}
    print(f"{'codes':>10}  {'what':<34}{'p50 ms':>9}{'p95 ms':>9}   note", flush=True)
    for size in SIZES + (LARGE if arguments.large else ()):
        with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
            ratios[size] = measure(Path(folder), size, asked)
            if size == SIZES[-1]:
                fresh = freshness(Path(folder))
    measure_postgres(asked)
    print(f"\nfresh in another process, of {len(fresh)} photos at {SIZES[-1]:,} codes, from the commit to the answer:")
    print(f"  p50 {statistics.median(fresh.values()) * 1e3:.0f} ms, slowest {max(fresh.values()) * 1e3:.0f} ms")
    met = ratios[SIZES[-1]] <= MAX_PASSES and max(fresh.values()) < MAX_FRESH_S
    print(f"a scan of {SIZES[-1]:,} codes costs {ratios[SIZES[-1]]:.2f} passes over the memory (at most {MAX_PASSES})")
    return 0 if met else 1


def questions() -> list[bytes]:
    """The codes of pictures in all orientations."""
    return [b"".join(pdq_in_all_orientations(picture(seed, 512, 384))[0]) for seed in range(PICTURES)]


def measure(folder: Path, size: int, asked: list[bytes]) -> float:
    """Print how one size does; the passes over the memory that a scan costs."""
    database = Database(f"sqlite:///{folder / 'capture.db'}")
    metadata.create_all(database.engine)
    fill(folder / "capture.db", size, asked)
    rows = FingerprintRows(database)
    index = ScanIndex(folder / "index", rows, bands_from=10**9)
    note(size, "derive the file of codes", f"{seconds(index.rebuild):.1f} s")
    file = CodeFile.open(folder / "index" / "codes-v2")
    whole = np.frombuffer(file.blocks, np.uint64)
    one_pass = line(
        size, "one pass over the file", repeat(lambda _: np.bitwise_or.reduce(whole)), f"{whole.nbytes:,} B"
    )
    codes = lambda _: [np.bitwise_or.reduce(block, axis=None) for block in file.words]  # noqa: E731
    line(size, "  of it, over the codes alone", repeat(codes), f"{file.words.nbytes:,} B")
    scan = line(
        size, "scan for 8 + 8 codes, 31 bits",
        repeat(lambda k: within(file.words, size, asked[k % len(asked)], RADIUS), QUESTIONS),
    )  # fmt: skip
    question = line(size, "question: scan and database", ask(index, asked))
    print(f"{'':>12}{'in passes over the file':<34}{scan / one_pass:>9.2f}{question / one_pass:>9.2f}   scan, question")
    line(size, "question, 60 bits", ask(index, asked[:10], WIDE))
    line(size, "question by ISCC, 8 bits", repeat(lambda _: index.iscc(bytes(8), 8, None)))
    by_bands = ScanIndex(folder / "index", rows, bands_from=1)
    made_s = seconds(lambda: by_bands.near(asked[0], RADIUS, None))
    kept = (folder / "index" / "bands-v1").stat().st_size / size
    line(size, "question by bands, 31 bits", ask(by_bands, asked), f"made in {made_s:.1f} s, {kept:.0f} B a code")
    database.close()
    return scan / one_pass


def fill(path: Path, size: int, asked: list[bytes]) -> None:
    """Random rows, and among them one copy of each picture, a few bits off."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("pragma synchronous = off")
        connection.execute(_RANDOM_ROWS, (size,))
        for place, codes in enumerate(asked):
            number = 1 + place * (size // len(asked))
            connection.execute("update fingerprints set pdq = ? where number = ?", (copy_of(codes), number))


def copy_of(codes: bytes) -> bytes:
    """The upright code with nine bits turned over."""
    return (int.from_bytes(codes[:32]) ^ sum(1 << bit for bit in range(0, 256, 30))).to_bytes(32)


def ask(index: ScanIndex | BandIndex, asked: list[bytes], radius: int = RADIUS) -> list[float]:
    """Seconds that each question took, its answer checked."""

    def one(place: int) -> None:
        found = index.near(asked[place % len(asked)], radius, None)
        assert found[0].distance == 9, "the copy was not found"

    clock = time.thread_time if isinstance(index, ScanIndex) else time.perf_counter
    return repeat(one, min(QUESTIONS, 2 * len(asked)), clock)


def repeat(work: Callable[[int], Any], times: int = 30, clock: Callable[[], float] = time.thread_time) -> list[float]:
    """Seconds that each call took, the first left out."""
    work(0)
    took = []
    for place in range(times):
        start = clock()
        work(place)
        took.append(clock() - start)
    return took


def seconds(work: Callable[[], Any]) -> float:
    """How long this takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(size: int, what: str, took: Iterable[float], remark: str = "") -> float:
    """Print a line of the table; the median."""
    median, high = (float(np.quantile(list(took), at)) for at in (0.5, 0.95))
    print(f"{size:>10,}  {what:<34}{median * 1e3:>9.2f}{high * 1e3:>9.2f}   {remark}", flush=True)
    return median


def note(size: int, what: str, remark: str) -> None:
    """Print a line without times."""
    print(f"{size:>10,}  {what:<34}{'':>18}   {remark}", flush=True)


def measure_postgres(asked: list[bytes]) -> None:
    """The second engine, in a PostgreSQL of our own."""
    with running_postgres() as url:
        database = Database(url.format("postgres"))
        metadata.create_all(database.engine)
        fill_postgres(database, asked)
        index = BandIndex(PostgresBands(database))
        made_s = seconds(index.rebuild)
        remark = f"made in {made_s:.0f} s, {bands_bytes(database) / POSTGRES_ROWS:.0f} B a code"
        line(POSTGRES_ROWS, "PostgreSQL, 8 + 8 codes, 31 bits", ask(index, asked), remark)
        line(POSTGRES_ROWS, "PostgreSQL, 8 + 8 codes, 60 bits", ask(index, asked[:3], WIDE))
        database.close()


def fill_postgres(database: Database, asked: list[bytes]) -> None:
    """Random rows without captures, and the pictures' copies."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql("alter table fingerprints drop constraint fk_fingerprints_capture_id")
        random_bytes = "decode(md5(random()::text) || md5(random()::text), 'hex')"
        connection.exec_driver_sql(
            "insert into fingerprints (capture_id, sha256, pdq, quality) "
            f"select number, {random_bytes}, {random_bytes}, 100 from generate_series(1, {POSTGRES_ROWS}) as number"
        )
        for place, codes in enumerate(asked):
            number = 1 + place * (POSTGRES_ROWS // len(asked))
            connection.exec_driver_sql("update fingerprints set pdq = %s where number = %s", (copy_of(codes), number))


def bands_bytes(database: Database) -> int:
    """What the bands take on disk, their index included."""
    with database.read() as connection:
        sql = "select pg_total_relation_size('fingerprint_bands_v1')"
        return int(connection.exec_driver_sql(sql).scalar_one())


def freshness(folder: Path) -> dict[str, float]:
    """Seconds from the commit of each photo to the answer in another process that names it."""
    url, index = f"sqlite:///{folder / 'capture.db'}", folder / "index"
    command = [sys.executable, "-m", "bench.index", "--watch", url, str(index)]
    table = Table("scan", url, index)
    committed: dict[str, float] = {}
    took: dict[str, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        for place in range(FRESH_PHOTOS):
            capture = table.add(fresh_code(place))
            committed[capture] = time.time()
            found, at = watcher.stdout.readline().split()
            took[found] = float(at) - committed[found]
            time.sleep(0.02)
        memory = watcher.stdout.readline()
    table.database.close()
    note(SIZES[-1], "a process that asks: memory, MB", memory.strip())
    return took


def watch(url: str, folder: str) -> None:
    """The other process: ask until each photo is there, and say when it was."""
    before = psutil.Process().memory_full_info().uss
    index = ScanIndex(Path(folder), FingerprintRows(Database(url)))
    index.near(fresh_code(0), RADIUS, None)
    print("ready", flush=True)
    for place in range(FRESH_PHOTOS):
        while not (found := index.near(fresh_code(place), RADIUS, None)):
            time.sleep(0.001)
        print(found[0].capture_id, time.time(), flush=True)
    own = psutil.Process().memory_full_info()
    print(f"{(own.uss - before) / 1e6:.0f} of its own, {(own.rss - own.uss) / 1e6:.0f} shared with others")


def fresh_code(place: int) -> bytes:
    """The code of a photo that is registered while the other process asks for it."""
    return np.random.default_rng(place).bytes(32)


if __name__ == "__main__":
    sys.exit(main())
