"""Gas of the rights contract's transactions on a real EVM; tests/contracts/gas.py writes it into the snapshot."""

from typing import Any

from tests.chain_fixture import Node
from tests.contracts.families import HONEST, token
from tests.contracts.market import COIN, MILLION, MOST_COUNTED, NEVER, Market, Work, in_order

FULL = 2**20  # in a tree of as many leaves each proof has 20 hashes


def measure_rights(node: Node) -> dict[str, int]:
    """What each kind of transaction uses, with the 21,000 of every transaction and the calldata."""
    market = Market(node, FULL - 500, b"gas")  # the same digests each time: a zero byte costs less than others
    for size in range(FULL - 499, FULL - 2):  # all the log's places for roots are in use
        market.grow(size)
    gas = {"rights: deploy": int(market.deployment["gasUsed"])}
    terms = market.terms(share=MILLION // 100, fee=1000)
    gas |= _works(market, terms)
    gas |= _licences(market, terms)
    gas |= _derivatives(market, market.terms(share=MILLION // 100))
    return gas


def _works(market: Market, terms: bytes) -> dict[str, int]:
    ada, bob, relay = market.person(), market.person(), market.person()
    first, next_, relayed = market.statement(ada), market.statement(ada), market.statement(bob)
    market.grow(FULL)
    assert len(market.proof(first)[2]) == 20
    said = {"leaf": market.leaves[relayed.place], "terms": terms, "deadline": 2**40}
    types = [("leaf", "bytes32"), ("terms", "bytes32"), ("deadline", "uint256")]
    signed = (terms, 2**40, market.signed(bob, "Register", types, **said))
    gas = {
        "rights: addTerms": market.does(ada, "addTerms", _fresh_terms()),
        "rights: work at depth 20, its owner's first": market.register(first, terms),
        "rights: work at depth 20, its owner's next": market.register(next_, terms),
        "rights: work at depth 20, its owner's first, by signature": market.does(
            relay, "register", relayed.words, market.proof(relayed), *signed
        ),
        "rights: setTerms": market.does(ada, "setTerms", first.id, market.terms(), 0, b""),
        "rights: work moved": market.does(ada, "transferFrom", ada, relay, first.id),
    }
    return {name: _used(receipt) for name, receipt in gas.items()}


def _licences(market: Market, terms: bytes) -> dict[str, int]:
    buyer, other, third = (market.person() for _ in range(3))
    work, next_ = market.work(market.person(), terms), market.work(market.person(), terms)
    first = market.does(buyer, "license", work.id, terms, buyer, value=1000)
    second = market.does(other, "license", work.id, terms, other, value=1000)
    next_of_holder = market.does(buyer, "license", next_.id, terms, buyer, value=1000)
    fresh = market.work(ada := market.person(), terms)
    paid = [market.does(buyer, "pay", fresh.id, COIN, 5, value=5) for _ in range(2)]
    market.does(buyer, "license", fresh.id, terms, buyer, value=1000)
    changed = market.does(ada, "setTerms", fresh.id, market.terms(), 0, b"")
    market.count_sold(next_, MOST_COUNTED)
    priced = market.work(ada, in_token := market.terms(fee=1000, currency=token(market, HONEST, buyer).address))
    sold = [market.does(buyer, "license", priced.id, in_token, market.person()) for _ in range(2)]
    return {
        "rights: licence, the work's first and its holder's first": _used(first),
        "rights: licence, its holder's first": _used(second),
        "rights: licence, the work's first": _used(next_of_holder),
        f"rights: licence, its holder's first, after {MOST_COUNTED:,} others": _used(
            market.does(third, "license", next_.id, terms, third, value=1000)
        ),
        "rights: licence for a plain token, the contract's first of it and its holder's first": _used(sold[0]),
        "rights: licence for a plain token, its holder's first": _used(sold[1]),
        "rights: setTerms, after licences and payments": _used(changed),
        "rights: pay, a work's first": _used(paid[0]),
        "rights: pay": _used(paid[1]),
        "rights: claim, made from no other": _used(market.does(buyer, "claim", work.id, work.id, COIN, [])),
    }


def _derivatives(market: Market, terms: bytes) -> dict[str, int]:
    ada = market.person()
    works = [market.statement(ada) for _ in range(85)]
    market.grow()
    for work in works:
        market.register(work, terms)
    gas, parents = {}, works[:60]
    for start, count, child in ((0, 1, works[60]), (1, 4, works[61]), (5, 16, works[62])):
        gas[f"rights: derive from {count}"] = _used(market.derive(child, in_order(parents[start : start + count])))
    lines = works[63:67]
    for number, line in enumerate(lines):
        market.derive(line, in_order(parents[15 * number : 15 * number + 15]))
    wide = works[67]
    market.does(ada, "pay", wide.id, COIN, 10**6, value=10**6)
    gas["rights: derive from 4 with 15 parents each"] = _used(market.derive(wide, in_order(lines)))
    assert len(wide.shares) == 64
    market.does(ada, "pay", wide.id, COIN, 10**6, value=10**6)
    ancestor = wide.shares[-1] >> 80 << 80
    claimed = [market.does(ada, "claim", wide.id, each, COIN, wide.shares) for each in (ancestor, wide.id)]
    given = dearest(market, lines[:3], works[68:])
    gas["rights: derive from 16 in a row, 48 above the first, by licences"] = _used(market.does(ada, "derive", *given))
    return gas | {
        "rights: claim, with 64 ancestors": _used(claimed[0]),
        "rights: claim for the work itself, with 64 ancestors that it got late": _used(claimed[1]),
    }


def dearest(market: Market, lines: list[Work], works: list[Work]) -> tuple[Any, ...]:
    """What `derive` takes for the last of 17 works of one owner to be made from the others: nothing costs more.

    Each parent's list of ancestors is sent. Together they have most words where the parents share them and stand in a
    row: the first is made from `lines`, three works with 15 parents each, and each other one from the one before. Each
    has terms of its own, under which the owner has a licence.
    """
    *row, child = works
    for before, parent in zip([lines, *([each] for each in row)], row, strict=False):
        market.derive(parent, in_order(before))
    assert [len(each.shares) for each in row] == list(range(48, 64))
    parents, licences = in_order(row), []
    for fee, parent in enumerate(parents, 1):
        terms = market.terms(share=MILLION // 100, fee=fee)
        market.does(parent.owner, "setTerms", parent.id, terms, 0, b"")
        bought = market.does(child.owner, "license", parent.id, terms, child.owner, value=fee)
        licences.append(market.events(bought, "Licensed")[0]["licence"])
    return market.derivation(child, parents, 0, licences)


def _fresh_terms() -> tuple[Any, ...]:
    return (True, True, True, False, 0, 1234, 0, COIN, NEVER >> 200, True, bytes(32))


def _used(receipt: Any) -> int:
    return int(receipt["gasUsed"])
