"""What the stages need from engines and domains. wiring.py decides who answers."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.device import Device
from pipeline.parents import ParentFile, SourceType, UndeclaredPolicy
from pipeline.record import (
    Asset,
    Capture,
    Credentials,
    Dimensions,
    Fingerprint,
    LocationState,
    Request,
    Rights,
    TimestampState,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes that are durably stored: their SHA-256 and how many they are."""

    sha256: bytes
    size: int


class Blobs(Protocol):
    """Bytes by their SHA-256. Create-only: what is stored never changes. Durable when a call returns."""

    def receive(self, chunks: Iterable[bytes], max_bytes: int) -> Received:
        """Store a stream while digesting it; memory does not grow with it. Raises Rejected beyond `max_bytes`.

        When `chunks` raises, nothing is kept.
        """

    def size(self, sha256: bytes) -> int:
        """Bytes stored under this digest. Raises LookupError when there are none."""

    def read(self, sha256: bytes, start: int = 0) -> Iterator[bytes]:
        """The bytes in chunks. Raises LookupError when there are none."""

    def local(self, sha256: bytes) -> AbstractContextManager[Path]:
        """The bytes as a file that can be read (never written) while the block lasts."""

    def discard_stale(self, older_than_s: int) -> int:
        """Remove what uploads left that were cut off longer ago than this; how many."""


class Captures(Protocol):
    """The records. Facts are written once: the same again is fine, another value raises Conflict."""

    def register(
        self, capture_id: str, owner: str, owner_address: bytes, request: Request, asset: Asset,
        idempotency: tuple[str, bytes] | None = None, device: Device | None = None,
    ) -> str:  # fmt: skip
        """Commit a new capture with its `asset` fact and return its id.

        Bytes that this owner registered before give the id of the capture that exists.
        """

    def get(self, capture_id: str) -> Capture:
        """The capture with all its facts. Raises LookupError."""

    def put(self, capture_id: str, name: str, fact: Any, token: str | None = None) -> None:
        """Write a fact, and the rows derived from it, in one durable transaction. Raises Conflict.

        With a lease's token: raises Unavailable when another worker holds the capture now.
        """

    def lease(self, capture_id: str, holder: str) -> str | None:
        """Take the capture to work on it: a token, or None while another holds it or nothing is left to do."""

    def release(self, capture_id: str, token: str, retry_in_s: int = 0) -> None:
        """Give the capture back before the lease ends."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A registered fingerprint near the one that was asked about. `negative`: light and dark are swapped."""

    capture_id: str
    distance: int
    orientation: str
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """What the database holds of a photo for comparing others with it. `number`: its place in the order of commit.

    `points`: packed local features; `thumbnail_sha256`: a blob, an upright JPEG of at most 512 px a side.
    """

    number: int
    capture_id: str
    pdq: bytes
    points: bytes
    dimensions: Dimensions
    thumbnail_sha256: bytes


class Index(Protocol):
    """Fingerprints of all captures, seen by every process at once; derived from the database, never the truth."""

    def near(self, pdq: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered codes within `radius` bits in any of the eight orientations, nearest first, then oldest.

        `pdq`: the photo's codes, 32 bytes for each orientation; their negatives are looked for as well. Flat photos are
        never found. `before`: only those committed earlier than this position; None for all.
        """

    def iscc(self, iscc: bytes, radius: int, before: int | None) -> Sequence[Neighbour]:
        """All registered ISCC image codes (8 bytes) within `radius` bits, nearest first, then oldest. None flat."""

    def same(self, sha256: bytes, before: int | None) -> Sequence[str]:
        """Captures of exactly these bytes, oldest first."""

    def position(self, capture_id: str) -> int:
        """Where this capture's fingerprint stands in the order of commit. Raises LookupError."""

    def count(self, before: int | None) -> int:
        """How many fingerprints there are. Those deleted a moment ago may be among them."""

    def forget(self, numbers: Sequence[int]) -> None:
        """Leave nothing in files of the fingerprints with these places in the order of commit, which were deleted."""


class Picture(Protocol):
    """A photo, decoded once."""

    @property
    def dimensions(self) -> Dimensions: ...

    @property
    def thumbnail(self) -> bytes:
        """A JPEG of at most 512 px a side, upright, without metadata."""


@dataclass(frozen=True, slots=True)
class SigningOrder:
    """Everything that the signed manifest shall say.

    `device`: who signed for the photo. `attested`: that device is of a level at which the operator lets it vouch that
    its sensor took the photo. `parents`, `source_type`: what it was made from and how, as the uploader says.
    """

    asset: Asset
    credentials: Credentials
    fingerprint: Fingerprint
    verdict: Verdict
    rights: Rights
    thumbnail: bytes
    keep_location: bool
    registered_at: datetime
    device: Device | None = None
    attested: bool = False
    parents: tuple[ParentFile, ...] = ()
    source_type: SourceType | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """What came out of signing: the manifest store's bytes and what its own reader says of it.

    `embedded`: the store is in the file; otherwise the file is as it came, and the store is kept beside it.
    `carried_parents`: how many parents' stores are in it.
    """

    store: bytes
    label: str
    signer: str
    media_type: str
    embedded: bool = True
    timestamp: TimestampState | None = None
    carried_parents: int = 0

    @property
    def sha256(self) -> bytes:
        """The store's digest: what the leaf commits to."""
        return hashlib.sha256(self.store).digest()


@dataclass(frozen=True, slots=True)
class Public:
    """What became of the place where the photo was taken, and the public file's manifest when it was removed."""

    location: LocationState
    signed: Signed | None = None


class Domains(Protocol):
    """What the domains do for the stages. Each is pure but for the files it is given."""

    def inspect(self, photo: Path, media_type: str) -> Credentials: ...

    def decode(self, photo: Path) -> Picture: ...

    def fingerprint(self, picture: Picture) -> Fingerprint: ...

    def judge(self, fingerprint: Fingerprint, picture: Picture, sha256: bytes, before: int | None) -> Verdict: ...

    def sign(self, photo: Path, signed: Path, order: SigningOrder) -> Signed: ...

    def sign_public(self, signed: Path, public: Path, order: SigningOrder, full: Signed) -> Public: ...

    def terms_id(self, rights: Rights) -> bytes: ...

    @property
    def undeclared_policy(self) -> UndeclaredPolicy:
        """What is done with a photo that shows others' photos which are not named as its parents."""

    def vouches(self, device: Device | None, verdict: Verdict) -> bool:
        """Whether a photo may be called a capture by the device's sensor: the operator's policy."""

    def commit(self, words: Mapping[str, bytes | int]) -> tuple[tuple[bytes, ...], bytes]:
        """The statement's ten words and the leaf digest."""
