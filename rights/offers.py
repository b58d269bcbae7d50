"""Terms by name: what people choose from, in plain words, and how their choice is read."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import Rejected
from pipeline.record import Rights
from pipeline.works import COIN, MILLION, AiUse, Terms
from rights.terms import PRESETS as LICENCES

_TEXTS = Path(__file__).parent / "texts"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
MAX_FEE = 2**128 - 1
MAX_DURATION_S = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Preset:
    """Terms with a name: what they let others do in plain words, and what is left to say (fields of Terms)."""

    title: str
    terms: Terms
    asks: tuple[str, ...] = ()


def _text(name: str) -> bytes:
    return hashlib.sha256((_TEXTS / f"{name}.txt").read_bytes()).digest()


def _page(name: str) -> bytes:
    # The texts of others are not ours to ship: their address stands for them.
    return hashlib.sha256(LICENCES[name].url.encode()).digest()


_AI_ONLY = ("ai_training",)  # may machines learn from it: a question of its own

# Names are for ever: works and licences hold the ids of these terms. Changed terms get a new name.
PRESETS: dict[str, Preset] = {
    "all-rights-reserved": Preset(
        "Nobody may use it without asking me", Terms(False, False, legal_text=_page("all-rights-reserved")), _AI_ONLY
    ),
    "cc0": Preset(
        "Anyone may use it for anything",
        Terms(True, True, attribution=False, ai_training="allowed", legal_text=_page("cc0")),
    ),
    "cc-by-4.0": Preset(
        "Anyone may use and change it, naming me",
        Terms(True, True, ai_training="allowed", legal_text=_page("cc-by-4.0")),
        _AI_ONLY,
    ),
    "cc-by-sa-4.0": Preset(
        "Anyone may use and change it, naming me, under the same terms",
        Terms(True, True, reciprocal=True, legal_text=_page("cc-by-sa-4.0")),
        _AI_ONLY,
    ),
    "cc-by-nd-4.0": Preset(
        "Anyone may use it unchanged, naming me", Terms(True, False, legal_text=_page("cc-by-nd-4.0")), _AI_ONLY
    ),
    "cc-by-nc-4.0": Preset(
        "Anyone may use and change it, but not for money",
        Terms(False, True, legal_text=_page("cc-by-nc-4.0")),
        _AI_ONLY,
    ),
    "cc-by-nc-sa-4.0": Preset(
        "Anyone may use and change it, not for money, under the same terms",
        Terms(False, True, reciprocal=True, legal_text=_page("cc-by-nc-sa-4.0")),
        _AI_ONLY,
    ),
    "cc-by-nc-nd-4.0": Preset(
        "Anyone may show it unchanged, not for money",
        Terms(False, False, legal_text=_page("cc-by-nc-nd-4.0")),
        _AI_ONLY,
    ),
    "commercial": Preset(
        "Whoever pays may use it, also for money",
        Terms(True, False, legal_text=_text("commercial")),
        ("fee", "currency", "duration", "transferable", "ai_training"),
    ),
    "commercial-remix": Preset(
        "Others may use and change it, also for money, and I get a share",
        Terms(True, True, legal_text=_text("commercial-remix")),
        ("share", "fee", "currency", "duration", "transferable", "ai_training"),
    ),
    "ai-training-paid": Preset(
        "Whoever pays may train models on it, and nothing else",
        Terms(False, False, ai_training="paid", legal_text=_text("ai-training-paid")),
        ("fee", "currency", "duration", "transferable"),
    ),
}
_AI: dict[str, AiUse] = {"allowed": "allowed", "not_allowed": "denied", "ask": "denied"}


def offer_of(rights: Rights) -> Terms:
    """The terms that a capture's stated rights come to. Raises Rejected when its licence is a page of the owner's."""
    if rights.licence not in PRESETS:
        raise Rejected(f"{rights.licence} has no terms that a contract can keep; state terms")
    return replace(PRESETS[rights.licence].terms, ai_training=_AI[rights.ai_training])


def parse_offer(value: Any) -> Terms:
    """Read what an owner offers: {"preset": name} and what the preset asks for. Raises Rejected, naming the field."""
    stated = dict(value) if isinstance(value, dict) else {}
    preset = PRESETS.get(str(stated.pop("preset", "")))
    if preset is None:
        raise Rejected(f"terms needs a preset: one of {', '.join(PRESETS)}")
    foreign = [name for name in stated if name not in preset.asks]
    if foreign:
        raise Rejected(
            f"terms.{str(foreign[0])[:40]} is not for this preset; it takes {', '.join(preset.asks) or 'nothing'}"
        )
    terms = replace(preset.terms, **{name: _READ[name](name, given) for name, given in stated.items()})
    check_offer(terms)
    return terms


def check_offer(terms: Terms) -> None:
    """Raise Rejected for terms that contradict themselves, which the contract would refuse."""
    sells = terms.commercial or terms.ai_training == "paid"
    conditions = terms.share > 0 or terms.reciprocal
    contradictions = {
        "a fee for nothing: allow commercial use, or AI training for money": terms.fee > 0 and not sells,
        "paid AI training without a fee: state a fee": terms.ai_training == "paid" and not terms.fee,
        "a currency without a fee: state a fee": terms.currency != COIN and not terms.fee,
        "conditions for derivatives, which are not allowed": conditions and not terms.derivatives,
        "a share of what may not be earned: allow commercial use": terms.share > 0 and not terms.commercial,
    }
    for sentence, holds in contradictions.items():
        if holds:
            raise Rejected(f"terms: {sentence}")


def name_of(terms: Terms) -> str | None:
    """The preset that these terms are of, whatever its owner filled in; None when of none."""
    for name, preset in PRESETS.items():
        if replace(terms, **{field: getattr(preset.terms, field) for field in preset.asks}) == preset.terms:
            return name
    return None


def offer_json(terms: Terms) -> dict[str, Any]:
    """Terms as our API shows them; what `fee` is in is `currency`, null for the chain's own coin."""
    values: dict[str, Any] = asdict(terms)
    return values | {
        "preset": name_of(terms),
        "currency": None if terms.currency == COIN else terms.currency,
        "fee": str(terms.fee),  # JavaScript's numbers end at 2^53
        "legal_text": terms.legal_text.hex() if any(terms.legal_text) else None,
    }


