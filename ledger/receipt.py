"""The receipt: everything that a stranger needs to check one capture without asking anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.leaf import PREVIOUS_WORD, TERMS_WORD
from ledger.tree import Hashes, inclusion_proof
from pipeline.canonical import digest_of
from pipeline.errors import Conflict
from pipeline.record import Anchor, Capture, Inclusion, Leaf, encode

# Where a device signed, and of what was stated about rights later: an older verifier says that it is too old.
VERSION, DEVICE_VERSION, RIGHTS_VERSION = 1, 2, 3
NOT_ANCHORED = "not anchored on a chain yet: ask for this receipt again later"
LOCAL_CHAIN = "local chain: not independent proof"


class Log(Hashes, Protocol):
    """The log, for proofs at the size that was anchored."""

    def checkpoint(self, size: int) -> str:
        """The note of the checkpoint at this size. Raises LookupError."""


def receipt(capture: Capture, log: Log, terms: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt as JSON values, version 1. Raises LookupError until the capture is in the log.

    `terms` is the document that the statement's terms id stands for; raises Conflict when it is another. Digests
    are hex without prefix, chain values have 0x. Of the manifest there is only what the statement commits to, and
    what helps to find that. `inclusion` and `checkpoint` are those of the anchored tree as soon as there is an anchor,
    so that the root that the proof leads to is the one on the chain. `anchor` is null and `note` says so before.
    """
    device = {"version": DEVICE_VERSION, "device": encode(capture.fact("device"))} if "device" in capture.facts else {}
    entry = _Entry(capture.fact("leaf"), capture.fact("inclusion"), capture.facts.get("anchor"))
    return {"version": VERSION, **_document(capture, entry, log, terms), **device, **_note(entry.anchor)}


def rights_receipt(capture: Capture, number: int, log: Log, terms: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt of what was stated about the rights later, version 3; `number` counts from 1.

    As `receipt`; `previous` is the leaf of what was stated before. It does not show that nothing was stated since.
    """
    stated = capture.statements[number - 1]
    if stated.inclusion is None:
        raise LookupError(f"what was stated {number} times later about {capture.id} has no place in the log yet")
    entry = _Entry(stated.leaf, stated.inclusion, stated.anchor)
    before = {"version": RIGHTS_VERSION, "previous": stated.leaf.statement[PREVIOUS_WORD].hex()}
    return {**before, **_document(capture, entry, log, terms), **_note(entry.anchor)}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One leaf: its place when it came, and the block that holds it."""

    leaf: Leaf
    inclusion: Inclusion
    anchor: Anchor | None


def _document(capture: Capture, entry: _Entry, log: Log, terms: Mapping[str, Any]) -> dict[str, Any]:
    words, anchor, place = entry.leaf.statement, entry.anchor, entry.inclusion
    if digest_of(dict(terms)) != words[TERMS_WORD]:
        raise Conflict(f"the terms of {capture.id} became {dict(terms)}, which is not what its leaf commits to")
    size = place.tree_size if anchor is None else anchor.tree_size
    return {
        "capture": capture.id,
        "statement": encode(words),
        "leaf": entry.leaf.digest.hex(),
        "inclusion": {
            "index": place.index, "tree_size": size, "proof": encode(inclusion_proof(place.index, size, log)),
        },
        "checkpoint": log.checkpoint(size),
        "anchor": encode(anchor),
        "asset": encode(capture.fact("asset")),
        "manifest": _manifest(encode(capture.fact("manifest"))),
        "rights": dict(terms),
    }  # fmt: skip


def _manifest(fact: dict[str, Any]) -> dict[str, Any]:
    # Not the signed file's digest: the statement does not commit to it, so nobody could check it.
    return {name: fact[name] for name in ("sha256", "size", "label", "signer")}


def _note(anchor: Anchor | None) -> dict[str, str]:
    if anchor is None:
        return {"note": NOT_ANCHORED}
    return {"note": LOCAL_CHAIN} if anchor.local else {}
