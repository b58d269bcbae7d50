"""The rights contract's money: random families of works, tokens that lie, and the books that always balance."""

import os
import random
from fractions import Fraction
from typing import Any

import pytest

from ledger.rights import RIGHTS
from tests.chain_fixture import Node, shared_node
from tests.contracts.families import (
    CALLS_BACK,
    HONEST,
    KEEPS_A_FEE,
    PART,
    RETURNS_FALSE,
    RETURNS_NOTHING,
    Family,
    live,
    token,
)
from tests.contracts.market import COIN, DERIVE, MILLION, MOST_COUNTED, NEVER, WHOLE, Market

__all__ = ["shared_node"]

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "1"))


@pytest.fixture(scope="module")
def market(shared_node: Node) -> Market:
    return Market(shared_node)


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


# -- licences, whose price is counted before it is written down


def test_licences_are_counted_at_the_price_that_they_were_sold_for(market: Market) -> None:
    ada, buyer = market.person(), market.person()
    coin = token(market, HONEST, buyer)
    offers = market.terms(fee=10), market.terms(fee=300, currency=coin.address), market.terms(fee=7)
    work = market.work(ada, offers[0])
    for terms, value in zip(offers, (10, 0, 7), strict=True):
        market.does(ada, "setTerms", work.id, terms, 0, b"")
        for holder in (buyer, ada):
            market.does(buyer, "license", work.id, terms, holder, value=value)
    received = [market.asks("received", work.id, currency) for currency in (COIN, coin.address)]
    assert received == [34, 600]
    for currency, amount in zip((COIN, coin.address), received, strict=True):
        (claimed,) = market.events(market.does(buyer, "claim", work.id, work.id, currency, []), "Claimed")
        assert claimed["amount"] == amount
    market.does(ada, "setTerms", work.id, offers[0], 0, b"")
    assert market.refusal(ada, "claim", work.id, work.id, COIN, []) == "NothingToClaim"


def test_more_licences_than_a_work_counts_are_written_down(market: Market) -> None:
    ada, buyer, terms = market.person(), market.person(), market.terms(fee=10)
    work = market.work(ada, terms)
    market.count_sold(work, MOST_COUNTED - 1)
    market.node.ask("anvil_setBalance", market.contract.address, hex(10**6))
    for number in range(3):
        assert market.asks("received", work.id, COIN) == 10 * (MOST_COUNTED - 1 + number)
        market.does(buyer, "license", work.id, terms, market.person(), value=10)
    assert market.asks("assetOf", work.id) == [ada, terms, True, False, bytes(32)], "the count is beside the rest"
    (claimed,) = market.events(market.does(buyer, "claim", work.id, work.id, COIN, []), "Claimed")
    assert claimed["amount"] == 10 * (MOST_COUNTED + 2)


