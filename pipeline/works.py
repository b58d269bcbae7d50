"""Works on the chain: what they are offered under, and the numbers that they are known by."""

from dataclasses import dataclass
from typing import Literal

AiUse = Literal["denied", "allowed", "paid"]
COIN = "0x" + "00" * 20  # as a currency: the chain's own
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What an owner lets others do with a work, and for what: the contract's struct, field by field, in its order.

    `share` is in parts per million of all that a derivative earns, `duration` in seconds (0: a licence never ends),
    `fee` in the smallest unit of `currency`, the address of an ERC-20 or COIN; `legal_text` is the SHA-256 of what
    lawyers read, zero for none.
    """

    commercial: bool
    derivatives: bool
    attribution: bool = True
    reciprocal: bool = False
    ai_training: AiUse = "denied"
    share: int = 0
    duration: int = 0
    currency: str = COIN
    fee: int = 0
    transferable: bool = True
    legal_text: bytes = bytes(32)
