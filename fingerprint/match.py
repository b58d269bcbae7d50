"""The verdict: how a photo stands to those that were registered before it.

Cheap questions come first: the same bytes, then whole pictures that resemble it, then points in common. What resembles
is a proposal only: before anything is claimed, the two pictures are laid over each other (claim.py).
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from fingerprint.candidates import ranked
from fingerprint.claim import Laid, alignment_of, kind_of, strength
from fingerprint.codes import PDQ, PDQ_BITS, PDQ_BYTES, pdq_codes
from fingerprint.features import ROOTSIFT, unpack
from fingerprint.geometry import Floats, Frame, align, turned
from fingerprint.hashes import MIN_QUALITY, Decoded, has_too_little_detail
from fingerprint.inverted import Hits, Probes
from fingerprint.pixels import SIDE, Grey, compare
from pipeline.errors import Unavailable
from pipeline.ports import Index, Neighbour, Registered
from pipeline.record import Dimensions, Evidence, Fingerprint, Match, MatchKind, Verdict

# Of 256 bits: of 4.1 million pairs of different photos none is that near (PDQ's authors say the same). What is farther
# has points in common, or nothing: asking for 60 bits found no copy more (docs/accuracy.md), in six times the time.
RESEMBLES = 31
CLOSER = 20  # photos that are laid over the picture, from whole codes and from points each
ROUNDS = 3  # of candidates, when most share one template: what it explains is taken out, and the rest asked again
PATIENCE_S = 8.0  # after the search; then the answer is what was found so far, and says so
REGISTER_PATIENCE_S = 60.0  # a verdict that is written for ever is not cut short: it is tried again
ENOUGH = 0.9  # of the windows agree: another way of laying the same photo would say no more
MAX_MATCHES = 20  # more say nothing new; the note tells how many there are

_CHECKED = (
    "Compared by bytes, as a whole (also mirrored, turned and as a negative) and by {points} "
    "points of detail, which find parts, crops, collages and screenshots. What resembled was laid over the registered "
    "photo and compared window by window. Not found: parts under a tenth of this picture's width, or without detail."
)
_TOO_FLAT = "Too little detail for fingerprints: compared by bytes only."
_MANY = " Of {all} registered photos that are much like it, the {seen} nearest were looked at."
_CROWDED = " More than {seen} registered photos share points with it, as pages of one app do; those were looked at."
_MISSING = " {count} that resemble it were not looked at: their small pictures are missing from the store."
_OUT_OF_TIME = " There was no time to look at all candidates: there may be more matches."


class Photos(Protocol):
    """Registered photos. Those that are gone are left out; each is asked for once a question. Raises Unavailable."""

    def numbered(self, numbers: Sequence[int]) -> Iterable[Registered]: ...

    def called(self, capture_ids: Sequence[str]) -> Iterable[Registered]: ...


class Points(Protocol):
    """Which registered points look like these (fingerprint.inverted)."""

    def search(self, probes: Probes, before: int | None) -> Hits: ...


@dataclass(frozen=True)
class Library:
    """All that is registered. `thumbnail` gives a JPEG's bytes by its digest; LookupError when it is not there."""

    index: Index
    points: Points
    photos: Photos
    thumbnail: Callable[[bytes], bytes]


class Seen(Decoded, Protocol):
    """What is needed of a picture (fingerprint.decode.Picture): also its RGB copy of at most 640 px a side."""

    @property
    def image(self) -> Image.Image: ...


def judge(fingerprint: Fingerprint, picture: Seen, sha256: bytes, library: Library, before: int | None) -> Verdict:
    """Decide what this photo has to do with those registered: the same bytes first, then what agrees most, then oldest.

    `before`: the photo's own position when it is registered itself, so that it matches neither itself nor what came
    later; None asks about all. Distances are of PDQ codes, over 256 bits. The verdict's note says what was compared and
    what cannot be seen. The same question gets the same answer, unless time ran out. Raises Unavailable when there was
    no time to judge a photo that is registered.
    """
    compared_with = library.index.count(before)
    copies = tuple(_exact(each) for each in library.index.same(sha256, before))
    if has_too_little_detail(fingerprint.quality, picture):
        return _verdict(copies, compared_with, _TOO_FLAT)
    search = _Search(fingerprint, picture, library, before)
    known = {copy.id for copy in copies}
    found = sorted((each for each in search.matches() if each.id not in known), key=_order)
    if search.was_cut_short and before is not None:
        raise Unavailable("the time to compare a photo with those that resemble it")
    note = _CHECKED.format(points=len(picture.keypoints)) + search.shortcomings
    return _verdict(copies + tuple(found), compared_with, note)


