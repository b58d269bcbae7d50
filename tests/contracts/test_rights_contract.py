"""The rights contract on a real EVM: who may make works, license them, derive from them and be paid."""

from typing import Any

import pytest

from pipeline.parents import asset_id
from tests.chain_fixture import Node, shared_node
from tests.contracts.market import (
    AI_TRAINING,
    ALLOWED,
    COIN,
    COMMERCIAL,
    DERIVATIVES,
    DERIVE,
    MILLION,
    NEVER,
    PAID,
    WHOLE,
    Market,
    Terms,
    in_order,
)

__all__ = ["shared_node"]

DAY_S = 24 * 3600
REMIX: dict[str, Any] = {"share": MILLION // 10, "fee": 1000}
REGISTER = [("leaf", "bytes32"), ("terms", "bytes32"), ("deadline", "uint256")]


@pytest.fixture(scope="module")
def market(shared_node: Node) -> Market:
    return Market(shared_node)


# -- terms


def test_terms_are_named_by_what_they_say_and_never_change(market: Market) -> None:
    first = market.terms(**REMIX)
    assert market.terms(**REMIX) == first
    assert market.terms(**REMIX | {"fee": 1001}) != first
    assert market.asks("termsById", first) == Terms(**REMIX).values
    assert market.refusal(market.reviewer, "termsById", bytes(32)) == "UnknownTerms"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"share": MILLION + 1}, "ShareOverWhole"),
        ({"commercial": False, "fee": 1}, "Contradictory"),
        ({"ai_training": PAID}, "Contradictory"),
        ({"currency": "0x" + "11" * 20}, "Contradictory"),
        ({"derivatives": False, "share": 1}, "Contradictory"),
        ({"derivatives": False, "reciprocal": True}, "Contradictory"),
        ({"commercial": False, "share": 1}, "Contradictory"),
        ({"share": MILLION}, ""),
        ({"commercial": False, "derivatives": False, "ai_training": PAID, "fee": 1}, ""),
    ],
)
def test_terms_that_contradict_themselves(market: Market, fields: dict[str, Any], error: str) -> None:
    assert market.refusal(market.reviewer, "addTerms", Terms(**fields).values) == error


# -- works


def test_a_work_is_its_owners_and_its_id_says_of_what(market: Market) -> None:
    ada, terms = market.person(), market.terms()
    work = market.statement(ada)
    market.grow()
    assert market.refusal(market.person(), "ownerOf", work.id) == "ERC721NonexistentToken"
    receipt = market.register(work, terms)
    (made,) = market.events(receipt, "Registered")
    assert (made["asset"], made["termsId"]) == (work.id, terms)
    assert made["leaf"] == market.leaves[work.place]
    assert market.asks("assetId", work.words[2], work.place) == work.id == asset_id(work.words[2], work.place)
    assert market.asks("assetOf", work.id) == [ada, terms, True, False, bytes(32)]
    assert (market.asks("ownerOf", work.id), market.asks("balanceOf", ada)) == (ada, 1)
    assert market.asks("tokenURI", work.id) == f"https://example.org/a/{work.id}"
    market.does(ada, "transferFrom", ada, bob := market.person(), work.id)
    assert (market.asks("ownerOf", work.id), market.asks("balanceOf", ada), market.asks("balanceOf", bob)) == (
        bob,
        0,
        1,
    )


def test_only_the_owner_in_the_leaf_or_its_signature_makes_a_work(market: Market) -> None:
    ada, terms, other = market.person(), market.terms(), market.terms(fee=5)
    work, second = market.statement(ada), market.statement(ada)
    market.grow()
    leaf = market.leaves[work.place]
    until = market.now() + 1000
    signature = market.signed(ada, "Register", REGISTER, leaf=leaf, terms=terms, deadline=until)
    foreign = market.signed(relay := market.person(), "Register", REGISTER, leaf=leaf, terms=terms, deadline=until)
    given = (work.words, market.proof(work), terms, until)
    assert market.refusal(relay, "register", *given, b"") == "NotTheOwner"
    assert market.refusal(relay, "register", *given, foreign) == "NotTheOwner"
    assert market.refusal(relay, "register", *given[:2], other, until, signature) == "NotTheOwner"
    assert market.refusal(relay, "register", *given[:3], until + 1, signature) == "NotTheOwner"
    replay = (second.words, market.proof(second), terms, until, signature)
    assert market.refusal(relay, "register", *replay) == "NotTheOwner"
    late = market.signed(ada, "Register", REGISTER, leaf=leaf, terms=terms, deadline=1)
    assert market.refusal(relay, "register", *given[:3], 1, late) == "TooLate"
    market.does(relay, "register", *given, signature)
    assert market.asks("ownerOf", work.id) == ada
    assert market.refusal(relay, "register", *given, signature) == "NotTheFirst"


