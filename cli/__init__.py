"""The `capture` command: one module a subject, each command a door to what it is named for."""

import click

from cli.chain import chain
from cli.keys import keys, signer, trust
from cli.licence import licence
from cli.review import review
from cli.service import doctor, erase, register, rights, up, verify
from cli.watchers import monitor, witness


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="capture")
def main() -> None:
    """Registers photos: Content Credentials, fingerprints, copies, a log that is anchored on a chain."""


for command in (
    up,
    register,
    rights,
    erase,
    verify,
    keys,
    signer,
    trust,
    chain,
    licence,
    review,
    witness,
    monitor,
    doctor,
):
    main.add_command(command)
