"""The log contract's side of the wire."""

from typing import Any

from ledger.abi import Abi

LOG = Abi.of("Log")
ARTIFACT = LOG.artifact
call, creation = LOG.call, LOG.creation


def answer(function: str, data: bytes) -> tuple[Any, ...]:
    """What the contract answered to a function whose values have 32 bytes each. Raises ValueError for other lengths."""
    values = LOG.answer(function, data)
    if len(data) != 32 * len(values):
        raise ValueError(f"{len(data)} bytes for {len(values)} values")
    return values
