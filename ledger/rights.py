"""The rights contract's side of the wire: terms and their ids, what owners sign (EIP-712), and what it is asked.

Nothing here loads web3, so that the API can ask the chain too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from ledger.abi import Abi
from pipeline.works import AiUse, Terms

RIGHTS = Abi.of("Rights")
USES = ("commercial", "derivatives", "ai-training")  # the contract's enum Use, in its order
_AI: tuple[AiUse, ...] = get_args(AiUse)
_TERMS_TYPE = RIGHTS.type_of_input("addTerms", 0)
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_TYPES = {
    "Register": "Register(bytes32 leaf,bytes32 terms,uint256 deadline)",
    "SetTerms": "SetTerms(uint256 asset,bytes32 terms,uint256 nonce,uint256 deadline)",
    "Derive": "Derive(uint256 asset,uint256[] parents,uint256[] licences,bytes32[] terms,uint256 deadline)",
    "Appeal": "Appeal(uint256 asset,bytes32 evidence,uint256 nonce,uint256 deadline)",
    "SetPayee": "SetPayee(address owner,address payee,uint256 nonce,uint256 deadline)",
    "Transfer": "Transfer(uint256 token,address to,uint256 nonce,uint256 deadline)",
}


def values(terms: Terms) -> tuple[Any, ...]:
    """Terms as the contract takes them."""
    return (
        terms.commercial, terms.derivatives, terms.attribution, terms.reciprocal, _AI.index(terms.ai_training),
        terms.share, terms.duration, terms.currency, terms.fee, terms.transferable, terms.legal_text,
    )  # fmt: skip


def from_values(given: Sequence[Any]) -> Terms:
    """The inverse of `values`."""
    return Terms(*(*given[:4], _AI[given[4]], *given[5:]))


def terms_id(terms: Terms) -> bytes:
    """keccak256 of the terms' ABI encoding, 32 bytes: their name on the chain."""
    return bytes(keccak(encode([_TERMS_TYPE], [values(terms)])))


@dataclass(frozen=True, slots=True)
class Domain:
    """What a signature is for: one contract on one chain."""

    chain_id: int
    contract: str

    def digest(self, kind: str, *said: Any) -> bytes:
        """What the owner signs, 32 bytes (EIP-712). `said`: the fields of the contract's type `kind`, in order."""
        text = _TYPES[kind]
        types = [part.split()[0] for part in text[text.index("(") + 1 : -1].split(",")]
        fields = [_field(type_, value) for type_, value in zip(types, said, strict=True)]
        struct = keccak(keccak(text=text) + b"".join(fields))
        name, version = keccak(text="Capture Rights"), keccak(text="1")
        place = encode(["uint256", "address"], [self.chain_id, self.contract])
        return bytes(keccak(b"\x19\x01" + keccak(keccak(text=_DOMAIN) + name + version + place) + struct))


def with_recovery(signature: bytes, digest: bytes, address: str) -> bytes:
    """A signature of 64 bytes with the 65th that the chain wants, by which it finds the key. Raises ValueError."""
    from eth_keys.datatypes import Signature

    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    for parity in (0, 1):
        key = Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
        if key.to_checksum_address().lower() == address.lower():
            return signature + bytes([27 + parity])
    raise ValueError(f"the signature is not by the key of {address}")


def _field(type_: str, value: Any) -> bytes:
    if type_.endswith("[]"):
        return bytes(keccak(encode([type_[:-2]] * len(value), value)))
    return encode([type_], [value])
