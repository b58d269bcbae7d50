"""Which photos are registered, which are asked about, and which nobody ever registers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

HELD_OUT = 30  # photos for backgrounds, and as many that are only asked about
KINDS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Split:
    """`asked` and `pool` are registered: the first are attacked, the second give innocent pairs and distractors.

    Nothing is made from a photo of one part in the name of another: what a distractor is made from is never asked.
    """

    asked: tuple[Path, ...]
    pool: tuple[Path, ...]
    backgrounds: tuple[Path, ...]
    negatives: tuple[Path, ...]

    @property
    def registered(self) -> tuple[Path, ...]:
        """All that are registered."""
        return self.asked + self.pool


def split(folder: Path, seed: int, asked: int) -> Split:
    """The photos of a folder, dealt out by chance. Raises SystemExit when there are too few."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS)
    if len(files) < 2 * HELD_OUT + asked + 20:
        raise SystemExit(f"{folder} has {len(files)} photos: too few to ask about {asked}")
    Random(f"bench.copies split {seed}").shuffle(files)
    return Split(*_dealt(files, (asked, len(files) - asked - 2 * HELD_OUT, HELD_OUT, HELD_OUT)))


def _dealt(files: Sequence[Path], counts: Sequence[int]) -> list[tuple[Path, ...]]:
    parts, start = [], 0
    for count in counts:
        parts.append(tuple(files[start : start + count]))
        start += count
    return parts
