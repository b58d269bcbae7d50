"""Is anybody accused who should not be? Innocent pairs, second shots of a scene, and photos that nobody registered."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.copies.attacks import attacked
from bench.copies.counting import Rate
from bench.copies.crew import Answer, Crew, Known, as_jpeg, ask, photo, photos, register
from bench.copies.engines import Found, Place
from bench.copies.innocent import FAMILIES, TEMPLATES, Item, contents, pair
from bench.copies.recall import BACKGROUND_SIDE, PDQ_RADIUS, PHASH_RADIUS, Trial
from bench.copies.scenes import Scene

NOTHING = "nothing"


@dataclass(frozen=True)
class PairJob:
    """One innocent pair, made where it is needed."""

    place: Place
    family: str
    number: int
    seed: int
    photos: tuple[Path, ...]

    def items(self) -> tuple[Item, Item]:
        """The picture that is registered, and the one that is asked about."""
        named = list(zip((path.name for path in self.photos), photos(self.photos, BACKGROUND_SIDE), strict=True))
        made = pair(named, self.family, self.number, self.seed)
        return made.left, made.right


@dataclass(frozen=True, eq=False)
class PictureJob:
    """One picture to register or to ask about."""

    place: Place
    image: Image.Image


@dataclass(frozen=True, eq=False)
class Plea:
    """What was answered about an innocent pair. `false`: accusations of photos that are not in the picture."""

    family: str
    number: int
    answer: Answer
    false: tuple[Found, ...]
    own: str
    by_phash: bool
    by_pdq: bool


def register_left(job: PairJob) -> tuple[Known, frozenset[str]]:
    """Register the pair's left picture; what is known of it, and what is in it."""
    left, _ = job.items()
    return register(job.place, as_jpeg(left.image), left.image), left.contents


def ask_right(job: PairJob) -> tuple[Answer, frozenset[str]]:
    """Ask about the pair's right picture; the answer, and what is in it."""
    _, right = job.items()
    return ask(job.place, right.image), right.contents


def register_picture(job: PictureJob) -> Known:
    """Register it as a JPEG."""
    return register(job.place, as_jpeg(job.image), job.image)


def ask_picture(job: PictureJob) -> Answer:
    """Ask about it."""
    return ask(job.place, job.image)


def ask_stranger(trial: Trial) -> Answer:
    """Attack a photo that nobody registered, and ask."""
    others = photos(trial.backgrounds, BACKGROUND_SIDE)
    picture = attacked(trial.attack, photo(trial.path), trial.path.name, trial.seed, others)
    return ask(trial.place, picture.image)


def innocents(
    crew: Crew, place: Place, pool: tuple[Path, ...], known: Mapping[Path, Known], seed: int, each: int
) -> list[Plea]:
    """Register every left picture, then ask about every right one."""
    jobs = [PairJob(place, family, number, seed, pool) for family in FAMILIES for number in range(each)]
    lefts = [left for _, left in crew.answers(register_left, jobs, "innocent pairs registered")]
    shown = {one.id: inside for one, inside in lefts} | {one.id: contents(path.name) for path, one in known.items()}
    asked = crew.answers(ask_right, jobs, "innocent pairs asked about")
    return [
        _plea(job, left, answer, inside, shown) for (left, _), (job, (answer, inside)) in zip(lefts, asked, strict=True)
    ]


def _plea(
    job: PairJob, left: Known, answer: Answer, inside: frozenset[str], shown: Mapping[str, frozenset[str]]
) -> Plea:
    false = tuple(each for each in answer.found if each.accuses and inside.isdisjoint(shown.get(each.id, frozenset())))
    own = next((each.kind for each in answer.found if each.id == left.id and left.id), NOTHING)
    bits = [
        int((one != other).sum())
        for one, other in ((left.codes.phash, answer.codes.phash), (left.codes.pdq, answer.codes.pdq))
    ]
    return Plea(job.family, job.number, answer, false, own, bits[0] <= PHASH_RADIUS, bits[1] <= PDQ_RADIUS)


@dataclass(frozen=True)
class Acquittal:
    """Innocent pairs of one family, counted. `own`: what the pair's other picture was called."""

    pairs: int
    false: Rate
    own: dict[str, int]
    by_phash: int
    by_pdq: int


def acquitted(pleas: Sequence[Plea]) -> Acquittal:
    """Count."""
    return Acquittal(
        pairs=len(pleas),
        false=Rate(sum(bool(each.false) for each in pleas), len(pleas)),
        own=dict(Counter(each.own for each in pleas)),
        by_phash=sum(each.by_phash for each in pleas),
        by_pdq=sum(each.by_pdq for each in pleas),
    )


def by_family(pleas: Sequence[Plea]) -> dict[str, Acquittal]:
    """Counted by family, and first the templates together."""
    groups = {"all templates": [each for each in pleas if each.family in TEMPLATES]}
    groups |= {family: [each for each in pleas if each.family == family] for family in FAMILIES}
    return {family: acquitted(some) for family, some in groups.items() if some}


def second_shots(crew: Crew, place: Place, scenes: Sequence[Scene]) -> dict[str, dict[str, int]]:
    """Register the first shots and ask about the second ones: by group, how often the first was called what."""
    firsts = [PictureJob(place, scene.left) for scene in scenes]
    known = [one for _, one in crew.answers(register_picture, firsts, "scenes registered")]
    seconds = [PictureJob(place, scene.right) for scene in scenes]
    answers = [answer for _, answer in crew.answers(ask_picture, seconds, "scenes asked about")]
    counts: dict[str, Counter[str]] = {}
    for scene, one, answer in zip(scenes, known, answers, strict=True):
        kind = next((each.kind for each in answer.found if each.id == one.id), NOTHING)
        counts.setdefault(scene.group, Counter())[kind] += 1
    return {group: dict(some) for group, some in counts.items()}


def strangers(crew: Crew, trials: Sequence[Trial], title: str) -> tuple[Rate, list[tuple[Trial, Answer]]]:
    """Ask about photos that nobody registered, attacked: how often anything is accused, and those answers."""
    asked = list(crew.answers(ask_stranger, trials, title))
    accused = [(trial, answer) for trial, answer in asked if any(each.accuses for each in answer.found)]
    return Rate(len(accused), len(asked)), accused
