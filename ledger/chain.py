"""The EVM chain behind JSON-RPC, and the log contract on it. The only module that imports web3 (3 s, 100 MB)."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from requests import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.types import Nonce, RPCEndpoint
from web3.utils.address import get_create_address

from ledger import contract as log_contract
from ledger.blocks import Blocks
from ledger.endpoints import Call, Endpoints, WrongChain
from ledger.rpc import Refused
from ledger.signer import LocalSigner, Signer
from ledger.signing import SignedTransaction, nonce_of, raised, sign
from ledger.verify_chain import RUNTIMES_SHA256
from pipeline.errors import Conflict, Rejected, Unavailable

# The base fee grows at most by 1/8 a block (EIP-1559): 4 times is reached after 12 full blocks in a row. Only the
# base fee and the tip are ever paid, so headroom costs nothing.
BASE_FEE_HEADROOM = 4
GAS_MARGIN_PERCENT = 25  # what a node estimates and what the block then needs differ when the state moved between
# On the embedded chain gas is play money: one cap for all, so that bytes signed at any time can be sent again.
LOCAL_MAX_FEE_WEI = 100 * 10**9
LOCAL_BALANCE_WEI = 10**24

_KNOWN_ALREADY = ("already known", "already imported", "already in mempool", "known transaction")
_FEES_TOO_LOW = ("underpriced", "less than block base fee", "fee too low", "fee cap less than")
_OUT_OF_GAS = ("out of gas", "outofgas", "exceeds allowance")
_NONCE_USED = ("nonce too low", "nonce has already been used")


@dataclass(frozen=True, slots=True)
class Head:
    """What the contract holds: the log's size and root, and the time of the block that wrote them."""

    size: int
    root: bytes
    time: int


class WouldRevert(Conflict):
    """The contract would refuse this: the `name` of its error and what it says, or None for one that is not its own."""

    def __init__(self, contract: str, reason: tuple[str, tuple[Any, ...]] | None, words: str) -> None:
        self.name: str | None = reason[0] if reason else None
        self.values: tuple[Any, ...] = reason[1] if reason else ()
        shown = f"{self.name}({', '.join(map(str, self.values))})" if reason else words
        super().__init__(
            f"the contract {contract} would refuse this: {shown}. Check that the key, the contract and the database "
            "belong together; restore the newest backup of what does not"
        )


class PlaceTaken(Conflict):
    """A transaction that this account did not send from here has the nonce of ours, which no block will hold now."""


