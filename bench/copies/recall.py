"""Attacked photos: is the right one found first, where does the answer say it lies, and is anything else accused?"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.copies.attacks import attacked
from bench.copies.counting import Rate
from bench.copies.crew import Answer, Codes, Crew, Known, ask, photo, photos, register
from bench.copies.engines import Found, Place
from bench.copies.geometry import Quad, iou

BACKGROUND_SIDE = 900  # px
PHASH_RADIUS, PDQ_RADIUS = 10, 31  # bits: what imagehash scripts and Meta's HMA ask for


@dataclass(frozen=True)
class Trial:
    """One photo under one attack; `path` is the photo, `seed` the draw."""

    place: Place
    attack: str
    path: Path
    seed: int
    backgrounds: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was answered, and where the photo truly lies in the picture."""

    answer: Answer
    quad: Quad


def try_out(trial: Trial) -> Outcome:
    """Attack and ask."""
    others = photos(trial.backgrounds, BACKGROUND_SIDE)
    copy = attacked(trial.attack, photo(trial.path), trial.path.name, trial.seed, others)
    return Outcome(ask(trial.place, copy.image), copy.quad)


@dataclass(frozen=True)
class Registration:
    """One file to register."""

    place: Place
    path: Path


def register_file(registration: Registration) -> Known:
    """Register the file as it is."""
    return register(registration.place, registration.path.read_bytes(), photo(registration.path))


def register_all(crew: Crew, place: Place, paths: Iterable[Path]) -> dict[Path, Known]:
    """Register photos; what is known of each."""
    jobs = [Registration(place, path) for path in paths]
    return {job.path: known for job, known in crew.answers(register_file, jobs, "registered")}


class Rivals:
    """What imagehash's pHash and PDQ would answer from the same pictures: the nearest, if it is near enough."""

    def __init__(self, known: Mapping[Path, Known]) -> None:
        self._paths = list(known)
        self._phash = np.stack([each.codes.phash for each in known.values()])
        self._pdq = np.stack([each.codes.pdq for each in known.values()])

    def find(self, codes: Codes, path: Path) -> tuple[bool, bool]:
        """Does pHash find this photo first, does PDQ?"""
        place = self._paths.index(path)
        by_phash = np.count_nonzero(self._phash != codes.phash, axis=1)
        by_pdq = np.count_nonzero(self._pdq != codes.pdq, axis=1)
        return tuple(  # type: ignore[return-value]
            bool(bits[place] == bits.min() and bits[place] <= radius)
            for bits, radius in ((by_phash, PHASH_RADIUS), (by_pdq, PDQ_RADIUS))
        )


@dataclass(frozen=True, eq=False)
class Judged:
    """One trial, judged against the id of the photo that is in it."""

    trial: Trial
    outcome: Outcome
    id: str
    by_phash: bool
    by_pdq: bool

    @property
    def first(self) -> bool:
        """The right photo is the first match."""
        found = self.outcome.answer.found
        return bool(found) and found[0].id == self.id

    @property
    def claimed(self) -> bool:
        """The right photo is the first match, and the answer says that it is a copy."""
        return self.first and self.outcome.answer.found[0].accuses

    @property
    def match(self) -> Found | None:
        """The match that names the right photo, wherever it stands."""
        return next((each for each in self.outcome.answer.found if each.id == self.id), None)

    @property
    def wrong(self) -> list[str]:
        """Other photos that are accused."""
        return [each.id for each in self.outcome.answer.found if each.accuses and each.id != self.id]

    @cached_property
    def iou(self) -> float | None:
        """How well the box fits; None without one."""
        return None if self.match is None or self.match.box is None else iou(self.outcome.quad, self.match.box)

    @property
    def corners_named(self) -> bool:
        """The box's corners have the right names: of all turns and mirrorings of it, the one given fits best."""
        if self.match is None or self.match.box is None:
            return False
        turns = [np.roll(box, by, axis=0) for box in (self.match.box, self.match.box[::-1]) for by in range(4)]
        off = [float(np.linalg.norm(turn - self.outcome.quad)) for turn in turns]
        return off[0] == min(off)


def judged(crew: Crew, trials: Sequence[Trial], known: Mapping[Path, Known], title: str) -> Iterator[Judged]:
    """Run the trials."""
    rivals = Rivals(known)
    for trial, outcome in crew.answers(try_out, trials, title):
        yield Judged(trial, outcome, known[trial.path].id, *rivals.find(outcome.answer.codes, trial.path))


@dataclass(frozen=True)
class Score:
    """Trials counted."""

    first: Rate
    claimed: Rate
    found: Rate
    wrong: Rate
    by_phash: Rate
    by_pdq: Rate
    corners_named: Rate
    iou_mean: float | None
    iou_worst: float | None
    iou_worst_claimed: float | None
    ms: float


def scored(trials: Sequence[Judged]) -> Score:
    """Count."""
    boxes = [each.iou for each in trials if each.iou is not None]
    boxed = [each for each in trials if each.iou is not None]
    return Score(
        first=_rate(each.first for each in trials),
        claimed=_rate(each.claimed for each in trials),
        found=_rate(each.match is not None for each in trials),
        wrong=_rate(bool(each.wrong) for each in trials),
        by_phash=_rate(each.by_phash for each in trials),
        by_pdq=_rate(each.by_pdq for each in trials),
        corners_named=_rate(each.corners_named for each in boxed),
        iou_mean=statistics.mean(boxes) if boxes else None,
        iou_worst=min(boxes, default=None),
        iou_worst_claimed=min((each.iou for each in trials if each.iou is not None and each.claimed), default=None),
        ms=statistics.median(each.outcome.answer.ms for each in trials),
    )


def _rate(hits: Iterable[bool]) -> Rate:
    held = list(hits)
    return Rate(sum(held), len(held))
