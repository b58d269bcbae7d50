"""The rows and schemas of works: terms, licences, parents, revenue, and copies for a use."""

from typing import Any, get_args

from capture_api.body import CAPTURE_ID
from capture_api.openapi_parts import BYTES, JSON, Call, header, path, query, ref
from ledger.rights import USES
from rights.offers import PRESETS
from store.orders import Kind

_KEYED = ("no-key", "not-allowed", "not-found", "erased", "no-work", "unavailable")
_ASKED = (*_KEYED, "wrong-media-type", "too-large", "invalid-metadata", "conflict", "not-there-yet")
_ID = path("id", "The capture's id")
_ORDER_ID = path("order_id", "The order's id")
_PREFER = header("Prefer", "wait=N: answer when the order is done, or after N seconds (RFC 7240)")
_ORDER = {200: (JSON, ref("Order")), 202: (JSON, ref("Order"))}
_TEXT: dict[str, Any] = {"type": "string"}
_DIGITS = {"type": "string", "pattern": "^\\d+$"}
_CAPTURE = {"type": "string", "pattern": CAPTURE_ID, "maxLength": 64}
_ADDRESS = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
_HEX = {"type": "string", "pattern": "^0x[0-9a-f]+$"}
_HOLDER = query("holder", "Your account, to have it in the transaction", _ADDRESS)
_USE = query("use", "What the photo is for", {"enum": list(USES), "default": "ai-training"})


def _body(name: str) -> dict[str, Any]:
    return {JSON: {"schema": ref(name)}}


WORK_CALLS = (
    Call("post", "/v1/captures/{id}/asset", "Make a photo a work on the chain, under these terms: an order.",
         _ORDER, (*_ASKED, "invalid-terms"), (_ID, _PREFER), _body("Offer")),
    Call("get", "/v1/captures/{id}/asset", "How your work stands on the chain.", {200: (JSON, ref("Work"))},
         (*_KEYED, "not-there-yet"), (_ID,)),
    Call("put", "/v1/captures/{id}/terms", "Offer a work under other terms; licences that exist keep theirs.",
         _ORDER, (*_ASKED, "invalid-terms"), (_ID, _PREFER), _body("Offer")),
    Call("post", "/v1/captures/{id}/derivation", "Say what a work was made from, once: its parents share "
         "in what it earns from then on.",
         _ORDER, _ASKED, (_ID, _PREFER), _body("Derivation")),
    Call("get", "/v1/captures/{id}/licences", "What a licence for a work, yours or published, costs, the transaction "
         "that buys it, and those that were bought: all for the owner, for others their own.",
         {200: (JSON, ref("Licences"))}, (*_KEYED, "not-there-yet"), (_ID, _HOLDER)),
    Call("post", "/v1/captures/{id}/licences", "Buy a licence for a work, yours or published, with the embedded "
         "chain's play money.", _ORDER, _ASKED, (_ID, _PREFER), _body("Purchase")),
    Call("get", "/v1/captures/{id}/revenue", "What a work earned, what waits for whom, and what waits for it in works "
         "that were made from it: the newest of those first, a page at a time.",
         {200: (JSON, ref("Revenue"))}, (*_KEYED, "not-there-yet", "malformed-request"),
         (_ID, query("after", "the cursor of the page before", _TEXT))),
    Call("post", "/v1/captures/{id}/claims", "Pay what a work earned for a work to that one's owner. Any work that is "
         "yours or published, or that yours is an ancestor of (`beneficiary`).", _ORDER,
         _ASKED, (_ID, _PREFER), _body("Claim")),
    Call("post", "/v1/captures/{id}/moves", "Move a work to an account of your own, or to your wallet.", _ORDER,
         (*_ASKED, "no-wallet"), (_ID, _PREFER), _body("Move")),
    Call("get", "/v1/captures/{id}/orders", "All that was ever wanted of your work, by whomever, oldest first.",
         {200: (JSON, {"type": "object", "required": ["orders"], "properties": {
             "orders": {"type": "array", "items": ref("Order")}}})},
         ("no-key", "not-allowed", "not-found", "erased", "unavailable"), (_ID,)),
    Call("get", "/v1/captures/{id}/orders/{order_id}", "How far an order is: yours, or one for your work.",
         {200: (JSON, ref("Order"))}, _KEYED, (_ID, _ORDER_ID)),
    Call("get", "/a/{id}/copy", "The published photo for a use that its terms or your licence allow; else what "
         "buying one takes: docs/licences.md.", {200: ("image/*", BYTES)},
         ("payment-required", "signature-refused", "not-allowed", "not-found", "erased", "no-work", "not-there-yet",
          "malformed-request", "location-withheld", "too-many-requests", "unavailable"),
         (_ID, _USE, _HOLDER,
          header("Capture-Licence", 'holder="0x…"; time=SECONDS; signature="0x…" (EIP-191)')), key=False),
    Call("post", "/a/{id}/licences", "Have a licence bought with the embedded chain's play money.", _ORDER,
         (*_ASKED, "too-many-requests"), (_ID, _PREFER), _body("Purchase"), key=False),
    Call("get", "/a/{id}/orders/{order_id}", "How far the purchase of a licence is, by the order's id.",
         {200: (JSON, ref("Order"))}, ("not-found", "erased", "too-many-requests", "unavailable"), (_ID, _ORDER_ID),
         key=False),
    Call("get", "/work/{id}", "The owner's page of a work: its offer and its revenue.", {200: ("text/html", _TEXT)}, (),
         (_ID,), key=False),
    Call("get", "/v1/catalogue", "Published photos that may be used so and what that costs, one JSON object a line, "
         "each a CatalogueRow: docs/licences.md.", {200: ("application/jsonl", BYTES)},
         ("malformed-request", "too-many-requests", "unavailable"),
         (_USE, query("after", "Where the page before ended", _TEXT | {"pattern": "^[a-z0-9]*$", "maxLength": 64}),
          query("limit", "Photos in one page, at most", {"type": "integer", "minimum": 1, "maximum": 100})), key=False),
)  # fmt: skip

