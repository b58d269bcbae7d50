"""Accounts on the chain that the service keeps: the writer's key, and an address for each owner without a wallet."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_hash.auto import keccak

from ledger.keyfile import read_private, write_once
from pipeline.errors import Conflict

# Order of the group of secp256k1: SEC 2, section 2.4.1.
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def read_or_make_key(file: Path) -> bytes:
    """The 32 bytes that `file` holds as hex; made at first use, mode 0600, durable.

    Raises Conflict for other text, and for a file that other users can read.
    """
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(file, secrets.token_hex(32) + "\n")
    text = read_private(file)
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != 32 or not 0 < int.from_bytes(key) < _ORDER:
        raise Conflict(f"{file} holds no key: write 64 hex digits, or restore it from your backup")
    return key


def owner_key(seed_file: Path, owner: str) -> bytes:
    """The private key that the service keeps for an owner: derived, so that one file is the whole backup."""
    seed = read_or_make_key(seed_file)
    # 48 bytes make the bias of the reduction smaller than 2**-128 (FIPS 186-5, A.2.1).
    material = HKDF(SHA256(), 48, salt=None, info=f"capture/owner/v1/{owner}".encode()).derive(seed)
    return (int.from_bytes(material) % (_ORDER - 1) + 1).to_bytes(32)


def owner_address(seed_file: Path, owner: str) -> bytes:
    """The 20-byte address of an owner's key."""
    return _address(owner_key(seed_file, owner))


def first_contract(key: bytes) -> str:
    """The address of the contract that this key's account creates first (nonce 0), `checksummed`."""
    # RLP of the list (address, 0): 0xd6 is a list of 22 bytes, 0x94 a string of 20, 0x80 the number 0.
    return checksummed(bytes(keccak(b"\xd6\x94" + _address(key) + b"\x80"))[-20:])


def checksummed(address: bytes) -> str:
    """An address as 0x and hex, with the capitals that EIP-55 gives it."""
    digits, marks = address.hex(), bytes(keccak(address.hex().encode())).hex()
    return "0x" + "".join(d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))


def _address(key: bytes) -> bytes:
    """The end of the Keccak-256 of the key's public point."""
    numbers = ec.derive_private_key(int.from_bytes(key), ec.SECP256K1()).public_key().public_numbers()
    return bytes(keccak(numbers.x.to_bytes(32) + numbers.y.to_bytes(32))[-20:])
