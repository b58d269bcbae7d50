"""Commands of one service: run it, register with it, check a proof, ask how it is."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli.common import WAIT_S, ask, explained, services_here, settings_here
from pipeline.errors import Conflict, Unavailable
from settings import SettingError

TYPES = {".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".dng": "x-adobe-dng"}


@click.command()
@explained
def up() -> None:
    """Run the whole service here until Ctrl-C."""
    from supervisor.system import up as run

    run(settings_here())


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--receipt", type=click.Path(dir_okay=False, path_type=Path), help="Write the receipt to this file.")
@click.option("--creator", help="Who made the photo.")
@click.option("--licence", help="A preset's name or an https URL.")
@click.option("--ai-training", type=click.Choice(["allowed", "not_allowed", "ask"]))
@click.option("--parent", "parents", metavar="ID[=LICENCE]", multiple=True, help="What it was made from.")
@explained
def register(photo: Path, receipt: Path | None, parents: tuple[str, ...], **rights: str | None) -> None:
    """Register a photo with the service that runs here, and wait until it is anchored."""
    media_type = "image/" + TYPES.get(photo.suffix.lower(), photo.suffix.lower().lstrip("."))
    metadata: dict[str, Any] = {"rights": {name: value for name, value in rights.items() if value}}
    if parents:
        named = (each.partition("=")[::2] for each in parents)
        metadata["parents"] = [{"id": name} | ({"licence": licence} if licence else {}) for name, licence in named]
    headers = {"Content-Type": media_type, "Prefer": f"wait={WAIT_S}", "Capture-Metadata": json.dumps(metadata)}
    capture = json.loads(ask("/v1/captures", photo.read_bytes(), headers))
    click.echo(f"{capture['id']}  {capture['status']}  {(capture['verdict'] or {}).get('kind', '')}")
    for found in capture.get("undeclared_parents", ()):
        click.echo(f"not named with --parent: {found['id']}  {found['means']}")
    if receipt:
        if "receipt" not in capture["links"]:
            raise click.ClickException(
                f"{capture['id']} is registered, but not in the log yet, so there is no receipt: "
                f"ask later with GET /v1/captures/{capture['id']}/receipt"
            )
        receipt.write_bytes(ask(capture["links"]["receipt"]))
        click.echo(f"receipt: {receipt}")


@click.command()
@click.argument("capture_id", metavar="ID")
@click.option("--creator", help="Who made the photo; an empty text takes it away, here and below.")
@click.option("--credit", help="How its maker is to be named beside it.")
@click.option("--copyright-notice")
@click.option("--licence", help="A preset's name or an https URL.")
@click.option("--ai-training", type=click.Choice(["allowed", "not_allowed", "ask"]))
@explained
def rights(capture_id: str, **changed: str | None) -> None:
    """Show what was ever stated about a photo's rights; with options, state them anew with these changes.

    Each statement is an entry of the log, and none goes.
    """
    path = f"/v1/captures/{quote(capture_id, safe='')}/rights"
    told = json.loads(ask(path))
    if wanted := {name: value or None for name, value in changed.items() if value is not None}:
        body = json.dumps(told["rights"] | wanted).encode()
        told = json.loads(ask(path, body, {"Content-Type": "application/json"}, method="PUT"))
    for entry in told["history"]:
        said = "  ".join(f"{name}: {value}" for name, value in entry["rights"].items() if value)
        click.echo(f"{entry['number']}  {entry['stated_at'][:19]}Z  {said}")


@click.command()
@click.argument("capture_id", metavar="ID")
@click.confirmation_option(prompt="Its bytes and all that was found out about it go for good. Erase it?")
@explained
def erase(capture_id: str) -> None:
    """Erase a photo that was registered with this key: what stays in the log says nothing about it."""
    ask(f"/v1/captures/{quote(capture_id, safe='')}", method="DELETE")
    click.echo(f"{capture_id} is erased; keep its photo and receipt if you want to prove the registration later")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@explained
def verify(arguments: tuple[str, ...]) -> None:
    """Check a receipt and a photo: capture verify RECEIPT PHOTO [--key VKEY] [--rpc URL] [--log URL]."""
    from ledger.verify_door import main as run

    own_key = settings_here().log_vkey_file
    # Ours goes first, however the reader spells theirs: the last one counts.
    sys.exit(run([*(["--key", str(own_key)] if own_key.exists() else []), *arguments]))


@click.command()
@explained
def doctor() -> None:
    """Ask each engine of the service that runs here whether it is well."""
    from provenance.keys_door import told

    broken = False
    services = services_here()
    checks: dict[str, Callable[[], Any]] = {
        "api": lambda: ask("/readyz"),
        "database": services.captures.counts,
        "blobs": services.blobs.check,
        "queue": services.bell.check,
        "chain": services.check_chain,
        "signer": lambda: told(services.identity, bool(services.settings.tsa_url)),
        "log": services.log.newest,
    }
    if services.settings.tsa_url:
        checks["tsa"] = lambda: services.domains.timestamp(bytes(32))
    for name, check in checks.items():
        began = time.perf_counter()
        try:
            words = check()
            words = f"  {words}" if isinstance(words, str) else ""
            click.echo(f"ok      {name:10}{(time.perf_counter() - began) * 1000:.0f} ms{words}")
        except (Unavailable, Conflict, SettingError, click.ClickException) as error:
            broken = True
            click.echo(f"broken  {name:10}{error}")
    sys.exit(1 if broken else 0)
