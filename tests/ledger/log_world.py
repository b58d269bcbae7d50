"""A real log on a real database for the tests of the ledger: sealed captures, a signer whose key is known, photos."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image
from sqlalchemy.engine import Connection

from ledger.checkpoint import CheckpointSigner
from ledger.leaf import leaf_digest, statement
from pipeline.canonical import digest_of
from pipeline.record import Anchor, Asset, Capture, Leaf, Manifest, Request, Rights, encode
from store.captures import CaptureRecords
from store.database import Database
from store.log import LogRecords
from tests.databases import give_tables

OWNER = bytes(range(20))
ORIGIN = "log.example/capture"
RIGHTS = Rights(creator="Grüße, 写真", credit="A credit line", licence="cc-by-4.0", ai_training="ask")
TERMS = {"version": "terms/test", **encode(RIGHTS)}  # the ledger does not know what terms consist of
CAPTURED_AT = datetime(2026, 11, 22, 12, 30, 15, 250000, tzinfo=UTC)


def digest(text: str) -> bytes:
    """A digest to stand for something that the test does not have."""
    return hashlib.sha256(text.encode()).digest()


def signer() -> CheckpointSigner:
    """A signer whose key is known, for golden values."""
    return CheckpointSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(digest("the log's key")))


def picture(kind: str) -> bytes:
    """A small photo as "JPEG" or "PNG"."""
    image = Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 30).convert("RGB")
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def leaf_of(upload: bytes, manifest: bytes, seed: str = "") -> Leaf:
    """The leaf of an upload and the store of its manifest."""
    words = statement(
        salt=digest(f"salt {seed}"),
        upload=hashlib.sha256(upload).digest(),
        manifest=hashlib.sha256(manifest).digest(),
        fingerprint=digest(f"fingerprint {seed}"),
        owner=OWNER,
        terms=digest_of(TERMS),
        parents=bytes(32),
        captured_at=int(CAPTURED_AT.timestamp()),
    )
    return Leaf(words, leaf_digest(words))


def asset_of(upload: bytes) -> Asset:
    """The asset fact."""
    return Asset(hashlib.sha256(upload).digest(), "image/jpeg", len(upload))


def manifest_of(store: bytes) -> Manifest:
    """The manifest fact."""
    return Manifest(
        sha256=hashlib.sha256(store).digest(), size=len(store), label="urn:c2pa:test", signed_sha256=digest("signed"),
        signed_size=7, signed_media_type="image/jpeg", signer="Capture", state="trusted",
        thumbnail_sha256=digest("thumbnail"),
    )  # fmt: skip


def anchor_of(tree_size: int, local: bool = False) -> Anchor:
    """An anchor fact for a tree of this size."""
    return Anchor(
        chain_id=8453, contract="0x" + "Ab" * 20, transaction="0x" + "cd" * 32, block=1234, block_time=1795000000,
        tree_size=tree_size, state="included", local=local,
    )  # fmt: skip


@dataclass
class World:
    """A log and its captures."""

    database: Database
    captures: CaptureRecords
    log: LogRecords
    signer: CheckpointSigner

    @classmethod
    def make(cls, folder: Path) -> "World":
        """An empty one on a database of its own."""
        database = Database(f"sqlite:///{folder}/capture.db")
        give_tables(database)
        return cls(database, CaptureRecords(database), LogRecords(database), signer())

    def seal(self, name: str, upload: bytes | None = None, store: bytes = b"") -> str:
        """Register a capture and seal it: its leaf waits for the log. The capture's id is `name`."""
        return _seal(self.captures, name, name.encode() if upload is None else upload, store)

    def seal_many(self, count: int, prefix: str = "c") -> list[str]:
        """Several sealed captures, which become durable together: in half the time."""
        with self.database.write() as connection:
            within = CaptureRecords(Within(connection))
            return [_seal(within, name, name.encode(), b"") for name in (f"{prefix}{at}" for at in range(count))]

    def get(self, name: str) -> Capture:
        """A capture."""
        return self.captures.get(name)


class Within(Database):
    """The database in a transaction that is open already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """That transaction."""
        yield self._connection

    read = write


def _seal(records: CaptureRecords, name: str, upload: bytes, store: bytes) -> str:
    records.register(name, "owner", OWNER, Request(rights=RIGHTS), asset_of(upload))
    records.put(name, "manifest", manifest_of(store))
    records.put(name, "leaf", leaf_of(upload, store, name))
    return name