_TERMS = {
    "type": "object",
    "required": ["preset"],
    "properties": {
        "preset": {"enum": list(PRESETS)},
        "share": {"type": "integer", "minimum": 0, "maximum": 1_000_000, "description": "parts per million"},
        "fee": {"anyOf": [{"type": "integer", "minimum": 0}, _DIGITS], "description": "in the smallest unit"},
        "currency": {"anyOf": [_ADDRESS, {"type": "null"}], "description": "a token, or null for the chain's coin"},
        "duration": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "seconds; 0: for ever"},
        "transferable": {"type": "boolean"},
        "ai_training": {"enum": ["denied", "allowed", "paid"]},
    },
}
_CHAIN = {
    "type": "object", "required": ["id", "contract", "local"],
    "properties": {"id": {"type": "integer"}, "contract": _ADDRESS, "local": {"type": "boolean"}},
}  # fmt: skip
_CURRENCY = {"anyOf": [_ADDRESS, {"type": "null"}]}
_PRICE = {
    "type": "object", "required": ["amount", "currency"], "properties": {"amount": _DIGITS, "currency": _CURRENCY},
}  # fmt: skip
_QUOTE = {"asset": _HEX, "terms_id": _TEXT, "terms": {"type": "object"}, "chain": _CHAIN, "price": _PRICE}
_PURCHASE = {
    "transaction": {
        "type": ["object", "null"], "required": ["to", "value", "data", "holder_at_byte"],
        "description": "to be sent by the buyer, whose address goes into `data` at that byte (20 bytes); null when the "
        "terms give nothing that a licence could be for",
        "properties": {"to": _ADDRESS, "value": _DIGITS, "data": _HEX, "holder_at_byte": {"type": "integer"}},
    },
    "approve": {"anyOf": [_PRICE, {"type": "null"}], "description": "of a price in a token: what the contract must "
                "first be allowed to take"},
}  # fmt: skip
_FROM_DERIVATIVE = {
    "type": "object", "required": ["id", "asset", "title", "share_ppm", "currencies"],
    "properties": {
        "id": _TEXT | {"description": "of the capture to claim from, with your own as `beneficiary`"}, "asset": _HEX,
        "title": {"type": ["string", "null"], "description": "null while it is neither published nor yours"},
        "share_ppm": {"type": "integer", "minimum": 0, "description": "of all that it earns since it was said to be "
                      "made from others, rounded down"},
        "currencies": {"type": "array", "items": {
            "type": "object", "required": ["currency", "claimable"],
            "properties": {"currency": _CURRENCY, "claimable": _DIGITS}}},
    },
}  # fmt: skip


