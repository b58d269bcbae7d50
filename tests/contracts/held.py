"""A log contract of the test's own on a real chain, and what calls to it would do, thousands at a time."""

import json
import random
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from web3 import Web3

from ledger.chain import Chain
from ledger.contract import ARTIFACT
from tests.chain_fixture import KEY, Node
from tests.contracts.brute_force import consistency_proof, mth

CALLS = Web3().eth.contract(abi=ARTIFACT["abi"])


def selectors(kind: str) -> dict[str, bytes]:
    """The first four bytes of each function's, or each error's, digest."""
    entries = [entry for entry in ARTIFACT["abi"] if entry["type"] == kind]
    texts = {entry["name"]: ",".join(field["type"] for field in entry["inputs"]) for entry in entries}
    return {name: bytes(Web3.keccak(text=f"{name}({types})")[:4]) for name, types in texts.items()}


FUNCTIONS = selectors("function")
ERRORS = {"0x" + selector.hex(): name for name, selector in selectors("error").items()}
HEAD_SLOT, SIZES_SLOT, ROOTS_SLOT = 3, 4, 68  # test_fuzz checks them against what the views say
WAIT_S = 20
MANY = 200  # calls in one request
Offer = tuple[int, bytes, list[bytes]]
State = dict[str, Any]


