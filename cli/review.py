"""`capture review`: an operator's or a moderator's word on a work that somebody objects to."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli.common import WAIT_S, ask, explained

EVIDENCE = click.option(
    "--evidence", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
    help="What speaks for it: only its SHA-256 is sent. Keep the file.",
)  # fmt: skip


@click.group()
def review() -> None:
    """Halt a work's licences because of an objection, and decide on it."""


@review.command()
@click.argument("capture_id", metavar="ID")
@explained
def show(capture_id: str) -> None:
    """Say how the last review of a work stands."""
    told = json.loads(ask(_path(capture_id, "review")))
    for name, value in told.items():
        click.echo(f"{name.replace('_', ' ')}: {'-' if value is None else value}")


@review.command()
@click.argument("capture_id", metavar="ID")
@click.option("--tag", required=True, help="What the objection is, in a word: copy, not-mine, ...")
@EVIDENCE
@explained
def flag(capture_id: str, tag: str, evidence: Path) -> None:
    """Object: nobody gets a licence until that is decided, or for 30 days."""
    _order(_path(capture_id, "review"), tag=tag, evidence=_digest(evidence))


@review.command()
@click.argument("capture_id", metavar="ID")
@click.option("--upheld/--dismissed", required=True, help="Whether the objection holds.")
@EVIDENCE
@explained
def decide(capture_id: str, upheld: bool, evidence: Path) -> None:
    """Decide: an objection that is upheld ends licences for good."""
    _order(_path(capture_id, "decision"), upheld=upheld, evidence=_digest(evidence))


def _order(path: str, **body: Any) -> None:
    headers = {"Content-Type": "application/json", "Prefer": f"wait={WAIT_S}"}
    order = json.loads(ask(path, json.dumps(body).encode(), headers))
    click.echo(f"{order['state']}: {order['problem'] or ', '.join(order['transactions'])}")


def _path(capture_id: str, what: str) -> str:
    return f"/v1/captures/{quote(capture_id, safe='')}/{what}"


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
