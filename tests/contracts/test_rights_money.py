"""The rights contract's money: random families of works, tokens that lie, and the books that always balance."""

import json
import os
import random
from fractions import Fraction
from typing import Any

import pytest

from tests.chain_fixture import Node, shared_node
from tests.contracts.market import COIN, MILLION, WHOLE, Market, Work, in_order
from tests.service import ROOT

__all__ = ["shared_node"]

HONEST, KEEPS_A_FEE, RETURNS_FALSE, RETURNS_NOTHING, CALLS_BACK = range(5)
TOKEN = json.loads((ROOT / "tests" / "contracts" / "Token.json").read_text())
PART = 2**80 - 1
MOST_ANCESTORS = 64
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))


@pytest.fixture(scope="module")
def market(shared_node: Node) -> Market:
    return Market(shared_node)


def token(market: Market, manner: int, holder: str) -> Any:
    """A token with this manner, of which `holder` has much."""
    made = market.web3.eth.contract(abi=TOKEN["abi"], bytecode=TOKEN["bytecode"])
    receipt = market.mined(made.constructor(manner, market.contract.address).transact({"from": holder}))
    found: Any = market.web3.eth.contract(receipt["contractAddress"], abi=TOKEN["abi"])
    market.mined(found.functions.mint(holder, 10**9).transact({"from": holder}))
    return found


# -- tokens


@pytest.mark.parametrize("manner", [HONEST, RETURNS_NOTHING])
def test_tokens_that_pay_are_taken_and_paid_out(market: Market, manner: int) -> None:
    ada, buyer = market.person(), market.person()
    coin = token(market, manner, buyer)
    terms = market.terms(fee=500, currency=coin.address)
    work = market.work(ada, terms)
    assert market.refusal(buyer, "license", work.id, terms, buyer, value=500) == "WrongPayment"
    market.does(buyer, "license", work.id, terms, buyer)
    market.does(buyer, "pay", work.id, coin.address, 77)
    market.does(buyer, "claim", work.id, work.id, coin.address, [])
    assert coin.functions.balanceOf(ada).call() == 577
    assert coin.functions.balanceOf(market.contract.address).call() == 0


@pytest.mark.parametrize(
    ("manner", "error"), [(KEEPS_A_FEE, "WrongPayment"), (RETURNS_FALSE, "SafeERC20FailedOperation")]
)
def test_tokens_that_deliver_less_are_refused(market: Market, manner: int, error: str) -> None:
    buyer = market.person()
    coin = token(market, manner, buyer)
    terms = market.terms(fee=500, currency=coin.address)
    work = market.work(market.person(), terms)
    assert market.refusal(buyer, "license", work.id, terms, buyer) == error
    assert market.refusal(buyer, "pay", work.id, coin.address, 500) == error
    assert market.refusal(buyer, "pay", work.id, market.reviewer, 500), "no token at all"
    assert market.asks("received", work.id, coin.address) == 0


def test_a_token_that_fails_when_it_is_paid_out_can_be_claimed_when_it_works_again(market: Market) -> None:
    ada, buyer = market.person(), market.person()
    coin = token(market, HONEST, buyer)
    work = market.work(ada, market.terms())
    market.does(buyer, "pay", work.id, coin.address, 100)
    market.mined(coin.functions.change(RETURNS_FALSE).transact({"from": buyer}))
    assert market.refusal(ada, "claim", work.id, work.id, coin.address, []) == "SafeERC20FailedOperation"
    market.mined(coin.functions.change(HONEST).transact({"from": buyer}))
    market.does(ada, "claim", work.id, work.id, coin.address, [])
    assert coin.functions.balanceOf(ada).call() == 100


def test_a_token_that_calls_back_finds_the_door_closed(market: Market) -> None:
    ada, thief = market.person(), market.person()
    coin = token(market, HONEST, thief)
    work = market.work(ada, market.terms())
    market.does(thief, "pay", work.id, coin.address, 100)
    market.mined(coin.functions.change(CALLS_BACK).transact({"from": thief}))
    for name, values in (
        ("pay", (work.id, coin.address, 1)),
        ("claim", (work.id, work.id, coin.address, [])),
        ("license", (work.id, market.terms(), thief)),
    ):
        data = market.contract.encode_abi(name, list(values))
        market.mined(coin.functions.plan(data).transact({"from": thief}))
        assert market.refusal(thief, "pay", work.id, coin.address, 1) == "ReentrancyGuardReentrantCall"
        assert market.refusal(thief, "claim", work.id, work.id, coin.address, []) == "ReentrancyGuardReentrantCall"