def test_a_licence_earns_nothing_of_what_its_work_counts(market: Market) -> None:
    buyer, terms = market.person(), market.terms(fee=10)
    work = market.work(market.person(), terms)
    (made,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    for asset in (made["licence"], work.id + 1, work.id + (1 << 80)):
        assert market.asks("received", asset, COIN) == 0
        assert market.refusal(buyer, "claim", asset, asset, COIN, []) in ("NothingToClaim", "ERC721NonexistentToken")
    assert market.refusal(buyer, "claim", work.id, made["licence"], COIN, []) == "NothingToClaim"


def test_a_work_that_lost_its_place_keeps_what_its_licences_brought(market: Market) -> None:
    ada, other, terms = market.person(), market.person(), market.terms(fee=10)
    first, copy = (market.statement(owner, upload=b"\x17" * 32) for owner in (ada, other))
    market.grow()
    market.register(copy, terms)
    market.does(other, "license", copy.id, terms, other, value=10)
    market.register(first, terms)
    assert [market.asks("received", work.id, COIN) for work in (first, copy)] == [0, 10]
    market.does(other, "claim", copy.id, copy.id, COIN, [])


def test_a_token_that_has_the_offer_changed_while_it_pays_changes_no_price(market: Market) -> None:
    ada, thief = market.person(), market.person()
    coin = token(market, CALLS_BACK, thief)
    cheap, dear = (market.terms(fee=fee, currency=coin.address) for fee in (10, 10**6))
    work = market.work(ada, cheap)
    types = [("asset", "uint256"), ("terms", "bytes32"), ("nonce", "uint256"), ("deadline", "uint256")]
    signature = market.signed(ada, "SetTerms", types, asset=work.id, terms=dear, nonce=0, deadline=NEVER)
    data = market.contract.encode_abi("setTerms", [work.id, dear, NEVER, signature])
    market.mined(coin.functions.plan(data).transact({"from": thief}))
    market.does(thief, "license", work.id, cheap, thief)
    assert market.asks("assetOf", work.id)[1] == dear
    assert market.asks("received", work.id, coin.address) == 10


def test_events_tell_the_same_split_as_the_books_when_a_token_calls_back(market: Market) -> None:
    ada = market.person()
    coin = token(market, CALLS_BACK, ada)
    parent, terms = market.work(ada, market.terms(share=MILLION // 2)), market.terms(fee=10, currency=coin.address)
    for name, amount in (("pay", 1000), ("license", 10)):
        work = market.work(ada, terms)
        given = market.derivation(work, [parent])
        said = dict(zip(("asset", "parents", "licences", "terms"), (*given[:2], *given[3:5]), strict=True))
        signature = market.signed(ada, "Derive", DERIVE, **said, deadline=NEVER)
        data = market.contract.encode_abi("derive", [*given[:6], NEVER, signature])
        market.mined(coin.functions.plan(data).transact({"from": ada}))
        values = (coin.address, amount) if name == "pay" else (terms, ada)
        receipt = market.does(ada, name, work.id, *values)
        (paid,), (derived,) = (_places(market, receipt, event) for event in ("Paid", "Derived"))
        assert paid < derived, "what came before the list is the work's own"
        (shares,) = (each["shares"] for each in market.events(receipt, "Derived"))
        assert market.asks("claimable", work.id, work.id, coin.address, shares) == amount


def _places(market: Market, receipt: Any, event: str) -> list[int]:
    """Where in a block the contract said so."""
    topic = RIGHTS.topic(event)
    return [each["logIndex"] for each in receipt["logs"] if f"0x{each['topics'][0].hex()}" == topic]


def test_no_payment_is_so_large_that_it_closes_the_books(market: Market) -> None:
    ada, thief = market.person(), market.person()
    coin = token(market, HONEST, thief)
    market.mined(coin.functions.mint(thief, 2**255).transact({"from": thief}))
    terms = market.terms(fee=10, currency=coin.address)
    work = market.work(ada, terms)
    market.does(thief, "license", work.id, terms, thief)
    assert market.refusal(thief, "pay", work.id, coin.address, 2**128) == "WrongPayment"
    market.does(thief, "pay", work.id, coin.address, 2**128 - 1)
    market.does(ada, "setTerms", work.id, market.terms(), 0, b"")
    assert market.asks("claimable", work.id, work.id, coin.address, []) == 2**128 + 9


# -- families


@pytest.mark.parametrize("seed", range(3 * ROUNDS))
def test_the_books_of_random_families_balance(shared_node: Node, seed: int) -> None:
    live(Market(shared_node), 7000 + seed)


def test_the_order_of_claims_changes_nothing(shared_node: Node) -> None:
    totals = set()
    for order in range(3):
        family, claims = Family(Market(shared_node), random.Random(42), 8), random.Random(order)
        family.chance = random.Random(43)  # the same each time, and between it other claims
        for _ in range(30):
            family.chance.choice((family.pay, family.pay, family.sell, family.derive, family.offer_anew))()
            if claims.random() < 0.5:
                work = claims.choice(family.works)
                family.claim_for(work, claims.choice(list(family.shares[work.id])), claims.choice(family.coins))
        for work in family.works:
            for beneficiary in family.shares[work.id]:
                for coin in family.coins:
                    family.claim_for(work, beneficiary, coin)
        family.check()
        places = {work.id: place for place, work in enumerate(family.works)}
        coins = {coin: number for number, coin in enumerate(family.coins)}
        totals.add(tuple(sorted((places[a], places[b], coins[c], n) for (a, b, c), n in family.claimed.items())))
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
