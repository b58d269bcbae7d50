"""The `capture` command."""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from pipeline.errors import Conflict, Rejected, Unavailable
from settings import SettingError, Settings, load_settings

if TYPE_CHECKING:
    from wiring import Services

P = ParamSpec("P")
R = TypeVar("R")

WAIT_S = 30
TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".dng": "x-adobe-dng"}


def _explained(command: Callable[P, R]) -> Callable[P, R]:
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


def _settings() -> Settings:
    return load_settings(os.environ)


def _services() -> "Services":
    from wiring import Services

    settings = _settings()
    if not settings.keys.exists():
        raise SettingError(f"there is no service in {settings.home} yet: start it once with `capture up`")
    return Services(settings)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="capture")
def main() -> None:
    """Registers photos: Content Credentials, fingerprints, copies, a log that is anchored on a chain."""


@main.command()
@_explained
def up() -> None:
    """Run the whole service here until Ctrl-C."""
    from supervisor.system import up as run

    run(_settings())


@main.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--receipt", type=click.Path(dir_okay=False, path_type=Path), help="Write the receipt to this file.")
@click.option("--creator", help="Who made the photo.")
@click.option("--licence", help="A preset's name or an https URL.")
@click.option("--ai-training", type=click.Choice(["allowed", "not_allowed", "ask"]))
@_explained
def register(photo: Path, receipt: Path | None, **rights: str | None) -> None:
    """Register a photo with the service that runs here, and wait until it is anchored."""
    media_type = "image/" + TYPES.get(photo.suffix.lower(), photo.suffix.lower().lstrip("."))
    metadata = {"rights": {name: value for name, value in rights.items() if value}}
    headers = {"Content-Type": media_type, "Prefer": f"wait={WAIT_S}", "Capture-Metadata": json.dumps(metadata)}
    capture = json.loads(_ask("/v1/captures", photo.read_bytes(), headers))
    click.echo(f"{capture['id']}  {capture['status']}  {(capture['verdict'] or {}).get('kind', '')}")
    if receipt:
        if "receipt" not in capture["links"]:
            raise click.ClickException(
                f"{capture['id']} is registered, but not in the log yet, so there is no receipt: "
                f"ask later with GET /v1/captures/{capture['id']}/receipt"
            )
        receipt.write_bytes(_ask(capture["links"]["receipt"]))
        click.echo(f"receipt: {receipt}")


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@_explained
def verify(arguments: tuple[str, ...]) -> None:
    """Check a receipt and a photo: capture verify RECEIPT PHOTO [--key VKEY] [--rpc URL] [--log URL]."""
    from ledger.verify_door import main as run

    own_key = _settings().log_vkey_file
    # Ours goes first, however the reader spells theirs: the last one counts.
    sys.exit(run([*(["--key", str(own_key)] if own_key.exists() else []), *arguments]))


@main.group()
def keys() -> None:
    """API keys: only their digests are stored."""


@keys.command("add")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, default=["capture"], show_default=True,
              help="capture, review or admin; may be repeated.")  # fmt: skip
@click.option("--rights", default="{}", help="Default rights for uploads with this key, as JSON.")
@_explained
def keys_add(name: str, scopes: tuple[str, ...], rights: str) -> None:
    """Make a key for a new owner and print it, this once."""
    from pipeline.record import Rights
    from rights.terms import parse_rights

    try:
        defaults = parse_rights(json.loads(rights), Rights())
        click.echo(_services().add_key(name, frozenset(scopes), defaults))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@keys.command("list")
@_explained
def keys_list() -> None:
    """Show all keys' ids, owners and scopes."""
    for key in _services().keys.all():
        state = "revoked" if key.revoked else "valid"
        click.echo(
            f"{key.id}  {state:8}{key.owner}  0x{key.owner_address.hex()}  {' '.join(sorted(key.scopes))}  {key.name}"
        )


@keys.command("revoke")
@click.argument("key_id")
@_explained
def keys_revoke(key_id: str) -> None:
    """Refuse a key from now on."""
    if not _services().keys.revoke(key_id):
        raise click.ClickException(f"no valid key has the id {key_id}; `capture keys list` shows them")
    click.echo(f"{key_id} is revoked")


@main.group()
def trust() -> None:
    """Trust lists for Content Credentials: whose signatures and time-stamps are trusted, and what was revoked."""


@trust.command("list")
@_explained
def trust_list() -> None:
    """Show all lists, as verdicts call them."""
    for one in _services().trust.lists:
        click.echo(f"{one.name:24}{one.kind:12}{one.size:5}  sha256:{one.digest[:16]}  {one.file or ''}")


