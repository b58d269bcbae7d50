"""How whoever holds a licence shows it: a text that the holder's account signed (EIP-191)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError


@dataclass(frozen=True, slots=True)
class Held:
    """Who says to hold a licence, and when that was said, in unix seconds."""

    holder: str
    time: int


def message(address: str, chain_id: int, contract: str, asset: int, use: str, held: Held) -> str:
    """What is signed: for one work, one use, one moment and one service, by scheme and host of this `address` of it.

    Else who runs another service could have a holder sign there, and ask with that here.
    """
    parts, holder = urlsplit(address), held.holder.lower() if held.holder.startswith("0x") else held.holder
    return (
        f"I hold a licence for this work.\nservice: {parts.scheme}://{parts.netloc}\nchain: {chain_id}\n"
        f"contract: {contract.lower()}\nwork: {asset:#x}\nuse: {use}\nholder: {holder}\ntime: {held.time}"
    )


def signed(text: str, key: bytes) -> bytes:
    """The signature of a text, 65 bytes, as wallets make it (`personal_sign`)."""
    signature = PrivateKey(key).sign_msg_hash(_digest(text)).to_bytes()
    return bytes(signature[:64] + bytes([27 + signature[64]]))


def recovered(text: str, signature: bytes) -> str | None:
    """The account that signed the text, in lower case; None when nobody can have."""
    try:
        parsed = Signature(signature[:64] + bytes([signature[64] % 27]))
        return str(parsed.recover_public_key_from_msg_hash(_digest(text)).to_address())
    except (BadSignature, ValidationError, ValueError, IndexError):
        return None


def _digest(text: str) -> bytes:
    content = text.encode()
    return bytes(keccak(b"\x19Ethereum Signed Message:\n" + str(len(content)).encode() + content))