def _strict(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


WORK_SCHEMAS: dict[str, Any] = {
    "Offer": _strict([], terms={"anyOf": [_TERMS, {"type": "null"}]}),
    "Derivation": _strict([], parents={
        "type": ["array", "null"], "minItems": 1, "maxItems": 16,
        "items": _strict(["id"], id=_CAPTURE,
                         licence={"anyOf": [_HEX | {"maxLength": 66}, {"type": "null"}]})}),
    "Purchase": _strict(["holder"], holder=_ADDRESS),
    "Claim": _strict([], beneficiary={"anyOf": [_CAPTURE, {"type": "null"}]},
                     currency={"anyOf": [_ADDRESS, {"type": "null"}]}),
    "Move": _strict([], to=_ADDRESS),
    "Order": {
        "type": "object",
        "required": ["id", "kind", "state", "created_at", "transactions", "result", "problem", "links"],
        "properties": {
            "id": {"type": ["string", "null"], "description": "null in lists, for what happened on the chain "
                   "without an order of this service"},
            "kind": {"enum": list(get_args(Kind))},
            "state": {"enum": ["open", "done", "refused"]}, "created_at": {"type": "string", "format": "date-time"},
            "transactions": {"type": "array", "items": _HEX}, "result": {"type": ["object", "null"]},
            "problem": {"type": ["string", "null"], "description": "why it waits, or was refused"},
            "links": {"type": "object"},
        },
    },
    "Work": {
        "type": "object",
        "required": [*_QUOTE, "token", "owner", "counts", "awaits_parents", "is_derivative", "made_at",
                     "free_uses"],
        "properties": _QUOTE | {
            "token": _TEXT | {"description": "CAIP-19"}, "owner": _ADDRESS, "counts": {"type": "boolean"},
            "awaits_parents": {"type": "boolean"}, "is_derivative": {"type": "boolean"},
            "made_at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
            "free_uses": {"type": "array", "items": {"enum": list(USES)}},
        },
    },
    "Licences": {
        "type": "object", "required": ["quote", "bought"],
        "properties": {"quote": {"type": "object", "required": [*_QUOTE, *_PURCHASE],
                                 "properties": _QUOTE | _PURCHASE},
                       "bought": {"type": "array", "items": ref("Order")}},
    },
    "Revenue": {
        "type": "object",
        "required": ["asset", "currencies", "payments", "claims", "from_derivatives", "more", "cursor"],
        "properties": {"asset": _HEX, "currencies": {"type": "array", "items": {"type": "object"}},
                       "payments": {"type": ["array", "null"], "items": {"type": "object"}},
                       "claims": {"type": "array", "items": ref("Order")},
                       "from_derivatives": {"type": "array", "items": _FROM_DERIVATIVE,
                                            "description": "works of this service that have it among their ancestors, "
                                            "at any depth, newest first"},
                       "more": {"type": "boolean"},
                       "cursor": {"type": ["string", "null"], "description": "for `after`"}},
    },
}  # fmt: skip
