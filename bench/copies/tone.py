"""What changes a picture's values and not its geometry: codecs, tones, filters, the look of a photographed screen."""

import io
import math
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bench.copies.drawing import Painter

Floats = npt.NDArray[np.floating]


def through(image: Image.Image, kind: str, **save: object) -> Image.Image:
    """Encoded and decoded again."""
    out = io.BytesIO()
    image.save(out, kind, **save)
    return Image.open(out).convert("RGB")


def jpeg(lowest: int, highest: int) -> Painter:
    """JPEG of a quality in this range."""
    return lambda image, rng: through(image, "JPEG", quality=rng.randint(lowest, highest))


def webp(image: Image.Image, rng: Random) -> Image.Image:
    """WebP of quality 10 to 80."""
    return through(image, "WEBP", quality=rng.randint(10, 80), method=2)


def avif(image: Image.Image, rng: Random) -> Image.Image:
    """AVIF of quality 25 to 70."""
    return through(image, "AVIF", quality=rng.randint(25, 70), speed=9)


def palette(image: Image.Image, rng: Random) -> Image.Image:
    """A GIF's 16 to 256 colours."""
    return image.quantize(rng.choice([16, 32, 64, 128, 256])).convert("RGB")


def greyscale(image: Image.Image, rng: Random) -> Image.Image:
    """Grey, sometimes as sepia."""
    grey = ImageOps.grayscale(image)
    return ImageOps.colorize(grey, (20, 10, 0), (255, 240, 200)) if rng.random() < 0.4 else grey.convert("RGB")


def brightness(image: Image.Image, rng: Random) -> Image.Image:
    """0.45 to 1.7 times as bright."""
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.45, 1.7))


def contrast(image: Image.Image, rng: Random) -> Image.Image:
    """0.4 to 1.9 times the contrast."""
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.4, 1.9))


def saturation(image: Image.Image, rng: Random) -> Image.Image:
    """0.2 to 2.5 times the saturation."""
    return ImageEnhance.Color(image).enhance(rng.uniform(0.2, 2.5))


def gamma(image: Image.Image, rng: Random) -> Image.Image:
    """A gamma of 0.5 to 2."""
    power = 2 ** rng.uniform(-1, 1)
    return image.point([round(255 * (value / 255) ** power) for value in range(256)] * 3)


def equalized(image: Image.Image, rng: Random) -> Image.Image:
    """Every channel's histogram made flat."""
    return ImageOps.equalize(image)


def negative(image: Image.Image, rng: Random) -> Image.Image:
    """Light and dark swapped."""
    return ImageOps.invert(image)


def tinted(image: Image.Image, rng: Random) -> Image.Image:
    """A filter app's look: channels scaled and lifted, contrast and colour changed."""
    scale = np.array([rng.uniform(0.8, 1.15) for _ in range(3)], dtype=np.float32)
    lift = np.array([rng.uniform(-15, 25) for _ in range(3)], dtype=np.float32)
    toned = _image(np.asarray(image, dtype=np.float32) * scale + lift)
    toned = ImageEnhance.Color(toned).enhance(rng.uniform(0.6, 1.6))
    return ImageEnhance.Contrast(toned).enhance(rng.uniform(0.85, 1.3))


def blurred(image: Image.Image, rng: Random) -> Image.Image:
    """Gaussian blur of 0.15 to 0.7 % of the longer side."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) * rng.uniform(0.0015, 0.007)))


def sharpened(image: Image.Image, rng: Random) -> Image.Image:
    """An unsharp mask, up to very hard."""
    return image.filter(ImageFilter.UnsharpMask(rng.uniform(1, 4), rng.randint(80, 350), 2))


def noisy(image: Image.Image, rng: Random) -> Image.Image:
    """Gaussian noise of 6 to 40 of 255."""
    return grained(image, rng.uniform(6, 40), rng)


def grained(image: Image.Image, deviation: float, rng: Random) -> Image.Image:
    """Gaussian noise of this standard deviation."""
    pixels = np.asarray(image, dtype=np.float32)
    grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(pixels.shape, dtype=np.float32)
    return _image(pixels + deviation * grain)


def screen_look(image: Image.Image, rng: Random) -> Image.Image:
    """A camera's view of a screen: pixel grid against sensor grid, vignette, glare, white balance, blur, noise."""
    width, height = image.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    light = _moire(x, y, rng) * _vignette(x / width, y / height, rng)
    balance = np.array([rng.uniform(0.88, 1.08) for _ in range(3)], dtype=np.float32)
    seen = np.asarray(image, dtype=np.float32) * light[..., None] * balance * 0.9
    seen += (8 + _glare(x / width, y / height, rng))[..., None]
    soft = _image(seen).filter(ImageFilter.GaussianBlur(max(image.size) * rng.uniform(0.0005, 0.0016)))
    return through(grained(soft, rng.uniform(2, 8), rng), "JPEG", quality=rng.randint(55, 88))


def _moire(x: Floats, y: Floats, rng: Random) -> Floats:
    """The beat of two fine grids, a few degrees and a few percent apart."""
    pitch, angle = rng.uniform(3, 9), rng.uniform(0, math.pi)
    waves = []
    for ratio, by in ((1.0, 0.0), (rng.uniform(1.03, 1.12), rng.uniform(0.02, 0.1))):
        along = x * math.cos(angle + by) + y * math.sin(angle + by)
        waves.append(np.sin(along * (math.tau / pitch / ratio)))
    return np.asarray(1 + rng.uniform(0.04, 0.1) * waves[0] * waves[1] + rng.uniform(0, 0.03) * waves[0], np.float32)


def _vignette(x: Floats, y: Floats, rng: Random) -> Floats:
    far = (x - rng.uniform(0.35, 0.65)) ** 2 + (y - rng.uniform(0.35, 0.65)) ** 2
    return np.asarray(1 - rng.uniform(0.2, 0.7) * far, np.float32)


def _glare(x: Floats, y: Floats, rng: Random) -> Floats:
    """A lamp's reflection: a soft bright spot."""
    far = ((x - rng.random()) / rng.uniform(0.05, 0.25)) ** 2 + ((y - rng.random()) / rng.uniform(0.05, 0.25)) ** 2
    return np.asarray(rng.uniform(20, 110) * np.exp(-far), np.float32)


def _image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
