"""Do the pictures agree where they overlap? Points alone accuse the innocent: two photos under one caption share them.

The other picture is laid over the registered photo and both are correlated window by window, in windows of 17 px with
2 px of slack, after what is coarser than 4 px was taken away: smooth shading is alike in many photos. Windows in which
the registered photo is flat, or has lines in one direction only, say nothing and are not asked: a cactus and a page of
text are both made of parallel lines.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 256  # px: the longer side at which pictures are compared
WINDOW = 17  # px
SLACK = 2  # px either way
STRIDE = 6  # px between windows
PROMISING, HOPELESS = 0.3, 0.08  # correlation without slack; fewer pixels than that have it: slack will not help
AGREES, AGREES_WELL = 0.6, 0.8  # correlation
TEXTURED = 3.0  # grey levels of standard deviation
EVEN, EVEN_STEP = 0.35, 1.0  # of a window without change, in grey levels a px: it is drawn
GROUND = 0.25  # of a window in a colour of the page: likewise
PAGE = 0.12  # of a picture within 3 grey levels: a colour of the page
STRANGE = 12.0  # grey levels: more than strong noise leaves at this size
CROSSING = 0.2  # of the strength of a window's lines, that of the lines across them
_CUBIC_TERMS = 10
_SOFT, _COARSE = 0.8, 4.0  # px: finer than this is noise and JPEG blocks, coarser is shading

Grey = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Windows in rows and columns over the registered photo.

    `correlation`: -1 to 1, of the best of the shifts; NaN where the other picture does not reach or the registered
    photo is flat or has lines in one direction only. `shift`: by how many px each window had to be moved to agree best,
    rows x columns x 2. `drawn`: windows with text or shapes on an even ground.
    `evenness`: the part of the registered photo that its eight commonest grey levels make up; over 0.35 in one of 20
    photos, and in nearly all forms and screenshots. `side`: the longer side at which the two were compared, px.
    `strange`: how many windows show much in the other picture where the registered photo has nothing.
    `shading`: -1 to 1, how alike light and dark are that are too coarse for the windows. Many photos are shaded alike,
    so it proves nothing; but of a copy under a watermark it remains, of another photo under the same one it does not.
    """

    correlation: Grey
    shift: npt.NDArray[np.int8]
    drawn: npt.NDArray[np.bool_]
    evenness: float
    side: int
    strange: int
    shading: float

    @property
    def windows(self) -> int:
        """How many could be compared."""
        return int(np.isfinite(self.correlation).sum())

    @property
    def agreement(self) -> float:
        """The part of them that agree; 0 when there are none."""
        return float((self.correlation > AGREES).sum() / max(1, self.windows))

    @property
    def score(self) -> float:
        """What agrees of what can be compared: windows, or light and dark where there is no detail; 0 to 1."""
        return self.agreement if self.windows else max(0.0, self.shading)

    @property
    def unrest(self) -> float:
        """How unevenly the windows that agree well had to be moved: the standard deviation of their shifts, px.

        In a copy all lie where the homography says, or bend away smoothly, as a lens correction does: a cubic surface
        through the shifts is no unrest. When a camera moves, what is near moves farther than what is just behind it.
        """
        rows, columns = np.nonzero(self.correlation > AGREES_WELL)
        if len(rows) < 2 * _CUBIC_TERMS:
            return 0.0
        moved = self.shift[rows, columns].astype(float)
        y, x = rows / len(self.correlation) - 0.5, columns / self.correlation.shape[1] - 0.5
        cubic = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=1)
        smooth = cubic @ np.linalg.lstsq(cubic, moved, rcond=None)[0]
        return float((moved - smooth).std(axis=0).max())

    @property
    def photographic(self) -> "Comparison":
        """Without the drawn windows: a template's text and frames are the same around every photo."""
        return replace(self, correlation=np.where(self.drawn, np.float32(np.nan), self.correlation))


