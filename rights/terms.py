"""The terms that an uploader states: parsed at the border, kept as `Rights`, committed to as one digest."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_args
from urllib.parse import urlsplit

from pipeline.canonical import canonical_bytes, digest_of
from pipeline.errors import Rejected
from pipeline.record import AiTraining, Rights


@dataclass(frozen=True, slots=True)
class Preset:
    """A licence that has a name here: a title in plain words, and the page that says what it means."""

    title: str
    url: str


_CC = "https://creativecommons.org"

# Names are for ever: captures, keys and terms ids hold them. A new version of a licence gets a new name.
PRESETS: dict[str, Preset] = {
    # Not a licence but its absence; rightsstatements.org keeps the page that says so in a machine's terms.
    "all-rights-reserved": Preset(
        "All rights reserved: ask before any use", "https://rightsstatements.org/vocab/InC/1.0/"
    ),
    "cc0": Preset("No rights reserved (CC0 1.0)", f"{_CC}/publicdomain/zero/1.0/"),
    "cc-by-4.0": Preset("Any use with credit (CC BY 4.0)", f"{_CC}/licenses/by/4.0/"),
    "cc-by-sa-4.0": Preset("Any use with credit, shared alike (CC BY-SA 4.0)", f"{_CC}/licenses/by-sa/4.0/"),
    "cc-by-nc-4.0": Preset("Non-commercial use with credit (CC BY-NC 4.0)", f"{_CC}/licenses/by-nc/4.0/"),
    "cc-by-nd-4.0": Preset("Unchanged use with credit (CC BY-ND 4.0)", f"{_CC}/licenses/by-nd/4.0/"),
    "cc-by-nc-sa-4.0": Preset(
        "Non-commercial use with credit, shared alike (CC BY-NC-SA 4.0)", f"{_CC}/licenses/by-nc-sa/4.0/"
    ),
    "cc-by-nc-nd-4.0": Preset(
        "Non-commercial, unchanged use with credit (CC BY-NC-ND 4.0)", f"{_CC}/licenses/by-nc-nd/4.0/"
    ),
}

MAX_NAME_CHARACTERS = 200  # creator and credit: long enough for a list of agencies, short enough for one line
MAX_NOTICE_CHARACTERS = 1000  # a copyright notice is a paragraph, not a contract
MAX_URL_CHARACTERS = 2000  # what browsers and XMP readers are known to take

TERMS_VERSION = 1

# Turning the direction of text around lets a name show as another than it is (Unicode TR 36, 2.1).
_BIDI_CONTROLS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control, surrogate, line and paragraph separator: none of them is part of a name or of one line of text.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def parse_rights(value: Any, defaults: Rights) -> Rights:
    """Read what an uploader states (JSON); fields that are left out come from `defaults`, null takes one away.

    Raises Rejected for an unknown field or a bad value; the text names the field and says what to write.
    """
    if not isinstance(value, dict):
        raise Rejected(f'rights is {_kind(value)}: write an object such as {{"creator": "Ada Lovelace"}}')
    stated: dict[str, Any] = {}
    for name, item in value.items():
        parse = _FIELDS.get(name)
        if parse is None:
            raise Rejected(f"rights.{_shown(name)} is not a field; there are: {', '.join(_FIELDS)}")
        stated[name] = parse(f"rights.{name}", item)
    return replace(defaults, **stated)


def licence_url(rights: Rights) -> str:
    """The page that says what the licence means: the preset's, or the URL that was stated."""
    preset = PRESETS.get(rights.licence)
    return preset.url if preset else rights.licence


def licence_title(rights: Rights) -> str:
    """The licence in plain words, or its URL when it is none of the presets."""
    preset = PRESETS.get(rights.licence)
    return preset.title if preset else rights.licence


def terms_document(rights: Rights) -> dict[str, Any]:
    """The versioned document that a terms id stands for. What was not stated is null.

    The URL is written beside the preset's name, so that the document can be read without this program.
    """
    return {
        "version": TERMS_VERSION,
        "creator": rights.creator,
        "credit": rights.credit,
        "copyright_notice": rights.copyright_notice,
        "licence": rights.licence,
        "licence_url": licence_url(rights),
        "ai_training": rights.ai_training,
    }


def terms_bytes(rights: Rights) -> bytes:
    """The canonical bytes (RFC 8785) of the terms document."""
    return canonical_bytes(terms_document(rights))


def terms_id(rights: Rights) -> bytes:
    """The SHA-256 of the terms document's canonical bytes, 32 bytes: the leaf's word for the terms."""
    return digest_of(terms_document(rights))


def _text(field: str, value: Any, max_characters: int) -> str:
    if not isinstance(value, str):
        raise Rejected(f"{field} is {_kind(value)}: write text of at most {max_characters} characters")
    # One text, one digest: é written as one code point or as two is the same name.
    text = unicodedata.normalize("NFC", value).strip(" ")
    if not text:
        raise Rejected(f"{field} is empty: write text, or leave the field out")
    if len(text) > max_characters:
        raise Rejected(f"{field} has {len(text)} characters: write at most {max_characters}")
    for character in text:
        if character in _BIDI_CONTROLS or unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise Rejected(f"{field} contains the control character U+{ord(character):04X}: write one line of text")
    return text


def _optional_text(max_characters: int) -> Callable[[str, Any], str | None]:
    def parse(field: str, value: Any) -> str | None:
        return None if value is None else _text(field, value, max_characters)

    return parse


def _licence(field: str, value: Any) -> str:
    advice = f"write one of {', '.join(PRESETS)}, or an https URL of at most {MAX_URL_CHARACTERS} characters"
    if not isinstance(value, str):
        raise Rejected(f"{field} is {_kind(value)}: {advice}")
    if value in PRESETS or _is_https_url(value):
        return value
    raise Rejected(f"{field} is {_shown(value)}: {advice}")


def _is_https_url(value: str) -> bool:
    # Printable ASCII without what could end an attribute or a header wherever the URL is shown.
    if len(value) > MAX_URL_CHARACTERS or not all("!" <= c <= "~" and c not in "\"'<>\\`{}|^" for c in value):
        return False
    try:
        parts = urlsplit(value)
        return value.startswith("https://") and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def _ai_training(field: str, value: Any) -> AiTraining:
    options: tuple[AiTraining, ...] = get_args(AiTraining)
    for option in options:
        if value == option:
            return option
    shown = _shown(value) if isinstance(value, str) else _kind(value)
    raise Rejected(f"{field} is {shown}: write one of {', '.join(options)}")


_FIELDS: dict[str, Callable[[str, Any], str | None]] = {
    "creator": _optional_text(MAX_NAME_CHARACTERS),
    "credit": _optional_text(MAX_NAME_CHARACTERS),
    "copyright_notice": _optional_text(MAX_NOTICE_CHARACTERS),
    "licence": _licence,
    "ai_training": _ai_training,
}

_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def _shown(text: Any) -> str:
    # What came in is shown short and escaped: errors travel into logs and pages.
    return ascii(text if len(str(text)) <= 40 else f"{str(text)[:40]}…")
