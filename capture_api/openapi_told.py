"""The rows and schemas of being told: what changed, event streams, webhooks and push messages."""

from typing import Any

from capture_api.feed import DEFAULT_LIMIT, MOST
from capture_api.openapi_parts import BYTES, JSON, Call, header, path, query, ref
from capture_api.subscriptions import NewPush, NewWebhook, Replay
from store.changes import EVENT_TYPES

_TEXT = {"type": "string"}
_KEY = ("no-key", "not-allowed")
_STREAM = {200: ("text/event-stream", BYTES)}  # events, not one text
_LAST = header("Last-Event-ID", "Go on behind this event, whose id is a cursor")
_SINCE = query("since", "A cursor: of a page, or the id of an event", _TEXT)
_WEBHOOK = path("webhook_id", "The webhook's id")
_OWN = (*_KEY, "not-found")
_NEW = (*_KEY, "too-large", "invalid-subscription", "too-many-subscriptions")
_WEBHOOKS = "/v1/webhooks"


def _body(name: str) -> dict[str, Any]:
    return {JSON: {"schema": ref(name)}}


TOLD = (
    Call("get", "/v1/captures", "Your captures in the order of their last change, behind a cursor; erased ones as "
         "{id, status: erased}. While `more` is true, ask again with `cursor`; keep it for the next time. What changes "
         "while you page comes with the next walk.", {200: (JSON, ref("Changed"))}, (*_KEY, "malformed-request"),
         (_SINCE, query("limit", f"At most that many; {MOST} are the most there are.",
                        {"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT}))),
    Call("get", "/v1/captures/{id}/events", "Server-sent events: `fact` with {name, status, at_ms, value} for each "
         "fact, those that exist first; `rights` with {at} when stated anew; `order` with {name, at} of works "
         "(`order-refused`: see its orders); `end` with {status} when no stage will add more. With Last-Event-ID those "
         "behind it.", _STREAM, (*_OWN, "erased", "malformed-request"),
         (path("id", "The capture's id"), _LAST, _SINCE)),
    Call("get", "/v1/events", "Server-sent events of all your captures: `ready`, then `fact` as of one capture and its "
         "`id`, `rights` with {id, at}, `order` with {id, name, at}, and `erased` with {id, status}. From now on, or "
         "behind a Last-Event-ID.", _STREAM,
         (*_KEY, "malformed-request"), (_LAST, _SINCE)),
    Call("post", _WEBHOOKS, "Be told at an https address on the public internet (Standard Webhooks). The answer holds "
         "the secret, this once.", {201: (JSON, ref("Webhook"))}, _NEW, (), _body("NewWebhook")),
    Call("get", _WEBHOOKS, "Your webhooks.", {200: (JSON, {"type": "object", "properties": {
        "webhooks": {"type": "array", "items": ref("Webhook")}}})}, _KEY),
    Call("get", f"{_WEBHOOKS}/{{webhook_id}}", "A webhook, with what it was not told yet and why.",
         {200: (JSON, ref("Webhook"))}, _OWN, (_WEBHOOK,)),
    Call("delete", f"{_WEBHOOKS}/{{webhook_id}}", "Tell it nothing more.", {204: (JSON, {})}, _OWN, (_WEBHOOK,)),
    Call("post", f"{_WEBHOOKS}/{{webhook_id}}/test", "Send it a message of the type `ping`.",
         {202: (JSON, {"type": "object", "properties": {"webhook_id": _TEXT}})}, _OWN, (_WEBHOOK,)),
    Call("post", f"{_WEBHOOKS}/{{webhook_id}}/replay", "Tell it again what happened since a cursor or a moment, under "
         "the same message ids; one that was disabled is told again from there on.", {202: (JSON, ref("Webhook"))},
         (*_OWN, "malformed-request", "too-large", "invalid-subscription"), (_WEBHOOK,), _body("Replay")),
    Call("get", "/v1/push/key", "The key that a browser subscribes with (applicationServerKey).",
         {200: (JSON, {"type": "object", "properties": {"public_key": _TEXT}})}, _KEY),
    Call("post", "/v1/push/subscriptions", "Send push messages to this browser: its PushSubscription's JSON. The same "
         "endpoint again takes the place of the old one.", {201: (JSON, {"type": "object", "properties": {
             "id": _TEXT, "events": {"type": "array", "items": _TEXT}, "created_at": _TEXT}})}, _NEW, (),
         _body("NewPush")),
    Call("delete", "/v1/push/subscriptions/{subscription_id}", "Tell it nothing more.", {204: (JSON, {})}, _OWN,
         (path("subscription_id", "The subscription's id"),)),
)  # fmt: skip

_MAYBE = {"type": ["string", "null"]}
_EVENT = {"enum": [*EVENT_TYPES, "*"]}
_ERASED = {"type": "object", "required": ["id", "status"],
           "properties": {"id": _TEXT, "status": {"const": "erased"}}}  # fmt: skip
_DELIVERY = {
    "type": "object",
    "properties": {"webhook_id": _TEXT, "type": _TEXT, "capture": _MAYBE, "state": {"enum": ["waiting", "failed"]},
                   "attempts": {"type": "integer"}, "problem": _MAYBE},
}  # fmt: skip


def _asked(model: type[NewWebhook] | type[NewPush]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema["properties"]["events"]["items"] = _EVENT
    return schema


TOLD_SCHEMAS = {
    "Changed": {
        "type": "object",
        "required": ["captures", "cursor", "more"],
        "properties": {"captures": {"type": "array", "items": {"anyOf": [ref("Capture"), _ERASED]}}, "cursor": _TEXT,
                       "more": {"type": "boolean"}},
    },
    "NewWebhook": _asked(NewWebhook),
    "NewPush": _asked(NewPush),
    "Replay": Replay.model_json_schema(),
    "Webhook": {
        "type": "object",
        "required": ["id", "url", "events", "state", "created_at"],
        "properties": {
            "id": _TEXT, "url": _TEXT, "events": {"type": "array", "items": _EVENT},
            "state": {"enum": ["active", "failing", "disabled"]}, "created_at": _TEXT, "delivered_at": _MAYBE,
            "failing_since": _MAYBE, "disabled_at": _MAYBE, "problem": _MAYBE,
            "secret": {"type": "string", "description": "whsec_…; in the answer to POST only"},
            "deliveries": {"type": "array", "items": _DELIVERY, "description": "of one webhook: what waits, or failed"},
        },
    },
}  # fmt: skip
