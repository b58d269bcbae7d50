"""Transactions of EIP-1559: signed by whoever has the key, and raised when they stay out of blocks."""

from dataclasses import dataclass
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes

from ledger.accounts import ORDER
from ledger.signer import Signer
from pipeline.errors import Conflict

# Nodes take a replacement that pays at least an eighth more in both fields; the strictest ask for that much.
RAISE_BY = 8
# What pays this much more than a new one would is not kept out by its fees: a chain that stands still for hours would
# raise them, and the tip is paid, by an eighth a minute until the account is empty.
MAX_TIMES_MARKET = 4
_FIELDS = ("chainId", "nonce", "to", "value", "data", "gas", "maxFeePerGas", "maxPriorityFeePerGas")


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that only needs sending. `contract` is whom it calls, or what it will create."""

    nonce: int
    hash: str
    raw: bytes
    contract: str
    gas: int


def sign(fields: dict[str, Any], contract: str, signer: Signer) -> SignedTransaction:
    """The transaction of these fields, by the signer's key. Raises Conflict when the signature is another key's."""
    fields = {"type": 2, "value": 0, **fields}
    digest = bytes(TypedTransaction.from_dict(fields).hash())
    signature = signer.sign(digest)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    values = {"v": _parity(digest, r, s := min(s, ORDER - s), signer.address), "r": r, "s": s}  # low s: EIP-2
    raw = bytes(TypedTransaction.from_dict(fields | values).encode())
    return SignedTransaction(fields["nonce"], "0x" + keccak(raw).hex(), raw, contract, fields["gas"])


def raised(raw: bytes, market: tuple[int, int], cap_wei: int | None) -> dict[str, Any] | None:
    """The fields of a transaction's replacement: an eighth more in both fees, or what the market asks if that is more.

    `market`: greatest fee and tip for a new transaction. None when that would be over `cap_wei`, or over
    MAX_TIMES_MARKET times the market.
    """
    highest = MAX_TIMES_MARKET * market[0]
    cap_wei = highest if cap_wei is None else min(cap_wei, highest)
    held = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    fields = {name: held[name] for name in _FIELDS if held.get(name, b"") != b""}
    tip = max(_more(held["maxPriorityFeePerGas"]), market[1])
    fee = max(_more(held["maxFeePerGas"]), market[0], tip)
    if fee > cap_wei:
        fee, tip = cap_wei, _more(held["maxPriorityFeePerGas"])
        if fee < _more(held["maxFeePerGas"]) or tip > fee:
            return None
    return fields | {"maxFeePerGas": fee, "maxPriorityFeePerGas": tip}


def nonce_of(raw: bytes) -> int:
    """The nonce in a signed transaction."""
    return int(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"])


def _more(fee: int) -> int:
    return fee + fee // RAISE_BY + 1


def _parity(digest: bytes, r: int, s: int, address: str) -> int:
    """Which of the two points the signature stands for. Key services do not say, but only one is the key's."""
    for parity in (0, 1):
        try:
            key = Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
        except (BadSignature, ValidationError):
            continue
        if key.to_checksum_address() == address:
            return parity
    raise Conflict(f"the signer's signature is not by the key of {address}: ask its operator which key it uses")
