"""What the operator does on a chain that is not ours, each for money: create a contract, hand over a role at it."""

import re
from typing import Literal

from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from ledger.chain import Chain
from ledger.relay import Relay
from ledger.signer import Signer
from ledger.signing import SignedTransaction
from pipeline.errors import Rejected, Unavailable

Role = Literal["writer", "reviewer"]  # the log contract's and the rights contract's

WAIT_S = 300
_ADDRESS = re.compile(r"https?://[!#-\[\]-~]+")  # printable ASCII without what JSON would have to escape


def deploy(
    rpc_url: str, key: bytes | Signer, wait_s: float = WAIT_S, endpoint: str = "", max_fee_wei: int | None = None
) -> str:
    """Create the log contract on a chain that is not ours and return its address; `endpoint` as in `sign_deploy`.

    Raises Unavailable when it is in no block after `wait_s`; the message says what to look for before trying again.
    Raises Rejected when the endpoint is no address.
    """
    if endpoint and not _ADDRESS.fullmatch(endpoint):
        raise Rejected(f"{endpoint!r} is no address: give one that begins with https:// and has no space or quote")
    chain = Chain(rpc_url, key, None, local=False, max_fee_wei=max_fee_wei)
    signed = chain.sign_deploy(chain.free_nonce(), endpoint)
    _send(chain, signed, wait_s, f"it will create {signed.contract}; look for it before you deploy again")
    return signed.contract


def deploy_rights(rpc_url: str, key: bytes, log: str, base: str, max_fee_wei: int | None = None) -> str:
    """Create the rights contract of a log on a chain that is not ours and return its address. Raises as `deploy`."""
    relay = Relay(rpc_url, key, None, local=False, max_fee_wei=max_fee_wei)
    signed = relay.sign_creation(log, base)
    _send(relay, signed, WAIT_S, f"it will create {signed.contract}; look for it before you deploy again")
    return signed.contract


def offer(chain: Chain, role: Role, to: str, wait_s: float = WAIT_S) -> None:
    """Offer a role at the chain's contract to the account `to`, which has to accept it; until then nothing changes.

    The last offer counts, and the zero address takes it back. Raises Rejected when `to` is no address, Conflict when
    the role is not this key's to give, and Unavailable as `deploy` does.
    """
    if not (is_checksum_address(to) or (is_hex_address(to) and to == to.lower())):
        raise Rejected(f"{to!r} is no address: give 0x and 40 hex digits, capitals where its owner gave you capitals")
    signed = chain.sign_call(chain.free_nonce(), f"offer{role.capitalize()}", to_checksum_address(to))
    _send(chain, signed, wait_s, "look for it first")


def accept(chain: Chain, role: Role, wait_s: float = WAIT_S) -> None:
    """Take the role that was offered to this key: who offered it loses it. Raises as `offer` does."""
    _send(chain, chain.sign_call(chain.free_nonce(), f"accept{role.capitalize()}"), wait_s, "look for it first")


def _send(chain: Chain, signed: SignedTransaction, wait_s: float, advice: str) -> None:
    chain.send(signed.raw)
    if chain.wait([signed.hash], wait_s) is None:
        raise Unavailable(f"the chain at {chain.host} took {signed.hash} into no block yet: {advice}")
