"""A licence bought by the buyer's own account. What is sent is kept first, in a file beside the key: a run that comes
after one that was cut off goes on with that transaction, and sends no second one."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cli.offer import Offer
    from ledger.endpoints import Endpoints

WAIT_S, STEP_S = 120, 0.5


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that was sent, or is about to be: its hash, its place, and its signed bytes as hex."""

    hash: str
    nonce: int
    raw: str


class Purchase:
    """One work, one buyer, and a node of the chain. What was sent is kept beside `key_file`."""

    def __init__(self, offer: "Offer", holder: str, key: bytes, rpc: str, key_file: Path) -> None:
        from ledger.asking import Works, nodes

        self._offer, self._holder, self._key = offer, holder, key
        self._chain: Endpoints = nodes(rpc)
        self._works: Works = Works(self._chain, offer.chain.contract)
        self._kept = key_file.with_name(f"{key_file.name}.{offer.work >> 80:044x}.sent")
        if self._chain.chain_id() != offer.chain.id:
            raise Rejected(f"the node at --rpc is of chain {self._chain.chain_id()}, the work is on chain "
                           f"{offer.chain.id}")  # fmt: skip

    def is_made(self) -> bool:
        """Whether the licence is there, after whatever an earlier run sent. Raises Unavailable while that waits."""
        if sent := self._read():
            say(f"an earlier run sent {sent.hash}: that is waited for, and nothing more is paid")
            self._is_in_a_block(sent)  # or never will be: then the price was not paid
            self._kept.unlink()
        return self._works.may(self._offer.work, self._holder, self._offer.use)

    def make(self) -> None:
        """Buy it; first, where the price is in a token, let the contract take exactly that."""
        from ledger.erc20 import TOKEN
        from ledger.rights import RIGHTS

        offer, contract = self._offer, self._offer.chain.contract
        amount, token = offer.price.units, offer.price.currency
        if token:
            asked = {"to": token, "data": TOKEN.call("allowance", self._holder, contract)}
            allowed = TOKEN.answer("allowance", self._chain.ask("eth_call", asked, "latest").content())[0]
            if allowed < amount:  # enough already when an earlier run was cut off between the two
                say("the contract is allowed to take the price")
                self._send({"to": token, "data": TOKEN.call("approve", contract, amount), "value": 0})
        # Made here, not taken from the answer: whoever answers must not choose what this account does.
        data = RIGHTS.call("license", offer.work, bytes.fromhex(offer.terms_id), self._holder)
        self._send({"to": contract, "data": data, "value": 0 if token else amount}, keep=True)

    def _send(self, call: dict[str, Any], keep: bool = False) -> None:
        """One transaction; waits until a block has it. Raises Rejected when the chain undoes it."""
        from ledger.rpc import Refused

        sent = self._signed(call)
        if keep:
            self._keep(sent)
        try:
            self._chain.ask("eth_sendRawTransaction", sent.raw)
        except Refused:  # any other failure may have come after the node had it
            self._kept.unlink(missing_ok=True)
            raise
        say(f"sent {sent.hash}: waiting for a block")
        did = self._is_in_a_block(sent)
        self._kept.unlink(missing_ok=True)
        if not did:
            raise Rejected(f"the chain undid {sent.hash}: its gas is gone, the price was not paid. Run this again: "
                           "the work's terms may have changed")  # fmt: skip

    def _signed(self, call: dict[str, Any]) -> Sent:
        from ledger.signer import LocalSigner
        from ledger.signing import sign

        chain, holder = self._chain, self._holder
        gas = self._estimated(call | {"from": holder, "value": hex(call["value"])})
        tip = chain.ask("eth_maxPriorityFeePerGas").number()
        base = chain.ask("eth_getBlockByNumber", "latest", False).quantity("baseFeePerGas")
        nonce = chain.ask("eth_getTransactionCount", holder, "pending").number()
        fees = {"gas": gas * 5 // 4, "maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip}
        fields = {"chainId": chain.chain_id(), "nonce": nonce, **fees, **call}
        signed = sign(fields, call["to"], LocalSigner(self._key))
        return Sent(signed.hash, nonce, "0x" + signed.raw.hex())

    def _estimated(self, call: dict[str, Any]) -> int:
        from ledger.rights import RIGHTS
        from ledger.rpc import Refused

        try:
            return self._chain.ask("eth_estimateGas", call).number()
        except Refused as refused:
            if reason := RIGHTS.reason(refused.data):
                raise Rejected(f"the contract refuses the purchase by {reason[0]}: nothing was paid. Run this again, "
                               "or ask the work's owner") from None  # fmt: skip
            raise

    def _is_in_a_block(self, sent: Sent) -> bool:
        """Wait until a block has it: whether it did what it was for. False also when another took its place."""
        from ledger.rpc import Refused

        end, words = time.monotonic() + WAIT_S, ""
        while True:
            # Asked first: a place that is taken although the receipt, which is asked for later, is missing.
            taken = self._chain.ask("eth_getTransactionCount", self._holder, "latest").number() > sent.nonce
            receipt = self._chain.ask("eth_getTransactionReceipt", sent.hash)
            if not receipt.missing:
                return receipt.quantity("status") == 1
            if taken:
                return False
            if time.monotonic() > end:
                raise Unavailable(f"the chain, which has {sent.hash} in no block yet{words}: run this again later, it "
                                  f"sends no second one. To give that one up, remove {self._kept}")  # fmt: skip
            try:
                self._chain.ask("eth_sendRawTransaction", sent.raw)  # a node may have forgotten it
            except Refused as refused:  # because it has it, most likely
                words = f" ({refused.words})"
            time.sleep(STEP_S)

    def _read(self) -> Sent | None:
        from ledger.keyfile import read_private

        if not self._kept.exists():
            return None
        try:
            return Sent(**json.loads(read_private(self._kept)))
        except (ValueError, TypeError):
            raise Rejected(f"{self._kept} cannot be read: look whether your account bought the licence, and remove "
                           "it") from None  # fmt: skip

    def _keep(self, sent: Sent) -> None:
        from ledger.keyfile import write_once

        write_once(self._kept, json.dumps(asdict(sent)))
        if self._read() != sent:
            raise Unavailable(f"another run, which buys the same: its transaction is in {self._kept}. Run this again "
                              "when that one has ended")  # fmt: skip


def say(text: str) -> None:
    """Progress, for people: not in the output."""
    click.echo(text, err=True)
