"""Pictures made from a photo, each with the truth of where the photo lies in it.

Coordinates are a picture's edges: a photo of w x h pixels lies from (0, 0) to (w, h), so that scaling is a product and
mirroring is w - x. Every step multiplies its homography on; chains of any length keep the truth.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Matrix = npt.NDArray[np.float64]
Quad = npt.NDArray[np.float64]  # 4 x 2: top left, top right, bottom right, bottom left
Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
MIN_PX = 16

_MIRRORS: dict[Image.Transpose, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    # Rows of the matrix over (x, y, side): side 1 stands for the new width or height.
    Image.Transpose.FLIP_LEFT_RIGHT: ((-1, 0, 1), (0, 1, 0)),
    Image.Transpose.FLIP_TOP_BOTTOM: ((1, 0, 0), (0, -1, 1)),
    Image.Transpose.ROTATE_180: ((-1, 0, 1), (0, -1, 1)),
    Image.Transpose.ROTATE_90: ((0, 1, 0), (-1, 0, 1)),
    Image.Transpose.ROTATE_270: ((0, -1, 1), (1, 0, 0)),
    Image.Transpose.TRANSPOSE: ((0, 1, 0), (1, 0, 0)),
    Image.Transpose.TRANSVERSE: ((0, -1, 1), (-1, 0, 1)),
}


@dataclass(frozen=True, eq=False)
class Copy:
    """A picture made from a photo of `size` pixels; `matrix` takes points of that photo to points of `image`."""

    image: Image.Image
    size: tuple[int, int]
    matrix: Matrix

    @property
    def quad(self) -> Quad:
        """The photo's four corners in this picture's pixels; outside of it where the photo was cropped."""
        return moved(corners(*self.size), self.matrix)

    def painted(self, image: Image.Image) -> "Copy":
        """The same geometry with other pixels."""
        if image.size != self.image.size:
            raise ValueError(f"{image.size} is not {self.image.size}")
        return replace(self, image=image)

    def then(self, image: Image.Image, matrix: Matrix) -> "Copy":
        """The picture that `matrix` takes this one to."""
        return replace(self, image=image, matrix=matrix @ self.matrix)


def whole(photo: Image.Image) -> Copy:
    """The photo itself."""
    return Copy(photo, photo.size, np.eye(3))


def corners(width: float, height: float) -> Quad:
    """The corners of a picture of this size."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)


def moved(points: Quad, matrix: Matrix) -> Quad:
    """N x 2 points through a homography."""
    projected = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(projected[:, :2] / projected[:, 2:])


def area(quad: Quad) -> float:
    """The area of a simple polygon, whichever way round."""
    x, y = quad[:, 0], quad[:, 1]
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def overlap(one: Quad, other: Quad) -> float:
    """The area that two convex quads share."""
    # Counted from the middle: float32, which OpenCV wants, is coarse for corners far outside of a picture.
    middle = other.mean(axis=0)
    shared, _ = cv2.intersectConvexConvex((one - middle).astype(np.float32), (other - middle).astype(np.float32))
    return float(shared)


def iou(one: Quad, other: Quad) -> float:
    """Intersection over union of two quads, 0 to 1; 0 for one that is folded over itself."""
    if not (_convex(one) and _convex(other)):
        return 0.0
    shared = overlap(one, other)
    return shared / max(area(one) + area(other) - shared, 1e-9)


def _convex(quad: Quad) -> bool:
    return bool(np.isfinite(quad).all()) and bool(cv2.isContourConvex(quad.astype(np.float32)))


