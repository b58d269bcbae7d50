"""The services of the app that answers this request. Below capture_api nothing knows of Flask."""

from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from capture_api.strangers import Strangers
    from capture_api.watch import Watch
    from wiring import Services


def services() -> "Services":
    """What wiring.py made for this app."""
    return cast("Services", current_app.extensions["capture"])


def watch() -> "Watch":
    """The one thread that looks for new facts, for all who wait."""
    return cast("Watch", current_app.extensions["capture_watch"])


def strangers() -> "Strangers":
    """What those without a key may ask of this app."""
    return cast("Strangers", current_app.extensions["capture_strangers"])
