"""Commands that watch logs from outside: no service runs here."""

import sys
from pathlib import Path
from typing import Any

import click

from cli.common import explained


@click.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Where it keeps its key and one checkpoint a log. Never start with an older copy.")  # fmt: skip
@click.option("--log", "logs", multiple=True, required=True,
              help="The verifier key of a log, or a file with one a line; may be repeated.")  # fmt: skip
@click.option("--listen", default="127.0.0.1:8100", show_default=True, help="Address and port; TLS is a proxy's work.")
@click.option("--name", help="The witness's name, a URL without scheme; kept from the first start on.")
@explained
def witness(home: Path, logs: tuple[str, ...], listen: str, name: str | None) -> None:
    """Run a witness: cosign checkpoints of these logs, as long as each extends the one before."""
    from ledger.witness_server import main as run

    sys.exit(run(listen, home, logs, name))


@click.command()
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
@explained
def monitor(**options: Any) -> None:
    """Follow a log and its contract from outside: one line an event, exit status 4 and evidence when it forks."""
    from ledger.monitor_door import Options
    from ledger.monitor_door import main as run

    sys.exit(run(Options(**options)))
