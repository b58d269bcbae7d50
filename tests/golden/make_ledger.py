"""Write tests/golden/ledger.json: the leaf, proofs, checkpoint and receipt that must never change.

    python -m tests.golden.make_ledger

Run it only when a version is added; a test compares the file with what this makes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ledger.cose import cose_receipt
from ledger.leaf import leaf_digest, statement
from ledger.receipt import receipt
from ledger.tree import Tiles, append_tiles, consistency_proof, inclusion_proof, root
from pipeline.record import Capture, Inclusion, Request
from tests.ledger.log_world import CAPTURED_AT, OWNER, RIGHTS, TERMS, anchor_of, asset_of, leaf_of, manifest_of, signer

PATH = Path(__file__).with_name("ledger.json")
SIZE = 600
ROOTS = (0, 1, 2, 255, 256, 257, 511, 512, 513, 600)
INCLUSION = ((0, 1), (0, 600), (255, 256), (256, 257), (511, 600), (599, 600))
CONSISTENCY = ((1, 2), (255, 256), (256, 257), (257, 600), (512, 600), (599, 600))


class _Stored(Tiles):
    def tile(self, level: int, number: int) -> bytes:
        return self[level, number]

    def checkpoint(self, size: int) -> str:
        return signer().sign(size, root(size, self))


def make() -> dict[str, Any]:
    """The values, as the file holds them."""
    return {"leaf": _leaf(), "tree": _tree(), "checkpoint": _checkpoint(), "receipt": _receipt()}


def _leaf() -> dict[str, Any]:
    names = ("salt", "upload", "manifest", "fingerprint", "terms", "parents")
    digests = {name: hashlib.sha256(name.encode()).digest() for name in names}
    words = statement(**digests, owner=bytes(range(20)), captured_at=1_795_350_615)
    parts = {name: digest.hex() for name, digest in digests.items()}
    return {
        "parts": parts | {"owner": bytes(range(20)).hex(), "captured_at": 1_795_350_615},
        "statement": [word.hex() for word in words],
        "digest": leaf_digest(words).hex(),
    }


def _tree() -> dict[str, Any]:
    leaves = [hashlib.sha256(str(number).encode()).digest() for number in range(SIZE)]
    stored = _Stored(append_tiles(0, leaves, _Stored()))
    return {
        "leaf_rule": "SHA-256 of the decimal number, from 0",
        "size": SIZE,
        "roots": {str(size): root(size, stored).hex() for size in ROOTS},
        "inclusion": [
            {"index": index, "size": size, "proof": [d.hex() for d in inclusion_proof(index, size, stored)]}
            for index, size in INCLUSION
        ],
        "consistency": [
            {"old": old, "new": new, "proof": [d.hex() for d in consistency_proof(old, new, stored)]}
            for old, new in CONSISTENCY
        ],
    }


def _checkpoint() -> dict[str, Any]:
    top = hashlib.sha256(b"a root").digest()
    return {"vkey": str(signer().vkey), "size": 20852163, "root": top.hex(), "note": signer().sign(20852163, top)}


def _receipt() -> dict[str, Any]:
    upload, store = b"an upload", b"a manifest store"
    leaf = leaf_of(upload, store)
    log = _Stored(append_tiles(0, [hashlib.sha256(b"0").digest(), leaf.digest], _Stored()))
    facts = {
        "asset": asset_of(upload), "manifest": manifest_of(store), "leaf": leaf, "anchor": anchor_of(2),
        "inclusion": Inclusion(1, 2),
    }  # fmt: skip
    capture = Capture("golden", "owner", OWNER, CAPTURED_AT, Request(RIGHTS), facts, {})
    document = receipt(capture, log, TERMS)
    return {"upload": upload.hex(), "document": document, "cose": cose_receipt(document, signer()).hex()}


if __name__ == "__main__":
    PATH.write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
