"""The leaf: ten 32-byte words that commit to one capture, so that every language digests the same 320 bytes."""

import hashlib
from collections.abc import Sequence

from pipeline.errors import Rejected

WORD_BYTES = 32
TAG = b"capture/leaf/v1".ljust(WORD_BYTES, b"\0")  # a change of meaning of any word takes a new version
DEVICE_TAG = b"capture/leaf/v2".ljust(WORD_BYTES, b"\0")  # the tenth word is the digest of the device fact
TOMBSTONE_TAG = b"capture/tombstone/v1".ljust(WORD_BYTES, b"\0")
RIGHTS_TAG = b"capture/rights/v1".ljust(WORD_BYTES, b"\0")
PREVIOUS_WORD, TERMS_WORD = 4, 6  # where a statement has them; the former in those of later rights only
OWNER_BYTES = 20  # an Ethereum address
LEAF_PREFIX = b"\0"  # RFC 9162 section 2.1.1: leaves and nodes are digested under different prefixes


def statement(
    *,
    salt: bytes,
    upload: bytes,
    manifest: bytes,
    fingerprint: bytes,
    owner: bytes,
    terms: bytes,
    parents: bytes,
    captured_at: int,
    device: bytes | None = None,
) -> tuple[bytes, ...]:
    """The ten words: tag, salt, upload, manifest, fingerprint, owner, terms, parents, capture time, device.

    Digests are SHA-256, of 32 bytes; `owner` has 20 and is padded on the left, as the chain does; `captured_at` is in
    unix seconds, when the upload was taken. `parents` is 32 zero bytes for a photo that was made from no other.
    `device` is the digest of the device fact: without it the tenth word is zero and the tag's version 1, as before
    there were devices. Raises Rejected for a wrong length or a time outside uint64.
    """
    digests = {"salt": salt, "upload": upload, "manifest": manifest, "fingerprint": fingerprint,
               "terms": terms, "parents": parents} | ({} if device is None else {"device": device})  # fmt: skip
    for name, digest in digests.items():
        if len(digest) != WORD_BYTES:
            raise Rejected(f"{name} has {len(digest)} bytes, not {WORD_BYTES}")
    if len(owner) != OWNER_BYTES:
        raise Rejected(f"owner has {len(owner)} bytes, not {OWNER_BYTES}")
    if not 0 <= captured_at < 2**64:
        raise Rejected(f"the capture time {captured_at} is not unix seconds")
    return (
        DEVICE_TAG if device else TAG, salt, upload, manifest, fingerprint, owner.rjust(WORD_BYTES, b"\0"), terms,
        parents, captured_at.to_bytes(WORD_BYTES, "big"), device or bytes(WORD_BYTES),
    )  # fmt: skip


def tombstone(
    *, salt: bytes, leaf: bytes | None, position: int | None, capture_id: str, owner: bytes, erased_at: int
) -> tuple[bytes, ...]:
    """The ten words that say that a capture was erased: tag, salt, leaf, position, capture, owner, 0, 0, time, 0.

    `leaf` and its `position` in the log are those of the capture's own entry, zero when it never had one; the capture
    is the SHA-256 of its id, the time in unix seconds. Salted as a statement is (docs/why-011). Raises Rejected.
    """
    words = statement(
        salt=salt, upload=leaf or bytes(WORD_BYTES), manifest=(position or 0).to_bytes(WORD_BYTES, "big"),
        fingerprint=hashlib.sha256(capture_id.encode()).digest(), owner=owner, terms=bytes(WORD_BYTES),
        parents=bytes(WORD_BYTES), captured_at=erased_at,
    )  # fmt: skip
    return (TOMBSTONE_TAG, *words[1:])


def rights_statement(
    *, salt: bytes, upload: bytes, manifest: bytes, previous: bytes, owner: bytes, terms: bytes, stated_at: int
) -> tuple[bytes, ...]:
    """The ten words of a later statement about a photo's rights: tag, salt, upload, manifest, previous, owner, terms,
    0, time, 0.

    `previous` is the leaf digest of what was stated before: the first time the photo's own leaf, and so a history that
    none can be taken out of. Upload, manifest and owner are those of the photo's own statement, `stated_at` is in unix
    seconds (docs/why-025). Raises Rejected.
    """
    words = statement(
        salt=salt, upload=upload, manifest=manifest, fingerprint=previous, owner=owner, terms=terms,
        parents=bytes(WORD_BYTES), captured_at=stated_at,
    )  # fmt: skip
    return (RIGHTS_TAG, *words[1:])


def leaf_digest(words: Sequence[bytes]) -> bytes:
    """SHA-256(0x00 || words), the RFC 9162 leaf hash. Raises Rejected unless there are ten words of 32 bytes."""
    if len(words) != 10 or any(len(word) != WORD_BYTES for word in words):
        raise Rejected(f"a statement has ten words of {WORD_BYTES} bytes, not {[len(word) for word in words]}")
    return hashlib.sha256(LEAF_PREFIX + b"".join(words)).digest()
