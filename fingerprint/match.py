"""The verdict: how a photo stands to those that were registered before it."""

from fingerprint.codes import PDQ, PDQ_BITS, pdq_codes
from fingerprint.index import MIN_QUALITY
from pipeline.ports import Index
from pipeline.record import Evidence, Fingerprint, Match, Verdict, VerdictKind

MAX_DISTANCE = (
    31  # of 256 bits: none of 4.1 million pairs of different photos is that near (PDQ's authors say the same)
)
MAX_MATCHES = 20  # more say nothing new; the note tells how many there are

_NOT_LOOKED_FOR = (
    "Compared as whole pictures, also mirrored and in quarter turns. Crops, overlays, free turns, collages and "
    "screenshots are not looked for yet."
)
_TOO_FLAT = "Too little detail for fingerprints: compared by bytes only."


def judge(fingerprint: Fingerprint, sha256: bytes, index: Index, before: int | None) -> Verdict:
    """Decide whether a photo is a copy of something registered: same bytes first, then the nearest, then the oldest.

    `before`: the photo's own position when it is registered itself, so that it matches neither itself nor what came
    later; None asks about all. Distances are Hamming distances over 256 bits. `score_ppm` is (256 - distance) / 256:
    a similarity, not a probability. At most 20 matches are returned, and the note says when there are more.
    """
    compared_with = index.count(before)
    copies = tuple(_exact(each) for each in index.same(sha256, before))
    flat = fingerprint.quality < MIN_QUALITY
    near = () if flat else _near(fingerprint, index, before, {copy.id for copy in copies})
    matches = copies + near
    kind: VerdictKind = "exact_copy" if copies else "near_copy" if near else "original"
    note = _TOO_FLAT if flat else _NOT_LOOKED_FOR
    if len(matches) > MAX_MATCHES:
        note += f" The best {MAX_MATCHES} of {len(matches)} matches are listed."
    return Verdict(kind, matches[:MAX_MATCHES], compared_with, note)


def _exact(capture_id: str) -> Match:
    return Match(capture_id, "exact_copy", 1_000_000, 0, Evidence("sha256", "upright", 256))


def _near(fingerprint: Fingerprint, index: Index, before: int | None, known: set[str]) -> tuple[Match, ...]:
    neighbours = index.near(pdq_codes(fingerprint), MAX_DISTANCE, before)
    return tuple(
        Match(each.capture_id, "near_copy", _score_ppm(each.distance), each.distance, _evidence(each.orientation))
        for each in neighbours
        if each.capture_id not in known
    )


def _evidence(orientation: str) -> Evidence:
    return Evidence(PDQ, orientation, PDQ_BITS)


def _score_ppm(distance: int) -> int:
    return (PDQ_BITS - distance) * 1_000_000 // PDQ_BITS