_MARGIN = SLACK, SLACK, SLACK, SLACK, cv2.BORDER_WRAP
_SHIFTS = tuple((dx, dy) for dy in range(-SLACK, SLACK + 1) for dx in range(-SLACK, SLACK + 1) if (dx, dy) != (0, 0))


def compare(
    registered: Grey, asked: Grey, homography: Floats, dimensions: tuple[int, int], negative: bool = False
) -> Comparison:
    """Lay `asked` over `registered` and correlate.

    Both are grey pictures at any size; the homography is between pixels of the registered photo, whose width and height
    are `dimensions`, and pixels of `asked`.
    """
    width, height = dimensions
    scale = _scale(registered, homography, dimensions)
    size = max(WINDOW, round(width * scale)), max(WINDOW, round(height * scale))
    held = _shrunk(registered, size)
    a = _detail(held)
    laid, reached = _laid_over(asked, homography, scale, size)
    b = _detail(laid)
    correlation, shift = _best_of_shifts(a, -b if negative else b)
    return _in_windows((held, -laid if negative else laid), (a, b), reached, correlation, shift)


def _scale(registered: Grey, homography: Floats, dimensions: tuple[int, int]) -> float:
    """Pixels of the comparison for one of the registered photo: no finer than either picture is."""
    width, height = dimensions
    x, y = width / 2, height / 2
    depth = homography[2] @ (x, y, 1)
    area = abs(float(np.linalg.det(homography)) / depth**3)
    finest = min(SIDE, max(registered.shape)) / max(width, height)
    return float(np.clip(area**0.5, 64 / max(width, height), finest))


