"""`make bench-copies`: registers photos, attacks some, asks, and counts. Prints tables, writes results.json.

Without --base it measures in this process, on a home of its own: decode, fingerprint and verdict as a photo worker does
them, without queue, signing and log. --http starts a whole service and asks that; --base asks one that runs already
(and registers photos there). Attacks, pairs and distractors are drawn anew for each --seed.
"""

import argparse
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil

from bench.copies import report as tables
from bench.copies.accused import by_family, innocents, second_shots, strangers
from bench.copies.attacks import ATTACKS
from bench.copies.counting import Rate
from bench.copies.crew import Answer, Crew, photos
from bench.copies.crowd import DonorJob, donor, fill
from bench.copies.distractors import distractors
from bench.copies.engines import Place, open_home
from bench.copies.innocent import PAIRS
from bench.copies.material import cache, fetched
from bench.copies.recall import BACKGROUND_SIDE, Trial, judged, register_all, scored
from bench.copies.report import Report
from bench.copies.scenes import real, synthetic
from bench.copies.split import Split, split
from tests.photos import SHARED
from tests.service import Running

PARTS = ("attacks", "innocent", "scenes", "distractors")
WARPS = 4  # variants of each photo that distractors are made from
DONOR_PHOTOS = 150
STRANGER_ATTACKS = 4  # attacks on each photo that nobody registered


def main() -> int:
    """Run what was asked for; the exit status says whether every target was met."""
    arguments = _arguments()
    sharing = split(arguments.photos, arguments.seed, arguments.queries)
    report, crew, began = Report(), Crew(arguments.processes), time.monotonic()
    try:
        with _place(arguments) as place:
            _small(arguments, sharing, place, crew, report)
        if "distractors" in arguments.parts and not (arguments.base or arguments.http):
            with tempfile.TemporaryDirectory(prefix="capture-bench-") as home:
                _crowded(arguments, sharing, home, crew, report)
    finally:
        crew.close()
    report.keep("run", _run(arguments, time.monotonic() - began))
    report.write()
    print(
        f"\n{time.monotonic() - began:.0f} s, {_cpu_s():.0f} s of CPU; missed: {', '.join(report.missed) or 'nothing'}"
    )
    return 1 if report.missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench.copies", description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, default=SHARED / "photos", help="a folder of photos")
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--attacks", default=",".join(ATTACKS), help="names, with commas between")
    parser.add_argument("--queries", type=int, default=20, help="photos under each attack")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="innocent pairs of each family")
    parser.add_argument("--distractors", type=int, default=100_000)
    parser.add_argument("--crowded-queries", type=int, default=900, help="half of them about photos registered there")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="where fetched material is kept (default ~/.cache/capture-bench)")
    parser.add_argument("--no-fetch", action="store_true", help="do not fetch material that is not there")
    parser.add_argument("--http", action="store_true", help="start a whole service and ask it")
    parser.add_argument("--base", help="the address of a running service")
    parser.add_argument("--key-file", type=Path, default=Path("data/api-key"))
    arguments = parser.parse_args()
    arguments.parts, arguments.attacks = arguments.parts.split(","), arguments.attacks.split(",")
    if unknown := (set(arguments.parts) - set(PARTS)) | (set(arguments.attacks) - set(ATTACKS)):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return arguments


@contextmanager
def _place(arguments: argparse.Namespace) -> Iterator[Place]:
    """Where to ask, for as long as it is needed."""
    if arguments.base:
        yield Place(base=arguments.base, key=arguments.key_file.read_text().strip())
        return
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        if arguments.http:
            running = Running(Path(folder) / "data").start()
            try:
                yield Place(base=running.base, key=running.key)
            finally:
                running.stop()
        else:
            yield _new_home(folder)


def _new_home(folder: str) -> Place:
    services = open_home(folder)
    services.database.migrate()
    services.index.rebuild()
    services.close()
    return Place(home=folder)


def _small(arguments: argparse.Namespace, sharing: Split, place: Place, crew: Crew, report: Report) -> None:
    """Attacks, innocent pairs and scenes among a few hundred photos."""
    if not {"attacks", "innocent", "scenes"} & set(arguments.parts):
        return
    known = register_all(crew, place, sharing.registered)
    names = {one.id: path.name for path, one in known.items()}
    if "attacks" in arguments.parts:
        trials = _trials(arguments, place, sharing.asked, sharing)
        tables.recall_tables(report, list(judged(crew, trials, known, "attacked photos asked about")))
        rate, accused = strangers(crew, _strangers(arguments, place, sharing), "photos nobody registered")
        title = f"never registered, against {len(known)} photos"
        tables.stranger_line(report, title, rate, _examples(accused, names))
    if "innocent" in arguments.parts:
        pleas = innocents(crew, place, sharing.pool, known, arguments.seed, arguments.pairs)
        examples = [
            {"family": plea.family, "number": plea.number, "kind": one.kind, "other": names.get(one.id, "a left one")}
            for plea in pleas
            for one in plea.false
        ]
        tables.innocent_table(report, by_family(pleas), examples)
    if "scenes" in arguments.parts:
        _scenes(arguments, sharing, place, crew, report)


