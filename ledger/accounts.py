"""Accounts on the chain that the service keeps: the writer's key, and an address for each owner without a wallet."""

import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_hash.auto import keccak

from ledger.keyfile import read_private, write_once
from pipeline.errors import Conflict

# Order of the group of secp256k1: SEC 2, section 2.4.1.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def read_or_make_key(file: Path, password_file: Path | None = None) -> bytes:
    """The 32 bytes that `file` holds, as hex or as a keystore (version 3); made at first use, mode 0600, durable.

    Raises Conflict for other text, for a file that other users can read, and for a keystore without its password.
    """
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(file, secrets.token_hex(32) + "\n")
    text = read_private(file)
    try:
        key = (
            _from_keystore(file, text, password_file)
            if text.startswith("{")
            else bytes.fromhex(text.removeprefix("0x"))
        )
    except (ValueError, KeyError, TypeError, NotImplementedError):
        key = b""
    if len(key) != 32 or not 0 < int.from_bytes(key) < ORDER:
        raise Conflict(f"{file} holds no key: write 64 hex digits or a keystore, or restore it from your backup")
    return key


def _from_keystore(file: Path, text: str, password_file: Path | None) -> bytes:
    """The key in a Web3 Secret Storage file, as wallets and geth write it. Takes a second, which is its purpose."""
    from eth_keyfile.keyfile import decode_keyfile_json  # loads slow ciphers that hex needs none of

    if password_file is None:
        raise Conflict(f"{file} is a keystore: set CAPTURE_CHAIN_PASSWORD_FILE to the file with its password")
    keystore = json.loads(text)
    try:
        return bytes(decode_keyfile_json(keystore, read_private(password_file).encode()))
    except ValueError as error:
        if "MAC mismatch" not in str(error):
            raise
        raise Conflict(f"{password_file} holds another password than that of {file}") from None


def owner_key(seed_file: Path, owner: str) -> bytes:
    """The private key that the service keeps for an owner: derived, so that one file is the whole backup."""
    seed = read_or_make_key(seed_file)
    # 48 bytes make the bias of the reduction smaller than 2**-128 (FIPS 186-5, A.2.1).
    material = HKDF(SHA256(), 48, salt=None, info=f"capture/owner/v1/{owner}".encode()).derive(seed)
    return (int.from_bytes(material) % (ORDER - 1) + 1).to_bytes(32)


def owner_address(seed_file: Path, owner: str) -> bytes:
    """The 20-byte address of an owner's key."""
    return _address(owner_key(seed_file, owner))


def first_contract(key: bytes) -> str:
    """The address of the contract that this key's account creates first (nonce 0), `checksummed`."""
    return first_contract_of(_address(key))


def first_contract_of(account: bytes) -> str:
    """As `first_contract`, by the account's address."""
    # RLP of the list (address, 0): 0xd6 is a list of 22 bytes, 0x94 a string of 20, 0x80 the number 0.
    return checksummed(bytes(keccak(b"\xd6\x94" + account + b"\x80"))[-20:])


def checksummed(address: bytes) -> str:
    """An address as 0x and hex, with the capitals that EIP-55 gives it."""
    digits, marks = address.hex(), bytes(keccak(address.hex().encode())).hex()
    return "0x" + "".join(d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))


def _address(key: bytes) -> bytes:
    """The end of the Keccak-256 of the key's public point."""
    numbers = ec.derive_private_key(int.from_bytes(key), ec.SECP256K1()).public_key().public_numbers()
    return bytes(keccak(numbers.x.to_bytes(32) + numbers.y.to_bytes(32))[-20:])
