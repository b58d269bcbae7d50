"""Works that a photo was made from, in its manifest: each an ingredient, with its own manifest store where it fits.

Stores grow from generation to generation, so there is a limit: parents are carried in the order in which they were
named, as long as they fit. The others are ingredients too, without a store; and our own assertion names every one by
its capture, its work's id and its store's digest, and says why a store is missing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from c2pa import Builder, C2paDigitalSourceType, C2paError

from pipeline.errors import Rejected, Unavailable
from pipeline.parents import ParentFile, SourceType
from pipeline.ports import SigningOrder
from provenance.assertions import PARENTS
from provenance.container import FORMATS, found_store
from provenance.judge import judge, tree
from provenance.jumbf import MAX_MANIFESTS, MAX_STORE_BYTES, TooMuch, boxes
from provenance.reader import Report, Unreadable, error_kind, read_report

# Of all parents' stores together; a camera's photo brings 35 to 70 KB (docs/derivatives.md).
MOST_BYTES = 4 << 20
RESERVE_BYTES = 1 << 20  # of what readers of ours take: for our own manifest, and the public file's
RESERVE_MANIFESTS = 8

_SOURCES: dict[SourceType, C2paDigitalSourceType] = {
    "trainedAlgorithmicMedia": C2paDigitalSourceType.TRAINED_ALGORITHMIC_MEDIA,
    "compositeWithTrainedAlgorithmicMedia": C2paDigitalSourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    "composite": C2paDigitalSourceType.COMPOSITE,
    "digitalCreation": C2paDigitalSourceType.DIGITAL_CREATION,
}
_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_STATED = "As its uploader stated."


@dataclass(frozen=True, slots=True)
class Kin:
    """What a photo was made from and how, as its manifest will say it.

    `missing`: by id, why a parent's store is not carried. `spotless`: nothing within those that are is worse than
    trusted. `is_bare`: no credentials came with the photo. `is_altered`: it is its one parent, altered, so that this
    was opened, and not the upload. `source_type`: how it was made, unless the credentials that came say so already.
    """

    parents: tuple[ParentFile, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    spotless: bool = True
    is_bare: bool = False
    is_altered: bool = False
    source_type: SourceType | None = None

    @property
    def carried(self) -> tuple[ParentFile, ...]:
        """Those whose manifest stores go into the photo's."""
        return tuple(parent for parent in self.parents if parent.id not in self.missing)

    @property
    def creation(self) -> C2paDigitalSourceType | None:
        """As what the photo was created, when that is how it began."""
        begins = self.is_bare and not self.is_altered
        return _SOURCES[self.source_type] if self.source_type and begins else None

    def without_stores(self) -> "Kin":
        """The same parents, all without their stores."""
        unread = {parent.id: "unreadable" for parent in self.carried}
        return replace(self, missing=unread | dict(self.missing), spotless=True)

    def beside(self) -> "Kin":
        """The same for a manifest that is kept beside the file: there, the upload itself is what was opened."""
        return replace(self, is_bare=False, is_altered=False)

    def told(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        """The manifest definition with all this in it, but for what `add_to` adds."""
        assertions = [*definition["assertions"]]
        if self.parents:
            named = {"version": 1, "parents": [*map(self._named, self.parents)]}
            assertions.append({"label": PARENTS, "data": named})
        if actions := [*self._actions()]:
            assertions.append({"label": "c2pa.actions.v2", "created": True, "data": {"actions": actions}})
        bare = [
            self._ingredient(each) | {"format": each.media_type} for each in self.parents if each.id in self.missing
        ]
        return {**definition, "assertions": assertions} | ({"ingredients": bare} if bare else {})

    def add_to(self, builder: Builder) -> None:
        """Give the library the parents' files, and with them their stores. Raises Rejected and Unavailable."""
        for parent in self.carried:
            try:
                with _opened(parent) as opened:
                    builder.add_ingredient(json.dumps(self._ingredient(parent)), FORMATS[parent.media_type], opened)
            except C2paError as error:
                raise Rejected(f"a parent cannot be an ingredient ({error_kind(error)})") from None

    def check(self, report: Report) -> None:
        """Raise Rejected unless every parent that is carried stands there as it should, trusted."""
        found = {(str(one.content.get("relationship")), one.manifest_label) for one in tree(report)
                 if one.depth == 1 and one.state == "trusted"}  # fmt: skip
        if any((self._relation, parent.label) not in found for parent in self.carried):
            raise Rejected("a parent's credentials were not kept as they are")

    @property
    def _relation(self) -> str:
        return "parentOf" if self.is_altered else "componentOf"

    def _ingredient(self, parent: ParentFile) -> dict[str, Any]:
        return {"title": parent.title, "relationship": self._relation, "instance_id": f"capture:{parent.id}"}

    def _named(self, parent: ParentFile) -> dict[str, Any]:
        digest = parent.manifest_sha256
        return {
            "capture": parent.id,
            "asset": f"0x{parent.asset:064x}",
            "relationship": self._relation,
            "manifest": {"alg": "sha256", "hash": digest.hex()} if digest else None,
            "store": self.missing.get(parent.id, "carried"),
        }

    def _actions(self) -> Iterator[dict[str, Any]]:
        if self.source_type:
            action = "c2pa.created" if self.creation else "c2pa.edited"
            yield {"action": action, "digitalSourceType": f"{_TYPES}{self.source_type}", "description": _STATED}
        for parent in () if self.is_altered else self.parents:
            yield {"action": "c2pa.placed", "parameters": {"ingredientIds": [f"capture:{parent.id}"]}}


NO_KIN = Kin()


def weigh(order: SigningOrder, photo: Path, root_pem: str) -> Kin:
    """What the photo's manifest will say, and which parents' stores it can carry.

    Raises Unavailable when a file cannot be read.
    """
    is_bare = order.credentials.state == "none"
    kin = Kin(
        order.parents,
        is_bare=is_bare,
        is_altered=is_bare and len(order.parents) == 1 and order.parents[0].is_whole,
        # A generator's own credentials may say it already, and better.
        source_type=None if order.source_type in order.credentials.digital_source_types else order.source_type,
    )
    return _within_limits(kin, order, photo, root_pem) if order.parents else kin


def _within_limits(kin: Kin, order: SigningOrder, photo: Path, root_pem: str) -> Kin:
    left_bytes = min(MOST_BYTES, MAX_STORE_BYTES - RESERVE_BYTES - len(_store(photo, order.asset.media_type)))
    left_manifests = MAX_MANIFESTS - RESERVE_MANIFESTS - order.credentials.manifest_count
    missing, spotless = dict[str, str](), True
    for parent in kin.parents:
        worst = _worst(parent, root_pem)
        if parent.file is None or worst is None:
            missing[parent.id] = parent.missing or "unreadable"
            continue
        store = _store(parent.file, parent.media_type)
        count = len({box.labels[1] for box in boxes(store) if len(box.labels) > 1})
        if len(store) > left_bytes or count > left_manifests:
            missing[parent.id] = "too-large"
            continue
        left_bytes, left_manifests = left_bytes - len(store), left_manifests - count
        spotless = spotless and worst == "trusted"
    return replace(kin, missing=missing, spotless=spotless)


def _worst(parent: ParentFile, root_pem: str) -> str | None:
    """The worst state in a parent's file, which we signed; None when that cannot be read, or is not what we signed."""
    if parent.file is None:
        return None
    try:
        with _opened(parent) as opened:
            report = read_report(opened, FORMATS[parent.media_type], root_pem)
    except Unreadable:
        return None
    state, worst, _ = judge(report)
    return worst if state == "trusted" and report.active_label == parent.label else None


def _opened(parent: ParentFile) -> Any:
    assert parent.file is not None
    try:
        return parent.file.open("rb")
    except OSError as error:
        raise Unavailable(f"the stored parent cannot be read ({error.strerror})") from None


def _store(file: Path, media_type: str) -> bytes:
    try:
        return found_store(file, media_type)[0]
    except TooMuch:
        return b""
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None
