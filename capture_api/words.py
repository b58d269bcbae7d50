"""Matches in plain words. Those that are for a person to judge never call anything a copy."""

from pipeline.record import Alignment, Match, MatchKind

MEANS: dict[MatchKind, str] = {
    "exact_copy": "The very same file is registered",
    "near_copy": "The registered photo as a whole, saved again or altered",
    "contains": "The registered photo, or part of it, is inside this picture",
    "contained_in": "This is a part of the registered photo",
    "shares_region": "Shares a region: for a person to judge, no accusation",
    "same_scene": "Same scene, another shot: for a person to judge, no accusation",
}

_TURNS = {
    "upright": "",
    "rotated_90": "turned a quarter clockwise",
    "rotated_180": "turned upside down",
    "rotated_270": "turned a quarter anticlockwise",
    "mirrored": "mirrored left to right",
    "flipped": "mirrored top to bottom",
    "transposed": "mirrored along the falling diagonal",
    "transversed": "mirrored along the rising diagonal",
}


def checked(match: Match) -> str:
    """What was compared and what came of it, in one to four sentences."""
    if match.kind == "exact_copy":
        return "Every byte is the same."
    alignment = match.evidence.alignment
    detailed = alignment and alignment.windows
    return " ".join([_aligned(alignment) if alignment and detailed else _whole(match), *_changes(match)])


def _whole(match: Match) -> str:
    blurred = "There is too little detail to compare window by window; light and dark agree. "
    return (
        f"{blurred if match.evidence.alignment else ''}"
        f"Compared as whole pictures: few of the {match.evidence.bits} bits of their fingerprints differ."
    )


def _aligned(alignment: Alignment) -> str:
    line_up = f"{alignment.inliers} points line up, and " if alignment.inliers else ""
    return (
        f"Laid over each other, {line_up}{_percent(alignment.agreement_ppm)} of {alignment.windows} windows with "
        f"detail agree. {_percent(alignment.visible_ppm)} of the registered photo is in this picture and fills "
        f"{_percent(alignment.covers_ppm)} of it."
    )


def _changes(match: Match) -> list[str]:
    turn = _TURNS.get(match.evidence.orientation, match.evidence.orientation)
    return [f"Here the registered photo is {turn}."] * bool(turn) + [
        "Light and dark are swapped."
    ] * match.evidence.negative


def _percent(ppm: int) -> str:
    return f"{round(ppm / 10_000)} %"
