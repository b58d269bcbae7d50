"""The rows of the public identifier and of what machines look for beside it."""

from typing import Any

from capture_api.negotiation import DIALECTS, FORMATS
from capture_api.openapi_parts import BYTES, JSON, Call, path, query, ref
from ledger.rights import USES
from rights.dialects import RSL
from rights.legal import TITLES

ID = path("id", "The capture's id")
_TEXT = {"type": "string"}
_PIXELS = {"type": "integer", "minimum": 1, "maximum": 999999999}

RIGHTS = (
    Call("get", "/a/{id}", "The public identifier of a published photo, by Accept or `format`: a page, the same as "
         "JSON, JSON-LD (schema.org), RSL 1.0, the C2PA manifest store, or the picture, whole under a Creative "
         "Commons licence and else small. All say the same of its rights, and so do the headers: docs/rights.md.",
         {200: ("text/html", _TEXT)},
         ("not-found", "not-there-yet", "erased", "malformed-request", "not-acceptable", "location-withheld"),
         (ID, query("format", "The dialect; without it, Accept says.", {"enum": list(FORMATS)})),
         key=False, also=(*(kind for kind in DIALECTS.values() if kind != "text/html"), "image/*")),
    Call("get", "/a/{id}/thumbnail", "The thumbnail of a published capture.", {200: ("image/jpeg", BYTES)},
         ("not-found", "not-there-yet", "erased"), (ID,), key=False),
    Call("get", "/terms/{name}", "The text of one of our own licences, which works are offered under; its SHA-256 is "
         "the `legal_text` of terms on the chain.", {200: ("text/plain", _TEXT)}, ("not-found",),
         (path("name", ", ".join(TITLES)),), key=False),
    Call("get", "/oembed", "A published photo for other people's pages, as oEmbed 1.0 has it.",
         {200: (JSON, {"type": "object", "required": ["version", "type", "title"]})},
         ("not-found", "erased", "malformed-request", "not-implemented"),
         (query("url", "The photo's address: …/a/{id}", _TEXT, required=True),
          query("maxwidth", "Pixels", _PIXELS), query("maxheight", "Pixels", _PIXELS),
          query("format", "json", {"enum": ["json"]})), key=False),
    Call("get", "/robots.txt", "For crawlers: where the licence is, and that each photo says what it may be used for.",
         {200: ("text/plain", _TEXT)}, key=False),
    Call("get", "/license.xml", "The RSL 1.0 licence of photos that name none of their own: not for AI.",
         {200: (RSL, BYTES)}, key=False),
    Call("get", "/.well-known/tdmrep.json", "W3C TDM Reservation Protocol: mining is reserved unless a photo says "
         "otherwise.", {200: (JSON, {"type": "array", "items": {"type": "object"}})}, key=False),
)  # fmt: skip


_ADDRESS = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
_HEX = {"type": "string", "pattern": "^0x[0-9a-f]*$"}
_PRICE = {
    "type": "object", "required": ["amount", "currency"],
    "properties": {"amount": {"type": "string", "pattern": "^\\d+$", "description": "in the smallest unit"},
                   "currency": {"anyOf": [_ADDRESS, {"type": "null"}], "description": "a token; null: the coin"}},
}  # fmt: skip
_CHAIN = {
    "type": "object", "required": ["id", "contract", "local"],
    "properties": {"id": {"type": "integer"}, "contract": _ADDRESS,
                   "local": {"type": "boolean", "description": "the service's own chain, whose coin is play money"}},
}  # fmt: skip
_BUY: dict[str, Any] = {
    "use": {"enum": list(USES)},
    "asset": _HEX | {"description": "the work's id"},
    "terms_id": _TEXT | {"description": "the terms' id, hex: when they are others by now, the contract takes no money"},
    "terms": {"type": "object", "description": "the terms as the contract holds them"},
    "chain": _CHAIN,
    "price": _PRICE,
    "transaction": {
        "type": "object", "required": ["to", "value", "data", "holder_at_byte"],
        "description": "what to send, with your address in the 20 bytes of `data` from `holder_at_byte` on",
        "properties": {"to": _ADDRESS, "value": {"type": "string", "pattern": "^\\d+$"}, "data": _HEX,
                       "holder_at_byte": {"type": "integer"}},
    },
    "approve": {"anyOf": [_PRICE, {"type": "null"}],
                "description": "what the contract has to be allowed to take first, where the price is in a token"},
    "sign": {
        "type": "object", "required": ["scheme", "text", "header"],
        "description": "what to sign, and the header that shows it, when the licence is yours",
        "properties": {"scheme": {"const": "EIP-191"}, "text": _TEXT, "header": _TEXT},
    },
    "play_money": {"type": ["string", "null"], "description": "where the service buys on its own chain: POST {holder}"},
}  # fmt: skip
_ROW: dict[str, Any] = {
    "id": _TEXT, "page": _TEXT, "use": {"enum": list(USES)},
    "unknown": _TEXT | {"description": "a note in place of all that follows: how this work stands is not known now"},
    "copy": _TEXT, "free": {"type": "boolean"}, "sha256": _TEXT | {"description": "of the upload"},
    "media_type": _TEXT, "creator": {"type": ["string", "null"]}, "credit": {"type": ["string", "null"]},
    "copyright_notice": {"type": ["string", "null"]}, "licence_url": _TEXT,
    "ai_training": {"enum": ["allowed", "ask", "not_allowed"]},
    "price": {"anyOf": [_PRICE, {"type": "null"}], "description": "null when it is free"},
    "asset": {"anyOf": [_HEX, {"type": "null"}], "description": "null, as what follows, when it is no work"},
    "token": {"type": ["string", "null"], "description": "CAIP-19"}, "terms_id": {"type": ["string", "null"]},
    "chain": {"anyOf": [_CHAIN, {"type": "null"}]},
}  # fmt: skip

RIGHTS_SCHEMAS: dict[str, Any] = {
    "PaymentRequired": {
        "description": "A problem, and with it all that buying the licence takes: docs/licences.md",
        "allOf": [ref("Problem"), {"type": "object", "required": list(_BUY), "properties": _BUY}],
    },
    "CatalogueRow": {"type": "object", "required": ["id", "page", "use"], "properties": _ROW},
}
