"""How captures stand to those they were made from, told from their records alone."""

from collections.abc import Callable

from pipeline.parents import asset_id
from pipeline.record import Capture

Lookup = Callable[[str], Capture]  # raises LookupError for a capture that is not there, or no longer


def title_of(capture: Capture) -> str:
    """What a person may call it: a capture has no title of its own, so whose it is, or when it came."""
    rights = capture.request.rights
    name = rights.credit or rights.creator
    return f"Photo by {name}" if name else f"Photo registered on {capture.created_at:%Y-%m-%d}"


def asset_of(capture: Capture) -> int:
    """The id of the work that a logged capture is. Raises LookupError before it is logged."""
    return asset_id(capture.fact("asset").sha256, capture.fact("inclusion").index)


def parents_of(capture: Capture, lookup: Lookup) -> list[Capture]:
    """The parents that a capture names, in that order; those that were erased meanwhile are left out."""
    found = []
    for parent in capture.request.parents:
        try:
            found.append(lookup(parent.id))
        except LookupError:
            continue
    return found
