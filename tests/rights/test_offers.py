"""Terms by name: presets with ids that never change, and choices that make no sense."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.rights import from_values, terms_id, values
from pipeline.errors import Rejected
from pipeline.record import Rights
from rights.offers import PRESETS, from_json, name_of, offer_json, offer_of, parse_offer
from rights.terms import PRESETS as LICENCES

TOKEN = "0x" + "ab" * 20
IDS = {
    "all-rights-reserved": "31b78d479b69abcc1ef3a18841a26561f5a416e9c1258dca7525761f420ede4e",
    "cc0": "c93a83e849022a3976ca29f31e5ae77033858ebe8d2ff489bd250a8d12bb7c53",
    "cc-by-4.0": "80341ad33edd6b0ac907678a60803f145b5e9fa1ecb0996adc028a3f92fe658e",
    "cc-by-sa-4.0": "029a4aa6bd227425feb6c63550683794cd9ffd1cefd604164051e23439a4ac21",
    "cc-by-nd-4.0": "2f24bf18c687c498f118200639443d60716958c4029fd367f69bba6b9fff67d4",
    "cc-by-nc-4.0": "ef983ecb92cdbdf21b2f63fef0115c35df545ae00338e11afc256ec13cbfef09",
    "cc-by-nc-sa-4.0": "51d8368ab92c23aaf6cb39a2c3ffffc3fee73b85806ad73d487cf81efd87e76f",
    "cc-by-nc-nd-4.0": "6c24c6bed5edcda686ce0456dd5e4da266d00c328fd1d37d05d2157fe575f006",
    "commercial": "ef250f17e68f8e821f0a2f4f2de8b1fdd3c1dfbdd06c884df97ebaf76fb13666",
    "commercial-remix": "8f98b0f4fc9e8db12236347fbba51fe59af95fc7a0c901a131e6de97f0f0c179",
    "ai-training-paid": "1f3025b03b5e5998212a957d9f642526e1c1a57aefe23f3d990cae785d684482",
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_id_is_what_it_always_was(name: str) -> None:
    terms = PRESETS[name].terms
    assert terms_id(terms).hex() == IDS[name]
    assert from_values(values(terms)) == terms
    assert name_of(terms) == name


def test_every_licence_that_can_be_stated_has_terms() -> None:
    assert set(LICENCES) <= set(PRESETS)
    assert offer_of(Rights(licence="cc-by-4.0")).ai_training == "denied", "what is stated of AI goes before the preset"
    with pytest.raises(Rejected, match="no terms that a contract can keep"):
        offer_of(Rights(licence="https://example.org/mine"))


def test_what_an_owner_fills_in() -> None:
    stated = {"preset": "commercial-remix", "share": 100_000, "fee": "1000", "currency": TOKEN, "duration": 60}
    terms = parse_offer(stated | {"transferable": False, "ai_training": "paid"})
    assert (terms.share, terms.fee, terms.currency, terms.duration) == (100_000, 1000, TOKEN, 60)
    assert (terms.transferable, terms.ai_training, terms.derivatives) == (False, "paid", True)
    assert name_of(terms) == "commercial-remix"
    assert from_json(offer_json(terms)) == terms
    assert parse_offer({"preset": "commercial", "fee": 5, "currency": None}).fee == 5


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (None, "needs a preset"),
        ({"preset": "mine"}, "needs a preset"),
        ({"preset": ["cc0"]}, "needs a preset"),
        ({"preset": "cc0", "fee": 1}, "terms.fee is not for this preset; it takes nothing"),
        ({"preset": "commercial", "share": 1}, "terms.share is not for this preset"),
        ({"preset": "commercial-remix", "share": 1_000_001}, "from 0 to 1000000"),
        ({"preset": "commercial-remix", "share": True}, "terms.share is True"),
        ({"preset": "commercial-remix", "share": 0.1}, "write a whole number"),
        ({"preset": "commercial", "fee": "-1"}, "write a whole number"),
        ({"preset": "commercial", "fee": str(2**128)}, "write a whole number"),
        ({"preset": "commercial", "fee": 1, "currency": "USD"}, "a token's address"),
        ({"preset": "commercial", "currency": TOKEN}, "a currency without a fee"),
        ({"preset": "commercial", "fee": 1, "duration": 2**32}, "terms.duration"),
        ({"preset": "commercial", "fee": 1, "transferable": "yes"}, "true or false"),
        ({"preset": "commercial", "ai_training": "paid"}, "without a fee"),
        ({"preset": "commercial", "ai_training": "maybe"}, "denied, allowed, paid"),
        ({"preset": "ai-training-paid"}, "without a fee"),
    ],
)
def test_choices_that_make_no_sense_are_refused_with_what_to_do(stated: Any, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence.replace("(", r"\(")):
        parse_offer(stated)


def test_other_terms_are_of_no_preset() -> None:
    assert name_of(replace(PRESETS["cc0"].terms, attribution=True, fee=3)) is None
