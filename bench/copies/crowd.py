"""Puts distractors into a home's database, in bulk, beside the photos that are truly registered there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from bench.copies.crew import photos
from bench.copies.distractors import Distractor, Donor, variant
from bench.copies.engines import open_home
from bench.copies.recall import BACKGROUND_SIDE
from fingerprint.codes import PDQ
from fingerprint.decode import picture_of
from fingerprint.features import POINT, STORED, pack
from fingerprint.hashes import fingerprint
from store.schema import captures, fingerprints, local_features
from wiring import Services

BATCH = 2000
PREFIX = "distractor"
QUALITY = 100


@dataclass(frozen=True)
class DonorJob:
    """One picture to be made from photos and extracted."""

    home: str
    photos: tuple[Path, ...]
    number: int
    turn: int
    seed: int


def donor(job: DonorJob) -> Donor:
    """Make the picture, and apply the real code to it; its thumbnail is stored in the home."""
    picture = picture_of(variant(photos(job.photos, BACKGROUND_SIDE), job.number, job.turn, job.seed))
    points = np.frombuffer(pack(picture.keypoints.points(STORED)), POINT)
    code = bytes.fromhex(fingerprint(picture).value(PDQ))
    thumbnail = home_of(job.home).blobs.put(picture.thumbnail)
    return Donor(points, code, picture.image.size, thumbnail.sha256)


@cache
def home_of(home: str) -> Services:
    """This process's services for a home."""
    return open_home(home)


def fill(services: Services, crowd: Iterable[Distractor]) -> int:
    """Insert them as finished captures and derive the index files; how many."""
    rows, done = iter(crowd), 0
    while batch := list(islice(rows, BATCH)):
        _insert(services, batch, done)
        done += len(batch)
    services.points.seal()
    services.index.rebuild()
    return done


def _insert(services: Services, batch: Sequence[Distractor], done: int) -> None:
    ids = [f"{PREFIX}-{done + place:07d}" for place in range(len(batch))]
    digests = [name.encode().ljust(32) for name in ids]
    with services.database.write() as connection:
        connection.execute(
            captures.insert(),
            [
                {"id": name, "owner": PREFIX, "owner_address": bytes(20), "sha256": digest, "created_at": "",
                 "request": "{}", "finished": True}
                for name, digest in zip(ids, digests, strict=True)
            ],
        )  # fmt: skip
        first = 1 + int(connection.execute(sa.select(sa.func.max(fingerprints.c.number))).scalar() or 0)
        connection.execute(
            fingerprints.insert(),
            [
                {"number": first + place, "capture_id": name, "sha256": digest, "pdq": each.pdq, "quality": QUALITY,
                 "iscc": each.iscc}
                for place, (name, digest, each) in enumerate(zip(ids, digests, batch, strict=True))
            ],
        )  # fmt: skip
        connection.execute(
            local_features.insert(),
            [
                {"number": first + place, "thumbnail_sha256": each.thumbnail_sha256, "points": each.points,
                 "width": each.size[0], "height": each.size[1]}
                for place, each in enumerate(batch)
            ],
        )  # fmt: skip