def _laid_over(
    asked: Grey, homography: Floats, scale: float, size: tuple[int, int]
) -> tuple[Grey, npt.NDArray[np.bool_]]:
    """The other picture in the registered photo's place, and where it reaches."""
    to_asked = homography @ np.diag([1 / scale, 1 / scale, 1])
    centre = np.array([size[0] / 2, size[1] / 2, 1])
    step = abs(float(np.linalg.det(to_asked)) / float(to_asked[2] @ centre) ** 3) ** 0.5
    if step > 1.2:  # pixels left out would flicker: shrink first
        smaller = max(8, round(asked.shape[1] / step)), max(8, round(asked.shape[0] / step))
        to_asked = np.diag([smaller[0] / asked.shape[1], smaller[1] / asked.shape[0], 1]) @ to_asked
        asked = _shrunk(asked, smaller)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpPerspective(asked, to_asked, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(np.ones(asked.shape, np.float32), to_asked, size, flags=flags)
    return np.asarray(laid, np.float32), inside > 0.99


def _shrunk(image: Grey, size: tuple[int, int]) -> Grey:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _detail(image: Grey) -> Grey:
    return cv2.GaussianBlur(image, (0, 0), _SOFT) - cv2.GaussianBlur(image, (0, 0), _COARSE)


def _best_of_shifts(a: Grey, b: Grey) -> tuple[Grey, npt.NDArray[np.int8]]:
    """For each pixel the correlation of the windows around it at the shift where it is highest, and that shift."""
    (mean_a, spread_a), (mean_b, spread_b) = _moments(a), _moments(b)
    best = (_box(a * b) - mean_a * mean_b) / (spread_a * spread_b)
    shift = np.zeros((*a.shape, 2), np.int8)
    if (best > PROMISING).mean() < HOPELESS:
        return best, shift
    wide_b, wide_mean, wide_spread = (cv2.copyMakeBorder(each, *_MARGIN) for each in (b, mean_b, spread_b))
    for dx, dy in _SHIFTS:
        there = np.s_[SLACK + dy : SLACK + dy + a.shape[0], SLACK + dx : SLACK + dx + a.shape[1]]
        both = _box(a * wide_b[there]) - mean_a * wide_mean[there]
        found = both / (spread_a * wide_spread[there])
        better = found > best
        best[better], shift[better] = found[better], (dx, dy)
    return best, shift


def _in_windows(
    pictures: tuple[Grey, Grey],
    detail: tuple[Grey, Grey],
    reached: npt.NDArray[np.bool_],
    correlation: Grey,
    shift: npt.NDArray[np.int8],
) -> Comparison:
    (held, laid), (a, b) = pictures, detail
    half = WINDOW // 2
    rows, columns = (np.arange(half, max(half + 1, side - half), STRIDE) for side in a.shape)
    at = np.ix_(rows, columns)
    whole = _box(reached.astype(np.float32))[at] > 0.999
    counted = whole & (_moments(a)[1][at] > TEXTURED) & (_crossing(a)[at] > CROSSING)
    strange = whole & ~counted & (_moments(b)[1][at] > STRANGE) & (_crossing(b)[at] > CROSSING)
    return Comparison(
        np.where(counted, correlation[at], np.float32(np.nan)),
        shift[at],
        _drawn(held)[at],
        _evenness(held),
        max(held.shape),
        int(strange.sum()),
        _shading(held, laid, reached),
    )


def _shading(a: Grey, b: Grey, reached: npt.NDArray[np.bool_]) -> float:
    """The correlation, where both are, of what is between 6 and 24 px: at a quarter of the size, which is cheap."""
    size = max(1, a.shape[1] // 4), max(1, a.shape[0] // 4)
    whole = _shrunk(reached.astype(np.float32), size) > 0.99
    bands = (
        cv2.GaussianBlur(each, (0, 0), 1.5) - cv2.GaussianBlur(each, (0, 0), 6)
        for each in (_shrunk(a, size), _shrunk(b, size))
    )
    first, second = (band[whole] - band[whole].mean() if whole.any() else band[whole] for band in bands)
    return float(first @ second / max(1e-6, float(np.linalg.norm(first) * np.linalg.norm(second))))


def _drawn(image: Grey) -> npt.NDArray[np.bool_]:
    """Where the window around a pixel is much of one even ground: a colour of the page, or no change at all."""
    steps = np.hypot(cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)) / 8
    even = _box((steps < EVEN_STEP).astype(np.float32)) > EVEN
    return np.asarray(even | (_box(_ground(image).astype(np.float32)) > GROUND))


def _evenness(image: Grey) -> float:
    return float(np.sort(_levels(image))[-8:].sum())


def _levels(image: Grey) -> Floats:
    """How often each of the 256 grey levels occurs, in parts of one."""
    return np.bincount(np.clip(image, 0, 255).astype(np.uint8).ravel(), minlength=256) / image.size


def _ground(image: Grey) -> npt.NDArray[np.bool_]:
    """Pixels that have one of the at most three grey levels that much of the picture has: paper, a panel, a bar."""
    counts = _levels(image)
    found = np.zeros(image.shape, bool)
    for _ in range(3):
        level = int(np.convolve(counts, np.ones(7), "same").argmax())
        low, high = max(0, level - 10), level + 11
        if counts[max(0, level - 3) : level + 4].sum() < PAGE:
            break
        found |= (image > level - 10) & (image < level + 10)
        counts[low:high] = 0
    return found


def _moments(image: Grey) -> tuple[Grey, Grey]:
    """Mean and standard deviation of the window around each pixel; never less than a grey level."""
    mean = _box(image)
    return mean, np.sqrt(np.maximum(_box(image * image) - mean * mean, 1))


def _crossing(image: Grey) -> Grey:
    """How strong the weakest direction in the window around each pixel is, against the strongest: 0 to 1."""
    right, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    xx, yy, xy = (_box(np.asarray(each, np.float32)) for each in (right * right, down * down, right * down))
    mean, apart = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return np.asarray((mean - apart) / (mean + apart + 1e-6), np.float32)


def _box(image: Grey) -> Grey:
    return np.asarray(cv2.blur(image, (WINDOW, WINDOW)), np.float32)