@trust.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_explained
def trust_add(file: Path) -> None:
    """Copy a list (PEM certificates, or a CRL) into the service's folder; signers are judged again by themselves."""
    from provenance.trust import add

    added = add(file, _settings().trust_places[0])
    click.echo(f"{added.name}: {added.size} in a list of the kind {added.kind}")


@main.group()
def chain() -> None:
    """The chain that the log is anchored on."""


@chain.command("deploy")
@click.option(
    "--endpoint", default="", metavar="URL", help="C2PA soft binding service that the contract names for ever."
)
@_explained
def chain_deploy(endpoint: str) -> None:
    """Deploy the log contract on CAPTURE_CHAIN_URL with CAPTURE_CHAIN_KEY_FILE and print its address."""
    from ledger.accounts import read_or_make_key
    from ledger.chain import deploy

    settings = _settings()
    if settings.chain_url is None or settings.chain_key_file is None:
        raise SettingError("set CAPTURE_CHAIN_URL and CAPTURE_CHAIN_KEY_FILE first; the embedded chain deploys itself")
    click.echo(deploy(settings.chain_url, read_or_make_key(settings.chain_key_file), endpoint=endpoint))


@main.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Where it keeps its key and one checkpoint a log. Never start with an older copy.")  # fmt: skip
@click.option("--log", "logs", multiple=True, required=True,
              help="The verifier key of a log, or a file with one a line; may be repeated.")  # fmt: skip
@click.option("--listen", default="127.0.0.1:8100", show_default=True, help="Address and port; TLS is a proxy's work.")
@click.option("--name", help="The witness's name, a URL without scheme; kept from the first start on.")
@_explained
def witness(home: Path, logs: tuple[str, ...], listen: str, name: str | None) -> None:
    """Run a witness: cosign checkpoints of these logs, as long as each extends the one before."""
    from ledger.witness_server import main as run

    sys.exit(run(listen, home, logs, name))


@main.command()
@click.option("--log", required=True, help="The log's address, such as https://capture.example/log.")
@click.option("--key", required=True, help="The log's verifier key, or a file that holds it.")
@click.option("--rpc", required=True, help="A node of the chain that the log is anchored on.")
@click.option("--contract", required=True, help="The log contract's address.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), default=Path("capture-monitor.json"),
              show_default=True, help="What was seen; keep it between starts.")  # fmt: skip
@click.option("--once", is_flag=True, help="Look once and exit: 0 all is well, 3 something is late, 4 a fork.")
@click.option("--deadline", "deadline_s", type=click.FloatRange(0), default=600, show_default=True,
              help="Seconds until a checkpoint is on the chain, and a root on the chain in the log.")  # fmt: skip
@click.option("--interval", "interval_s", type=click.FloatRange(0.1), default=10, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--from-block", type=click.IntRange(0), help="Check all roots since this block; else those from now on.")
@click.option("--metrics-listen", help="Serve Prometheus metrics at this address and port.")
@click.option("--metrics-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write Prometheus metrics to this file after each look.")  # fmt: skip
@_explained
def monitor(**options: Any) -> None:
    """Follow a log and its contract from outside: one line an event, exit status 4 and evidence when it forks."""
    from ledger.monitor_door import Options
    from ledger.monitor_door import main as run

    sys.exit(run(Options(**options)))


@main.command()
@_explained
def doctor() -> None:
    """Ask each engine of the service that runs here whether it is well."""
    broken = False
    services = _services()
    checks: dict[str, Callable[[], Any]] = {
        "api": lambda: _ask("/readyz"),
        "database": services.captures.counts,
        "blobs": services.blobs.check,
        "queue": services.bell.check,
        "chain": services.check_chain,
        "log": services.log.newest,
    }
    for name, check in checks.items():
        began = time.perf_counter()
        try:
            check()
            click.echo(f"ok      {name:10}{(time.perf_counter() - began) * 1000:.0f} ms")
        except (Unavailable, Conflict, SettingError, click.ClickException) as error:
            broken = True
            click.echo(f"broken  {name:10}{error}")
    sys.exit(1 if broken else 0)


def _ask(path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    from supervisor.system import address

    settings = _settings()
    key = settings.api_key_file.read_text().strip() if settings.api_key_file.exists() else ""
    wanted = urllib.request.Request(  # noqa: S310 - our own address, always http
        address(settings) + path, body, {"Authorization": f"Bearer {key}", **(headers or {})}
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


if __name__ == "__main__":
    main()
