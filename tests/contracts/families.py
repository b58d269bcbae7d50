"""Families of works made from works at random, the books that a person would keep of them, and many of them in a row.

`python -m tests.contracts.families COUNT [SEED]` (`make fuzz-rights`) makes so many families on a real EVM, and stops
at the first whose books in the contract are not the ones kept here.
"""

import json
import random
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.chain_fixture import running
from tests.contracts.market import COIN, MILLION, WHOLE, Market, Work, in_order
from tests.service import ROOT

HONEST, KEEPS_A_FEE, RETURNS_FALSE, RETURNS_NOTHING, CALLS_BACK = range(5)
TOKEN = json.loads((ROOT / "tests" / "contracts" / "Token.json").read_text())
PART = 2**80 - 1
MOST_ANCESTORS = 64
STEPS = 50
NODE_LASTS = 100  # families, then another chain: one that keeps thousands of transactions gets slow


def token(market: Market, manner: int, *holders: str) -> Any:
    """A token with this manner, of which each holder has much."""
    made = market.web3.eth.contract(abi=TOKEN["abi"], bytecode=TOKEN["bytecode"])
    receipt = market.mined(made.constructor(manner, market.contract.address).transact({"from": holders[0]}))
    found: Any = market.web3.eth.contract(receipt["contractAddress"], abi=TOKEN["abi"])
    for holder in holders:
        market.mined(found.functions.mint(holder, 10**9).transact({"from": holders[0]}))
    return found


Offer = tuple[int, int, str]  # a share in parts per million, a price, its currency


