"""The machine's cores at work: jobs in processes of their own, each with its own connection to the place."""

import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image, ImageOps

from bench.copies.engines import Found, Place, engine
from pipeline.errors import Rejected

QUALITY = 92  # of the JPEGs that are sent
KEPT_PHOTOS = 40  # decoded photos a process keeps

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of the two systems that we are compared with: imagehash's pHash (8 bytes) and PDQ (32), as bits."""

    phash: npt.NDArray[np.uint8]
    pdq: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found for one picture, in `ms` milliseconds; `rejected` says why it was refused."""

    found: tuple[Found, ...]
    ms: float
    codes: Codes
    rejected: str | None = None


@dataclass(frozen=True, eq=False)
class Known:
    """A registered picture. `id` is empty when it was refused."""

    id: str
    ms: float
    codes: Codes


class Crew:
    """Processes that answer jobs in order."""

    def __init__(self, processes: int) -> None:
        # Two processes that each let OpenBLAS use both cores take twice the time (measured).
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Spawned, not forked: this process may hold connections, and OpenCV's threads do not survive a fork.
        self._pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))

    def answers(self, work: Callable[[Job], Result], jobs: Iterable[Job], title: str) -> Iterator[tuple[Job, Result]]:
        """Each job with its result, in the order of the jobs; says how far it is."""
        jobs = list(jobs)
        began = time.monotonic()
        for done, (job, result) in enumerate(zip(jobs, self._pool.map(work, jobs, chunksize=4), strict=True), 1):
            if done % 200 == 0 or done == len(jobs):
                print(f"  {title}: {done} of {len(jobs)}, {time.monotonic() - began:.0f} s", flush=True)
            yield job, result

    def close(self) -> None:
        """Let the processes end."""
        self._pool.shutdown()


@lru_cache(KEPT_PHOTOS)
def photo(path: Path) -> Image.Image:
    """A photo upright, in RGB, at its own size."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


@lru_cache(2)
def photos(paths: tuple[Path, ...], longest: int) -> Sequence[Image.Image]:
    """Several photos with at most `longest` px a side, kept."""
    return [_fitted(photo.__wrapped__(path), longest) for path in paths]


def _fitted(image: Image.Image, longest: int) -> Image.Image:
    image.thumbnail((longest, longest))
    return image


def as_jpeg(image: Image.Image) -> bytes:
    """The file that is sent."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def ask(place: Place, image: Image.Image) -> Answer:
    """Ask about a picture."""
    body, codes = as_jpeg(image), codes_of(image)
    began = time.monotonic()
    try:
        found, rejected = tuple(engine(place).ask(body)), None
    except Rejected as error:
        found, rejected = (), str(error)
    return Answer(found, (time.monotonic() - began) * 1000, codes, rejected)


def register(place: Place, body: bytes, image: Image.Image) -> Known:
    """Register a file, whose picture is `image`."""
    began = time.monotonic()
    try:
        capture_id = engine(place).register(body)
    except Rejected:
        capture_id = ""
    return Known(capture_id, (time.monotonic() - began) * 1000, codes_of(image))


def codes_of(image: Image.Image) -> Codes:
    """The codes as those who use these libraries take them: upright, from the picture as it is."""
    image = _fitted(image.copy(), 1024)
    pdq, _ = pdqhash.compute(np.asarray(image))
    return Codes(np.asarray(imagehash.phash(image).hash, np.uint8).ravel(), np.asarray(pdq, np.uint8).ravel())
