"""What may be claimed of a picture and a registered photo, once one is laid over the other.

The thresholds, and the numbers behind them, are in docs/accuracy.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprint.geometry import FARTHEST, Floats, corners, moved, orientation_of, shared_part, visible_part
from fingerprint.pixels import Comparison
from pipeline.record import Alignment, Corners, Dimensions, MatchKind

SURE_INLIERS, FEW_INLIERS = 30, 10  # from the first on half of the windows must agree; at the second nearly all
SURE_WINDOWS, FEW_WINDOWS = 60, 20  # likewise; 60 are about eight that do not overlap. Fewer than 20 decide nothing
SURE_AGREEMENT, FEW_AGREEMENT = 0.5, 0.85
DRAWN_WINDOWS, DRAWN_AGREEMENT = 40, 0.97  # of text and shapes: two forms that were filled in differently reach 0.93
REGION_INLIERS, REGION_WINDOWS = 18, 15  # in common, to be shown to a person: chance gives 22 points and 4 windows
PHOTO_EVENNESS, DRAWN_EVENNESS = 0.35, 0.6  # likewise: from a photo to a page
SHADED, UNSHADED = 0.5, 0.2  # likewise: a copy of which much is covered has 0.29 at least (docs/accuracy.md)
HALF = 0.5  # of the picture and of the photo: a patch that is less of both is likelier a template's
PARALLAX = 0.55  # px of unrest, of 256: copies have 0.45 at most, lens corrections among them; bursts up to 0.8
STRANGE = 1.5  # times what agrees may be new: a banner across an evening sky is also across a dog
PARALLAX_SIDE = 200  # px: a small inset is blurred, and its windows agree here and there
WHOLE = 0.7  # of a picture's area: a copy of the whole
MAP_SIDE = 24  # rows and columns of the correlation map, at most


@dataclass(frozen=True, eq=False)
class Laid:
    """A registered photo, laid into the picture that was asked about.

    `homography`: from the photo's pixels to the picture's; `inliers`: points that agree with it, 0 when the whole was
    laid over the whole; `resembles`: the whole codes are so near that they decide where there is nothing to compare.
    """

    homography: Floats
    dimensions: Dimensions
    onto: Dimensions
    inliers: int
    comparison: Comparison
    negative: bool = False
    resembles: bool = False

    @property
    def box(self) -> Floats:
        """The photo's corners in the picture: 4 x 2 pixels."""
        return moved(self.homography, corners(self.dimensions.width, self.dimensions.height))

    @property
    def reverse_box(self) -> Floats:
        """The picture's corners in the photo."""
        return moved(np.asarray(np.linalg.inv(self.homography), float), corners(self.onto.width, self.onto.height))

    @property
    def covers(self) -> float:
        """The part of the picture that is the photo's."""
        return shared_part(self.box, self.onto.width, self.onto.height)

    @property
    def visible(self) -> float:
        """The part of the photo that is in the picture."""
        size, onto = self.dimensions, self.onto
        return visible_part(self.homography, (size.width, size.height), (onto.width, onto.height))

    @property
    def orientation(self) -> str:
        """How the photo was turned, to the nearest quarter."""
        return orientation_of(self.homography, (self.dimensions.width, self.dimensions.height))


def kind_of(laid: Laid) -> MatchKind | None:
    """What may be said of the two, or None when nothing may."""
    if not _is_sure(laid):
        agreeing = laid.comparison.agreement * laid.comparison.windows
        return "shares_region" if laid.inliers >= REGION_INLIERS and agreeing >= REGION_WINDOWS else None
    if _has_parallax(laid):
        return "same_scene"
    if laid.covers < WHOLE:
        return "contains"
    return "near_copy" if laid.visible >= WHOLE else "contained_in"


def alignment_of(laid: Laid) -> Alignment:
    """The evidence as a fact: whole numbers and text."""
    return Alignment(
        homography=tuple(f"{value:.9g}" for value in (laid.homography / laid.homography[2, 2]).ravel()),
        box=_hundredths(laid.box),
        reverse_box=_hundredths(laid.reverse_box),
        dimensions=laid.dimensions,
        visible_ppm=_ppm(laid.visible),
        covers_ppm=_ppm(laid.covers),
        inliers=laid.inliers,
        windows=laid.comparison.windows,
        agreement_ppm=_ppm(laid.comparison.agreement),
        correlation=_map(laid.comparison.correlation),
    )


def strength(laid: Laid) -> float:
    """For choosing between two ways in which the same photo was laid: how much of how much agrees."""
    return laid.comparison.agreement * min(1.0, laid.comparison.windows / SURE_WINDOWS) + laid.inliers / 10_000


def _is_sure(laid: Laid) -> bool:
    """Whether the picture holds the photo or a part of it. The fewer points or windows say so, the more must agree.

    What agrees must outweigh what is only in the picture, and be photographed. Where nearly all is drawn, everything
    must agree, and not only around an edge.
    """
    found, photographic = laid.comparison, laid.comparison.photographic
    if laid.resembles and found.windows < FEW_WINDOWS:
        return found.agreement >= SURE_AGREEMENT if found.windows else found.shading >= SHADED
    if found.strange > STRANGE * found.agreement * found.windows:
        return False
    if photographic.windows < FEW_WINDOWS:
        whole = max(laid.covers, laid.visible) >= WHOLE
        return whole and found.windows >= DRAWN_WINDOWS and found.agreement >= DRAWN_AGREEMENT
    return min(found.agreement, photographic.agreement) >= _needed(laid)


def _has_parallax(laid: Laid) -> bool:
    """Whether near and far things moved differently between the two: another shot, where the map is well known."""
    found = laid.comparison
    return laid.inliers >= SURE_INLIERS and found.side >= PARALLAX_SIDE and found.unrest > PARALLAX


def _needed(laid: Laid) -> float:
    """The part of the windows that must agree: what lacks most decides."""
    found = laid.comparison
    lacking = (
        0.0 if laid.resembles else (SURE_INLIERS - laid.inliers) / (SURE_INLIERS - FEW_INLIERS),
        (SURE_WINDOWS - found.windows) / (SURE_WINDOWS - FEW_WINDOWS),
        (SHADED - found.shading) / (SHADED - UNSHADED),
        (found.evenness - PHOTO_EVENNESS) / (DRAWN_EVENNESS - PHOTO_EVENNESS),
        # Of copies at least one side is whole: a crop fills its picture, and an inset shows its photo.
        max(laid.covers, laid.visible) < HALF,
    )
    return SURE_AGREEMENT + min(1.0, max(0.0, *lacking)) * (FEW_AGREEMENT - SURE_AGREEMENT)


def _hundredths(quad: Floats) -> Corners:
    # A corner near the photo's horizon is as good as infinitely far away.
    near = np.clip(np.nan_to_num(quad), -FARTHEST, FARTHEST)
    return tuple((round(float(x) * 100), round(float(y) * 100)) for x, y in near)


def _ppm(part: float) -> int:
    return min(1_000_000, round(part * 1_000_000))


def _map(correlation: npt.NDArray[np.float32]) -> tuple[tuple[int | None, ...], ...]:
    """Every window, or every second or third where there are many, in percent."""
    every = max(1, -(-max(correlation.shape) // MAP_SIDE))
    percent = (
        [None if np.isnan(each) else round(float(each) * 100) for each in row] for row in correlation[::every, ::every]
    )
    return tuple(tuple(row) for row in percent)
