"""The capture's record: what was asked, and the facts that the stages added. Facts are frozen and written once.

`encode` and `decode` are the one mapping between facts and JSON: bytes are lower-case hex, times are RFC 3339 in
UTC with microseconds, tuples are lists.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Literal, TypeVar

from pipeline.credentials import Credentials as Credentials
from pipeline.credentials import CredentialState as CredentialState
from pipeline.device import Device
from pipeline.parents import Parent, SourceType

MatchKind = Literal["exact_copy", "near_copy", "contains", "contained_in", "shares_region", "same_scene"]
VerdictKind = Literal[
    "original", "exact_copy", "near_copy", "contains", "contained_in", "shares_region", "same_scene"
]  # the first match's kind, or original when there is none
Corners = tuple[tuple[int, int], ...]  # hundredths of a pixel: top left, top right, bottom right, bottom left
# Of the place where a photo was taken: its file tells none; its owner wants it kept; it was taken out of the public
# file; it cannot be taken out, so that there is no public file.
LocationState = Literal["absent", "kept", "removed", "withheld"]
TimestampState = Literal["embedded", "pending"]
AiTraining = Literal["allowed", "not_allowed", "ask"]


@dataclass(frozen=True, slots=True)
class Rights:
    """The copyright information that the uploader states. `licence` is a preset's name or an https URL."""

    creator: str | None = None
    credit: str | None = None
    copyright_notice: str | None = None
    licence: str = "all-rights-reserved"
    ai_training: AiTraining = "not_allowed"


@dataclass(frozen=True, slots=True)
class Asset:
    """The upload as it came: its bytes are kept untouched under `sha256` (32 bytes). `size` is in bytes."""

    sha256: bytes
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Pixels after the EXIF turn."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SoftBinding:
    """One fingerprint: a versioned algorithm name and its value as text (hex, or an ISCC code)."""

    alg: str
    value: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Every soft binding of the photo, and PDQ's quality (0 to 100; under 50 the photo is too flat to match).

    `thumbnail_sha256`: the upright JPEG of at most 512 px a side that later photos are compared with, pixel by pixel.
    """

    soft_bindings: tuple[SoftBinding, ...]
    quality: int
    dimensions: Dimensions
    thumbnail_sha256: bytes | None = None

    def value(self, alg: str) -> str:
        """The value under this algorithm name; KeyError when the photo was not fingerprinted with it."""
        for binding in self.soft_bindings:
            if binding.alg == alg:
                return binding.value
        raise KeyError(alg)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the registered photo lies in this picture, and how far the two agree where they overlap.

    `homography`: nine numbers, row by row, as decimal text (facts have no floats): a point (x, y, 1) in the registered
    photo's pixels becomes one in this picture's. `box`: the registered photo's corners in this picture; `reverse_box`:
    this picture's corners in the registered photo. Both may lie outside. `visible_ppm`: how much of the registered
    photo is in this picture; `covers_ppm`: how much of this picture that is. `inliers`: point pairs that agree with
    the homography, 0 when whole pictures were compared. `agreement_ppm`: the part of the textured windows that agree,
    `windows` of them. `correlation`: a grid over the registered photo, rows from the top, in percent from -100 to 100;
    None where there is nothing to compare. `dimensions` are the registered photo's.
    """

    homography: tuple[str, ...]
    box: Corners
    reverse_box: Corners
    dimensions: Dimensions
    visible_ppm: int
    covers_ppm: int
    inliers: int
    windows: int
    agreement_ppm: int
    correlation: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a match is a match. `alg`: what found it. `orientation`: how the registered photo was turned to fit.

    `negative`: light and dark are swapped. `bits`: the length of the code that `distance` counts in.
    """

    alg: str
    orientation: str
    bits: int
    negative: bool = False
    alignment: Alignment | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A registered photo that this one has to do with.

    `distance`: bits between the two whole pictures' PDQ codes, of `evidence.bits`. `score_ppm`: 1,000,000 for equal
    bytes; else how much of what can be compared agrees. It is no probability.
    """

    id: str
    kind: MatchKind
    score_ppm: int
    distance: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the photo stands to those registered before it. `note` says what was not checked. Best match first."""

    kind: VerdictKind
    matches: tuple[Match, ...]
    compared_with: int
    note: str


@dataclass(frozen=True, slots=True)
class Rendition:
    """The public file of a photo that tells where it was taken: the same without that, and its own manifest store."""

    sha256: bytes
    size: int
    manifest_sha256: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The Content Credentials that Capture signed: the manifest store's digest, and the signed file's.

    `embedded`: the store is in the signed file. Otherwise the credentials that came with the upload could not be read:
    the signed file is the upload, byte for byte, and the store is kept beside it. `location`: see LocationState; None
    when an older version signed, which did not look. `public`: when the location was removed.
    `timestamp`: embedded in the signature, or pending: the authority gave none then, and the fact `timestamp` follows.
    None when nobody was to be asked, and in facts of versions that did not note it.
    `carried_parents`: how many of the parents' manifest stores are in this one; the manifest says why others are not.
    """

    sha256: bytes
    size: int
    label: str
    signed_sha256: bytes
    signed_size: int
    signed_media_type: str
    signer: str
    state: CredentialState
    thumbnail_sha256: bytes
    embedded: bool = True
    location: LocationState | None = None
    public: Rendition | None = None
    timestamp: TimestampState | None = None
    carried_parents: int = 0

    @property
    def open_file(self) -> bytes | None:
        """The digest of the file that others than its owner may have; None when it would tell where it was taken."""
        if self.location == "withheld":
            return None
        return self.public.sha256 if self.public else self.signed_sha256

    @property
    def open_label(self) -> str | None:
        """The label of that file's active manifest, or None."""
        if self.location == "withheld":
            return None
        return self.public.label if self.public else self.label

    @property
    def open_store(self) -> bytes | None:
        """The digest of that file's manifest store, or None."""
        if self.location == "withheld":
            return None
        return self.public.manifest_sha256 if self.public else self.sha256


