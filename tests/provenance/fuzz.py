"""Spoiled photos by the hundred thousand, judged in children with limits: `make fuzz-credentials`.

Nothing may crash, hang, raise, grow or call home: some of the photos name a server that listens here. A file that does
is kept in the folder that is printed.
"""

import contextlib
import json
import mmap
import os
import random
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.record import Credentials, decode, encode
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.trust import TrustLists
from tests.photos import SHARED
from tests.provenance.mutations import mutate
from tests.provenance.orders import FORMATS, photo_of, signed_copy

TOLD = 5000  # files between two lines that say how far it is
BATCH = 250  # files judged by one child: a fork for each would cost as much as the judging
TIMEOUT_S = 20  # for one file, on a machine that is busy with other things
MEMORY_BYTES = 600 << 20  # what a child may add to what it was forked with
MAX_SEED_BYTES, LARGE_BYTES, LARGE_PART = 200_000, 60_000, 0.1
MAX_JSON_CHARACTERS = 200_000  # a verdict is for people
SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".dng": "image/x-adobe-dng", ".png": "image/png"}
_PROGRESS = struct.Struct("<qd")


@dataclass
class Found:
    """What became of all files: how many got which state, the slowest, and each that broke a promise."""

    states: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    largest_bytes: int = 0
    broken: list[str] = field(default_factory=list)


@contextlib.contextmanager
def tripwire() -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback that writes down who came: its port, and the list."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError), server.accept()[0] as visitor:
                    visitor.settimeout(1)
                    came.append(visitor.recv(200))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield server.getsockname()[1], came
        finally:
            stop.set()
            thread.join()


def seeds(folder: Path, identity: Identity, hostile: Sequence[bytes] = ()) -> list[tuple[str, bytes]]:
    """Photos to spoil, with their media types: one of our own in each format, hostile ones, and others' fixtures."""
    photos = [("image/jpeg", photo) for photo in hostile]
    for media_type in FORMATS:
        signed, _ = signed_copy(photo_of(media_type, 1, 96, 72), media_type, folder, identity)
        photos.append((media_type, signed.read_bytes()))
    twice, _ = signed_copy(photos[-len(FORMATS)][1], "image/jpeg", folder, identity)
    photos.append(("image/jpeg", twice.read_bytes()))
    others = sorted((SHARED / "c2pa").glob("*")) if SHARED.is_dir() else []
    return photos + [
        (SUFFIXES[file.suffix], file.read_bytes())
        for file in others
        if file.suffix in SUFFIXES and file.stat().st_size < MAX_SEED_BYTES
    ]


def fuzz(photos: Sequence[tuple[str, bytes]], trust: TrustLists, count: int, seed: int, keep: Path) -> Found:
    """Judge `count` spoiled copies. File number N is the same in every run with this seed."""
    found, first, told = Found(), 0, 0
    while first < count:
        first = _batch(photos, trust, range(first, min(first + BATCH, count)), seed, keep, found)
        if first // TOLD > told:
            told = first // TOLD
            print(f"{first} judged, {len(found.broken)} promises broken", flush=True)
    return found