def _trials(arguments: argparse.Namespace, place: Place, paths: Sequence[Path], sharing: Split) -> list[Trial]:
    return [
        Trial(place, attack, path, arguments.seed, sharing.backgrounds)
        for path in paths
        for attack in arguments.attacks
    ]


def _strangers(arguments: argparse.Namespace, place: Place, sharing: Split) -> list[Trial]:
    rng = Random(f"bench.copies strangers {arguments.seed}")
    return [
        Trial(place, attack, path, arguments.seed, sharing.backgrounds)
        for path in sharing.negatives
        for attack in rng.sample(list(ATTACKS), STRANGER_ATTACKS)
    ]


def _anything(place: Place, paths: Sequence[Path], sharing: Split, rng: Random, count: int) -> list[Trial]:
    """Any of these photos under any attack, each time drawn anew: as many as wanted."""
    return [
        Trial(place, rng.choice(list(ATTACKS)), rng.choice(paths), rng.getrandbits(32), sharing.backgrounds)
        for _ in range(count)
    ]


def _scenes(arguments: argparse.Namespace, sharing: Split, place: Place, crew: Crew, report: Report) -> None:
    folders, missing = fetched(cache(arguments.cache), not arguments.no_fetch)
    images = photos(sharing.negatives, BACKGROUND_SIDE)
    named = [(path.name, image) for path, image in zip(sharing.negatives, images, strict=True)]
    scenes = [*real(folders), *synthetic(named, arguments.seed)]
    tables.scene_table(report, second_shots(crew, place, scenes), missing)


def _crowded(arguments: argparse.Namespace, sharing: Split, home: str, crew: Crew, report: Report) -> None:
    """The same questions among a crowd of distractors, which are made from photos that are never asked about."""
    place = _new_home(home)
    known = register_all(crew, place, sharing.asked)
    began = time.monotonic()
    pool = sharing.pool[:DONOR_PHOTOS]
    jobs = [DonorJob(home, pool, number, turn, arguments.seed) for number in range(len(pool)) for turn in range(WARPS)]
    sources = [one for _, one in crew.answers(donor, jobs, "donors extracted")]
    services = open_home(home)
    count = fill(services, distractors(sources, arguments.distractors, arguments.seed))
    services.close()
    print(f"  {count} distractors, {time.monotonic() - began:.0f} s", flush=True)
    rng, half = Random(f"bench.copies crowded {arguments.seed}"), arguments.crowded_queries // 2
    trials = _anything(place, sharing.asked, sharing, rng, half)
    answers = list(judged(crew, trials, known, f"asked among {count} distractors"))
    trials = _anything(place, sharing.negatives, sharing, rng, half)
    rate, accused = strangers(crew, trials, f"strangers among {count} distractors")
    wrong = [each for each in answers if each.wrong]
    score = scored(answers)
    names = {one.id: path.name for path, one in known.items()}
    examples = _examples([*accused, *((each.trial, each.outcome.answer) for each in wrong)], names)
    tables.stranger_line(report, f"against {count} synthetic photos", rate + Rate(len(wrong), len(answers)), examples)
    print(f"recall@1 among them {score.first}, median {score.ms:.0f} ms a question with {arguments.processes} at once")
    report.keep("crowded", {"recall@1": score.first, "ms": score.ms, "distractors": count, "donors": len(sources)})


def _examples(accused: Sequence[tuple[Trial, Answer]], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"attack": trial.attack, "photo": trial.path.name, "seed": trial.seed,
         "accused": [(one.kind, names.get(one.id, one.id)) for one in answer.found if one.accuses]}
        for trial, answer in accused
    ]  # fmt: skip


def _run(arguments: argparse.Namespace, took_s: float) -> dict[str, Any]:
    how = "HTTP" if arguments.base or arguments.http else "in process"
    machine = f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}"
    asked = {
        name: getattr(arguments, name) for name in ("parts", "queries", "pairs", "distractors", "seed", "processes")
    }
    return {"machine": machine, "how": how, "seconds": round(took_s), "cpu_seconds": round(_cpu_s()), **asked}


def _cpu_s() -> float:
    """CPU seconds of this process and of those that ended: with a service that runs elsewhere, without it."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


if __name__ == "__main__":
    sys.exit(main())