class Chain(Blocks):
    """One account, its log contract, and nodes to ask. Every method raises Unavailable when no node answers.

    `rpc_url`: one node or more of the same chain, separated by commas. `key`: 32 bytes, or who has them. `contract`
    None: there is none yet, and its address is the one that `key` creates at nonce 0. `local`: the chain is ours, gas
    is play money, and its clock obeys. `confirmations`: a block is final with this many, itself included; None: when
    the chain says so. `max_fee_wei`: no transaction of ours ever pays more for one gas.
    """

    abi = log_contract.LOG

    def __init__(
        self, rpc_url: str, key: bytes | Signer, contract: str | None, local: bool, timeout_s: float = 10,
        confirmations: int | None = None, max_fee_wei: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(Endpoints(rpc_url, partial(_connect, timeout_s=timeout_s)), local, confirmations)
        self._max_fee_wei = max_fee_wei
        self._signer = LocalSigner(key) if isinstance(key, bytes) else key
        self.sender: str = self._signer.address
        self.contract: str = Web3.to_checksum_address(contract) if contract else self.created_at(0)
        self._chain_id: int | None = None
        self._code_checked = False

    def created_at(self, nonce: int) -> str:
        """The address of the contract that this account creates with this nonce."""
        return str(get_create_address(Web3.to_checksum_address(self.sender), Nonce(nonce)))

    # -- asking -------------------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> int:
        """The chain's own number; asked once."""
        if self._chain_id is None:
            self._chain_id = self._nodes.chain_id()
        return self._chain_id

    def nonce(self, account: str | None = None) -> int:
        """How many transactions of this account, or of ours, are in blocks: the next one's nonce."""
        return self._ask("eth_getTransactionCount", account or self.sender, "latest").number()

    def can_come(self, account: str, nonce: int, transactions: Sequence[str]) -> bool:
        """Whether the node keeps one of these for a block to come: it knows it, and no block has one of that nonce."""
        return self.nonce(account) <= nonce and any(map(self._knows, transactions))

    def free_nonce(self) -> int:
        """As `nonce`, when nothing of this account waits for a block. Raises Unavailable while something does.

        Of two programs with one key, both would sign for the same place, and the loser waits for it for ever.
        """
        nonce = self.nonce()
        if self._ask("eth_getTransactionCount", self.sender, "pending").number() > nonce:
            raise Unavailable(
                f"the chain at {self.host}, where another transaction of {self.sender} waits for a block: "
                "ours is signed when it is in one"
            )
        return nonce

    def head(self) -> Head | None:
        """What the contract holds; None when there is no contract. Raises Conflict when its code is not ours."""
        answer = self._call("head") if self._has_our_code() else b""
        self._code_checked = bool(answer)  # a chain that lost its newest blocks lost the contract with them
        if not answer:
            return None
        return Head(*self._decoded("head", answer))

    def writer(self) -> str:
        """The only account that the contract listens to."""
        return str(Web3.to_checksum_address(self._decoded("writer", self._call("writer"))[0]))

    # -- signing and sending ------------------------------------------------------------------------------------

    def sign_deploy(self, nonce: int, endpoint: str = "") -> SignedTransaction:
        """The transaction that creates the log contract. Nothing is sent.

        `endpoint` is where the contract will send who looks up a soft binding; "": nowhere. Raises Conflict when it
        has characters that no URI has.
        """
        created = log_contract.creation(endpoint)
        return self._sign(nonce, None, created, self.created_at(nonce))

    def sign_append(self, nonce: int, size: int, root: bytes, proof: list[bytes]) -> SignedTransaction:
        """The transaction that extends the contract's log. Nothing is sent.

        Raises Conflict when the contract would refuse it.
        """
        return self.sign_call(nonce, "append", size, root, proof)

    def sign_call(self, nonce: int, function: str, *values: Any) -> SignedTransaction:
        """The transaction that calls this function of the contract. Nothing is sent. Raises Conflict as above."""
        return self._sign(nonce, self.contract, self.abi.call(function, *values), self.contract)

    def sign_again(self, raw: bytes, contract: str) -> SignedTransaction | None:
        """What replaces a transaction that stays out of blocks: the same for higher fees. None at the fees' limit."""
        fields = raised(raw, self._fees(), self._max_fee_wei)
        return sign(fields, contract, self._signer) if fields else None

    def send(self, raw: bytes, block_time: int | None = None, siblings: Sequence[str] = ()) -> None:
        """Hand signed bytes to the node; the same bytes any number of times.

        On the embedded chain their block gets the time `block_time`, or now: what it lost comes back as it was.
        `siblings`: hashes of those with the same nonce. Raises PlaceTaken when a transaction of somebody else has it.
        A node that finds the fees too low has not taken it, and that is no error: it is replaced in time.
        """
        if self.local:
            self._set_clock(block_time)
        try:
            self._ask("eth_sendRawTransaction", "0x" + raw.hex())
        except Refused as refused:
            self._understand(refused, nonce_of(raw), [Web3.to_hex(Web3.keccak(raw)), *siblings])

    def _understand(self, refused: Refused, nonce: int, ours: Sequence[str]) -> None:
        words = refused.words.lower()
        if any(text in words for text in _FEES_TOO_LOW):
            return
        nonce_used = any(text in words for text in _NONCE_USED)
        if (nonce_used or any(text in words for text in _KNOWN_ALREADY)) and any(map(self._knows, ours)):
            return
        if nonce_used and self.nonce() > nonce:  # a node that lags or errs is no reason to stop for good
            raise PlaceTaken(
                f"another transaction of {self.sender} is in the place of {ours[0]}: "
                "stop the other program that uses this key, or restore the newest backup of the database"
            ) from None
        raise self._without_funds(refused) from None

    # -- the embedded chain -------------------------------------------------------------------------------------

    def fund_locally(self) -> None:
        """Give our account play money. Raises Rejected on a chain that is not ours."""
        if not self.local:
            raise Rejected(f"the chain at {self.host} is not the embedded one: send {self.sender} some of its coin")
        self._ask("anvil_setBalance", self.sender, hex(LOCAL_BALANCE_WEI))

    # -- inside -------------------------------------------------------------------------------------------------

    def _set_clock(self, block_time: int | None) -> None:
        # Always: the embedded chain's clock keeps the distance to the last time that it was given.
        newest = self._ask("eth_getBlockByNumber", "latest", False).quantity("timestamp")
        self._ask("evm_setNextBlockTimestamp", max(newest, block_time or int(time.time())))

    def _call(self, function: str) -> bytes:
        return self._ask("eth_call", {"to": self.contract, "data": log_contract.call(function)}, "latest").content()

    def _decoded(self, function: str, answer: bytes) -> tuple[Any, ...]:
        try:
            return log_contract.answer(function, answer)
        except ValueError as error:
            raise Unavailable(f"the chain at {self.host} gave {error}") from None

    def _has_our_code(self) -> bool:
        if self._code_checked:
            return True
        code = self._ask("eth_getCode", self.contract, "latest").content()
        if not code:
            return False
        if (digest := hashlib.sha256(code).hexdigest()) not in RUNTIMES_SHA256:
            raise Conflict(
                f"the code at {self.contract} is not this version's log contract, its SHA-256 is {digest}: "
                "set CAPTURE_CHAIN_CONTRACT to what `capture chain deploy` printed"
            )
        return True

    def _knows(self, transaction: str) -> bool:
        return not self._ask("eth_getTransactionByHash", transaction).missing

    def _sign(
        self, nonce: int, to: str | None, data: str, contract: str, value: int = 0, most_gas: int | None = None
    ) -> SignedTransaction:
        max_fee, tip = self._fees()
        call: dict[str, Any] = {"data": data, "to": to} if to else {"data": data}
        estimated = self._estimate({"from": self.sender, "value": hex(value), **call}, most_gas)
        gas = estimated * (100 + GAS_MARGIN_PERCENT) // 100
        fees = {"gas": gas, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip}
        return sign({"chainId": self.chain_id, "nonce": nonce, "value": value, **fees, **call}, contract, self._signer)

    def _fees(self) -> tuple[int, int]:
        if self.local:
            return LOCAL_MAX_FEE_WEI, 0
        base = self._ask("eth_getBlockByNumber", "latest", False).field("baseFeePerGas")
        if base is None:
            raise WrongChain(f"the chain at {self.host} has no EIP-1559 fees: set CAPTURE_CHAIN_URL to one that has")
        tip = self._ask("eth_maxPriorityFeePerGas").number()
        limit = self._max_fee_wei or base * BASE_FEE_HEADROOM + tip
        return min(base * BASE_FEE_HEADROOM + tip, limit), min(tip, limit)

    def _estimate(self, call: dict[str, Any], most_gas: int | None) -> int:
        try:
            estimated = self._ask("eth_estimateGas", call).number()
        except Refused as refused:
            reason, words = self.abi.reason(refused.data), refused.words.lower()
            if reason or "revert" in words:
                raise WouldRevert(self.contract, reason, refused.words) from None
            if most_gas and any(text in words for text in _OUT_OF_GAS):
                raise _too_dear(most_gas) from None
            raise self._without_funds(refused) from None
        if most_gas and estimated > most_gas and estimated - self._gas_of_data(call["data"]) > most_gas:
            raise _too_dear(most_gas)
        return estimated

    def _gas_of_data(self, data: str) -> int:
        """What sending these bytes takes, whatever they are for: rollups count in it what they pay to publish them."""
        return self._ask("eth_estimateGas", {"from": self.sender, "to": self.sender, "data": data}).number()

    def _without_funds(self, refused: Refused) -> Unavailable:
        if "insufficient funds" not in refused.words.lower():
            return refused
        return Unavailable(f"the chain at {self.host} wants to be paid: send some of its coin to {self.sender}")


def _too_dear(most_gas: int) -> Rejected:
    return Rejected(
        f"running it takes more than {most_gas:,} gas, which is more than this service pays for: whoever wants it can "
        "send the transaction from an account of their own"
    )


def _connect(url: str, timeout_s: float) -> Call:
    # Without retries: a transaction that is sent again by the transport comes back as an error.
    provider = HTTPProvider(url, {"timeout": timeout_s}, exception_retry_configuration=None)

    def call(method: str, params: Sequence[Any]) -> Any:
        try:
            return provider.make_request(RPCEndpoint(method), list(params))
        except (RequestException, Web3Exception, ValueError) as error:
            raise Unavailable(type(error).__name__) from None  # not its words: they hold the whole URL

    return call
