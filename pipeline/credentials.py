"""The `credentials` fact: what Content Credentials came with a photo, and how they were judged."""

from dataclasses import dataclass, fields
from typing import Literal

CredentialState = Literal["none", "valid", "trusted", "invalid", "malformed", "remote_only"]
TimeSource = Literal["trusted_time_stamp", "time_stamp", "signer_clock"]
CertificateState = Literal["in_force", "expired_since", "expired", "revoked_since", "revoked"]
AiOrigin = Literal["made_by_ai", "edited_with_ai", "captured", "not_said"]
PartKind = Literal["motion_video", "gain_map", "depth_map", "portrait_matte", "preview", "image"]


@dataclass(frozen=True, slots=True)
class Action:
    """What a manifest says was done (C2PA actions). `depth`: 0 in the photo's own manifest, 1 in its ingredients'."""

    action: str
    when: str | None
    software: str | None
    digital_source_type: str | None
    description: str | None
    depth: int


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Something that the photo was made from, as its signer recorded it and as it is judged here.

    `depth`: 1 for what the photo itself was made from, 2 for what that was made from. `faults` are in words.
    """

    title: str | None
    relation: str
    state: CredentialState
    signer: str | None
    faults: tuple[str, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class TrainingUse:
    """A wish about training and mining: `use` of `entry` is allowed, notAllowed or constrained, and then how."""

    entry: str
    use: str
    constraint: str | None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Bytes that the hash of the photo leaves out: a range, or boxes of this path (the HEIF family)."""

    start: int | None
    length: int | None
    box: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """Something else in the photo's file; `start` and `length` in bytes where it lies there in one piece."""

    kind: PartKind
    start: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a phone's file holds beside the picture; found there, not merely announced.

    `pair`: the identifier that a Live Photo shares with its video, which is another file. `burst`: what the photos of
    one burst share. `colour_profile`: the name of the pixels' ICC profile, or Display P3 by its number.
    """

    parts: tuple[Part, ...] = ()
    pair: str | None = None
    burst: str | None = None
    colour_profile: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What C2PA manifest came with the upload. `worst` is taken over the whole ingredient tree.

    `state`, `worst`: see CredentialState. `reason` says in words what was found wrong, or nothing.
    `captured_at` and `device` are what the file says about itself (EXIF): claims that nobody checked.

    `signed_at` is as good as `time_source`; `certificate` is the signer's, at the time of the verdict. `trusted_by`
    names the trust list that the signer is on; `trust_lists` is the digest of all lists that were asked (hex).
    `ai` is what the credentials say of the origin, `digital_source_types` in whose words; `edited`: they tell of
    changes. `exclusions`, `unhashed_bytes`: what the signature does not cover beside the credentials themselves.
    `location_zeroed`: it is not as it was signed and its location is all zeros, which phones do to photos.
    Lists are cut to what a person reads; `omitted` counts what is not listed. `worst` is over all of it.
    `contents`: what else is in the file, None when there is nothing (or an earlier version looked).
    """

    state: CredentialState
    worst: CredentialState
    signer: str | None
    claim_generator: str | None
    reason: str | None
    manifest_count: int
    captured_at: str | None
    device: str | None
    signed_at: str | None = None
    time_source: TimeSource | None = None
    certificate: CertificateState | None = None
    certificate_ends: str | None = None
    trusted_by: str | None = None
    trust_lists: str | None = None
    ai: AiOrigin = "not_said"
    digital_source_types: tuple[str, ...] = ()
    edited: bool = False
    actions: tuple[Action, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    training_mining: tuple[TrainingUse, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    unhashed_bytes: int = 0
    location_zeroed: bool = False
    omitted: int = 0
    contents: Contents | None = None


@dataclass(frozen=True, slots=True)
class TrustVerdict:
    """What the trust lists of a later day say of the same credentials; its fields are those of Credentials."""

    state: CredentialState
    worst: CredentialState
    reason: str | None
    certificate: CertificateState | None
    time_source: TimeSource | None
    trusted_by: str | None
    trust_lists: str | None

    @classmethod
    def of(cls, credentials: Credentials) -> "TrustVerdict":
        """What of a verdict depends on the lists."""
        return cls(**{field.name: getattr(credentials, field.name) for field in fields(cls)})
