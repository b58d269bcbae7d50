"""The `capture` command."""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from pipeline.errors import Conflict, Rejected, Unavailable
from settings import SettingError, Settings, load_settings

if TYPE_CHECKING:
    from ledger.chain import Chain
    from wiring import Services

P = ParamSpec("P")
R = TypeVar("R")

WAIT_S = 30
API_KEY_ID_CHARS = 12  # serial numbers are longer
REASONS = ("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation")
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
    """API keys, of which only digests are stored; and the keys and certificates that sign photos."""


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
    """Show all API keys' ids, owners and scopes, and then the certificates that sign photos."""
    from provenance.keys_door import lines

    services = _services()
    for key in services.keys.all():
        state = "revoked" if key.revoked else "valid"
        click.echo(
            f"{key.id}  {state:8}{key.owner}  0x{key.owner_address.hex()}  {' '.join(sorted(key.scopes))}  {key.name}"
        )
    if not services.settings.signer_socket:
        click.echo("\n".join(["", "Certificates that sign photos:", *lines(services.claim_keys())]))


@keys.command("rotate")
@_explained
def keys_rotate() -> None:
    """Make a new key and certificate for signing photos now; the service goes on meanwhile."""
    from provenance.keys_door import rotate

    click.echo(rotate(_services().claim_keys()))


@keys.command("revoke")
@click.argument("key_id", metavar="KEY_ID|SERIAL")
@click.option("--reason", type=click.Choice(REASONS), default=REASONS[0], show_default=True,
              help="Why a certificate is revoked (RFC 5280).")  # fmt: skip
@click.option("--since", metavar="TIME", help="What a certificate signed since then is not to be believed.")
@_explained
def keys_revoke(key_id: str, reason: str, since: str | None) -> None:
    """Refuse an API key from now on; or put a certificate that signs photos on the revocation list."""
    from provenance.keys_door import revoke

    services = _services()
    if len(key_id) > API_KEY_ID_CHARS:
        click.echo(revoke(services.claim_keys(), key_id, reason, since))
        return
    if not services.keys.revoke(key_id):
        raise click.ClickException(f"no valid key has the id {key_id}; `capture keys list` shows them")
    click.echo(f"{key_id} is revoked")


@keys.command("audit")
@_explained
def keys_audit() -> None:
    """Check the signing process's log: what was signed, line after line."""
    from provenance.keys_door import audited

    click.echo(audited(_settings().audit))


@main.command()
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to answer.")
@click.option("--allow-uid", "uids", type=int, multiple=True, help="A user id that may sign besides our own.")
@click.option("--rate", type=click.FloatRange(1), help="Signatures a second. [default: 100]")
@_explained
def signer(socket: Path, uids: tuple[int, ...], rate: float | None) -> None:
    """Run a signing process of its own, as another user than the service: its CAPTURE_SIGNER_URL names the socket."""
    from supervisor.signer import command

    settings = _settings()
    if settings.signer_socket:
        raise SettingError("CAPTURE_SIGNER_URL names another signing process: unset it, or write a pkcs11 URI")
    words = command(settings, socket.absolute(), uids, rate)
    os.execv(words[0], words)  # noqa: S606 - ourselves; nothing that this process read stays in memory


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
    from ledger.deploy import deploy
    from wiring import Services

    services = Services(settings := _settings())
    if settings.chain_url is None:
        raise SettingError("set CAPTURE_CHAIN_URL and CAPTURE_CHAIN_KEY_FILE first; the embedded chain deploys itself")
    max_fee_wei = services.chain_max_fee_wei()
    click.echo(deploy(settings.chain_url, services.chain_signer(), endpoint=endpoint, max_fee_wei=max_fee_wei))


@chain.command("offer-writer")
@click.argument("address")
@_explained
def chain_offer_writer(address: str) -> None:
    """Offer the contract's writer role to ADDRESS, which has to accept it; the zero address takes the offer back."""
    from ledger.deploy import offer_writer

    offer_writer(_operators_chain(), address)
    click.echo(f"offered to {address}: it becomes the writer with `capture chain accept-writer` and its own key")


@chain.command("accept-writer")
@_explained
def chain_accept_writer() -> None:
    """Take the writer role that was offered to the key of CAPTURE_CHAIN_KEY_FILE."""
    from ledger.deploy import accept_writer

    accept_writer(chain := _operators_chain())
    click.echo(f"{chain.sender} is the writer of {chain.contract} now")


def _operators_chain() -> "Chain":
    from ledger.chain import Chain
    from wiring import Services

    services = Services(settings := _settings())
    if settings.chain_url is None or settings.chain_contract is None:
        raise SettingError("set CAPTURE_CHAIN_URL, CAPTURE_CHAIN_CONTRACT and CAPTURE_CHAIN_KEY_FILE first")
    signer, fee = services.chain_signer(), services.chain_max_fee_wei()
    return Chain(settings.chain_url, signer, settings.chain_contract, local=False, max_fee_wei=fee)


@chain.command("signer")
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to answer; mode 0600.")
@_explained
def chain_signer(socket: Path) -> None:
    """Keep the key of CAPTURE_CHAIN_KEY_FILE in a process of its own and sign digests for who may open the socket."""
    from ledger.accounts import read_or_make_key
    from ledger.signer import serve

    settings = _settings()
    if settings.chain_key_file is None:
        raise SettingError("set CAPTURE_CHAIN_KEY_FILE to the file that holds the key")
    key = read_or_make_key(settings.chain_key_file, settings.chain_password_file)
    with suppress(KeyboardInterrupt):
        serve(key, socket)


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
    from provenance.keys_door import told

    broken = False
    services = _services()
    checks: dict[str, Callable[[], Any]] = {
        "api": lambda: _ask("/readyz"),
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