@dataclass(frozen=True, slots=True)
class Timestamp:
    """An authority's word that the signed manifest store was there at this time, given after it was signed (RFC 3161).

    `sha256`: the manifest store's, which is what was stamped. `authority`: who signed, as its certificate names it
    (RFC 4514). `trusted`: that certificate leads to a root that the operator named. `reply`: the TimeStampResp, DER.
    """

    sha256: bytes
    time: datetime
    authority: str
    trusted: bool
    reply: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """The salted commitment: ten 32-byte words, and their RFC 9162 leaf digest."""

    statement: tuple[bytes, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The leaf's place in the log, and the size of the first checkpoint that covers it.

    The proof is computed from the log's tiles when it is asked for: stored, it would be 30 times as long as this.
    """

    index: int
    tree_size: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint written to a chain: the log had this root no later than `block`."""

    chain_id: int
    contract: str
    transaction: str
    block: int
    block_time: int
    tree_size: int
    state: Literal["included", "final"]
    local: bool


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the photo was refused after it had been accepted for processing. The upload is kept."""

    stage: str
    reason: str


Fact = (
    Asset | Credentials | Fingerprint | Verdict | Manifest | Leaf | Inclusion | Anchor | Rejection | Timestamp | Device
)

# The order of the record: name of the fact, its type, and what a capture is called once it has it.
FACTS: tuple[tuple[str, type[Any], str], ...] = (
    ("asset", Asset, "received"),
    ("credentials", Credentials, "inspected"),
    ("fingerprint", Fingerprint, "fingerprinted"),
    ("verdict", Verdict, "matched"),
    ("manifest", Manifest, "signed"),
    ("leaf", Leaf, "sealed"),
    ("inclusion", Inclusion, "logged"),
    ("anchor", Anchor, "anchored"),
)
FACT_TYPES: dict[str, type[Any]] = {name: kind for name, kind, _ in FACTS} | {
    "rejection": Rejection,
    "timestamp": Timestamp,  # in no order: it comes when the authority is there again, whatever came meanwhile
    "device": Device,  # with the registration, when a device signed for the photo
}


@dataclass(frozen=True, slots=True)
class Request:
    """What the uploader asked for, beside the bytes.

    `parents`: what it was made from. `erased_parents`: how many more were named, and erased by their owners since.
    `digital_source_type`: how it was made, in the uploader's words. `undeclared_stand`: the uploader was told of
    photos in it that are not named as parents, and leaves it so.
    """

    rights: Rights
    keep_location: bool = False
    published: bool = True
    parents: tuple[Parent, ...] = ()
    erased_parents: int = 0
    digital_source_type: SourceType | None = None
    undeclared_stand: bool = False


@dataclass(frozen=True, slots=True)
class RightsStatement:
    """What an owner stated about the rights once the photo was sealed: a leaf of its own, which names the one before.

    `inclusion` and `anchor` are None until the leaf has its place, and until a block holds that.
    """

    rights: Rights
    stated_at: datetime
    leaf: Leaf
    inclusion: Inclusion | None = None
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture: immutable but for the facts and statements, which only ever grow. `facts` maps a name to its fact.

    `statements`: what was stated about the rights after the photo was sealed, oldest first.
    """

    id: str
    owner: str
    owner_address: bytes
    created_at: datetime
    request: Request
    facts: typing.Mapping[str, Any]
    fact_times: typing.Mapping[str, datetime]
    statements: tuple[RightsStatement, ...] = ()

    @property
    def rights(self) -> Rights:
        """The newest word about the rights. The leaf and the signed file hold what was asked with the photo."""
        return self.statements[-1].rights if self.statements else self.request.rights

    @property
    def status(self) -> str:
        """The name of the last fact: there is no status anywhere else."""
        if "rejection" in self.facts:
            return "rejected"
        return [status for name, _, status in FACTS if name in self.facts][-1]

    @property
    def finished(self) -> bool:
        """True when no stage will add anything more."""
        return "anchor" in self.facts or "rejection" in self.facts

    def fact(self, name: str) -> Any:
        """The fact of this name; LookupError when the stage has not run."""
        if name not in self.facts:
            raise LookupError(f"{self.id} has no {name} yet")
        return self.facts[name]


T = TypeVar("T")


def encode(value: Any) -> Any:
    """A fact as JSON values. Bytes become hex, times RFC 3339, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any) -> T:
    """The inverse of `encode` for a fact type. Unknown and missing keys raise ValueError."""
    return typing.cast(T, _reader(typing.cast(Any, kind))(value))


@cache  # made once for each type: a page reads the facts of a whole family
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        some = _reader(next(k for k in typing.get_args(kind) if k is not type(None)))
        return lambda value: None if value is None else some(value)
    if origin is Literal:
        return partial(_one_of, typing.get_args(kind))
    if origin is tuple:
        item = _reader(typing.get_args(kind)[0])
        return lambda value: tuple(map(item, value))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reader(kind)
    if kind is bytes:
        return bytes.fromhex
    if kind is datetime:
        return datetime.fromisoformat
    return partial(_instance_of, kind)


def _dataclass_reader(kind: Any) -> Callable[[Any], Any]:
    readers = {name: _reader(hint) for name, hint in typing.get_type_hints(kind).items()}
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}

    def read(value: Any) -> Any:
        if not needed <= value.keys() <= readers.keys():
            raise ValueError(f"{kind.__name__} has {sorted(readers)}, not {sorted(value)}")
        return kind(**{name: readers[name](item) for name, item in value.items()})

    return read


def _one_of(options: tuple[Any, ...], value: Any) -> Any:
    if value not in options:
        raise ValueError(f"{value!r} is not one of {options}")
    return value


def _instance_of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is not {kind.__name__}")
    return value
