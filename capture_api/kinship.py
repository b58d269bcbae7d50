"""The family of a published photo, as its page draws it: two rows above it, one below, a few in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capture_api.lineage import public_links
from capture_api.relatives import Relatives
from capture_api.services import services
from pipeline.kin import asset_of, parents_of, title_of
from pipeline.record import Capture

MOST_SHOWN = 4  # a phone's width
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Relative:
    """A photo in the picture. `title`: whose it is, or when it came; `share`: percent, None where the chain has none.

    `declared`: somebody named the tie; `at`: the place, in the next row, of the one that it belongs to.
    """

    title: str
    page: str
    thumbnail: str | None
    share: str | None = None
    declared: bool = True
    at: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Those that are drawn, and how many there are beside them."""

    shown: Sequence[Relative] = ()
    more: int = 0

    def lines(self, below: int) -> list[tuple[float, float, bool]]:
        """From the middle of each to that of its own in the next row, in percent of the width; and if declared."""
        return [(_middle(at, len(self.shown)), _middle(one.at, below), one.declared)
                for at, one in enumerate(self.shown)]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """Who a photo was made from, who those were made from, and what was made from it."""

    grandparents: Row
    parents: Row
    derivatives: Row

    @property
    def has_shares(self) -> bool:
        """Whether a contract keeps any share that is shown."""
        return any(one.share for one in (*self.parents.shown, *self.derivatives.shown))

    def __bool__(self) -> bool:
        return bool(self.parents.shown or self.derivatives.shown)


def family_of(capture: Capture, view: Mapping[str, Any], lookup: Relatives) -> Family:
    """The published family of a capture; `view`: what strangers may read of it."""
    drawn = view["parents"][:MOST_SHOWN]
    named = [_relative(lookup(one["id"]), one["share_ppm"]) for one in drawn]
    room = MOST_SHOWN - len(named)
    unnamed = [_relative(lookup(one["id"]), None, declared=False) for one in view["undeclared_parents"][:room]]
    hidden = len(view["parents"]) + len(view["undeclared_parents"]) - len(named) - len(unnamed)
    lookup.read(parent.id for one in drawn for parent in lookup(one["id"]).request.parents)
    above = [
        _relative(each, None, at=at)
        for at, one in enumerate(drawn)
        for each in parents_of(lookup(one["id"]), lookup)
        if each.request.published
    ]
    return Family(_row(above), Row([*named, *unnamed], hidden), _derivatives(capture))


def _row(relatives: list[Relative]) -> Row:
    return Row(relatives[:MOST_SHOWN], max(0, len(relatives) - MOST_SHOWN))


def _derivatives(capture: Capture) -> Row:
    """What was made from it and is published, the oldest first."""
    found = services().lineage.derivatives(capture.id, 0, MOST_COUNTED, "")
    ids = [each.capture_id for each in found[:MOST_SHOWN]]
    if not ids:
        return Row()
    shares, there = services().work_shares.shares_in(ids, asset_of(capture)), services().captures.those(ids)
    shown = [_relative(there[each], shares[each].ppm if each in shares else None) for each in ids if each in there]
    return Row(shown, len(found) - len(ids))


def _relative(capture: Capture, share_ppm: int | None, declared: bool = True, at: int = 0) -> Relative:
    links = public_links(capture)
    percent = None if share_ppm is None else f"{share_ppm / 10_000:.4g} %"
    name = title_of(capture).removeprefix("Photo by ")  # four of them stand beside each other on a phone
    return Relative(name, links["public"], links.get("thumbnail"), percent, declared, at)


def _middle(at: int, of: int) -> float:
    return round(100 * (at + 0.5) / max(of, 1), 1)
