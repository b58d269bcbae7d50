"""Commands about the chain that the log is anchored on."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import explained, settings_here
from settings import SettingError

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.deploy import Role
    from ledger.relay import Relay


@click.group()
def chain() -> None:
    """The chain that the log is anchored on."""


@chain.command("deploy")
@click.option(
    "--endpoint", default="", metavar="URL", help="C2PA soft binding service that the contract names for ever."
)
@explained
def chain_deploy(endpoint: str) -> None:
    """Deploy the log contract on CAPTURE_CHAIN_URL with CAPTURE_CHAIN_KEY_FILE and print its address."""
    from ledger.deploy import deploy
    from wiring import Services

    services = Services(settings := settings_here())
    if settings.chain_url is None:
        raise SettingError("set CAPTURE_CHAIN_URL and CAPTURE_CHAIN_KEY_FILE first; the embedded chain deploys itself")
    max_fee_wei = services.chain_max_fee_wei()
    click.echo(deploy(settings.chain_url, services.chain_signer(), endpoint=endpoint, max_fee_wei=max_fee_wei))


@chain.command("deploy-rights")
@explained
def chain_deploy_rights() -> None:
    """Deploy the rights contract beside CAPTURE_CHAIN_CONTRACT with CAPTURE_RELAY_KEY_FILE and print its address.

    The account of that key becomes the reviewer; it can hand the role over by `capture chain offer-reviewer`.
    """
    from ledger.deploy import deploy_rights
    from wiring import Services

    services = Services(settings := settings_here())
    if not (settings.chain_url and settings.chain_contract and settings.relay_key_file):
        raise SettingError("set CAPTURE_CHAIN_URL, CAPTURE_CHAIN_CONTRACT and CAPTURE_RELAY_KEY_FILE first")
    key, base = services.relay_key(), f"{settings.public_url or ''}/a/"
    click.echo(deploy_rights(settings.chain_url, key, settings.chain_contract, base, services.chain_max_fee_wei()))


@chain.command("offer-writer")
@click.argument("address")
@explained
def chain_offer_writer(address: str) -> None:
    """Offer the contract's writer role to ADDRESS, which has to accept it; the zero address takes the offer back."""
    _offer("writer", _operators_chain(), address)


@chain.command("accept-writer")
@explained
def chain_accept_writer() -> None:
    """Take the writer role that was offered to the key of CAPTURE_CHAIN_KEY_FILE."""
    _accept("writer", _operators_chain())


@chain.command("offer-reviewer")
@click.argument("address")
@explained
def chain_offer_reviewer(address: str) -> None:
    """Offer the rights contract's reviewer role to ADDRESS, which has to accept it; the zero address takes it back."""
    _offer("reviewer", _operators_relay(), address)


@chain.command("accept-reviewer")
@explained
def chain_accept_reviewer() -> None:
    """Take the reviewer role that was offered to the key of CAPTURE_RELAY_KEY_FILE."""
    _accept("reviewer", _operators_relay())


def _offer(role: "Role", chain: "Chain", address: str) -> None:
    from ledger.deploy import offer

    offer(chain, role, address)
    click.echo(f"offered to {address}: it becomes the {role} with `capture chain accept-{role}` and its own key")


def _accept(role: "Role", chain: "Chain") -> None:
    from ledger.deploy import accept

    accept(chain, role)
    click.echo(f"{chain.sender} is the {role} of {chain.contract} now")


def _operators_chain() -> "Chain":
    from ledger.chain import Chain
    from wiring import Services

    services = Services(settings := settings_here())
    if settings.chain_url is None or settings.chain_contract is None:
        raise SettingError("set CAPTURE_CHAIN_URL, CAPTURE_CHAIN_CONTRACT and CAPTURE_CHAIN_KEY_FILE first")
    signer, fee = services.chain_signer(), services.chain_max_fee_wei()
    return Chain(settings.chain_url, signer, settings.chain_contract, local=False, max_fee_wei=fee)


def _operators_relay() -> "Relay":
    from ledger.relay import Relay
    from wiring import Services

    services = Services(settings := settings_here())
    if not (settings.chain_url and settings.rights_contract and settings.relay_key_file):
        raise SettingError("set CAPTURE_CHAIN_URL, CAPTURE_RIGHTS_CONTRACT and CAPTURE_RELAY_KEY_FILE first")
    key, fee = services.relay_key(), services.chain_max_fee_wei()
    return Relay(settings.chain_url, key, settings.rights_contract, local=False, max_fee_wei=fee)


@chain.command("signer")
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to answer; mode 0600.")
@explained
def chain_signer(socket: Path) -> None:
    """Keep the key of CAPTURE_CHAIN_KEY_FILE in a process of its own and sign digests for who may open the socket."""
    from ledger.accounts import read_or_make_key
    from ledger.signer import serve

    settings = settings_here()
    if settings.chain_key_file is None:
        raise SettingError("set CAPTURE_CHAIN_KEY_FILE to the file that holds the key")
    key = read_or_make_key(settings.chain_key_file, settings.chain_password_file)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it starts with & ignore the first
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        serve(key, socket)
