"""Which licence terms are, and where its words can be read."""

import hashlib
from dataclasses import replace

import pytest

from pipeline.record import Rights
from pipeline.works import Terms
from rights.legal import OWN_TERMS, TITLES, legal_text, licence_of, licence_title, text_url
from rights.offers import PRESETS, offer_of
from rights.terms import PRESETS as LICENCES

BASE = "https://photos.example"


@pytest.mark.parametrize("name", PRESETS)
def test_terms_are_the_licence_that_they_were_made_from(name: str) -> None:
    preset = PRESETS[name]
    filled = {"share": 7, "fee": 9, "currency": "0x" + "ab" * 20, "duration": 60, "transferable": False}
    asked = {field: value for field, value in filled.items() if field in preset.asks}
    assert licence_of(replace(preset.terms, **asked)) == name  # type: ignore[arg-type]
    assert licence_of(replace(preset.terms, ai_training="denied")) == name, "AI is a question of its own"
    if "fee" not in preset.asks:
        assert licence_of(replace(preset.terms, fee=1)) is None, "nobody sells these words"


@pytest.mark.parametrize("name", LICENCES)
def test_what_is_stated_becomes_terms_of_the_same_licence(name: str) -> None:
    for choice in ("allowed", "ask", "not_allowed"):
        terms = offer_of(Rights(licence=name, ai_training=choice))
        assert licence_of(terms) == name
    assert (licence_title(name), text_url(name, BASE)) == (LICENCES[name].title, LICENCES[name].url)


@pytest.mark.parametrize("name", TITLES)
def test_the_text_that_is_served_is_the_one_that_terms_commit_to(name: str) -> None:
    assert hashlib.sha256(legal_text(name)).digest() == PRESETS[name].terms.legal_text
    assert (licence_title(name), text_url(name, BASE)) == (TITLES[name], f"{BASE}/terms/{name}")


def test_terms_of_no_preset_have_no_words_here() -> None:
    assert licence_of(Terms(True, True)) is None
    assert (licence_title(None), text_url(None, BASE)) == (OWN_TERMS, None)
    for name in ("cc0", "../offers", "mine"):
        with pytest.raises(LookupError, match="no text of ours"):
            legal_text(name)
