"""What a work said on the chain that it was made from, beside what its upload named."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from capture_api.relatives import Relatives
from capture_api.services import services
from pipeline.kin import asset_of, parents_of, there
from pipeline.record import Capture
from store.shares import Share


@dataclass(frozen=True, slots=True)
class Ancestry:
    """`shares`: of each ancestor on the chain, by its work. `ids`: the captures of those that are there."""

    shares: dict[int, Share]
    ids: dict[int, str]

    @classmethod
    def of(cls, capture: Capture) -> "Ancestry":
        """Of a capture; empty for one that said nothing on the chain."""
        shares = {share.ancestor: share for share in services().work_shares.of(capture.id)}
        return cls(shares, services().work_shares.captures_of(shares) if shares else {})

    def names(self, capture_id: str) -> bool:
        """Whether this is an ancestor on the chain."""
        return capture_id in self.ids.values()

    def parents(self, capture: Capture, lookup: Relatives) -> list[Capture]:
        """What its upload named, and then what only the chain has; those that were erased are left out."""
        named = parents_of(capture, lookup)
        if not self.shares:
            return named
        known = {parent.id for parent in capture.request.parents}
        later = [each for each in services().lineage.parents(capture.id) if each not in known]
        lookup.read(later)
        return named + [found for each in later if (found := there(each, lookup))]

    def others(
        self, parents: list[Capture], may_see: Callable[[Capture], bool], lookup: Relatives
    ) -> list[dict[str, Any]]:
        """The ancestors that are none of these parents: their captures' ids only for those who may see them."""
        lookup.read(self.ids.values())
        shown = {asset_of(parent) for parent in parents if "inclusion" in parent.facts}
        found = []
        for asset, share in self.shares.items():
            if asset not in shown:
                capture = there(self.ids.get(asset, ""), lookup)
                seen = capture.id if capture and may_see(capture) else None
                found.append({"id": seen, "asset": f"0x{asset:064x}", "share_ppm": share.ppm})
        return found

    def standing(self, parent: Capture) -> dict[str, Any]:
        """What a parent gets of all that the work earns."""
        return standing(self.shares.get(asset_of(parent)) if self.shares and "inclusion" in parent.facts else None)


def standing(share: Share | None) -> dict[str, Any]:
    """How one work stands to another on the chain, where it said so."""
    return {"share_ppm": share.ppm if share else None, "on_chain": share is not None}
