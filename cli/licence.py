"""Commands for whoever wants to use a photo: find out what it costs, buy a licence, get the file."""

import json
import time
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import click

from cli.common import explained
from pipeline.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cli.offer import Offer
    from ledger.endpoints import Endpoints

TIMEOUT_S, WAIT_S, STEP_S = 30, 120, 0.2
MAX_BYTES = 200 << 20
USES = ("ai-training", "commercial", "derivatives")


@click.group()
def licence() -> None:
    """Licences for other people's photos."""


@licence.command("buy")
@click.argument("url")
@click.option("--use", type=click.Choice(USES), default="ai-training", show_default=True)
@click.option("--key-file", type=click.Path(path_type=Path), default=Path("capture-buyer.key"), show_default=True,
              help="Your account's private key; made when it is not there.")  # fmt: skip
@click.option("--rpc", default=None, metavar="URL", help="A node of the chain, to send your own transaction by.")
@click.option(
    "--at-most", type=int, default=None, help="The most to pay, in the currency's smallest unit; else you are asked."
)
@click.option("--currency", default=None, metavar="ADDRESS", help="The token to pay in, where the price is in one.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=None, help="Where the file goes.")
@explained
def buy(
    url: str, use: str, key_file: Path, rpc: str | None, at_most: int | None, currency: str | None, output: Path | None
) -> None:
    """Get the photo at URL (its public page) for a use, and buy a licence when that takes one.

    Again is safe: who holds a licence is not asked to pay, and the contract sells no second one while it lasts.
    """
    from cli.offer import read_offer
    from ledger.accounts import read_or_make_key
    from ledger.signer import LocalSigner

    key = read_or_make_key(key_file.absolute())
    holder = LocalSigner(key).address
    copy = _copy_url(url, use)
    status, content, kind = _get(copy, None)
    if status == 402:
        offer = read_offer(content)
        status, content, kind = _get(copy, _header(offer, holder, key))
        if status == 402:
            _pay(offer, holder, key, rpc, at_most, currency)
            status, content, kind = _until_held(copy, offer, holder, key)
    if status != 200:
        raise Rejected(_detail(content, status))
    file = output or Path(f"{urlsplit(copy).path.split('/')[2]}.{kind.partition('/')[2]}")
    file.write_bytes(content)
    click.echo(f"{file}: {len(content)} bytes, for {use}, as {holder}")


def _pay(offer: "Offer", holder: str, key: bytes, rpc: str | None, at_most: int | None, currency: str | None) -> None:
    price = offer.price
    amount, unit = price.units, price.currency or "of the chain's coin (smallest unit)"
    if at_most is None:
        click.confirm(f"A licence for {offer.use} costs {amount} {unit}. Buy it?", abort=True)
    elif amount > at_most:
        raise Rejected(f"the licence costs {amount} {unit}, more than --at-most {at_most}: nothing was paid")
    if offer.play_money and rpc is None:
        click.echo("The chain is the service's own and its coin is play money: the service's account buys.")
        body = json.dumps({"holder": holder}).encode()
        status, content, _ = _ask(offer.play_money, body, {"Content-Type": "application/json"})
        if status not in (200, 202):
            raise Rejected(_detail(content, status))
        return
    if rpc is None:
        raise Rejected("this takes a transaction of your own: name a node of the chain with --rpc URL")
    if (price.currency or "").lower() != (currency or "").lower():
        # "At most 1000" says nothing as long as whoever answers chooses of what.
        raise Rejected(f"the price is in the token {price.currency}: to pay in that, run this with --currency "
                       f"{price.currency}" if price.currency else
                       "the price is in the chain's coin: leave --currency out")  # fmt: skip
    _buy(offer, holder, key, rpc)


def _buy(offer: "Offer", holder: str, key: bytes, rpc: str) -> None:
    """The purchase by the buyer's own account; first, where the price is in a token, leave to take it."""
    from ledger.asking import nodes
    from ledger.erc20 import TOKEN
    from ledger.rights import RIGHTS

    chain, contract = nodes(rpc), offer.chain.contract
    if chain.chain_id() != offer.chain.id:
        raise Rejected(f"the node at --rpc is of chain {chain.chain_id()}, the work is on chain {offer.chain.id}")
    amount, token = offer.price.units, offer.price.currency
    if token:
        asked = {"to": token, "data": TOKEN.call("allowance", holder, contract)}
        allowed = TOKEN.answer("allowance", chain.ask("eth_call", asked, "latest").content())[0]
        if allowed < amount:  # enough already when an earlier run was cut off between the two
            _send(chain, {"to": token, "data": TOKEN.call("approve", contract, amount), "value": 0}, holder, key)
    # Made here, not taken from the answer: whoever answers must not choose what this account does.
    data = RIGHTS.call("license", offer.work, bytes.fromhex(offer.terms_id), holder)
    _send(chain, {"to": contract, "data": data, "value": 0 if token else amount}, holder, key)


def _send(chain: "Endpoints", call: dict[str, Any], holder: str, key: bytes) -> None:
    """One transaction; waits until a block has it."""
    from ledger.signer import LocalSigner
    from ledger.signing import sign

    gas = chain.ask("eth_estimateGas", call | {"from": holder, "value": hex(call["value"])}).number()
    tip = chain.ask("eth_maxPriorityFeePerGas").number()
    base = chain.ask("eth_getBlockByNumber", "latest", False).quantity("baseFeePerGas")
    nonce = chain.ask("eth_getTransactionCount", holder, "pending").number()
    fees = {"gas": gas * 5 // 4, "maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip}
    signed = sign({"chainId": chain.chain_id(), "nonce": nonce, **fees, **call}, call["to"], LocalSigner(key))
    chain.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
    click.echo(f"sent {signed.hash}")
    end = time.monotonic() + WAIT_S
    while chain.ask("eth_getTransactionReceipt", signed.hash).missing:
        if time.monotonic() > end:
            raise Unavailable(f"the chain, which has {signed.hash} in no block yet: run this again later")
        time.sleep(STEP_S)


def _until_held(copy: str, offer: "Offer", holder: str, key: bytes) -> tuple[int, bytes, str]:
    """The answer, once the service sees the licence."""
    end = time.monotonic() + WAIT_S
    while True:
        answer = _get(copy, _header(offer, holder, key))
        if answer[0] != 402 or time.monotonic() > end:
            return answer
        time.sleep(STEP_S)


def _header(offer: "Offer", holder: str, key: bytes) -> str:
    from ledger.holder import Held, message, signed

    now, chain = int(time.time()), offer.chain
    # Our own words, not the answer's: a text of somebody else's choice could open doors elsewhere.
    text = message(chain.id, chain.contract, offer.work, offer.use, Held(holder, now))
    return f'holder="{holder}"; time={now}; signature="0x{signed(text, key).hex()}"'


def _copy_url(url: str, use: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or len(path.split("/")) < 3:
        raise Rejected(f"{url} is no photo's public page: it looks like https://capture.example/a/ID")
    return urlunsplit(parts._replace(path=path if path.endswith("/copy") else f"{path}/copy", query=f"use={use}"))


def _get(url: str, header: str | None) -> tuple[int, bytes, str]:
    return _ask(url, None, {"Capture-Licence": header} if header else {})


def _ask(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes, str]:
    """Status, body and media type."""
    import urllib.error
    import urllib.request

    asked = urllib.request.Request(url, body, headers)  # noqa: S310 - the user's own address, of http
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read(MAX_BYTES), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        return error.code, error.read(MAX_BYTES), error.headers.get_content_type()
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{urlsplit(url).netloc}: {error}") from None


def _detail(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, LookupError, TypeError):
        return f"the service answered with status {status}"