def test_statements_that_are_not_in_the_log_make_no_work(market: Market) -> None:
    ada, terms = market.person(), market.terms()
    work, other = market.statement(ada), market.statement(ada)
    market.grow()
    place, size, proof = market.proof(work)
    assert market.refusal(ada, "register", work.words, market.proof(other), terms, 0, b"") == "NotInTheLog"
    assert market.refusal(ada, "register", work.words, (place + 1, size, proof), terms, 0, b"") == "NotInTheLog"
    assert market.refusal(ada, "register", work.words, (place, size, proof[1:]), terms, 0, b"") == "NotInTheLog"
    changed = (*work.words[:1], bytes(32), *work.words[2:])
    assert market.refusal(ada, "register", changed, (place, size, proof), terms, 0, b"") == "NotInTheLog"
    assert market.refusal(ada, "register", work.words, (place, size + 9, proof), terms, 0, b"") == "RootNotHeld"
    assert market.refusal(ada, "register", work.words, market.proof(work), bytes(32), 0, b"") == "UnknownTerms"
    tomb = (b"capture/tombstone/v1".ljust(32, b"\0"), *work.words[1:])
    assert market.refusal(ada, "register", tomb, market.proof(work), terms, 0, b"") == "NotAStatement"


def test_the_first_in_the_log_counts_whoever_comes_first_to_the_contract(market: Market) -> None:
    ada, thief, terms = market.person(), market.person(), market.terms(fee=100)
    first = market.statement(ada, upload=b"\x08" * 32)
    copy = market.statement(thief, upload=b"\x08" * 32)
    market.grow()
    market.register(copy, terms)
    market.does(thief, "license", copy.id, terms, buyer := market.person(), value=100)
    (gave_way,) = market.events(market.register(first, terms), "SupersededBy")
    assert gave_way == {"asset": copy.id, "first": first.id}
    assert market.refusal(thief, "register", copy.words, market.proof(copy), terms, 0, b"") == "NotTheFirst"
    assert market.refusal(thief, "license", copy.id, terms, market.person(), value=100) == "Superseded"
    assert market.refusal(thief, "pay", copy.id, COIN, 5, value=5) == "Superseded"
    assert (market.asks("ownerOf", first.id), market.asks("ownerOf", copy.id)) == (ada, thief)
    assert not market.asks("hasLicence", copy.id, buyer, COMMERCIAL)
    before = market.balance(thief)
    market.does(buyer, "claim", copy.id, copy.id, COIN, [])
    assert market.balance(thief) == before + 100, "what came stays its owner's"


# -- licences


def test_a_licence_is_paid_once_and_covers_what_its_terms_say(market: Market) -> None:
    ada, buyer, terms = market.person(), market.person(), market.terms(**REMIX, ai_training=PAID)
    work = market.work(ada, terms)
    assert not market.asks("hasLicence", work.id, buyer, COMMERCIAL)
    assert market.refusal(buyer, "license", work.id, terms, buyer, value=999) == "WrongPayment"
    assert market.refusal(buyer, "license", work.id, terms, buyer, value=1001) == "WrongPayment"
    assert market.refusal(buyer, "license", work.id, market.terms(), buyer) == "TermsChanged"
    (made,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=1000), "Licensed")
    assert market.refusal(buyer, "license", work.id, terms, buyer, value=1000) == "AlreadyLicensed"
    assert made["licence"] >> 80 == work.id >> 80
    assert market.asks("licenceOf", made["licence"]) == [work.id, buyer, terms, 0]
    for use in (COMMERCIAL, DERIVATIVES, AI_TRAINING):
        assert market.asks("hasLicence", work.id, buyer, use)
        assert market.asks("hasLicence", work.id, ada, use), "the owner needs none"
        assert not market.asks("hasLicence", work.id, market.reviewer, use)
    assert market.asks("received", work.id, COIN) == 1000
    assert market.asks("royaltyInfo", made["licence"], 500) == [ada, 50]
    assert market.asks("royaltyInfo", work.id, 500) == [ada, 0]


def test_what_is_free_needs_no_licence(market: Market) -> None:
    anyone = market.person()
    free = market.work(market.person(), market.terms(commercial=False, ai_training=ALLOWED))
    assert market.asks("hasLicence", free.id, anyone, DERIVATIVES)
    assert market.asks("hasLicence", free.id, anyone, AI_TRAINING)
    assert not market.asks("hasLicence", free.id, anyone, COMMERCIAL)
    reserved = market.terms(commercial=False, derivatives=False)
    closed = market.work(market.person(), reserved)
    assert market.refusal(anyone, "license", closed.id, reserved, anyone) == "NothingToLicense"
    assert not market.asks("hasLicence", closed.id + 1, anyone, AI_TRAINING), "no work's id"
    free_for_all = market.terms(commercial=False, ai_training=ALLOWED)
    collage = market.work(market.person(), free_for_all, parents=[closed.id])
    assert not market.asks("hasLicence", collage.id, anyone, AI_TRAINING), "its parents have not been asked"


