"""The rows of the public identifier and of what machines look for beside it."""

from capture_api.negotiation import DIALECTS, FORMATS
from capture_api.openapi_parts import BYTES, JSON, Call, path, query
from rights.dialects import OEMBED, RSL

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
    Call("get", "/oembed", "A published photo for other people's pages, as oEmbed 1.0 has it.",
         {200: (OEMBED, {"type": "object", "required": ["version", "type", "title"]})},
         ("not-found", "erased", "malformed-request", "not-acceptable"),
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
