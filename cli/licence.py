"""Commands for whoever wants to use a photo: find out what it costs, buy a licence, get the file."""

import json
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import click

from cli.common import explained
from pipeline.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cli.offer import Offer

TIMEOUT_S, WAIT_S = 30, 120
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0  # between two questions: about 30 while we wait, of 120 a minute
PASSING = (402, 429, 503)  # what the service may answer until it sees the licence
MAX_BYTES = 200 << 20
USES = ("ai-training", "commercial", "derivatives")


@dataclass(frozen=True, slots=True)
class Buyer:
    """Whose licence it will be."""

    file: Path
    key: bytes
    address: str

    @classmethod
    def read(cls, file: Path) -> "Buyer":
        """From the file with the key, which is made when it is not there."""
        from ledger.accounts import read_or_make_key
        from ledger.signer import LocalSigner

        key = read_or_make_key(file)
        return cls(file, key, LocalSigner(key).address)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered. `retry_after_s`: when it wants to be asked again, 0 when it does not say."""

    status: int
    content: bytes
    media_type: str
    retry_after_s: int = 0


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

    Again is safe: who holds a licence is not asked to pay, the contract sells no second one while it lasts, and what
    an earlier run sent, which is kept beside the key, is waited for.
    """
    from cli.offer import read_offer

    buyer, copy = Buyer.read(key_file.absolute()), _copy_url(url, use)
    answer = _get(copy, None)
    if answer.status == 402:
        offer = read_offer(answer.content)
        answer = _get(copy, _header(copy, offer, buyer))
        if answer.status == 402:
            _pay(offer, buyer, rpc, at_most, currency)
            answer = _until_held(copy, offer, buyer)
    if answer.status != 200:
        raise Rejected(_detail(answer))
    file = output or Path(f"{urlsplit(copy).path.split('/')[2]}.{answer.media_type.partition('/')[2]}")
    file.write_bytes(answer.content)
    click.echo(f"{file}: {len(answer.content)} bytes, for {use}, as {buyer.address}")


def _pay(offer: "Offer", buyer: "Buyer", rpc: str | None, at_most: int | None, currency: str | None) -> None:
    """Buy it, by the service's account where the coin is play money, else by the buyer's own."""
    from cli.purchase import Purchase, say

    purchase = Purchase(offer, buyer.address, buyer.key, rpc, buyer.file) if rpc else None
    if purchase and purchase.is_made():
        say("the licence is on the chain already")
        return
    _agree(offer, at_most)
    if purchase is None:
        _play(offer, buyer.address)
        return
    price = offer.price
    if (price.currency or "").lower() != (currency or "").lower():
        # "At most 1000" says nothing as long as whoever answers chooses of what.
        raise Rejected(f"the price is in the token {price.currency}: to pay in that, run this with --currency "
                       f"{price.currency}" if price.currency else
                       "the price is in the chain's coin: leave --currency out")  # fmt: skip
    purchase.make()


def _agree(offer: "Offer", at_most: int | None) -> None:
    amount, unit = offer.price.units, offer.price.currency or "of the chain's coin (smallest unit)"
    if at_most is None:
        click.confirm(f"A licence for {offer.use} costs {amount} {unit}. Buy it?", abort=True)
    elif amount > at_most:
        raise Rejected(f"the licence costs {amount} {unit}, more than --at-most {at_most}: nothing was paid")


def _play(offer: "Offer", holder: str) -> None:
    from cli.purchase import say

    if not offer.play_money:
        raise Rejected("this takes a transaction of your own: name a node of the chain with --rpc URL")
    say("The chain is the service's own and its coin is play money: the service's account buys.")
    answer = _ask(offer.play_money, json.dumps({"holder": holder}).encode(), {"Content-Type": "application/json"})
    if answer.status not in (200, 202):
        raise Rejected(_detail(answer))


def _until_held(copy: str, offer: "Offer", buyer: "Buyer") -> "Answer":
    """The file, once the service sees the licence. Raises Unavailable, saying what to do: it is paid for."""
    from cli.purchase import say

    say("bought: waiting until the service sees the licence")
    end, pause_s = time.monotonic() + WAIT_S, FIRST_PAUSE_S
    while (answer := _get(copy, _header(copy, offer, buyer))).status != 200:
        if answer.status not in PASSING or time.monotonic() > end:
            raise Unavailable(f"the service, which does not give the file yet ({_detail(answer)}). The licence is "
                              "bought: run the same command again later, it pays nothing twice")  # fmt: skip
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return answer


def _header(copy: str, offer: "Offer", buyer: "Buyer") -> str:
    from ledger.holder import Held, message, signed

    now, chain = int(time.time()), offer.chain
    # Our own words, not the answer's: a text of somebody else's choice could open doors elsewhere.
    text = message(copy, chain.id, chain.contract, offer.work, offer.use, Held(buyer.address, now))
    return f'holder="{buyer.address}"; time={now}; signature="0x{signed(text, buyer.key).hex()}"'


def _copy_url(url: str, use: str) -> str:
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or len(path.split("/")) < 3:
        raise Rejected(f"{url} is no photo's public page: it looks like https://capture.example/a/ID")
    return urlunsplit(parts._replace(path=path if path.endswith("/copy") else f"{path}/copy", query=f"use={use}"))


def _get(url: str, header: str | None) -> "Answer":
    return _ask(url, None, {"Capture-Licence": header} if header else {})


def _ask(url: str, body: bytes | None, headers: dict[str, str]) -> "Answer":
    """The answer; a service that wants to be asked less often is given the time that it names."""
    from cli.purchase import say

    end = time.monotonic() + WAIT_S
    while (answer := _asked(url, body, headers)).status == 429 and time.monotonic() < end:
        pause_s = min(answer.retry_after_s or LONGEST_PAUSE_S, WAIT_S)
        say(f"the service wants to be asked again in {pause_s:.0f} s")
        time.sleep(pause_s)
    return answer


def _asked(url: str, body: bytes | None, headers: dict[str, str]) -> "Answer":
    import urllib.error
    import urllib.request

    asked = urllib.request.Request(url, body, headers)  # noqa: S310 - the user's own address, of http
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return Answer(answer.status, answer.read(MAX_BYTES), answer.headers.get_content_type())
    except urllib.error.HTTPError as error:
        after = error.headers.get("Retry-After") or ""
        seconds = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0
        return Answer(error.code, error.read(MAX_BYTES), error.headers.get_content_type(), seconds)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{urlsplit(url).netloc}: {error}") from None


def _detail(answer: "Answer") -> str:
    try:
        return str(json.loads(answer.content)["detail"])
    except (ValueError, LookupError, TypeError):
        return f"the service answered with status {answer.status}"