def test_licences_end_and_can_be_taken_again(market: Market) -> None:
    ada, buyer, terms = market.person(), market.person(), market.terms(fee=10, duration=DAY_S)
    work = market.work(ada, terms)
    (made,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    market.later(DAY_S)
    assert not market.asks("hasLicence", work.id, buyer, COMMERCIAL)
    assert market.refusal(buyer, "transferFrom", buyer, ada, made["licence"]) == "NotTransferable"
    (again,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    assert again["licence"] == made["licence"]
    assert again["until"] >= made["until"] + DAY_S
    assert market.asks("hasLicence", work.id, buyer, COMMERCIAL)
    assert market.asks("balanceOf", buyer) == 1


def test_a_licence_that_is_given_on_is_the_new_holders(market: Market) -> None:
    ada, buyer, heir = market.person(), market.person(), market.person()
    fixed, terms = market.terms(fee=10, transferable=False), market.terms(fee=10)
    closed, work = market.work(ada, fixed), market.work(ada, terms)
    (kept,) = market.events(market.does(buyer, "license", closed.id, fixed, buyer, value=10), "Licensed")
    assert market.refusal(buyer, "transferFrom", buyer, heir, kept["licence"]) == "NotTransferable"
    (made,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    market.does(buyer, "transferFrom", buyer, heir, made["licence"])
    assert market.asks("hasLicence", work.id, heir, COMMERCIAL)
    assert not market.asks("hasLicence", work.id, buyer, COMMERCIAL)
    (second,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    assert second["licence"] != made["licence"]
    assert market.asks("hasLicence", work.id, buyer, COMMERCIAL)


def test_a_licence_stays_as_it_was_bought_whatever_is_bought_beside_it(market: Market) -> None:
    ada, buyer, old = market.person(), market.person(), market.terms(fee=10)
    new = market.terms(fee=20, derivatives=False, ai_training=PAID)
    work = market.work(ada, old)
    (made,) = market.events(market.does(buyer, "license", work.id, old, buyer, value=10), "Licensed")
    market.does(ada, "setTerms", work.id, new, 0, b"")
    assert not market.asks("hasLicence", work.id, buyer, AI_TRAINING)
    (gift,) = market.events(market.does(ada, "license", work.id, new, buyer, value=20), "Licensed")
    assert gift["licence"] != made["licence"]
    assert market.asks("licenceOf", made["licence"])[2] == old
    assert market.asks("hasLicence", work.id, buyer, DERIVATIVES)
    assert market.asks("hasLicence", work.id, buyer, AI_TRAINING), "by the other"
    for terms, price in ((new, 20), (old, 10)):
        assert market.refusal(buyer, "license", work.id, terms, buyer, value=price) == (
            "AlreadyLicensed" if terms == new else "TermsChanged"
        )


def test_a_licence_that_lasts_is_not_sold_again_in_the_place_of_one_that_ended(market: Market) -> None:
    ada, buyer, short, lasting = (
        market.person(),
        market.person(),
        market.terms(fee=1, duration=DAY_S),
        market.terms(fee=2),
    )
    work = market.work(ada, short)
    (first,) = market.events(market.does(buyer, "license", work.id, short, buyer, value=1), "Licensed")
    market.does(ada, "setTerms", work.id, lasting, 0, b"")
    market.does(buyer, "license", work.id, lasting, buyer, value=2)
    market.later(DAY_S)
    assert market.refusal(buyer, "license", work.id, lasting, buyer, value=2) == "AlreadyLicensed"
    market.does(ada, "setTerms", work.id, short, 0, b"")
    (again,) = market.events(market.does(buyer, "license", work.id, short, buyer, value=1), "Licensed")
    assert again["licence"] == first["licence"], "the ended one's place is taken up again"


def test_what_was_allowed_to_others_ends_with_the_licence(market: Market) -> None:
    ada, buyer, agent, terms = *(market.person() for _ in range(3)), market.terms(fee=10, duration=DAY_S)
    work = market.work(ada, terms)
    (made,) = market.events(market.does(buyer, "license", work.id, terms, buyer, value=10), "Licensed")
    market.does(buyer, "approve", agent, made["licence"])
    market.later(DAY_S)
    market.does(buyer, "license", work.id, terms, buyer, value=10)
    assert market.refusal(agent, "transferFrom", buyer, agent, made["licence"]) == "ERC721InsufficientApproval"


def test_a_licence_that_was_given_is_not_hidden_by_another_gift(market: Market) -> None:
    ada, buyer, heir, envious = (market.person() for _ in range(4))
    good = market.terms(fee=1000, duration=DAY_S)
    bad = market.terms(commercial=False, derivatives=False, ai_training=PAID, fee=1)
    work = market.work(ada, good)
    (first,) = market.events(market.does(buyer, "license", work.id, good, buyer, value=1000), "Licensed")
    market.does(buyer, "transferFrom", buyer, heir, first["licence"])
    market.does(ada, "setTerms", work.id, bad, 0, b"")
    (second,) = market.events(market.does(envious, "license", work.id, bad, envious, value=1), "Licensed")
    gift = (envious, heir, second["licence"])
    assert market.refusal(envious, "transferFrom", *gift) == "AlreadyLicensed"
    assert market.asks("hasLicence", work.id, heir, COMMERCIAL)
    market.does(heir, "transferFrom", heir, heir, first["licence"])
    market.later(DAY_S)
    market.does(envious, "transferFrom", *gift)
    assert market.asks("hasLicence", work.id, heir, AI_TRAINING), "the first has ended"


# -- derivatives


def test_a_chain_of_works_pays_everyone_their_share(market: Market) -> None:
    terms = market.terms(share=MILLION // 10)
    ada, bob, eve = (market.person() for _ in range(3))
    photo = market.work(ada, terms)
    collage = market.work(bob, terms, parents=[photo.id])
    assert market.refusal(eve, "pay", collage.id, COIN, 5, value=5) == "ParentsMissing"
    assert market.refusal(eve, "license", collage.id, terms, eve) == "ParentsMissing"
    market.derive(collage, [photo], 1)
    film = market.work(eve, terms)
    market.derive(film, [collage])
    assert sorted(film.shares) == sorted([photo.id | WHOLE // 100, collage.id | 9 * WHOLE // 100])
    market.does(eve, "pay", film.id, COIN, 10_007, value=10_007)
    wanted = [(photo, ada, 100), (collage, bob, 900), (film, eve, 9006)]
    for work, owner, amount in wanted:
        before = market.balance(owner)
        market.does(market.reviewer, "claim", film.id, work.id, COIN, film.shares)
        assert market.balance(owner) == before + amount
        assert market.refusal(owner, "claim", film.id, work.id, COIN, film.shares) == "NothingToClaim"
    assert market.refusal(eve, "claim", film.id, film.id, COIN, film.shares[:1]) == "WrongShares"
    assert market.refusal(eve, "claim", film.id, film.id, COIN, []) == "WrongShares"


def test_parents_must_be_those_of_the_statement_and_come_before(market: Market) -> None:
    terms, ada = market.terms(), market.person()
    one, two = in_order([market.work(ada, terms), market.work(ada, terms)])
    both = market.work(ada, terms, parents=[one.id, two.id])
    later = market.work(ada, terms)
    for parents, declared in [([one], 1), ([two, one], 2), ([one, two], 0), ([one, two], 1), ([one, one], 1), ([], 0)]:
        assert market.refusal(ada, "derive", *market.derivation(both, parents, declared)) == "WrongParents"
    assert market.refusal(ada, "derive", *market.derivation(both, [one, two, later], 2)) == "ParentIsLater"
    assert market.refusal(ada, "derive", *market.derivation(one, [one])) == "ParentIsLater"
    assert market.refusal(ada, "derive", *market.derivation(both, [one, two, one], 2)) == "WrongParents"
    assert market.refusal(market.person(), "derive", *market.derivation(both, [one, two], 2)) == "TooLate"
    market.derive(both, [one, two], 2)
    assert market.refusal(ada, "derive", *market.derivation(both, [one, two], 2)) == "TooLateForParents"
    third = market.work(ada, terms, parents=[two.id])
    market.derive(third, [two, one], 1)


def test_a_work_whose_declared_parent_gave_way_to_an_earlier_statement_earns_nothing(market: Market) -> None:
    ada, bob, terms = market.person(), market.person(), market.terms()
    first, copy = (market.statement(owner, upload=b"\x31" * 32) for owner in (ada, bob))
    market.grow()
    market.register(copy, terms)
    child = market.work(bob, terms, parents=[copy.id])
    market.register(first, terms)
    tried = (([copy], 1, "Superseded"), ([first], 1, "WrongParents"), ([first], 0, "WrongParents"))
    for parents, declared, error in tried:
        assert market.refusal(bob, "derive", *market.derivation(child, parents, declared)) == error
    assert market.refusal(ada, "pay", child.id, COIN, 1, value=1) == "ParentsMissing"


def test_nobody_keeps_an_owner_from_naming_parents(market: Market) -> None:
    ada, envious, terms = market.person(), market.person(), market.terms(share=MILLION // 10)
    parent, work, other = market.work(ada, terms), market.work(ada, terms), market.statement(envious)
    assert market.refusal(envious, "pay", work.id, COIN, 0) == "WrongPayment"
    market.does(envious, "license", work.id, terms, envious)
    market.grow()
    market.register(other, terms)
    market.derive(other, [work])
    market.does(envious, "pay", work.id, COIN, 1, value=1)
    market.derive(work, [parent])
    assert market.asks("assetOf", work.id)[4] != bytes(32)
    assert other.shares == [work.id | WHOLE // 10], "what was made from it before passes on as it did"


def test_what_came_before_parents_were_named_is_the_works_own(market: Market) -> None:
    ada, bob, buyer, terms = market.person(), market.person(), market.person(), market.terms(**REMIX | {"fee": 1005})
    parent, work = market.work(bob, market.terms(share=MILLION // 10)), market.work(ada, terms)
    market.does(buyer, "pay", work.id, COIN, 7, value=7)
    market.does(buyer, "claim", work.id, work.id, COIN, [])
    market.does(buyer, "license", work.id, terms, buyer, value=1005)
    market.derive(work, [parent])
    assert market.asks("claimable", work.id, work.id, COIN, work.shares) == 1005
    assert market.asks("claimable", work.id, parent.id, COIN, work.shares) == 0
    assert market.refusal(ada, "claim", work.id, work.id, COIN, []) == "WrongShares"
    market.does(buyer, "license", work.id, terms, ada, value=1005)
    market.does(buyer, "pay", work.id, COIN, 4, value=4)
    assert market.asks("received", work.id, COIN) == 7 + 1005 + 1009
    for beneficiary, owner, amount in ((parent, bob, 100), (work, ada, 1005 + 908)):
        before = market.balance(owner)
        market.does(buyer, "claim", work.id, beneficiary.id, COIN, work.shares)
        assert market.balance(owner) == before + amount
        assert market.refusal(buyer, "claim", work.id, beneficiary.id, COIN, work.shares) == "NothingToClaim"
    assert market.refusal(ada, "derive", *market.derivation(work, [parent])) == "TooLateForParents"


def test_a_parent_cannot_change_its_share_between_what_was_read_and_what_is_done(market: Market) -> None:
    ada, bob, relay = market.person(), market.person(), market.person()
    fair, greedy = market.terms(share=MILLION // 10), market.terms(share=MILLION)
    parent, mine = market.work(ada, fair), market.work(bob, fair)
    said = {"asset": mine.id, "parents": [parent.id], "licences": [0], "terms": [fair], "deadline": NEVER}
    signature = market.signed(bob, "Derive", DERIVE, **said)
    market.does(ada, "setTerms", parent.id, greedy, 0, b"")
    given = (mine.id, [parent.id], 0, [0])
    assert market.refusal(relay, "derive", *given, [fair], [[]], NEVER, signature) == "TermsChanged"
    assert market.refusal(relay, "derive", *given, [greedy], [[]], NEVER, signature) == "NotTheOwner"
    assert market.refusal(bob, "derive", *given, [], [[]], 0, b"") == "WrongParents"
    market.does(ada, "setTerms", parent.id, fair, 0, b"")
    market.does(relay, "derive", *given, [fair], [[]], NEVER, signature)


def test_a_licence_from_before_parents_were_named_passes_on_to_none_of_them(market: Market) -> None:
    ada, bob, eve, terms = market.person(), market.person(), market.person(), market.terms(**REMIX)
    parent, sold = market.work(ada, market.terms(share=MILLION // 2)), market.work(ada, terms)
    buys = "license", sold.id, terms
    (early,) = market.events(market.does(bob, *buys, bob, value=1000), "Licensed")
    market.derive(sold, [parent])
    (late,) = market.events(market.does(eve, *buys, eve, value=1000), "Licensed")
    assert [market.asks("isEarly", each["licence"]) for each in (early, late)] == [True, False]
    assert not market.asks("isEarly", sold.id)
    bobs, eves = market.work(bob, terms), market.work(eve, terms)
    for work, licence, wrong in ((bobs, early, sold.shares), (eves, late, [])):
        given = list(market.derivation(work, [sold], 0, [licence["licence"]]))
        given[5] = [wrong]
        assert market.refusal(work.owner, "derive", *given) == "WrongShares"
        market.derive(work, [sold], 0, [licence["licence"]])
    assert bobs.shares == [sold.id | WHOLE // 10]
    assert eves.shares == sorted([sold.id | WHOLE // 20, parent.id | WHOLE // 20])


def test_a_licence_that_ended_and_is_bought_again_is_of_the_work_as_it_is_then(market: Market) -> None:
    ada, bob, terms = market.person(), market.person(), market.terms(**REMIX, duration=DAY_S)
    parent, work = market.work(ada, market.terms()), market.work(ada, terms)
    (before,) = market.events(market.does(bob, "license", work.id, terms, bob, value=1000), "Licensed")
    market.derive(work, [parent])
    assert market.asks("isEarly", before["licence"])
    market.later(DAY_S + 1)
    (again,) = market.events(market.does(bob, "license", work.id, terms, bob, value=1000), "Licensed")
    assert again["licence"] == before["licence"]
    assert not market.asks("isEarly", again["licence"])


def test_revenue_goes_to_whom_its_owner_named(market: Market) -> None:
    ada, relay, wallet, terms = market.person(), market.person(), market.person(), market.terms()
    work = market.work(ada, terms)
    types = [("owner", "address"), ("payee", "address"), ("nonce", "uint256"), ("deadline", "uint256")]
    said = {"owner": ada, "payee": wallet, "nonce": 0, "deadline": NEVER}
    named = "setPayee", ada, wallet, NEVER, market.signed(ada, "SetPayee", types, **said)
    assert market.refusal(relay, "setPayee", ada, relay, *named[3:]) == "NotTheOwner"
    assert market.refusal(relay, "setPayee", wallet, wallet, *named[3:]) == "NotTheOwner"
    (told,) = market.events(market.does(relay, *named), "PayeeSet")
    assert told == {"owner": ada, "payee": wallet}
    assert market.refusal(relay, *named) == "NotTheOwner", "good once"
    market.does(relay, "pay", work.id, COIN, 50, value=50)
    before = market.balance(wallet)
    (claimed,) = market.events(market.does(relay, "claim", work.id, work.id, COIN, []), "Claimed")
    assert (claimed["to"], market.balance(wallet)) == (wallet, before + 50)
    market.does(ada, "setPayee", ada, COIN, 0, b"")
    assert market.asks("payeeOf", ada) == ada


def test_what_a_parents_terms_forbid_or_ask_for(market: Market) -> None:
    ada, bob = market.person(), market.person()
    remix, none = market.terms(**REMIX), market.terms(derivatives=False)
    alike, other = market.terms(reciprocal=True, share=1), market.terms(reciprocal=True, share=2)
    closed, sold, shared, elsewhere = (market.work(ada, each) for each in (none, remix, alike, other))
    mine = market.work(bob, remix)
    assert market.refusal(bob, "derive", *market.derivation(mine, [closed])) == "NoDerivatives"
    assert market.refusal(bob, "derive", *market.derivation(mine, [sold])) == "LicenceNeeded"
    assert market.refusal(bob, "derive", *market.derivation(mine, [shared])) == "TermsAreInherited"
    (licence,) = market.events(market.does(bob, "license", sold.id, remix, bob, value=1000), "Licensed")
    assert market.refusal(bob, "derive", *market.derivation(mine, [closed], 0, [licence["licence"]])) == "LicenceNeeded"
    (foreign,) = market.events(market.does(bob, "license", sold.id, remix, ada, value=1000), "Licensed")
    assert market.refusal(bob, "derive", *market.derivation(mine, [sold], 0, [foreign["licence"]])) == "LicenceNeeded"
    market.does(ada, "setTerms", sold.id, none, 0, b"")
    market.derive(mine, [sold], 0, [licence["licence"]])
    assert mine.shares == [sold.id | WHOLE // 10], "by the licence's terms, as they were"
    inherits = market.work(bob, alike)
    both = in_order([shared, elsewhere])
    assert market.refusal(bob, "derive", *market.derivation(inherits, both)) == "TermsAreInherited"
    market.derive(inherits, [shared])
    assert market.refusal(bob, "setTerms", inherits.id, remix, 0, b"") == "TermsAreInherited"


def test_a_licence_that_ended_is_none(market: Market) -> None:
    ada, bob, terms = market.person(), market.person(), market.terms(**REMIX, duration=DAY_S)
    work, mine = market.work(ada, terms), market.work(bob, terms)
    (made,) = market.events(market.does(bob, "license", work.id, terms, bob, value=1000), "Licensed")
    market.later(DAY_S + 1)
    derivation = market.derivation(mine, [work], 0, [made["licence"]])
    assert market.refusal(bob, "derive", *derivation) == "LicenceNeeded"


def test_shares_never_exceed_the_whole(market: Market) -> None:
    ada, half, more = market.person(), market.terms(share=MILLION // 2), market.terms(share=MILLION // 2 + 1)
    one, two, three = in_order([market.work(ada, half), market.work(ada, half), market.work(ada, more)])
    child = market.work(ada, half)
    assert market.refusal(ada, "derive", *market.derivation(child, [one, two, three])) == "ShareOverWhole"
    equal = [work for work in (one, two, three) if market.asks("assetOf", work.id)[1] == half]
    market.derive(child, equal)
    market.does(ada, "pay", child.id, COIN, 9, value=9)
    assert market.asks("claimable", child.id, child.id, COIN, child.shares) == 0
    assert [market.asks("claimable", child.id, each.id, COIN, child.shares) for each in equal] == [4, 4]


def test_at_most_16_parents_and_64_ancestors(market: Market) -> None:
    ada, terms = market.person(), market.terms(share=100)
    line = [market.statement(ada) for _ in range(81)]
    market.grow()
    for work in line:
        market.register(work, terms)
    assert market.refusal(ada, "derive", *market.derivation(line[80], in_order(line[:17]))) == "WrongParents"
    for number in range(4):
        market.derive(line[64 + number], in_order(line[16 * number : 16 * number + 15]))
    bob = market.person()
    (bought,) = market.events(market.does(bob, "license", line[70].id, terms, bob), "Licensed")
    market.derive(line[70], in_order(line[64:68]))
    assert len(line[70].shares) == 64
    market.derive(line[71], [line[15]])
    wide = market.derivation(line[72], in_order([line[70]]))
    assert market.refusal(ada, "derive", *wide) == "TooManyAncestors"
    promised = market.work(bob, terms, parents=[line[70].id])
    assert market.refusal(bob, "derive", *market.derivation(promised, [line[70]], 1)) == "TooManyAncestors"
    market.derive(promised, [line[70]], 1, [bought["licence"]])


# -- signatures that are used once


def test_terms_and_tokens_move_by_signature_once(market: Market) -> None:
    ada, relay, cheap, dear = market.person(), market.person(), market.terms(fee=1), market.terms(fee=2)
    work, until = market.work(ada, cheap), NEVER
    types = [("asset", "uint256"), ("terms", "bytes32"), ("nonce", "uint256"), ("deadline", "uint256")]
    signature = market.signed(ada, "SetTerms", types, asset=work.id, terms=dear, nonce=0, deadline=until)
    market.does(relay, "setTerms", work.id, dear, until, signature)
    market.does(ada, "setTerms", work.id, cheap, 0, b"")
    assert market.refusal(relay, "setTerms", work.id, dear, until, signature) == "NotTheOwner"
    moves = [("token", "uint256"), ("to", "address"), ("nonce", "uint256"), ("deadline", "uint256")]
    wallet = market.person()
    signature = market.signed(ada, "Transfer", moves, token=work.id, to=wallet, nonce=1, deadline=until)
    assert market.refusal(relay, "transferWithSignature", work.id, relay, until, signature) == "NotTheOwner"
    market.does(relay, "transferWithSignature", work.id, wallet, until, signature)
    assert market.asks("ownerOf", work.id) == wallet
    market.does(wallet, "transferFrom", wallet, ada, work.id)
    assert market.refusal(relay, "transferWithSignature", work.id, wallet, until, signature) == "NotTheOwner"


def test_parents_by_signature(market: Market) -> None:
    ada, relay, terms = market.person(), market.person(), market.terms()
    parent, child = market.work(ada, terms), market.work(ada, terms)
    values = {"asset": child.id, "parents": [parent.id], "licences": [0], "terms": [terms], "deadline": NEVER}
    signature = market.signed(ada, "Derive", DERIVE, **values)
    market.does(relay, "derive", child.id, [parent.id], 0, [0], [terms], [[]], NEVER, signature)
    assert market.asks("assetOf", child.id)[4] != bytes(32)


# -- reviews


def test_a_review_halts_until_it_is_decided_or_runs_out(market: Market) -> None:
    ada, terms = market.person(), market.terms(fee=10, share=1)
    work, child = market.work(ada, terms), market.work(ada, terms)
    market.does(ada, "pay", work.id, COIN, 50, value=50)
    assert market.refusal(ada, "flag", work.id, bytes(32), bytes(32)) == "NotTheReviewer"
    market.does(market.reviewer, "flag", work.id, b"copy".ljust(32, b"\0"), bytes(32))
    assert market.refusal(ada, "license", work.id, terms, ada, value=10) == "InReview"
    assert market.refusal(ada, "derive", *market.derivation(child, [work])) == "InReview"
    assert market.refusal(ada, "claim", work.id, work.id, COIN, []) == "InReview"
    market.does(ada, "pay", work.id, COIN, 5, value=5)
    assert market.refusal(market.reviewer, "resolve", work.id, True, bytes(32)) == "AppealOpen"
    assert market.refusal(market.reviewer, "flag", work.id, bytes(32), bytes(32)) == "InReview"
    assert market.refusal(market.person(), "appeal", work.id, bytes(32), NEVER, b"") == "NotTheOwner"
    market.does(ada, "appeal", work.id, bytes(32), 0, b"")
    assert market.refusal(ada, "appeal", work.id, bytes(32), 0, b"") == "AppealedAlready"
    market.does(market.reviewer, "resolve", work.id, False, bytes(32))
    market.does(market.person(), "claim", work.id, work.id, COIN, [])
    market.does(market.reviewer, "flag", work.id, bytes(32), bytes(32))
    market.later(30 * DAY_S + 1)
    market.does(ada, "license", work.id, terms, market.person(), value=10)
    assert market.refusal(market.reviewer, "resolve", work.id, True, bytes(32)) == "NotInReview"
    assert market.asks("reviewOf", work.id)[:2] == [False, False]


def test_an_owner_without_coin_appeals_by_a_signature_that_is_good_once(market: Market) -> None:
    ada, relay, terms = market.person(), market.person(), market.terms(fee=10)
    work, evidence = market.work(ada, terms), market.digest()
    types = [("asset", "uint256"), ("evidence", "bytes32"), ("nonce", "uint256"), ("deadline", "uint256")]
    said = {"asset": work.id, "evidence": evidence, "nonce": 0, "deadline": NEVER}
    appeal = "appeal", work.id, evidence, NEVER, market.signed(ada, "Appeal", types, **said)
    assert market.refusal(relay, *appeal) == "NotInReview"
    market.does(market.reviewer, "flag", work.id, bytes(32), bytes(32))
    foreign = market.signed(relay, "Appeal", types, **said)
    assert market.refusal(relay, *appeal[:4], foreign) == "NotTheOwner"
    assert market.refusal(relay, "appeal", work.id, market.digest(), *appeal[3:]) == "NotTheOwner"
    (told,) = market.events(market.does(relay, *appeal), "Appealed")
    assert told["evidence"] == evidence
    assert market.asks("reviewOf", work.id)[:3] == [True, False, True]
    market.does(market.reviewer, "resolve", work.id, False, bytes(32))
    market.does(market.reviewer, "flag", work.id, bytes(32), bytes(32))
    assert market.refusal(relay, *appeal) == "NotTheOwner", "the same appeal does not count in the next review"


def test_a_review_of_a_work_that_lost_its_place_can_be_decided_and_its_money_claimed(market: Market) -> None:
    ada, other, terms = market.person(), market.person(), market.terms(fee=10)
    first = market.statement(ada, upload=(upload := market.digest()))
    copy = market.statement(other, upload=upload)
    market.grow()
    market.register(copy, terms)
    market.does(other, "license", copy.id, terms, other, value=10)
    market.does(market.reviewer, "flag", copy.id, bytes(32), bytes(32))
    market.register(first, terms)
    assert market.refusal(other, "claim", copy.id, copy.id, COIN, []) == "InReview"
    market.does(market.reviewer, "resolve", copy.id, False, bytes(32))
    market.does(other, "claim", copy.id, copy.id, COIN, [])
    assert market.refusal(market.reviewer, "flag", copy.id, bytes(32), bytes(32)) == "Superseded"


def test_an_objection_that_is_upheld_ends_licences_for_good_and_takes_no_money(market: Market) -> None:
    ada, holder, terms = market.person(), market.person(), market.terms(fee=10)
    work = market.work(ada, terms)
    market.does(holder, "license", work.id, terms, holder, value=10)
    market.does(market.reviewer, "flag", work.id, bytes(32), bytes(32))
    market.later(14 * DAY_S + 1)
    market.does(market.reviewer, "resolve", work.id, True, bytes(32))
    assert market.refusal(ada, "license", work.id, terms, ada, value=10) == "Barred"
    assert market.refusal(market.reviewer, "flag", work.id, bytes(32), bytes(32)) == "Barred"
    assert not market.asks("hasLicence", work.id, holder, COMMERCIAL)
    market.does(holder, "claim", work.id, work.id, COIN, [])


def test_the_reviewers_role_is_handed_over_in_two_steps(shared_node: Node) -> None:
    market = Market(shared_node)
    new = market.person()
    assert market.refusal(new, "offerReviewer", new) == "NotTheReviewer"
    market.does(market.reviewer, "offerReviewer", new)
    assert market.refusal(market.person(), "acceptReviewer") == "NotOffered"
    market.does(new, "acceptReviewer")
    assert market.asks("reviewer") == new
    assert market.refusal(market.reviewer, "offerReviewer", new) == "NotTheReviewer"


def test_it_says_which_interfaces_it_has(market: Market) -> None:
    for interface in ("80ac58cd", "2a55205a", "01ffc9a7", "5b5e139f"):  # ERC-721, ERC-2981, ERC-165, metadata
        assert market.asks("supportsInterface", bytes.fromhex(interface))
    assert not market.asks("supportsInterface", b"\xff" * 4)
    assert len(market.web3.eth.get_code(market.contract.address)) <= 24_576
