"""The rights contract beside a log contract on a real chain: people, works, tokens, and calls that name their error."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError

from ledger.leaf import leaf_digest, statement
from ledger.rights import RIGHTS
from pipeline.parents import parents_digest
from tests.chain_fixture import Node
from tests.contracts.brute_force import SparseLog, consistency_proof, inclusion_proof
from tests.contracts.held import ERRORS as LOG_ERRORS
from tests.contracts.held import Held
from tests.service import ROOT

ARTIFACT = json.loads((ROOT / "contracts" / "Rights.json").read_text())
COIN = "0x" + "00" * 20  # as a currency: the chain's own
WHOLE, MILLION = 10**18, 10**6
DENIED, ALLOWED, PAID = range(3)  # AiTraining
COMMERCIAL, DERIVATIVES, AI_TRAINING = range(3)  # Use
NEVER = 2**256 - 1
# What an owner signs to have it derived.
DERIVE = [("asset", "uint256"), ("parents", "uint256[]"), ("licences", "uint256[]"), ("terms", "bytes32[]"),
          ("deadline", "uint256")]  # fmt: skip
MOST_COUNTED = 2**12 - 1  # licences that a work's slot counts before their price is written into a book
_ERRORS = LOG_ERRORS | {
    "0x" + Web3.keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})")[:4].hex(): e["name"]
    for e in ARTIFACT["abi"]
    if e["type"] == "error"
}


@dataclass(frozen=True)
class Terms:
    """As the contract's struct has them, field by field."""

    commercial: bool = True
    derivatives: bool = True
    attribution: bool = True
    reciprocal: bool = False
    ai_training: int = DENIED
    share: int = 0
    duration: int = 0
    currency: str = COIN
    fee: int = 0
    transferable: bool = True
    legal_text: bytes = bytes(32)

    @property
    def values(self) -> tuple[Any, ...]:
        """For the ABI."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass
class Work:
    """What the log has of a photo, and what the contract knows it by."""

    words: tuple[bytes, ...]
    place: int
    owner: str
    shares: list[int] = field(default_factory=list)

    @property
    def id(self) -> int:
        """16 bytes of the file's digest, 6 of the place, 10 zeros."""
        return int.from_bytes(self.words[2][:16] + self.place.to_bytes(6) + bytes(10))


