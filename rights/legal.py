"""Where a licence can be read: Creative Commons' words at their own address, ours at `/terms/{name}`."""

from dataclasses import replace
from pathlib import Path

from pipeline.works import Terms
from rights.offers import PRESETS
from rights.terms import PRESETS as LICENCES

_TEXTS = Path(__file__).parent / "texts"

# Our own texts, by the preset that has them; the texts themselves never change: terms on the chain hold their digests.
TITLES = {
    "commercial": "Commercial licence: use, for whoever holds one",
    "commercial-remix": "Commercial remix licence: use and new works, for a share of what they earn",
    "ai-training-paid": "AI training licence: training, for whoever holds one",
}
OWN_TERMS = "Terms of its owner's own"


def legal_text(name: str) -> bytes:
    """What lawyers read: the text of one of our own licences. Raises LookupError for all others."""
    if name not in TITLES:
        raise LookupError(f"no text of ours is called {name}")
    return (_TEXTS / f"{name}.txt").read_bytes()


def licence_of(terms: Terms) -> str | None:
    """The licence that these terms are, whatever their price and their word on AI; None for terms of no preset."""
    for name, preset in PRESETS.items():
        left_open = {*preset.asks, "ai_training"}
        if replace(terms, **{field: getattr(preset.terms, field) for field in left_open}) == preset.terms:
            return name
    return None


def licence_title(name: str | None) -> str:
    """A licence that a contract offers, in plain words."""
    if name is None:
        return OWN_TERMS
    return TITLES[name] if name in TITLES else LICENCES[name].title


def text_url(name: str | None, base: str) -> str | None:
    """Where the words of a licence can be read; None when nobody here has them. `base`: this service's address."""
    if name is None:
        return None
    return f"{base}/terms/{name}" if name in TITLES else LICENCES[name].url
