"""Several nodes of one chain: whoever answers is asked, until it does not answer any more."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ledger.rpc import Answer, Refused
from pipeline.errors import Conflict, Unavailable

T = TypeVar("T")


class WrongChain(Conflict):
    """Nothing can be sent there, whatever it is: the nodes are not of one chain, or of one that we cannot pay on."""


Call = Callable[[str, Sequence[Any]], Any]


class Endpoints:
    """One node at a time answers, because two may be at different blocks; another takes over when it fails.

    `urls`: one or more, separated by commas. `connect` makes a client of one of them, which raises Unavailable with
    what went wrong. Nothing but a URL's host is ever shown: user, password and path may be secrets.
    """

    def __init__(self, urls: str, connect: Callable[[str], Call]) -> None:
        each = [url.strip() for url in urls.split(",")]
        self._hosts = [urlsplit(url).netloc.rpartition("@")[2] for url in each]
        self._calls = [connect(url) for url in each]
        self._chain_ids: dict[int, int] = {}
        self._at = 0

    @property
    def host(self) -> str:
        """Of the node that is asked now."""
        return self._hosts[self._at]

    def rotate(self) -> None:
        """Ask the next node from now on."""
        self._at = (self._at + 1) % len(self._calls)

    def chain_id(self) -> int:
        """The chain's own number. Each node is asked once; raises WrongChain when two serve different ones."""
        self._each(self._same_chain)
        return self._chain_ids[self._at]

    def ask(self, method: str, *params: Any) -> Answer:
        """One answer, of the first node that gives one. Raises Unavailable when none does, Refused with its refusal."""

        def once() -> Answer:
            if len(self._calls) > 1:
                self._same_chain()
            return self._ask(method, *params)

        return self._each(once)

    def _each(self, attempt: Callable[[], T]) -> T:
        for left in reversed(range(len(self._calls))):
            try:
                return attempt()
            except Unavailable as error:
                if isinstance(error, Refused) and not error.overloaded:
                    raise
                self.rotate()
                if not left:
                    raise
        raise AssertionError("there is at least one node")

    def _same_chain(self) -> None:
        if self._at in self._chain_ids:
            return
        mine = self._ask("eth_chainId").number()
        for other, chain_id in self._chain_ids.items():
            if chain_id != mine:
                raise WrongChain(
                    f"CAPTURE_CHAIN_URL names nodes of different chains: {self._hosts[other]} serves {chain_id}, "
                    f"{self.host} serves {mine}; leave those of one chain"
                )
        self._chain_ids[self._at] = mine

    def _ask(self, method: str, *params: Any) -> Answer:
        try:
            answer = self._calls[self._at](method, params)
        except Unavailable as error:
            raise Unavailable(f"the chain at {self.host} did not answer {method}: {error}") from None
        return Answer(self.host, method, answer)