class _Candidate(NamedTuple):
    """A registered photo and why it was proposed: the mirror sides whose points it has in common, the near code."""

    photo: Registered
    sides: Sequence[bool]
    neighbour: Neighbour | None


class _Search:
    """One question: what it is about, made ready once, and the clock."""

    def __init__(self, fingerprint: Fingerprint, picture: Seen, library: Library, before: int | None) -> None:
        self._fingerprint, self._picture = fingerprint, picture
        self._library, self._before = library, before
        self._codes = pdq_codes(fingerprint)
        self._near = self._resembling()
        self._probes = {
            mirrored: Probes.of(picture.keypoints.mirrored() if mirrored else picture.keypoints)
            for mirrored in (False, True)
        }
        self._explained = np.zeros(len(picture.keypoints), bool)  # points that some photo looked at has as well
        self._aligned = self._missing = 0
        self._is_crowded = self.was_cut_short = False

    @property
    def shortcomings(self) -> str:
        """What this search in particular did not look at."""
        many = len(self._near)
        return "".join((
            _MANY.format(seen=CLOSER, all=many) if many > CLOSER else "",
            _CROWDED.format(seen=ROUNDS * CLOSER) if self._is_crowded else "",
            _MISSING.format(count=self._missing) if self._missing else "",
            _OUT_OF_TIME if self.was_cut_short else "",
        ))  # fmt: skip

    def matches(self) -> Iterator[Match]:
        """What may be said of each candidate of which anything may."""
        hits = {mirrored: self._library.points.search(each, self._before) for mirrored, each in self._probes.items()}
        until = time.monotonic() + (PATIENCE_S if self._before is None else REGISTER_PATIENCE_S)
        near, seen = self._near[:CLOSER], set[int]()
        for _ in range(ROUNDS):
            sharing = self._sharing_points(hits, seen)
            for candidate in self._candidates(near, sharing):
                if time.monotonic() > until:
                    self.was_cut_short = True
                    return
                seen.add(candidate.photo.number)
                yield from self._judged(candidate)
            near = ()
            self._is_crowded = len(sharing) == CLOSER and self._aligned >= CLOSER // 2
            if not self._is_crowded:
                return
            self._aligned = 0

    def _judged(self, candidate: _Candidate) -> Iterator[Match]:
        laid = self._best_laid(candidate)
        kind = laid and kind_of(laid)
        if laid and kind:
            yield self._match(candidate.photo, kind, laid)

    def _best_laid(self, candidate: _Candidate) -> Laid | None:
        """The way of laying the photo in which most agrees. Once nearly all does, no other way is tried."""
        best = None
        for laid in self._layings(candidate):
            if best is None or strength(laid) > strength(best):
                best = laid
            if strength(best) > ENOUGH:
                break
        return best

    def _candidates(self, resembling: Sequence[Neighbour], sharing: Sequence[tuple[int, bool]]) -> Iterator[_Candidate]:
        """The nearest whole codes first, then those with the most votes."""
        near = {each.capture_id: each for each in resembling}
        sides: dict[int, list[bool]] = {}
        for number, mirrored in sharing:
            sides.setdefault(number, []).append(mirrored)
        by_id = {photo.capture_id: photo for photo in self._library.photos.called(list(near))}
        photos = {by_id[each].number: by_id[each] for each in near if each in by_id}
        by_number = {photo.number: photo for photo in self._library.photos.numbered(list(sides))}
        photos |= {each: by_number[each] for each in sides if each in by_number}
        for number, photo in photos.items():
            yield _Candidate(photo, sides.get(number, ()), near.get(photo.capture_id))

    def _resembling(self) -> Sequence[Neighbour]:
        if self._fingerprint.quality < MIN_QUALITY:
            return ()
        return self._library.index.near(self._codes, RESEMBLES, self._before)

    def _sharing_points(self, hits: Mapping[bool, Hits], seen: set[int]) -> list[tuple[int, bool]]:
        """Photos with points in common that nothing explained yet, and whether in the mirror: those with most votes."""
        voted = []
        for mirrored, probes in self._probes.items():
            some = hits[mirrored].only(~self._explained[hits[mirrored].asked])
            voted += [(votes, each, mirrored) for each, votes in ranked(some, probes, CLOSER + len(seen))]
        voted.sort(key=lambda each: -each[0])
        return [(number, mirrored) for _, number, mirrored in voted if number not in seen][:CLOSER]

    def _layings(self, candidate: _Candidate) -> Iterator[Laid]:
        photo, thumbnail = candidate.photo, self._thumbnail(candidate.photo)
        if thumbnail is None:
            return
        for mirrored in candidate.sides:
            found = align(_frame(photo), self._frames[mirrored])
            if found is not None:
                self._aligned += 1
                self._explained[found.asked] = True
                width = self._picture.dimensions.width
                unmirror = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) if mirrored else np.eye(3)
                yield self._laid(photo, thumbnail, unmirror @ found.homography, found.inliers)
        if near := candidate.neighbour:
            homography = turned(near.orientation, _size(photo.dimensions), _size(self._picture.dimensions))
            yield self._laid(photo, thumbnail, homography, 0, near.negative, resembles=True)

    def _thumbnail(self, photo: Registered) -> Grey | None:
        """None when the photo was erased since it was proposed, or when its bytes are missing, which is counted."""
        try:
            return _grey(self._library.thumbnail(photo.thumbnail_sha256))
        except LookupError:
            self._missing += any(self._library.photos.numbered([photo.number]))
            return None

    def _laid(
        self, photo: Registered, thumbnail: Grey, homography: Floats, inliers: int, negative: bool = False,
        resembles: bool = False,
    ) -> Laid:  # fmt: skip
        onto = self._picture.dimensions
        shrunk = np.diag([self._grey.shape[1] / onto.width, self._grey.shape[0] / onto.height, 1])
        comparison = compare(thumbnail, self._grey, shrunk @ homography, _size(photo.dimensions), negative)
        return Laid(homography, photo.dimensions, onto, inliers, comparison, negative, resembles)

    def _match(self, photo: Registered, kind: MatchKind, laid: Laid) -> Match:
        alg = ROOTSIFT if laid.inliers else PDQ
        evidence = Evidence(alg, laid.orientation, PDQ_BITS, laid.negative, alignment_of(laid))
        distance = _distance(self._codes, photo.pdq)
        return Match(photo.capture_id, kind, round(laid.comparison.score * 1_000_000), distance, evidence)

    @cached_property
    def _grey(self) -> Grey:
        return np.asarray(self._picture.image.convert("L"), np.float32)

    @cached_property
    def _frames(self) -> dict[bool, Frame]:
        size = _size(self._picture.dimensions)
        return {mirrored: Frame.of(probes.points, *size) for mirrored, probes in self._probes.items()}


