"""The rows and schemas of owners' own accounts."""

from typing import Any

from capture_api.openapi_parts import JSON, Call, ref

_KEYED = ("no-key", "not-allowed", "no-work", "unavailable")
_ASKED = (*_KEYED, "wrong-media-type", "too-large", "invalid-metadata")
_TEXT: dict[str, Any] = {"type": "string"}
_ADDRESS = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
_ACCOUNT = {"address": _ADDRESS, "account": _TEXT | {"description": "CAIP-10"}}

WALLET_CALLS = (
    Call("get", "/v1/wallet", "The account that the service keeps for you, and your own once you showed it.",
         {200: (JSON, ref("Wallet"))}, _KEYED),
    Call("post", "/v1/wallet/text", "The text (EIP-4361) that your own account has to sign, good once, for 5 minutes.",
         {201: (JSON, ref("WalletText"))}, (*_ASKED, "too-many-requests"), (),
         {JSON: {"schema": {"type": "object", "required": ["address"], "properties": {"address": _ADDRESS},
                            "additionalProperties": False}}}),
    Call("post", "/v1/wallet", "Show that an account is yours: works can then be moved to it without naming it.",
         {200: (JSON, ref("Wallet"))}, (*_ASKED, "sign-in-refused"), (), {JSON: {"schema": ref("SignedText")}}),
    Call("delete", "/v1/wallet", "Forget your own account. What was moved to it stays.", {204: (JSON, {})}, _KEYED),
)  # fmt: skip

WALLET_SCHEMAS: dict[str, Any] = {
    "Wallet": {
        "type": "object", "required": ["kept", "own"],
        "properties": {
            "kept": {"type": "object", "properties": _ACCOUNT, "required": list(_ACCOUNT)},
            "own": {"anyOf": [
                {"type": "object", "required": [*_ACCOUNT, "bound_at"],
                 "properties": _ACCOUNT | {"bound_at": {"type": "string", "format": "date-time"}}},
                {"type": "null"}]},
        },
    },
    "WalletText": {
        "type": "object", "required": ["message", "expires_at"],
        "properties": {"message": _TEXT, "expires_at": {"type": "string", "format": "date-time"}},
    },
    "SignedText": {
        "type": "object", "required": ["message", "signature"], "additionalProperties": False,
        "properties": {"message": _TEXT | {"maxLength": 4000},
                       "signature": {"type": "string", "pattern": "^0x[0-9a-fA-F]{130}$",
                                     "description": "of the message by EIP-191, as personal_sign gives it"}},
    },
}  # fmt: skip