class Family:
    """Works made from works, offered, licensed, moved, paid and claimed, in two currencies, and who should get what.

    A work is said to be made from others at once, or later, when it was paid already: that is the work's own.
    """

    def __init__(self, market: Market, chance: random.Random, works: int) -> None:
        self.market, self.chance = market, chance
        self.people = [market.person() for _ in range(4)]
        self.token = token(market, HONEST, *self.people)
        self.coins = [COIN, str(self.token.address)]
        offers = (0, 0, COIN), (1, 0, COIN), (33_333, 7, COIN), (100_000, 0, COIN), (400_000, 9, self.coins[1])
        self.terms = {each: market.terms(share=each[0], fee=each[1], currency=each[2]) for each in offers}
        self.works = [market.statement(chance.choice(self.people)) for _ in range(works)]
        self.offer = {work.id: chance.choice(offers) for work in self.works}
        self.received = {(work.id, coin): 0 for work in self.works for coin in self.coins}
        self.undivided = dict(self.received)  # what of that came before its work was said to be made from others
        self.claimed: dict[tuple[int, int, str], int] = {}
        self.shares = {work.id: {work.id: Fraction(1)} for work in self.works}
        self._held: dict[tuple[int, str, Offer], int] = {}
        self._early = {0: False}  # of each licence, whether its work had no parents yet
        market.grow()
        for work in self.works:
            market.register(work, self.terms[self.offer[work.id]])
            if chance.random() < 0.4:
                self._derive(work)

    def derive(self) -> None:
        """Some work is said to be made from others, if it was not before; it may have been paid and claimed."""
        work = self.chance.choice(self.works)
        if not work.shares:
            self._derive(work)
            return
        again = self.market.derivation(work, [self.works[0]])
        assert self.market.refusal(work.owner, "derive", *again) == "TooLateForParents"

    def _derive(self, work: Work) -> None:
        number = self.works.index(work)
        parents = in_order(self.chance.sample(self.works[:number], min(number, self.chance.randrange(5))))
        licences = [self._licence(parent, work.owner) for parent in parents]
        gets: dict[int, Fraction] = {work.id: Fraction(1)}
        for parent, licence in zip(parents, licences, strict=True):
            share = Fraction(self.offer[parent.id][0], MILLION)
            gets[work.id] -= share
            above = {parent.id: Fraction(1)} if self._early[licence] else self.shares[parent.id]
            for each, part in above.items():
                gets[each] = gets.get(each, Fraction(0)) + share * part
        if gets[work.id] < 0:
            refused = self.market.refusal(work.owner, "derive", *self.market.derivation(work, parents, 0, licences))
            assert refused == "ShareOverWhole"
        elif parents:
            self.market.derive(work, parents, 0, licences)
            self.shares[work.id] = gets
            self.undivided |= {(work.id, coin): self.received[work.id, coin] for coin in self.coins}

    def _licence(self, parent: Work, holder: str) -> int:
        """What a parent's terms ask of whoever makes a work from it; 0 where that is nothing."""
        return 0 if parent.owner == holder else self._bought(parent, holder)

    def _bought(self, work: Work, holder: str) -> int:
        """Somebody's licence of a work as it is offered now, bought if there is none; 0 where none is needed."""
        offer = self.offer[work.id]
        _, fee, coin = offer
        if fee and (work.id, holder, offer) not in self._held:
            given = (work.id, self.terms[offer], holder)
            receipt = self.market.does(holder, "license", *given, value=fee if coin == COIN else 0)
            licence = self._held[work.id, holder, offer] = self.market.events(receipt, "Licensed")[0]["licence"]
            self._early[licence] = not work.shares
            self.received[work.id, coin] += fee
        return self._held[work.id, holder, offer] if fee else 0

    def step(self) -> None:
        """Something happens."""
        often = self.pay, self.sell, self.claim, self.derive
        self.chance.choice((*often, *often, self.claim, self.move, self.name_payee, self.offer_anew))()

    def sell(self) -> None:
        """Somebody has a licence of some work."""
        self._bought(self.chance.choice(self.works), self.chance.choice(self.people))

    def offer_anew(self) -> None:
        """Some work is offered for another price, perhaps in another currency."""
        work = self.chance.choice(self.works)
        self.offer[work.id] = self.chance.choice(list(self.terms))
        self.market.does(work.owner, "setTerms", work.id, self.terms[self.offer[work.id]], 0, b"")

    def pay(self) -> None:
        """Somebody pays some work something."""
        work, coin = self.chance.choice(self.works), self.chance.choice(self.coins)
        amount = self.chance.choice((1, 7, 999, self.chance.randrange(1, 10**6 if coin != COIN else 10**18)))
        value = amount if coin == COIN else 0
        self.market.does(self.people[0], "pay", work.id, coin, amount, value=value)
        self.received[work.id, coin] += amount

    def claim(self) -> None:
        """Somebody claims something for somebody."""
        earning = [each for each, amount in self.received.items() if amount] or [(self.works[0].id, COIN)]
        asset, coin = self.chance.choice(earning)
        work = next(each for each in self.works if each.id == asset)
        self.claim_for(work, self.chance.choice([work.id, *self.shares[work.id]]), coin)

    def claim_for(self, work: Work, beneficiary: int, coin: str) -> None:
        """All that is there now, and nothing when nothing is."""
        amount = self.claimable(work, beneficiary, coin)
        given = (work.id, beneficiary, coin, work.shares)
        if amount == 0:
            assert self.market.refusal(self.people[1], "claim", *given) == "NothingToClaim"
            return
        to = self.market.asks("payeeOf", self.market.asks("ownerOf", beneficiary))
        before = self.balance(coin, to)
        (claimed,) = self.market.events(self.market.does(self.market.reviewer, "claim", *given), "Claimed")
        assert (claimed["amount"], claimed["to"]) == (amount, to)
        assert self.balance(coin, to) == before + amount
        self.claimed[work.id, beneficiary, coin] = self.claimed.get((work.id, beneficiary, coin), 0) + amount

    def move(self) -> None:
        """A work gets another owner, who gets from then on what was not claimed yet."""
        work, to = self.chance.choice(self.works), self.chance.choice(self.people)
        self.market.does(work.owner, "transferFrom", work.owner, to, work.id)
        work.owner = to

    def name_payee(self) -> None:
        """Somebody wants somebody else to be paid, or is to be paid again."""
        owner, payee = self.chance.choice(self.people), self.chance.choice([*self.people, COIN])
        self.market.does(owner, "setPayee", owner, payee, 0, b"")

    def claimable(self, work: Work, beneficiary: int, coin: str) -> int:
        """What the contract would pay."""
        return int(self.market.asks("claimable", work.id, beneficiary, coin, work.shares))

    def check(self) -> None:
        """The books balance in each currency, and nobody gets more than the share, nor a unit less than all of it."""
        for coin in self.coins:
            left = 0
            for work in self.works:
                left += self._check_work(work, coin)
            assert self.balance(coin, self.market.contract.address) == left

    def _check_work(self, work: Work, coin: str) -> int:
        """What of a work's income is still in the contract."""
        received, given, waiting = self.received[work.id, coin], 0, 0
        assert self.market.asks("received", work.id, coin) == received
        own = self.undivided[work.id, coin] if work.shares else 0
        asked = [(work.id, beneficiary, coin, work.shares) for beneficiary in self.shares[work.id]]
        found = self.market.asks_all("claimable", asked)
        for there, (beneficiary, share) in zip(found, self.shares[work.id].items(), strict=True):
            got = there + self.claimed.get((work.id, beneficiary, coin), 0)
            # Shares are of 10^18. What an ancestor loses by that is the parent's through which it is reached.
            exact, spare = share * (received - own), Fraction((received - own) * MOST_ANCESTORS, WHOLE)
            exact += own if beneficiary == work.id else 0
            assert exact - spare - 1 < got <= exact + spare
            given, waiting = given + got, waiting + there
        assert 0 <= received - given < len(self.shares[work.id])
        return waiting + received - given

    def balance(self, coin: str, address: str) -> int:
        """What somebody has of a currency."""
        return self.market.balance(address) if coin == COIN else int(self.token.functions.balanceOf(address).call())


def live(market: Market, seed: int, works: int = 14, steps: int = STEPS) -> Family:
    """A family with a course of its own. Raises AssertionError where its books do not balance."""
    family = Family(market, random.Random(seed), works)
    for _ in range(steps):
        family.step()
    family.check()
    return family


def main() -> None:
    """Families with the seeds from the first on, each at contracts of its own."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7000
    start, works, claims = time.monotonic(), 0, 0
    for seed in range(first, first + count, NODE_LASTS):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as node:
            for each in range(seed, min(seed + NODE_LASTS, first + count)):
                try:
                    family = live(Market(node, seed=each.to_bytes(8)), each)
                except AssertionError:
                    print(f"the books of family {each} do not balance")
                    raise
                works, claims = works + len(family.works), claims + len(family.claimed)
        done, took = min(seed + NODE_LASTS, first + count) - first, time.monotonic() - start
        print(f"{done:,} of {count:,} families: {works:,} works, {claims:,} paid out, {took:.0f} s", flush=True)
    print("all books balance")


if __name__ == "__main__":
    main()