def test_an_owner_that_cannot_take_coin_harms_nobody_else(market: Market) -> None:
    ada, payer, terms = market.person(), market.person(), market.terms(share=MILLION // 4)
    parent, child = market.work(ada, terms), market.work(payer, terms)
    market.derive(child, [parent])
    market.does(ada, "transferFrom", ada, market.contract.address, parent.id)  # it takes no coin
    market.does(payer, "pay", child.id, COIN, 100, value=100)
    assert market.refusal(payer, "claim", child.id, parent.id, COIN, child.shares) != ""
    market.does(payer, "claim", child.id, child.id, COIN, child.shares)
    assert market.asks("claimable", child.id, parent.id, COIN, child.shares) == 25


# -- families


class Family:
    """Works made from works at random, and what each should get of what: in fractions, by hand."""

    def __init__(self, market: Market, chance: random.Random, works: int) -> None:
        self.market, self.chance = market, chance
        self.people = [market.person() for _ in range(4)]
        kinds = {share: market.terms(share=share) for share in (0, 1, 33_333, 100_000, 250_000)}
        self.works = [market.statement(chance.choice(self.people)) for _ in range(works)]
        market.grow()
        self.shares: dict[int, dict[int, Fraction]] = {}
        terms = {work.id: chance.choice(list(kinds)) for work in self.works}
        for number, work in enumerate(self.works):
            market.register(work, kinds[terms[work.id]])
            parents = in_order(chance.sample(self.works[:number], min(number, chance.randrange(4))))
            gets: dict[int, Fraction] = {work.id: Fraction(1)}
            for parent in parents:
                share = Fraction(terms[parent.id], MILLION)
                gets[work.id] -= share
                for each, part in self.shares[parent.id].items():
                    gets[each] = gets.get(each, Fraction(0)) + share * part
            self.shares[work.id] = gets
            if parents:
                market.derive(work, parents)
        self.received = dict.fromkeys((work.id for work in self.works), 0)
        self.claimed: dict[tuple[int, int], int] = {}

    def pay(self, coin: str) -> None:
        """Somebody pays some work something."""
        work, amount = self.chance.choice(self.works), self.chance.choice((1, 7, 999, self.chance.randrange(10**18)))
        value = amount if coin == COIN else 0
        self.market.does(self.people[0], "pay", work.id, coin, amount, value=value)
        self.received[work.id] += amount

    def claim(self, coin: str) -> None:
        """Somebody claims something for somebody."""
        work = self.chance.choice(self.works)
        beneficiary = self.chance.choice(list(self.shares[work.id]))
        amount = self.claimable(work, beneficiary, coin)
        given = (work.id, beneficiary, coin, work.shares)
        if amount == 0:
            assert self.market.refusal(self.people[1], "claim", *given) == "NothingToClaim"
            return
        (claimed,) = self.market.events(self.market.does(self.people[1], "claim", *given), "Claimed")
        assert claimed["amount"] == amount
        assert claimed["to"] == self.market.asks("ownerOf", beneficiary)
        self.claimed[work.id, beneficiary] = self.claimed.get((work.id, beneficiary), 0) + amount

    def claimable(self, work: Work, beneficiary: int, coin: str) -> int:
        """What the contract would pay."""
        return int(self.market.asks("claimable", work.id, beneficiary, coin, work.shares))

    def check(self, coin: str) -> None:
        """The books balance, and nobody gets more than the share, nor a unit less than all of it."""
        left = 0
        for work in self.works:
            given = 0
            for beneficiary, share in self.shares[work.id].items():
                there = self.claimable(work, beneficiary, coin)
                got = there + self.claimed.get((work.id, beneficiary), 0)
                exact = share * self.received[work.id]
                # Shares are of 10^18. What an ancestor loses by that is the parent's through which it is reached.
                spare = Fraction(self.received[work.id] * MOST_ANCESTORS, WHOLE)
                assert exact - spare - 1 < got <= exact + spare
                given, left = given + got, left + there
            assert 0 <= self.received[work.id] - given < len(self.shares[work.id])
            left += self.received[work.id] - given
        assert self.balance(coin) == left

    def balance(self, coin: str) -> int:
        """What the contract has."""
        return self.market.balance(self.market.contract.address)


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
def test_the_books_of_random_families_balance(shared_node: Node, seed: int) -> None:
    family = Family(Market(shared_node), random.Random(7000 + seed), 14)
    for _ in range(40):
        family.chance.choice((family.pay, family.claim))(COIN)
    family.check(COIN)


def test_the_order_of_claims_changes_nothing(shared_node: Node) -> None:
    totals = set()
    for order in range(3):
        family = Family(Market(shared_node), random.Random(42), 8)
        payments = random.Random(43)
        claims = random.Random(order)
        for _ in range(20):
            work, amount = payments.choice(family.works), payments.randrange(1000)
            place = family.works.index(work)
            family.market.does(family.people[0], "pay", work.id, COIN, amount, value=amount)
            family.received[work.id] += amount
            if claims.random() < 0.5:
                family.chance = claims
                family.claim(COIN)
            assert family.works[place] is work
        for work in family.works:
            for beneficiary in family.shares[work.id]:
                amount = family.claimable(work, beneficiary, COIN)
                if amount:
                    family.market.does(family.people[1], "claim", work.id, beneficiary, COIN, work.shares)
                    family.claimed[work.id, beneficiary] = family.claimed.get((work.id, beneficiary), 0) + amount
        places = {work.id: place for place, work in enumerate(family.works)}
        totals.add(tuple(sorted((places[a], places[b], n) for (a, b), n in family.claimed.items())))
        family.check(COIN)
    assert len(totals) == 1


def test_shares_of_deep_lines_are_exact_to_18_digits(market: Market) -> None:
    terms, owner = market.terms(share=100_000), market.person()
    line = [market.work(owner, terms)]
    for _ in range(12):
        line.append(market.work(owner, terms))
        market.derive(line[-1], [line[-2]])
    parts = {entry & ~PART: entry & PART for entry in line[-1].shares}
    for depth, work in enumerate(reversed(line[:-1]), 1):
        exact = Fraction(WHOLE, 10**depth) * (Fraction(9, 10) if work is not line[0] else 1)
        assert abs(parts[work.id] - exact) <= 2