class Market:
    """Both contracts, and everybody who has to do with them."""

    def __init__(self, node: Node, start: int = 0, seed: bytes = b"") -> None:
        self._seed = seed or secrets.token_bytes(8)
        self.node, self.log, self.web3 = node, Held(node), Web3(Web3.HTTPProvider(node.url))
        self.web3.middleware_onion.remove("validation")  # it asks for the chain's number before each request
        self.leaves: dict[int, bytes] = {}
        self._size = start
        self._keys: dict[str, bytes] = {}
        self._count = count(1)
        if start:
            self.grow(start)
        self.reviewer = self.person()
        made = self.web3.eth.contract(abi=ARTIFACT["abi"], bytecode=ARTIFACT["bytecode"])
        create = made.constructor(self.log.chain.contract, self.reviewer, "https://example.org/a/")
        self.deployment = self.mined(create.transact({"from": self.person(), "gas": 8_000_000}))
        self.contract: Any = self.web3.eth.contract(self.deployment["contractAddress"], abi=ARTIFACT["abi"])

    def digest(self) -> bytes:
        """Another 32 bytes that nobody had before."""
        return hashlib.sha256(self._seed + next(self._count).to_bytes(8)).digest()

    # -- people and time

    def person(self, balance: int = 10**24) -> str:
        """An account with money, that the chain lets us act as."""
        key = self.digest()
        address = str(Account.from_key(key).address)
        self._keys[address] = key
        self.node.ask("anvil_setBalance", address, hex(balance))
        self.node.ask("anvil_impersonateAccount", address)
        return address

    def balance(self, address: str) -> int:
        """How much of the chain's coin somebody has."""
        return int(self.node.ask("eth_getBalance", address, "latest")["result"], 16)

    def later(self, seconds: int) -> None:
        """Time goes by."""
        self.node.ask("evm_increaseTime", hex(seconds))
        self.node.ask("anvil_mine")

    def now(self) -> int:
        """The newest block's time."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    # -- the log

    def statement(self, owner: str, upload: bytes | None = None, parents: Sequence[int] = (), **more: bytes) -> Work:
        """A statement, not in the log yet but with the next place in it."""
        words = statement(
            **{  # type: ignore[arg-type]
                "salt": self.digest(), "upload": upload or self.digest(),
                "manifest": self.digest(), "fingerprint": self.digest(), "owner": bytes.fromhex(owner[2:]),
                "terms": self.digest(), "parents": parents_digest(parents),
                "captured_at": 1_790_000_000,
            } | more
        )  # fmt: skip
        work = Work(words, self._size, owner)
        self.leaves[self._size] = leaf_digest(words)
        self._size += 1
        return work

    def grow(self, size: int = 0) -> None:
        """The log contract learns of everything that was stated."""
        self._size = max(size, self._size)
        old, tree = self.log.number("size"), self.tree()
        if old < self._size:
            self.log.append(self._size, tree.mth(0, self._size), consistency_proof(old, self._size, tree.mth))

    def tree(self) -> SparseLog:
        """The log, computed by brute force."""
        return SparseLog(self.leaves, lambda place: self.leaves[place])

    def proof(self, work: Work) -> tuple[int, int, list[bytes]]:
        """Where it is, for the contract."""
        size = self.log.number("size")
        return work.place, size, inclusion_proof(work.place, size, self.tree().mth)

    # -- calls

    def does(self, sender: str, function: str, *values: Any, value: int = 0) -> Any:
        """Send it, in a block; the receipt."""
        call = self.contract.functions[function](*values)
        return self.mined(call.transact({"from": sender, "value": value, "gas": 3_000_000, "gasPrice": 10**10}))

    def refusal(self, sender: str, function: str, *values: Any, value: int = 0) -> str:
        """The error that it would end with, "" for none. Changes nothing."""
        try:
            self.contract.functions[function](*values).call({"from": sender, "value": value})
        except ContractCustomError as error:
            return str(_ERRORS.get(str(error.data)[:10], error.data))
        except ContractLogicError as error:
            return str(error)
        return ""

    def asks(self, function: str, *values: Any) -> Any:
        """What a view answers."""
        return self.contract.functions[function](*values).call()

    def asks_all(self, function: str, given: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What a view of one value answers to each, in one request."""
        calls = [{"to": self.contract.address, "data": RIGHTS.call(function, *values)} for values in given]
        answers = self.log.ask_many([[call, "latest"] for call in calls])
        return [RIGHTS.answer(function, bytes.fromhex(answer["result"][2:]))[0] for answer in answers]

    def mined(self, transaction: Any) -> Any:
        """The receipt of what was not refused."""
        receipt = self.web3.eth.wait_for_transaction_receipt(transaction, poll_latency=0.005)
        assert receipt["status"] == 1, "refused"
        return receipt

    def events(self, receipt: Any, name: str) -> list[dict[str, Any]]:
        """What this contract said in a transaction."""
        wanted = self.contract.events[name]()
        logs = [one for one in receipt["logs"] if one["topics"][0] == Web3.keccak(text=_text(name))]
        return [dict(wanted.process_log(one)["args"]) for one in logs]

    # -- works

    def terms(self, **fields: Any) -> bytes:
        """Add terms; their id."""
        terms = Terms(**fields)
        self.does(self.reviewer, "addTerms", terms.values)
        return bytes(Web3.keccak(self.web3.codec.encode([TERMS_TYPE], [terms.values])))

    def register(self, work: Work, terms: bytes) -> Any:
        """By its owner; the receipt."""
        return self.does(work.owner, "register", work.words, self.proof(work), terms, 0, b"")

    def work(self, owner: str, terms: bytes, **more: Any) -> Work:
        """Stated, logged and registered."""
        made = self.statement(owner, **more)
        self.grow()
        self.register(made, terms)
        return made

    def derive(self, work: Work, parents: Sequence[Work], declared: int = 0, licences: Sequence[int] = ()) -> Any:
        """By its owner; the receipt."""
        receipt = self.does(work.owner, "derive", *self.derivation(work, parents, declared, licences))
        work.shares = list(self.events(receipt, "Derived")[0]["shares"])
        return receipt

    def derivation(
        self, work: Work, parents: Sequence[Work], declared: int = 0, licences: Sequence[int] = ()
    ) -> tuple[Any, ...]:
        """What `derive` takes when the owner calls it."""
        given = list(licences) or [0] * len(parents)
        terms = [self.read(each, licence) for each, licence in zip(parents, given, strict=False)]
        early = [bool(licence) and self.asks("isEarly", licence) for licence in given]
        above = [[] if alone else each.shares for each, alone in zip(parents, early, strict=False)]
        return work.id, [each.id for each in parents], declared, given, terms, above, 0, b""

    def count_sold(self, work: Work, sold: int) -> None:
        """Have the work's slot count so many licences, for which as many transactions would take a minute."""
        for number in range(40):
            slot = hex(int.from_bytes(Web3.keccak((work.id >> 128).to_bytes(32) + number.to_bytes(32))))
            held = int(self.node.ask("eth_getStorageAt", self.contract.address, slot, "latest")["result"], 16)
            if held & (1 << 160) - 1 == int(work.owner, 16):
                counted = held & (1 << 244) - 1 | sold << 244
                self.node.ask("anvil_setStorageAt", self.contract.address, slot, f"{counted:#066x}")
                return
        raise AssertionError("the work's slot is elsewhere")

    def read(self, work: Work, licence: int = 0) -> bytes:
        """The id of the terms that somebody reads who would use the work; zero where there is none."""
        try:
            return bytes(self.asks("licenceOf", licence)[2] if licence else self.asks("assetOf", work.id)[1])
        except ContractLogicError:
            return bytes(32)

    def signed(self, owner: str, kind: str, types: list[tuple[str, str]], /, **values: Any) -> bytes:
        """The owner's EIP-712 signature."""
        domain = {
            "name": "Capture Rights", "version": "1", "chainId": self.web3.eth.chain_id,
            "verifyingContract": self.contract.address,
        }  # fmt: skip
        message = encode_typed_data(domain, {kind: [{"name": n, "type": t} for n, t in types]}, values)
        return bytes(Account.sign_message(message, self._keys[owner]).signature)


def in_order(works: Sequence[Work]) -> list[Work]:
    """As `derive` wants them."""
    return sorted(works, key=lambda work: work.id)


def _entry(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e for e in ARTIFACT["abi"] if (e["type"], e.get("name")) == (kind, name))
    return found


def _type(field: dict[str, Any]) -> str:
    if not field["type"].startswith("tuple"):
        return str(field["type"])
    return f"({','.join(_type(part) for part in field['components'])}){field['type'][5:]}"


def _text(event: str) -> str:
    return f"{event}({','.join(_type(each) for each in _entry('event', event)['inputs'])})"


TERMS_TYPE = _type(_entry("function", "addTerms")["inputs"][0])