def from_json(value: Mapping[str, Any]) -> Terms:
    """The inverse of `offer_json`."""
    fields = {name: given for name, given in value.items() if name != "preset"}
    return Terms(**fields | {
        "currency": value["currency"] or COIN, "fee": int(value["fee"]),
        "legal_text": bytes.fromhex(value["legal_text"] or "00" * 32),
    })  # fmt: skip


def in_coins(amount: int) -> str:
    """An amount of a chain's own coin as people write it: every EVM chain's has 18 decimals."""
    whole, rest = divmod(amount, 10**18)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def _whole(most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        # As text too: fees in the smallest unit are beyond what JavaScript can count.
        number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,40}", value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
            raise Rejected(f"terms.{name} is {ascii(value)[:60]}: write a whole number from 0 to {most}")
        return number

    return read


def _currency(name: str, value: Any) -> str:
    if value is None:
        return COIN
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Rejected(f"terms.{name} is {ascii(value)[:60]}: write a token's address, or null for the coin")
    return value.lower()


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Rejected(f"terms.{name} is {ascii(value)[:60]}: write true or false")
    return value


def _ai_training(name: str, value: Any) -> AiUse:
    for option in get_args(AiUse):
        if value == option:
            found: AiUse = option
            return found
    raise Rejected(f"terms.{name} is {ascii(value)[:60]}: write one of {', '.join(get_args(AiUse))}")


_READ: dict[str, Callable[[str, Any], Any]] = {
    "share": _whole(MILLION),
    "fee": _whole(MAX_FEE),
    "duration": _whole(MAX_DURATION_S),
    "currency": _currency,
    "transferable": _yes_or_no,
    "ai_training": _ai_training,
}
