"""From points that look alike to photos worth a closer look: those whose points agree on one turn and one zoom."""

import numpy as np
import numpy.typing as npt

from fingerprint.features import ANGLES, SIZES_PER_OCTAVE, packed_angle, packed_size
from fingerprint.inverted import MAX_DISTANCE, Hits, Probes

_CLOSER = 400  # photos with the most votes whose turns and zooms are looked at
_TURNS = 16  # bins of 22.5 degrees
_ZOOMS = 16  # bins of an octave; more than eight octaves either way do not occur


def ranked(hits: Hits, probes: Probes, limit: int) -> list[tuple[int, float]]:
    """The numbers of the photos with the most votes, best first, each with its votes.

    A pair of points votes the more the nearer its codes are. What a point says is shared among those that it resembles:
    else a page's frame, in a hundred registered pages, would outvote the photo on it. Of a photo's votes those count
    that agree within a bin of turn and zoom: those of the same thing seen twice do.
    """
    if not len(hits.asked):
        return []
    weight = (1 - hits.distance / (MAX_DISTANCE + 1)) / np.bincount(hits.asked)[hits.asked]
    numbers, photo = np.unique(hits.number, return_inverse=True)
    closer = np.argsort(-np.bincount(photo, weight), kind="stable")[:_CLOSER]
    place = np.full(len(numbers), -1)
    place[closer] = np.arange(len(closer))
    kept = np.flatnonzero(place[photo] >= 0)
    votes = _agreeing(hits, probes, kept, place[photo[kept]], weight[kept], len(closer))
    best = np.argsort(-votes, kind="stable")[:limit]
    return [(int(numbers[closer[at]]), float(votes[at])) for at in best]


def _agreeing(
    hits: Hits, probes: Probes, kept: npt.NDArray[np.intp], photo: npt.NDArray[np.intp],
    weight: npt.NDArray[np.float64], photos: int,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """For each photo the votes in its fullest bin. Bins overlap by half, so that no agreement is cut in two."""
    asked = hits.asked[kept]
    turn = (packed_angle(probes.points.angle)[asked].astype(int) - hits.angle[kept]) % ANGLES
    zoom = hits.size[kept].astype(int) - packed_size(probes.points.size)[asked] + _ZOOMS // 2 * SIZES_PER_OCTAVE
    most = np.zeros(photos)
    for turned in (0, ANGLES // _TURNS // 2):
        for zoomed in (0, SIZES_PER_OCTAVE // 2):
            a = (turn + turned) % ANGLES * _TURNS // ANGLES
            b = np.clip((zoom + zoomed) // SIZES_PER_OCTAVE, 0, _ZOOMS - 1)
            bins = np.bincount((photo * _TURNS + a) * _ZOOMS + b, weight, photos * _TURNS * _ZOOMS)
            most = np.maximum(most, bins.reshape(photos, -1).max(axis=1))
    return most
