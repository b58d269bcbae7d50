"""How captures stand to those they were made from, told from their records alone."""

from collections.abc import Callable, Container, Mapping, Set
from datetime import UTC, datetime, timedelta

from pipeline.errors import Held, Rejected
from pipeline.parents import UndeclaredPolicy, asset_id
from pipeline.record import Capture, Match, Verdict

Lookup = Callable[[str], Capture]  # raises LookupError for a capture that is not there, or no longer


def title_of(capture: Capture) -> str:
    """What a person may call it: a capture has no title of its own, so whose it is, or when it came."""
    rights = capture.rights
    name = rights.credit or rights.creator
    return f"Photo by {name}" if name else f"Photo registered on {capture.created_at:%Y-%m-%d}"


def asset_of(capture: Capture) -> int:
    """The id of the work that a logged capture is. Raises LookupError before it is logged."""
    return asset_id(capture.fact("asset").sha256, capture.fact("inclusion").index)


def parents_of(capture: Capture, lookup: Lookup) -> list[Capture]:
    """The parents that a capture names, in that order; those that were erased meanwhile are left out."""
    return [found for parent in capture.request.parents if (found := there(parent.id, lookup))]


def there(capture_id: str, lookup: Lookup) -> Capture | None:
    """The capture; None for one that is not there, or no longer."""
    try:
        return lookup(capture_id)
    except LookupError:
        return None


SHOWS = ("exact_copy", "near_copy", "contains", "contained_in")  # what shares a region or a scene accuses nobody
COPIES = ("exact_copy", "near_copy")
WITHIN = (*COPIES, "contained_in")
MOST_ANCESTORS = 64  # the contract's
ANSWER_WITHIN = timedelta(hours=20)  # the log's promise is that of a day


def undeclared(capture: Capture, lookup: Lookup) -> list[Match]:
    """The registered photos of other owners that the verdict finds in this one, and that are not among its parents.

    Nor among its parents' parents: what a parent names, it answers for. Who used the same photo earlier is no parent
    either: neither a later copy of a parent, or of a photo of the uploader's own, nor a collage with what this is a
    copy of in it. Their own verdicts say so.
    """
    verdict: Verdict | None = capture.facts.get("verdict")
    if verdict is None or verdict.kind not in SHOWS:
        return []
    shown = [match for match in verdict.matches if match.kind in SHOWS]
    seen = {match.id: other for match in shown if (other := there(match.id, lookup))}
    line = _line(capture, lookup)
    known = {*line, *(each.id for each in seen.values() if each.owner == capture.owner)}
    found = [match for match in shown if match.id in seen and match.id not in known]
    found = [match for match in found if not _is_accounted_for(seen[match.id], known, line)]
    around = {match.id for match in shown if match.kind in WITHIN}  # this is all of them, or a part
    return [match for match in found if match.kind != "contained_in" or not _named(seen[match.id], SHOWS) & around]


def _is_accounted_for(other: Capture, known: Set[str], line: Mapping[str, Capture]) -> bool:
    """Whether it was refused, copies something known, or is what a parent of the same owner's copies."""
    if "rejection" in other.facts or _named(other, COPIES) & known:
        return True
    return any(other.id in _named(each, COPIES) and other.owner == each.owner for each in line.values())


def _named(capture: Capture, kinds: Container[str]) -> Set[str]:
    """The ids of the earlier photos that its verdict finds to be of these kinds."""
    verdict: Verdict | None = capture.facts.get("verdict")
    return {match.id for match in verdict.matches if match.kind in kinds} if verdict else set()


def _line(capture: Capture, lookup: Lookup) -> dict[str, Capture]:
    """The parents, their parents and so on, by id: those that are there."""
    found: dict[str, Capture] = {}
    waiting = parents_of(capture, lookup)
    while waiting and len(found) < MOST_ANCESTORS:
        parent = waiting.pop(0)
        if parent.id not in found:
            found[parent.id] = parent
            waiting += parents_of(parent, lookup)
    return found


def check_undeclared(capture: Capture, lookup: Lookup, policy: UndeclaredPolicy) -> None:
    """Raise Rejected, or Held until its owner answers, where the operator wants so for parents nobody declared."""
    if policy == "note" or not (found := undeclared(capture, lookup)):
        return
    ids = ", ".join(match.id for match in found)
    if policy == "refuse":
        raise Rejected(f"it shows photos of others that it does not name as its parents: {ids}. Erase this capture and "
                       "register the photo again, with them among its parents")  # fmt: skip
    until = capture.created_at + ANSWER_WITHIN
    if capture.request.undeclared_stand:
        return
    if datetime.now(UTC) >= until:
        raise Rejected(f"nobody answered for {ANSWER_WITHIN.total_seconds() // 3600:.0f} hours why it shows photos of "
                       f"others that it does not name as its parents: {ids}")  # fmt: skip
    raise Held(f"it shows {ids}, which are not among its parents: its owner must name them, or let it stand", until)
