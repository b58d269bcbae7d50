"""The EVM chain behind JSON-RPC, and the log contract on it. The only module that imports web3 (3 s, 100 MB)."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.types import Nonce, RPCEndpoint
from web3.utils.address import get_create_address

from ledger.rpc import Answer, Refused
from pipeline.errors import Conflict, Rejected, Unavailable

ARTIFACT = json.loads((Path(__file__).parents[1] / "contracts" / "Log.json").read_text())

# The base fee grows at most by 1/8 a block (EIP-1559): 4 times is reached after 12 full blocks in a row. Only the
# base fee and the tip are ever paid, so headroom costs nothing.
BASE_FEE_HEADROOM = 4
GAS_MARGIN_PERCENT = 25  # what a node estimates and what the block then needs differ when the state moved between
# On the embedded chain gas is play money: one cap for all, so that bytes signed at any time can be sent again.
LOCAL_MAX_FEE_WEI = 100 * 10**9
LOCAL_BALANCE_WEI = 10**24
LOCAL_STEP_S = 0.02
STEPS_S = (0.25, 0.5, 1.0, 2.0)  # between two questions to a chain that is not ours
DEPLOY_WAIT_S = 300

_ADDRESS = re.compile(r"https?://[!#-\[\]-~]+")  # printable ASCII without what JSON would have to escape
_KNOWN_ALREADY = ("already known", "already imported", "already in mempool", "known transaction")
_NONCE_USED = ("nonce too low", "nonce has already been used")


@dataclass(frozen=True, slots=True)
class Head:
    """What the contract holds: the log's size and root, and the time of the block that wrote them."""

    size: int
    root: bytes
    time: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that only needs sending. `contract` is whom it calls, or what it will create."""

    nonce: int
    hash: str
    raw: bytes
    contract: str


class Reverted(Conflict):
    """The transaction is in a block, and the contract refused it."""


class Chain:
    """One account, its log contract, and a node to ask. Every method raises Unavailable when the node does not answer.

    `contract` None: there is none yet, and its address is the one that `key` creates at nonce 0. `local`: the chain
    is ours, gas is play money, and its clock obeys.
    """

    def __init__(self, rpc_url: str, key: bytes, contract: str | None, local: bool, timeout_s: float = 10) -> None:
        # The URL's user, password and path may be secrets: only this is ever shown.
        self.host = urlsplit(rpc_url).netloc.rpartition("@")[2]
        self.local = local
        # Without retries: a transaction that is sent again by the transport comes back as an error.
        self._provider = HTTPProvider(rpc_url, {"timeout": timeout_s}, exception_retry_configuration=None)
        self._web3 = Web3(self._provider)
        self._contract = self._web3.eth.contract(abi=ARTIFACT["abi"], bytecode=ARTIFACT["bytecode"])
        self._account = self._web3.eth.account.from_key(key)
        self.sender: str = self._account.address
        self.contract: str = Web3.to_checksum_address(contract) if contract else self.created_at(0)
        self._chain_id: int | None = None
        self._code_checked = False

    def created_at(self, nonce: int) -> str:
        """The address of the contract that this account creates with this nonce."""
        return str(get_create_address(self._account.address, Nonce(nonce)))

    # -- asking -------------------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> int:
        """The chain's own number; asked once."""
        if self._chain_id is None:
            self._chain_id = self._ask("eth_chainId").number()
        return self._chain_id

    def nonce(self) -> int:
        """How many transactions of this account are in blocks: the next one's nonce."""
        return self._ask("eth_getTransactionCount", self.sender, "latest").number()

    def head(self) -> Head | None:
        """What the contract holds; None when there is no contract. Raises Conflict when its code is not ours."""
        answer = self._call("head") if self._has_our_code() else b""
        self._code_checked = bool(answer)  # a chain that lost its newest blocks lost the contract with them
        if not answer:
            return None
        return Head(*self._decoded(["uint64", "bytes32", "uint64"], answer))

    def writer(self) -> str:
        """The only account that the contract listens to."""
        return str(Web3.to_checksum_address(self._decoded(["address"], self._call("writer"))[0]))

    def inclusion(self, transaction: str) -> tuple[int, int] | None:
        """Number and time (seconds, Unix) of the block that holds the transaction; None while none does.

        Raises Reverted when the contract refused it.
        """
        receipt = self._ask("eth_getTransactionReceipt", transaction)
        if receipt.missing or not receipt.text("blockHash"):
            return None
        number = receipt.quantity("blockNumber")
        block = self._ask("eth_getBlockByHash", receipt.text("blockHash"), False)
        if block.missing:
            return None  # the node changed its mind between the two questions
        if receipt.quantity("status") != 1:
            raise Reverted(
                f"the contract {self.contract} refused {transaction} in block {number}: "
                "look for another program that uses the same key, and stop it"
            )
        return number, block.quantity("timestamp")

    def wait(
        self, transaction: str, limit_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> tuple[int, int] | None:
        """`inclusion`, asked until it is there; None after `limit_s`. `meanwhile` is called before every pause."""
        end = time.monotonic() + limit_s
        steps = iter(() if self.local else STEPS_S)
        while (found := self.inclusion(transaction)) is None and time.monotonic() < end:
            meanwhile()
            time.sleep(next(steps, LOCAL_STEP_S if self.local else STEPS_S[-1]))
        return found

    # -- signing and sending ------------------------------------------------------------------------------------

    def sign_deploy(self, nonce: int, endpoint: str = "") -> SignedTransaction:
        """The transaction that creates the log contract. Nothing is sent.

        `endpoint` is where the contract will send who looks up a soft binding; "": nowhere. Raises Conflict when it
        has characters that no URI has.
        """
        created = str(self._contract.constructor(endpoint).data_in_transaction)
        return self._sign(nonce, None, created, self.created_at(nonce))

    def sign_append(self, nonce: int, size: int, root: bytes, proof: list[bytes]) -> SignedTransaction:
        """The transaction that extends the contract's log. Nothing is sent.

        Raises Conflict when the contract would refuse it.
        """
        call = self._contract.encode_abi("append", [size, root, proof])
        return self._sign(nonce, self.contract, call, self.contract)

    def send(self, raw: bytes, block_time: int | None = None) -> None:
        """Hand signed bytes to the node; the same bytes any number of times.

        On the embedded chain their block gets the time `block_time`, or now: what it lost comes back as it was.
        Raises Conflict when another transaction has the nonce.
        """
        if self.local:
            self._set_clock(block_time)
        try:
            self._ask("eth_sendRawTransaction", "0x" + raw.hex())
        except Refused as refused:
            words = refused.words.lower()
            known = any(text in words for text in _KNOWN_ALREADY + _NONCE_USED)
            if known and self._knows(Web3.to_hex(Web3.keccak(raw))):
                return
            if any(text in words for text in _NONCE_USED):
                raise Conflict(
                    f"another transaction of {self.sender} is in the place of {Web3.to_hex(Web3.keccak(raw))}: "
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

    def _ask(self, method: str, *params: Any) -> Answer:
        try:
            answer = self._provider.make_request(RPCEndpoint(method), list(params))
        except (RequestException, Web3Exception, ValueError) as error:
            # Not chained: the transport's own words hold the whole URL.
            raise Unavailable(f"the chain at {self.host} did not answer {method}: {type(error).__name__}") from None
        return Answer(self.host, method, answer)

    def _set_clock(self, block_time: int | None) -> None:
        # Always: the embedded chain's clock keeps the distance to the last time that it was given.
        newest = self._ask("eth_getBlockByNumber", "latest", False).quantity("timestamp")
        self._ask("evm_setNextBlockTimestamp", max(newest, block_time or int(time.time())))

    def _call(self, function: str) -> bytes:
        call = {"to": self.contract, "data": self._contract.encode_abi(function)}
        return self._ask("eth_call", call, "latest").content()

    def _decoded(self, types: list[str], answer: bytes) -> tuple[Any, ...]:
        if len(answer) != 32 * len(types):
            raise Unavailable(f"the chain at {self.host} gave {len(answer)} bytes for {', '.join(types)}")
        return self._web3.codec.decode(types, answer)

    def _has_our_code(self) -> bool:
        if self._code_checked:
            return True
        code = self._ask("eth_getCode", self.contract, "latest").content()
        if not code:
            return False
        if (digest := hashlib.sha256(code).hexdigest()) != ARTIFACT["runtime_sha256"]:
            raise Conflict(
                f"the code at {self.contract} is not this version's log contract, its SHA-256 is {digest}: "
                "set CAPTURE_CHAIN_CONTRACT to what `capture chain deploy` printed"
            )
        return True

    def _knows(self, transaction: str) -> bool:
        return not self._ask("eth_getTransactionByHash", transaction).missing

    def _sign(self, nonce: int, to: str | None, data: str, contract: str) -> SignedTransaction:
        max_fee, tip = self._fees()
        call = {"data": data, "to": to} if to else {"data": data}
        gas = self._estimate({"from": self.sender, **call}) * (100 + GAS_MARGIN_PERCENT) // 100
        fees = {"gas": gas, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip}
        fields = {"type": 2, "chainId": self.chain_id, "nonce": nonce, "value": 0, **fees, **call}
        signed = self._account.sign_transaction(fields)
        return SignedTransaction(nonce, Web3.to_hex(signed.hash), bytes(signed.raw_transaction), contract)

    def _fees(self) -> tuple[int, int]:
        if self.local:
            return LOCAL_MAX_FEE_WEI, 0
        base = self._ask("eth_getBlockByNumber", "latest", False).field("baseFeePerGas")
        if base is None:
            raise Conflict(f"the chain at {self.host} has no EIP-1559 fees: set CAPTURE_CHAIN_URL to one that has")
        tip = self._ask("eth_maxPriorityFeePerGas").number()
        return base * BASE_FEE_HEADROOM + tip, tip

    def _estimate(self, call: dict[str, Any]) -> int:
        try:
            return self._ask("eth_estimateGas", call).number()
        except Refused as refused:
            reason = self._reason(refused.data)
            if reason or "revert" in refused.words.lower():
                raise Conflict(
                    f"the contract {self.contract} would refuse this: {reason or refused.words}. Check that the key, "
                    "the contract and the database belong together; restore the newest backup of what does not"
                ) from None
            raise self._without_funds(refused) from None

    def _reason(self, data: str | None) -> str | None:
        """The contract's error with its values, as Solidity writes them."""
        for error in (entry for entry in ARTIFACT["abi"] if entry["type"] == "error" and data):
            types = [field["type"] for field in error["inputs"]]
            selector = Web3.to_hex(Web3.keccak(text=f"{error['name']}({','.join(types)})")[:4])
            if data and data.startswith(selector):
                values = self._web3.codec.decode(types, bytes.fromhex(data[len(selector) :]))
                return f"{error['name']}({', '.join(map(str, values))})"
        return None

    def _without_funds(self, refused: Refused) -> Unavailable:
        if "insufficient funds" not in refused.words.lower():
            return refused
        return Unavailable(f"the chain at {self.host} wants to be paid: send some of its coin to {self.sender}")


def deploy(rpc_url: str, key: bytes, wait_s: float = DEPLOY_WAIT_S, endpoint: str = "") -> str:
    """Create the log contract on a chain that is not ours and return its address; `endpoint` as in `sign_deploy`.

    Raises Unavailable when it is in no block after `wait_s`; the message says what to look for before trying again.
    Raises Rejected when the endpoint is no address.
    """
    if endpoint and not _ADDRESS.fullmatch(endpoint):
        raise Rejected(f"{endpoint!r} is no address: give one that begins with https:// and has no space or quote")
    chain = Chain(rpc_url, key, None, local=False)
    signed = chain.sign_deploy(chain.nonce(), endpoint)
    chain.send(signed.raw)
    if chain.wait(signed.hash, wait_s) is None:
        raise Unavailable(
            f"the chain at {chain.host} took {signed.hash} into no block yet: it will create {signed.contract}; "
            "look for it before you deploy again"
        )
    return signed.contract
