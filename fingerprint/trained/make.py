"""Make the matrices of fingerprint/features.py anew: `python -m fingerprint.trained.make FOLDER_OF_PHOTOS`.

Shipped: made from 150 photos of ImageNet's validation set, upright and at half size, 218,000 descriptors. Other photos
give other matrices, and codes that cannot be compared: they need another name than rootsift128-v1.
"""

import sys
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from fingerprint.decode import decode, picture_of
from fingerprint.features import ROOTSIFT, keypoints

PARTS = 16  # principal components in each half of the cells
SEED = 1
ROUNDS = 10  # of k-means


def descriptors(photo: Path) -> npt.NDArray[np.float32]:
    """The photo's rooted descriptors, at full and at half size."""
    image = decode(photo).image
    half = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
    return np.concatenate([keypoints(image).descriptors, keypoints(picture_of(half).image).descriptors])


def train(rooted: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """The arrays of features.Trained for these descriptors."""
    mean = rooted.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((rooted - mean).T))
    variances, axes = variances[::-1], axes[:, ::-1]
    turn = np.linalg.qr(np.random.default_rng(SEED).normal(size=(128, 128)))[0]
    # Without the small addend the weakest components, which are noise, would say as much as the strongest.
    code = (axes / np.sqrt(variances + 1e-4)) @ turn
    halves = np.stack([axes[:, start : 2 * PARTS : 2] for start in (0, 1)])
    centres = [_centres((rooted - mean) @ half) for half in halves]
    arrays = {"mean": mean, "code": code, "halves": halves, "centres": np.stack(centres)}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _centres(half: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    clustering = faiss.Kmeans(PARTS, 256, niter=ROUNDS, seed=SEED)
    clustering.train(np.ascontiguousarray(half, np.float32))
    return np.asarray(clustering.centroids)


def main() -> None:
    """Train on every JPEG of the folder and write the file beside this one."""
    photos = sorted(Path(sys.argv[1]).glob("*.jp*g"))
    rooted = np.concatenate([descriptors(photo) for photo in photos])
    target = Path(__file__).parent / f"{ROOTSIFT}.npz"
    np.savez_compressed(target, **train(rooted))  # type: ignore[arg-type]
    sys.stdout.write(f"{target.name}: {len(rooted)} descriptors of {len(photos)} photos\n")


if __name__ == "__main__":
    main()
