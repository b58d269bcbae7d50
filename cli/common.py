"""What every command shares: the settings, the services, the running service's API, and errors in words."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from pipeline.errors import Conflict, Rejected, Unavailable
from settings import SettingError, Settings, load_settings

if TYPE_CHECKING:
    from wiring import Services

P = ParamSpec("P")
R = TypeVar("R")

WAIT_S = 30


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what can go wrong into one sentence and an exit code; nobody sees a stack trace."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from supervisor.home import AlreadyRunning
        from supervisor.supervise import StartFailed

        try:
            return command(*args, **kwargs)
        except (
            SettingError,
            Rejected,
            Unavailable,
            Conflict,
            AlreadyRunning,
            StartFailed,
            LookupError,
        ) as error:
            raise click.ClickException(str(error)) from None

    return run


def settings_here() -> Settings:
    """The settings in the environment. Raises SettingError."""
    return load_settings(os.environ)


def services_here() -> "Services":
    """The services of the installation here. Raises SettingError when there was none ever."""
    from wiring import Services

    settings = settings_here()
    if not settings.keys.exists():
        raise SettingError(f"there is no service in {settings.home} yet: start it once with `capture up`")
    return Services(settings)


def ask(
    path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
) -> bytes:
    """What the service that runs here answers to its own key. Raises ClickException with its words."""
    from supervisor.system import address

    settings = settings_here()
    key = settings.api_key_file.read_text().strip() if settings.api_key_file.exists() else ""
    wanted = urllib.request.Request(  # noqa: S310 - our own address, always http
        address(settings) + path, body, {"Authorization": f"Bearer {key}", **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(wanted, timeout=WAIT_S + 10) as answer:  # noqa: S310
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise click.ClickException(_detail(error)) from None
    except (OSError, http.client.HTTPException):
        raise click.ClickException(f"nothing answers at {address(settings)}: start it with `capture up`") from None


def _detail(error: urllib.error.HTTPError) -> str:
    """What the service says went wrong; a proxy in front of it may answer anything."""
    try:
        problem = json.loads(error.read())
    except (OSError, ValueError, http.client.HTTPException):
        problem = None
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else f"the service answered {error.code} {error.reason}: see its log"