def _verdict(matches: Sequence[Match], compared_with: int, note: str) -> Verdict:
    if len(matches) > MAX_MATCHES:
        note += f" The best {MAX_MATCHES} of {len(matches)} matches are listed."
    return Verdict(matches[0].kind if matches else "original", tuple(matches[:MAX_MATCHES]), compared_with, note)


def _order(match: Match) -> tuple[bool, int, int]:
    """Claims before what is left to a person; then by agreement, then by resemblance; older ones come first."""
    return match.kind in ("shares_region", "same_scene"), -match.score_ppm, match.distance


def _exact(capture_id: str) -> Match:
    return Match(capture_id, "exact_copy", 1_000_000, 0, Evidence("sha256", "upright", 256))


def _distance(codes: bytes, pdq: bytes) -> int:
    """Bits between a photo's code and the nearest of these, or of their negatives."""
    held = int.from_bytes(pdq)
    asked = (codes[at : at + PDQ_BYTES] for at in range(0, len(codes), PDQ_BYTES))
    bits = [(int.from_bytes(code) ^ held).bit_count() for code in asked]
    return min(min(bits), PDQ_BITS - max(bits))


def _frame(photo: Registered) -> Frame:
    return Frame.of(unpack(photo.points), *_size(photo.dimensions))


def _size(dimensions: Dimensions) -> tuple[int, int]:
    return dimensions.width, dimensions.height


def _grey(thumbnail: bytes) -> Grey:
    image = Image.open(io.BytesIO(thumbnail))
    image.draft("L", (SIDE, SIDE))  # no smaller than that, and a quarter of the work
    return np.asarray(image.convert("L"), np.float32)
