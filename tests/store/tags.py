"""A keyed digest for tests that have no key file."""

import hashlib
import hmac


def tag_of(owner: str, sha256: bytes) -> bytes:
    """The same for the same, and nothing else."""
    return hmac.digest(b"a key of the tests", owner.encode() + sha256, hashlib.sha256)