def shift(x: float, y: float) -> Matrix:
    """The homography that moves by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def stretch(x: float, y: float) -> Matrix:
    """The homography that scales by x and y."""
    return np.diag([x, y, 1.0])


def resized(copy: Copy, width: int, height: int) -> Copy:
    """Scaled to exactly this size."""
    width, height = max(MIN_PX, width), max(MIN_PX, height)
    image = copy.image.resize((width, height), Image.Resampling.LANCZOS)
    return copy.then(image, stretch(width / copy.image.width, height / copy.image.height))


def scaled(copy: Copy, longest: float) -> Copy:
    """Scaled so that the longer side has this many pixels."""
    factor = longest / max(copy.image.size)
    return resized(copy, round(copy.image.width * factor), round(copy.image.height * factor))


def cropped(copy: Copy, left: int, top: int, width: int, height: int) -> Copy:
    """What lies in this box."""
    return copy.then(copy.image.crop((left, top, left + width, top + height)), shift(-left, -top))


def framed(copy: Copy, left: int, top: int, right: int, bottom: int, colour: Colour) -> Copy:
    """With this many pixels of one colour on each side."""
    size = (copy.image.width + left + right, copy.image.height + top + bottom)
    return pasted(copy, Image.new("RGB", size, colour), left, top)


def pasted(copy: Copy, background: Image.Image, left: int, top: int) -> Copy:
    """Laid on a background, which is not changed."""
    whole_picture = background.copy()
    whole_picture.paste(copy.image, (left, top))
    return copy.then(whole_picture, shift(left, top))


def covering(copy: Copy, width: int, height: int) -> Copy:
    """Scaled to fill this size, what juts out cut off evenly."""
    factor = max(width / copy.image.width, height / copy.image.height)
    filled = resized(copy, math.ceil(copy.image.width * factor), math.ceil(copy.image.height * factor))
    return cropped(filled, (filled.image.width - width) // 2, (filled.image.height - height) // 2, width, height)


def containing(copy: Copy, width: int, height: int) -> Copy:
    """Scaled to fit into this size."""
    factor = min(width / copy.image.width, height / copy.image.height)
    return resized(copy, int(copy.image.width * factor), int(copy.image.height * factor))


def transposed(copy: Copy, how: Image.Transpose) -> Copy:
    """Mirrored or turned by quarters, as Pillow names it."""
    image = copy.image.transpose(how)
    (a, b, x), (c, d, y) = _MIRRORS[how]
    return copy.then(image, np.array([[a, b, x * image.width], [c, d, y * image.height], [0, 0, 1]], dtype=np.float64))


def warped(copy: Copy, matrix: Matrix, width: int, height: int, colour: Colour) -> Copy:
    """Through a homography of pictures into a canvas of this size; the rest has one colour."""
    inverse = np.linalg.inv(matrix)
    coefficients = tuple((inverse / inverse[2, 2]).ravel()[:8])
    image = copy.image.transform(
        (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC, fillcolor=colour
    )
    return copy.then(image, matrix)


def turned(copy: Copy, degrees: float, colour: Colour) -> Copy:
    """Turned freely, the canvas grown so that nothing is lost."""
    width, height = copy.image.size
    turn = _turn(degrees, width, height)
    quad = moved(corners(width, height), turn)
    low, high = quad.min(axis=0), quad.max(axis=0)
    size = np.ceil(high - low).astype(int)
    return warped(copy, shift(-low[0], -low[1]) @ turn, int(size[0]), int(size[1]), colour)


def straightened(copy: Copy, degrees: float) -> Copy:
    """Turned, and cut to the largest upright rectangle of the same proportions: no corner stays empty."""
    width, height = copy.image.size
    angle = abs(math.radians(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    keep = min(width / (width * cosine + height * sine), height / (width * sine + height * cosine))
    inner = (int(width * keep), int(height * keep))
    matrix = shift((inner[0] - width) / 2, (inner[1] - height) / 2) @ _turn(degrees, width, height)
    return warped(copy, matrix, inner[0], inner[1], BLACK)


def _turn(degrees: float, width: int, height: int) -> Matrix:
    """Counter-clockwise around the middle, as people see it (y grows downwards)."""
    angle = math.radians(degrees)
    sine, cosine = math.sin(angle), math.cos(angle)
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    about: Matrix = shift(width / 2, height / 2) @ turn @ shift(-width / 2, -height / 2)
    return about


def onto(copy: Copy, target: Quad, width: int, height: int, colour: Colour) -> Copy:
    """Warped so that the picture's own corners come to lie on `target`."""
    source = corners(*copy.image.size).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32)).astype(np.float64)
    return warped(copy, matrix, width, height, colour)