def spoiled(photos: Sequence[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """File `number` of this run, and the media type that it claims."""
    chance = random.Random(f"{seed}-{number}")
    # Large ones cost ten times as much, and their credentials are no larger.
    large = chance.random() < LARGE_PART
    media_type, photo = chance.choice([one for one in photos if large or len(one[1]) < LARGE_BYTES])
    if chance.random() < 0.02:
        media_type = chance.choice(photos)[0]
    return media_type, mutate(chance, photo, chance.choice(photos)[1])


def _batch(
    photos: Sequence[tuple[str, bytes]], trust: TrustLists, numbers: range, seed: int, keep: Path, found: Found
) -> int:
    """Judge these in a child; where to go on: behind the last, or behind the one that ended the child."""
    progress = mmap.mmap(-1, _PROGRESS.size)
    _note(progress, numbers.start)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _in_child(lambda: _judge_all(photos, trust, numbers, seed, keep, progress), writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        status = _wait(child, progress)
        lines = answers.read().decode().splitlines()
    for state, took_s, size, fault in map(json.loads, lines):
        found.states[state] += 1
        found.slowest_s, found.largest_bytes = max(found.slowest_s, took_s), max(found.largest_bytes, size)
        found.broken += [fault] if fault else []
    if status == 0:
        return numbers.stop
    number = int(_PROGRESS.unpack_from(progress)[0])
    (keep / f"{seed}-{number}").write_bytes(spoiled(photos, seed, number)[1])
    found.broken.append(f"file {number}: the child ended with {status}")
    return number + 1


def _note(progress: mmap.mmap, number: int) -> None:
    # Not pack_into: it writes zeros first, and a parent that looks just then sees a child that began long ago.
    progress[:] = _PROGRESS.pack(number, time.monotonic())


def _in_child(work: Callable[[], list[str]], writing: int) -> None:
    """Run and leave, whatever happens: a child must never come back into the parent's code."""
    try:
        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (held + MEMORY_BYTES, held + MEMORY_BYTES))
        with os.fdopen(writing, "wb") as out:
            out.write("\n".join(work()).encode())
        os._exit(0)
    except BaseException as error:
        print(f"the fuzzer's child: {error!r}", file=sys.stderr)
        os._exit(3)


def _wait(child: int, progress: mmap.mmap) -> int:
    """The child's wait status; it is killed when it is at one file for too long."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() - _PROGRESS.unpack_from(progress)[1] > TIMEOUT_S:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _judge_all(
    photos: Sequence[tuple[str, bytes]], trust: TrustLists, numbers: range, seed: int, keep: Path, progress: mmap.mmap
) -> list[str]:
    lines = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        file = Path(folder) / "photo"
        for number in numbers:
            media_type, content = spoiled(photos, seed, number)
            file.write_bytes(content)
            began = time.process_time()
            _note(progress, number)
            state, fault = _judge(file, media_type, trust)
            if fault:
                (keep / f"{seed}-{number}").write_bytes(content)
                fault = f"file {number} ({media_type}): {fault}"
            lines.append(json.dumps([state, time.process_time() - began, len(content), fault]))
    return lines


def _judge(file: Path, media_type: str, trust: TrustLists) -> tuple[str, str | None]:
    try:
        found = inspect(file, media_type, trust)
        value = encode(found)
        text = json.dumps(value)
        if decode(Credentials, json.loads(text)) != found:
            return found.state, "the verdict is another after it was stored"
        if len(text) > MAX_JSON_CHARACTERS or str(file) in text:
            return found.state, f"the verdict has {len(text)} characters, or names our files"
    except Exception as error:
        return "raised", repr(error)
    return found.state, None


def main() -> int:
    """Run, print the numbers; 1 when a promise was broken."""
    from tests.provenance.hostile import hostile_photos

    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-credentials-"))
    with tripwire() as (port, came):
        identity = Identity.load_or_make(folder / "c2pa")
        trust = TrustLists.load(identity.root_pem, ())
        began = time.perf_counter()
        photos = seeds(folder, identity, hostile_photos(folder, port))
        found = fuzz(photos, trust, count, seed, folder)
    took_s = time.perf_counter() - began
    print(f"{sum(found.states.values())} files of {len(photos)} photos, seed {seed}, {took_s:.0f} s")
    print(f"states: {dict(found.states.most_common())}")
    print(f"slowest: {found.slowest_s * 1000:.0f} ms CPU; largest: {found.largest_bytes} bytes")
    print(f"visitors at the listening socket: {len(came)}; promises broken: {len(found.broken)}")
    for line in found.broken[:20]:
        print(f"  {line}; kept in {folder}")
    return 1 if found.broken or came else 0


if __name__ == "__main__":
    sys.exit(main())
