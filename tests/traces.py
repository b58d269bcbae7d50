"""What may be left of a photo on the disk: its traces, in every form in which they were ever written."""

import base64
import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fingerprint.features import POINT
from fingerprint.scan import arranged

ANYWHERE = 24  # bytes of a digest, a salt or a photo that are nobody else's


def traces_of(photo: bytes, salt: str, fingerprint: Mapping[str, list[dict[str, str]]]) -> dict[str, bytes]:
    """Needles by name. `salt`: as hex; `fingerprint`: as /v1/captures/{id}/fingerprint gives it."""
    digest = hashlib.sha256(photo).digest()
    values = {each["alg"]: each["value"] for each in fingerprint["soft_bindings"]}
    pdq, points = bytes.fromhex(values["pdq256-v1"]), base64.b64decode(values["rootsift128-v1"])
    found = {
        "digest": digest, "digest as hex": digest.hex().encode(),
        "salt": bytes.fromhex(salt), "salt as hex": salt.encode(), "code": pdq, "code as hex": pdq.hex().encode(),
        "iscc": values["io.iscc.v0"].encode(), "points as text": values["rootsift128-v1"][100:164].encode(),
    }  # fmt: skip
    found |= {f"word {place} of the code": word.tobytes() for place, word in enumerate(arranged(pdq)[:, 0])}
    found |= {f"photo at {at}": photo[at : at + ANYWHERE] for at in range(1000, len(photo) - ANYWHERE, 5000)}
    codes = np.frombuffer(points, POINT)["code"]
    return found | {f"point {place}": code.tobytes() for place, code in enumerate(codes[::20])}


def contents(path: Path) -> bytes:
    """A file's bytes. SQLite's are read by another process: closing them here would drop the locks of this one."""
    if ".db" in path.name:
        return subprocess.run(["cat", str(path)], capture_output=True).stdout
    return path.read_bytes()


def found_in(folder: Path, needles: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Which needles are in which files of a folder, read byte for byte: the names of files too."""
    left: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        content = contents(path) if path.is_file() else b""
        content += str(path.relative_to(folder)).encode()
        for name, needle in needles.items():
            if needle in content:
                left.setdefault(str(path.relative_to(folder)), set()).add(name)
    return left
