"""Why a device is not believed: a reason that programs branch on, and a sentence for people."""

from typing import Literal

Reason = Literal[
    "malformed", "missing-component", "unknown-component", "several-signatures", "unknown-label", "wrong-algorithm",
    "unknown-device", "revoked", "wrong-key", "wrong-digest", "unknown-nonce", "stale", "replayed", "counter-back",
    "wrong-root", "expired", "wrong-app", "wrong-nonce", "wrong-format", "not-configured", "not-genuine",
]  # fmt: skip


class Refused(Exception):
    """A signature, a key or an attestation does not hold."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason
