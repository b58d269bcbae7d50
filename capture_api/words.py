"""Matches in plain words. Those that are for a person to judge never call anything a copy."""

from pipeline.record import Alignment, CredentialState, Match, MatchKind

MEANS: dict[MatchKind, str] = {
    "exact_copy": "The very same file is registered",
    "near_copy": "The registered photo as a whole, saved again or altered",
    "contains": "The registered photo, or part of it, is inside this picture",
    "contained_in": "This is a part of the registered photo",
    "shares_region": "Shares a region: for a person to judge, no accusation",
    "same_scene": "Same scene, another shot: for a person to judge, no accusation",
}

CREDENTIALS: dict[CredentialState, str] = {
    "none": "No Content Credentials came with this file",
    "valid": "Intact Content Credentials, from a signer who is on no trust list here",
    "trusted": "Intact Content Credentials from a trusted signer",
    "invalid": "Its Content Credentials, or those of something it was made from, do not fit: do not rely on them",
    "malformed": "Its Content Credentials, or those of something it was made from, cannot be read",
    "remote_only": "It only names a place on the web for its Content Credentials, which was not visited",
}

SOURCES = {
    "trainedAlgorithmicMedia": "Made by AI",
    "compositeWithTrainedAlgorithmicMedia": "Put together, in part by AI",
    "composite": "Put together from several pictures",
    "digitalCreation": "Drawn or made by a person with software",
}

# Of the credentials fact, where a field's own name would not say it. New fields are shown by their names.
FIELDS = {
    "state": "The file itself",
    "worst": "With all it was made from",
    "claim_generator": "Made with",
    "reason": "What is wrong",
    "manifest_count": "Manifests",
    "captured_at": "Taken at, says the file",
    "device": "Taken with, says the file",
    "creator": "Creator, as stated",
    "ai_training": "May AI be trained on it?",
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


def found(count: int) -> str:
    """How many registered photos a picture has to do with."""
    if not count:
        return "No registered photo was found in it"
    return "1 registered photo has to do with it" if count == 1 else f"{count} registered photos have to do with it"


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
