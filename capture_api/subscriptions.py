"""/v1/webhooks and /v1/push: who is told of the caller's captures, without asking."""

import ipaddress
import time
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Blueprint, Response, request, url_for
from pydantic import BaseModel, ConfigDict, ValidationError

from capture_api.auth import caller, needs
from capture_api.cursor import Cursor
from capture_api.problems import Problem, problem
from capture_api.render import json_answer
from capture_api.services import services
from notify.address import check
from notify.webhook import new_secret, secret_text
from notify.webpush import Receiver
from pipeline.errors import Rejected, Unavailable
from store.changes import EVENT_TYPES
from store.deliveries import Delivery
from store.subscriptions import Kind, Subscription, new_id

subscriptions = Blueprint("subscriptions", __name__, url_prefix="/v1")

MAX_BODY_BYTES = 16_384
MOST: dict[Kind, int] = {"webhook": 20, "push": 50}  # of one owner
MOST_SHOWN = 100  # deliveries
PUSH_EVENTS = ("capture.anchored", "capture.rejected")  # a phone is not to ring for every stage

Asked = TypeVar("Asked", bound=BaseModel)


class NewWebhook(BaseModel):
    """Where to tell, and of what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str
    events: list[str] = ["*"]


class Replay(BaseModel):
    """From where on to tell again: a cursor, or a moment (RFC 3339)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    since: str


class NewPush(BaseModel):
    """A browser's PushSubscription as its `toJSON` gives it, and of what to tell."""

    model_config = ConfigDict(strict=True)

    endpoint: str
    keys: dict[str, str]
    events: list[str] = list(PUSH_EVENTS)


@subscriptions.post("/webhooks")
@needs("capture")
def add_webhook() -> Response:
    """Tell this address from now on. The answer holds the secret, this once."""
    asked, secret = _asked(NewWebhook), new_secret()
    told = _add("webhook", asked.url, asked.events, secret)
    answer = json_answer(_webhook_json(told) | {"secret": secret_text(secret)}, 201)
    answer.headers["Location"] = url_for("subscriptions.show_webhook", webhook_id=told.id)
    return answer


@subscriptions.get("/webhooks")
@needs("capture")
def list_webhooks() -> Response:
    """The caller's webhooks."""
    found = services().subscriptions.of(caller().owner, "webhook")
    return json_answer({"webhooks": [_webhook_json(each) for each in found]})


@subscriptions.get("/webhooks/<webhook_id>")
@needs("capture")
def show_webhook(webhook_id: str) -> Response:
    """A webhook, with what it was not told yet and why."""
    told = _own(webhook_id, "webhook")
    waiting = services().deliveries.of(told.id, MOST_SHOWN)
    return json_answer(_webhook_json(told) | {"deliveries": [_delivery_json(each) for each in waiting]})


@subscriptions.delete("/webhooks/<webhook_id>")
@needs("capture")
def remove_webhook(webhook_id: str) -> Response:
    """Tell it nothing more."""
    return _remove(webhook_id, "webhook")


@subscriptions.post("/webhooks/<webhook_id>/test")
@needs("capture")
def test_webhook(webhook_id: str) -> Response:
    """Send a message of the type `ping`."""
    told, message_id = _own(webhook_id, "webhook"), new_id("msg_ping")
    services().deliveries.ping(told.id, message_id, time.time_ns() // 1_000_000)
    return json_answer({"webhook_id": message_id}, 202)


@subscriptions.post("/webhooks/<webhook_id>/replay")
@needs("capture")
def replay_webhook(webhook_id: str) -> Response:
    """Tell everything since then once more; a webhook that was disabled is told again from now on."""
    told, since = _own(webhook_id, "webhook"), _asked(Replay).since
    moment = _moment(since)
    position = services().changes.before(moment, told.owner) if moment else Cursor.parse(since).after
    services().subscriptions.replay(told.id, min(position, services().changes.newest()))
    return json_answer(_webhook_json(_own(webhook_id, "webhook")), 202)


@subscriptions.get("/push/key")
@needs("capture")
def push_key() -> Response:
    """What a browser subscribes with."""
    return json_answer({"public_key": services().notify_keys.sender.public_key})


@subscriptions.post("/push/subscriptions")
@needs("capture")
def add_push() -> Response:
    """Tell this browser from now on."""
    asked = _asked(NewPush)
    try:
        receiver = Receiver.parse(asked.keys)
    except Rejected as rejected:
        raise _invalid(str(rejected)) from None
    told = _add("push", asked.endpoint, asked.events, receiver.packed)
    return json_answer({"id": told.id, "events": list(told.events), "created_at": told.created_at}, 201)


@subscriptions.delete("/push/subscriptions/<subscription_id>")
@needs("capture")
def remove_push(subscription_id: str) -> Response:
    """Tell it nothing more."""
    return _remove(subscription_id, "push")


def _add(kind: Kind, url: str, events: list[str], secret: bytes) -> Subscription:
    here, key = services(), caller()
    wanted = _events(events)
    _check(url)
    held = here.subscriptions.of(key.owner, kind)
    if len(held) >= MOST[kind] and url not in {each.url for each in held if kind == "push"}:
        raise problem("too-many-subscriptions", f"You have {len(held)}. Delete one that you do not need any more.")
    made = new_id("wh" if kind == "webhook" else "push")
    sealed = here.notify_keys.seal.close(secret, made)
    return here.subscriptions.add(made, kind, key.owner, key.id, url, wanted, sealed, here.changes.newest())


def _remove(subscription_id: str, kind: Kind) -> Response:
    if not services().subscriptions.remove(subscription_id, caller().owner, kind):
        raise _unknown(subscription_id, kind)
    return Response(status=204)


def _own(subscription_id: str, kind: Kind) -> Subscription:
    try:
        return services().subscriptions.get(subscription_id, caller().owner, kind)
    except LookupError:
        raise _unknown(subscription_id, kind) from None


def _unknown(subscription_id: str, kind: Kind) -> Problem:
    return problem("not-found", f"You have no {kind} {subscription_id[:40]!r}.")


def _check(url: str) -> None:
    """Raise Problem unless we may send to this address; looked at again whenever something is sent."""
    networks = [ipaddress.ip_network(text) for text in services().settings.webhook_networks]
    try:
        check(url, networks)
    except Rejected as rejected:
        raise _invalid(f"{rejected}") from None
    except Unavailable:
        raise _invalid("the URL's host could not be looked up: check its name, or try again") from None


def _events(names: list[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(names))
    if not wanted or set(wanted) - {*EVENT_TYPES, "*"}:
        raise _invalid(f"events are some of {', '.join(EVENT_TYPES)}, or * for all")
    return wanted


def _invalid(reason: str) -> Problem:
    return problem("invalid-subscription", f"{reason[0].upper()}{reason[1:]}.")


def _asked(model: type[Asked]) -> Asked:
    request.max_content_length = MAX_BODY_BYTES
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise _invalid(f"{place}: {first['msg']}") from None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _webhook_json(told: Subscription) -> dict[str, Any]:
    return {
        "id": told.id,
        "url": told.url,
        "events": list(told.events),
        "state": told.state,
        "created_at": told.created_at,
        "delivered_at": told.delivered_at,
        "failing_since": told.failing_since,
        "disabled_at": told.disabled_at,
        "problem": told.problem,
    }


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "webhook_id": delivery.message_id,
        "type": delivery.type,
        "capture": delivery.capture_id,
        "state": "failed" if delivery.failed_at else "waiting",
        "attempts": delivery.attempts,
        "problem": delivery.problem,
    }