class Held:
    """A contract of our own, and what calling it would do."""

    def __init__(self, node: Node, endpoint: str = "", key: bytes = KEY) -> None:
        self.node = node
        self.chain: Chain = node.chain(key)
        self.chain.fund_locally()
        signed = self.chain.sign_deploy(self.chain.nonce(), endpoint)
        self.deployment = self.send(signed.raw, signed.hash)
        self.chain.contract = signed.contract

    def call(self, function: str, *values: Any, sender: str | None = None) -> bytes | str:
        """What the call returns, or the name of the error that it ends with. Changes nothing."""
        return self.calls([self.asking(function, *values, sender=sender)])[0]

    def asking(self, function: str, *values: Any, sender: str | None = None, state: State | None = None) -> list[Any]:
        """The parameters of a call, for `calls`; `state`: as if the contract were in it."""
        data = _encoded(function, values)
        call = {"from": sender or self.chain.sender, "to": self.chain.contract, "data": data}
        return [call, "latest", *([{self.chain.contract: {"stateDiff": state}}] if state else [])]

    def calls(self, asked: Sequence[list[Any]]) -> list[bytes | str]:
        """What each call returns, or the name of the error that it ends with."""
        answers = []
        for start in range(0, len(asked), MANY):
            answers += [_answer(one) for one in self.ask_many(asked[start : start + MANY])]
        return answers

    def refusal(self, offer: Offer, sender: str | None = None) -> str:
        """The error with which the contract would refuse this append, "" when it would take it."""
        answer = self.call("append", *offer, sender=sender)
        return answer if isinstance(answer, str) else ""

    def refusals(self, offers: Sequence[tuple[State | None, Offer]]) -> list[str]:
        """The same for many, each in a state of its own."""
        answers = self.calls([self.asking("append", *offer, state=state) for state, offer in offers])
        return [answer if isinstance(answer, str) else "" for answer in answers]

    def number(self, function: str) -> int:
        """What a view returns, as a number."""
        answer = self.call(function)
        assert isinstance(answer, bytes)
        return int.from_bytes(answer)

    def text(self, function: str, *values: Any) -> str:
        """What a view returns, as a text."""
        answer = self.call(function, *values)
        assert isinstance(answer, bytes)
        return str(Web3().codec.decode(["string"], answer)[0])

    def account(self, function: str) -> str:
        """What a view returns, as an address."""
        answer = self.call(function)
        assert isinstance(answer, bytes)
        return str(Web3.to_checksum_address(answer[12:]))

    def root_at(self, size: int) -> bytes | str:
        """The view of the last roots."""
        return self.call("rootAt", size)

    def append(self, size: int, root: bytes, proof: list[bytes], key: bytes = KEY) -> dict[str, Any]:
        """Append, in a block; the receipt."""
        return self.transact("append", size, root, proof, key=key)

    def grow(self, size: int) -> dict[str, Any]:
        """Append the reference log of this size."""
        return self.append(*offer(self.number("size"), size))

    def transact(self, function: str, *values: Any, key: bytes = KEY) -> dict[str, Any]:
        """Call the contract in a block, with gas for everything, also when it refuses; the receipt."""
        account = Web3().eth.account.from_key(key)
        nonce = int(self.node.ask("eth_getTransactionCount", account.address, "latest")["result"], 16)
        data = CALLS.encode_abi(function, list(values))
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": nonce,
            "value": 0,
            "gas": 1_000_000,
        }
        fields |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 0, "to": self.chain.contract, "data": data}
        signed = account.sign_transaction(fields)
        answer = self.node.ask("eth_sendRawTransaction", Web3.to_hex(signed.raw_transaction))
        assert "error" not in answer, answer
        return self._receipt(Web3.to_hex(signed.hash))

    def send(self, raw: bytes, transaction: str) -> dict[str, Any]:
        """Send signed bytes; the receipt."""
        self.chain.send(raw)
        return self._receipt(transaction)

    def _receipt(self, transaction: str) -> dict[str, Any]:
        end = time.monotonic() + WAIT_S
        while (found := self.node.ask("eth_getTransactionReceipt", transaction)["result"]) is None:
            assert time.monotonic() < end, f"{transaction} is in no block"
            time.sleep(0.001)
        receipt: dict[str, Any] = found
        return receipt

    def ask_many(self, asked: Sequence[list[Any]]) -> list[dict[str, Any]]:
        """The node's answers to calls, in one request."""
        body = [{"jsonrpc": "2.0", "id": n, "method": "eth_call", "params": one} for n, one in enumerate(asked)]
        request = urllib.request.Request(self.node.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            answers: list[dict[str, Any]] = json.loads(answer.read())
        return sorted(answers, key=lambda one: int(one["id"]))


def holding(size: int, root: bytes) -> State:
    """The storage of a contract that took this head as its first."""
    words = {HEAD_SLOT: 1 << 128 | size, SIZES_SLOT: size, ROOTS_SLOT: int.from_bytes(root)} if size else {HEAD_SLOT: 0}
    return {f"0x{slot:064x}": f"0x{word:064x}" for slot, word in words.items()}


def offer(old: int, new: int) -> Offer:
    """What the writer of the reference log offers."""
    return new, mth(0, new), consistency_proof(old, new)


def flipped(value: bytes, chance: random.Random) -> bytes:
    """The same with one bit turned."""
    return (int.from_bytes(value) ^ 1 << chance.randrange(len(value) * 8)).to_bytes(len(value))


def damaged(proof: list[bytes], chance: random.Random) -> list[list[bytes]]:
    """Every hash left out, twice, in its neighbour's place and with a bit turned, and one more at each end."""
    wrong = [[*proof, chance.randbytes(32)], [chance.randbytes(32), *proof], [*proof, bytes(32)]]
    for place, digest in enumerate(proof):
        before, after = proof[:place], proof[place + 1 :]
        wrong.append(before + after)
        wrong.append([*before, digest, digest, *after])
        wrong.append([*before, flipped(digest, chance), *after])
        if after and after[0] != digest:
            wrong.append([*before, after[0], digest, *after[1:]])
    return wrong


def _encoded(function: str, values: Sequence[Any]) -> str:
    """The ABI's encoding; that of numbers and hashes is made here, because web3 takes longer for it than the chain."""
    if any(isinstance(value, str) for value in values):
        return str(CALLS.encode_abi(function, list(values)))
    words, tail = [], b""
    for value in values:
        if isinstance(value, list):
            words.append((32 * len(values) + len(tail)).to_bytes(32))
            tail += len(value).to_bytes(32) + b"".join(value)
        else:
            words.append(value if isinstance(value, bytes) else value.to_bytes(32))
    return "0x" + (FUNCTIONS[function] + b"".join(words) + tail).hex()


def _answer(one: dict[str, Any]) -> bytes | str:
    if "error" in one:
        return ERRORS[str(one["error"]["data"])[:10]]
    return bytes.fromhex(str(one["result"])[2:])
