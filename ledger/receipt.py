"""The receipt: everything that a stranger needs to check one capture without asking anybody."""

from collections.abc import Mapping
from typing import Any, Protocol

from ledger.leaf import parse
from ledger.tree import Hashes, inclusion_proof
from pipeline.canonical import digest_of
from pipeline.errors import Conflict
from pipeline.record import Anchor, Capture, Inclusion, Leaf, encode

VERSION, DEVICE_VERSION = 1, 2  # the latter where a device signed: an older verifier says that it is too old
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
    leaf: Leaf = capture.fact("leaf")
    if digest_of(dict(terms)) != parse(leaf.statement).terms:
        raise Conflict(f"the terms of {capture.id} became {dict(terms)}, which is not what its leaf commits to")
    anchor: Anchor | None = capture.facts.get("anchor")
    logged: Inclusion = capture.fact("inclusion")
    size = logged.tree_size if anchor is None else anchor.tree_size
    device = {"version": DEVICE_VERSION, "device": encode(capture.fact("device"))} if "device" in capture.facts else {}
    document = {
        "version": VERSION,
        "capture": capture.id,
        "statement": encode(leaf.statement),
        "leaf": leaf.digest.hex(),
        "inclusion": {
            "index": logged.index, "tree_size": size, "proof": encode(inclusion_proof(logged.index, size, log)),
        },
        "checkpoint": log.checkpoint(size),
        "anchor": encode(anchor),
        "asset": encode(capture.fact("asset")),
        "manifest": _manifest(encode(capture.fact("manifest"))),
        "rights": dict(terms),
    }  # fmt: skip
    return document | device | _note(anchor)


def _manifest(fact: dict[str, Any]) -> dict[str, Any]:
    # Not the signed file's digest: the statement does not commit to it, so nobody could check it.
    return {name: fact[name] for name in ("sha256", "size", "label", "signer")}


def _note(anchor: Anchor | None) -> dict[str, str]:
    if anchor is None:
        return {"note": NOT_ANCHORED}
    return {"note": LOCAL_CHAIN} if anchor.local else {}
