"""Commands about keys: API keys, those that sign photos, and whom we trust."""

import json
import os
from pathlib import Path

import click

from cli.common import explained, services_here, settings_here
from settings import SettingError

API_KEY_ID_CHARS = 12  # serial numbers are longer
REASONS = ("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation")


@click.group()
def keys() -> None:
    """API keys, of which only digests are stored; and the keys and certificates that sign photos."""


@keys.command("add")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, default=["capture"], show_default=True,
              help="capture, review or admin; may be repeated.")  # fmt: skip
@click.option("--rights", default="{}", help="Default rights for uploads with this key, as JSON.")
@explained
def keys_add(name: str, scopes: tuple[str, ...], rights: str) -> None:
    """Make a key for a new owner and print it, this once."""
    from pipeline.record import Rights
    from rights.terms import parse_rights

    try:
        defaults = parse_rights(json.loads(rights), Rights())
        click.echo(services_here().add_key(name, frozenset(scopes), defaults))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@keys.command("list")
@explained
def keys_list() -> None:
    """Show all API keys' ids, owners and scopes, and then the certificates that sign photos."""
    from provenance.keys_door import lines

    services = services_here()
    for key in services.keys.all():
        state = "revoked" if key.revoked else "valid"
        click.echo(
            f"{key.id}  {state:8}{key.owner}  0x{key.owner_address.hex()}  {' '.join(sorted(key.scopes))}  {key.name}"
        )
    if not services.settings.signer_socket:
        click.echo("\n".join(["", "Certificates that sign photos:", *lines(services.claim_keys())]))


@keys.command("limit")
@click.argument("key_id")
@click.option("--bytes-a-day", type=click.IntRange(0), help="Bytes of new captures in a day (UTC).")
@click.option("--captures-an-hour", type=click.IntRange(0), help="New captures in an hour.")
@click.option("--uploads", type=click.IntRange(0), help="Uploads at once.")
@explained
def keys_limit(key_id: str, **limits: int | None) -> None:
    """Set what an API key may use: 0 is no limit, and what is left out is as CAPTURE_QUOTAS has it."""
    if not services_here().keys.limit(key_id, **limits):
        raise click.ClickException(f"no key has the id {key_id}; `capture keys list` shows them")
    said = ", ".join(f"{name.replace('_', ' ')} {most}" for name, most in limits.items() if most is not None)
    click.echo(f"{key_id}: {said or 'as CAPTURE_QUOTAS has it'}")


@keys.command("rotate")
@explained
def keys_rotate() -> None:
    """Make a new key and certificate for signing photos now; the service goes on meanwhile."""
    from provenance.keys_door import rotate

    click.echo(rotate(services_here().claim_keys()))


@keys.command("revoke")
@click.argument("key_id", metavar="KEY_ID|SERIAL")
@click.option("--reason", type=click.Choice(REASONS), default=REASONS[0], show_default=True,
              help="Why a certificate is revoked (RFC 5280).")  # fmt: skip
@click.option("--since", metavar="TIME", help="What a certificate signed since then is not to be believed.")
@explained
def keys_revoke(key_id: str, reason: str, since: str | None) -> None:
    """Refuse an API key from now on; or put a certificate that signs photos on the revocation list."""
    from provenance.keys_door import revoke

    services = services_here()
    if len(key_id) > API_KEY_ID_CHARS:
        click.echo(revoke(services.claim_keys(), key_id, reason, since))
        return
    if not services.keys.revoke(key_id):
        raise click.ClickException(f"no valid key has the id {key_id}; `capture keys list` shows them")
    click.echo(f"{key_id} is revoked")


@keys.command("audit")
@explained
def keys_audit() -> None:
    """Check the signing process's log: what was signed, line after line."""
    from provenance.keys_door import audited

    click.echo(audited(settings_here().audit))


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to answer.")
@click.option("--allow-uid", "uids", type=int, multiple=True, help="A user id that may sign besides our own.")
@click.option("--rate", type=click.FloatRange(1), help="Signatures a second. [default: 100]")
@explained
def signer(socket: Path, uids: tuple[int, ...], rate: float | None) -> None:
    """Run a signing process of its own, as another user than the service: its CAPTURE_SIGNER_URL names the socket."""
    from supervisor.signer import command

    settings = settings_here()
    if settings.signer_socket:
        raise SettingError("CAPTURE_SIGNER_URL names another signing process: unset it, or write a pkcs11 URI")
    words = command(settings, socket.absolute(), uids, rate)
    os.execv(words[0], words)  # noqa: S606 - ourselves; nothing that this process read stays in memory


@click.group()
def trust() -> None:
    """Trust lists for Content Credentials: whose signatures and time-stamps are trusted, and what was revoked."""


@trust.command("list")
@explained
def trust_list() -> None:
    """Show all lists, as verdicts call them."""
    for one in services_here().trust.lists:
        click.echo(f"{one.name:24}{one.kind:12}{one.size:5}  sha256:{one.digest[:16]}  {one.file or ''}")


@trust.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@explained
def trust_add(file: Path) -> None:
    """Copy a list (PEM certificates, or a CRL) into the service's folder; signers are judged again by themselves."""
    from provenance.trust import add

    added = add(file, settings_here().trust_places[0])
    click.echo(f"{added.name}: {added.size} in a list of the kind {added.kind}")
