"""Captures that one answer meets in several places: each is read once, and those that are met together, together."""

from collections.abc import Iterable

from capture_api.services import services
from pipeline.record import Capture


class Relatives:
    """Looks captures up (a pipeline.kin.Lookup): raises LookupError for one that is not there, or no longer."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._known: dict[str, Capture | None] = {}
        self.read(ids)

    @classmethod
    def of(cls, capture: Capture) -> "Relatives":
        """With those that a capture's upload and its verdict name."""
        verdict = capture.facts.get("verdict")
        parents = [parent.id for parent in capture.request.parents]
        return cls([*parents, *(match.id for match in verdict.matches)] if verdict else parents)

    def read(self, ids: Iterable[str]) -> None:
        """Read these together, but for those that were read before."""
        new = set(ids) - self._known.keys()
        there = services().captures.those(new)
        self._known |= {each: there.get(each) for each in new}

    def __call__(self, capture_id: str) -> Capture:
        """The capture of this id."""
        self.read([capture_id])
        found = self._known[capture_id]
        if found is None:
            raise LookupError(f"no capture {capture_id}")
        return found
