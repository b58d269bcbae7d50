"""Check a receipt and a photo, offline, and on wish ask the chain and the log.

    receipt, photo, terms, leaf, checkpoint, inclusion, signature    need nobody: what ledger/verify.py checks
    chain      --rpc URL: the contract holds the root, and accepts no change of the past
    log        --log URL: the log of today still begins with the tree of the receipt's checkpoint
    promise    --promise FILE: what the log's key promised when it took the upload is kept

A COSE receipt (receipt.cose) is checked with its --statement: receipt, leaf, photo, inclusion, signature and promise.

A step is passed, failed or not checked. Exit codes: 0 everything that you asked for passed, among it the photo and the
signature (or the chain, with the --contract that you expected); 1 a step failed; 2 the inputs could not be read;
3 nothing failed, but something that matters was not checked: whether this is the registered photo, or whether a log or
chain that you trust holds it. Anyone can make a receipt that only such a log or chain can refute.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ledger import verify as offline
from ledger import verify_cose
from ledger.promise import parse
from ledger.verify import NotChecked, need, open_note, step
from ledger.verify_chain import check_chain, check_log, utc
from pipeline.errors import Rejected


class Step(NamedTuple):
    """One step: its name, its result (passed, failed, not checked), and why, as a sentence."""

    name: str
    result: str
    sentence: str


def verify(
    receipt: bytes,
    photo: bytes,
    *,
    key: str = "",
    rpc: str | None = None,
    contract: str | None = None,
    log: str | None = None,
    promise: str | None = None,
    statement: bytes | None = None,
) -> list[Step]:
    """All steps in their order. Whatever the inputs hold, nothing is raised."""
    if verify_cose.is_cose(receipt):
        return _verify_cose(verify_cose.Check(receipt, photo, statement, key), promise)
    steps = [Step(*row) for row in offline.verify(receipt, photo, key)]
    if steps[0].result != "passed":
        unread = "the receipt is not well formed"
        return [*steps, *(Step(name, "not checked", unread) for name in ("chain", "log", "promise"))]
    values, included = json.loads(receipt), next(each.result for each in steps if each.name == "inclusion")
    chain = Step(*step("chain", check_chain, values, rpc, contract))
    since = values["anchor"]["block_time"] if chain.result == "passed" else None
    return [
        *steps,
        chain,
        Step(*step("log", check_log, values["checkpoint"], log, key)),
        Step(*step("promise", check_promise, promise, values, key, included, since)),
    ]


def _verify_cose(check: verify_cose.Check, promise: str | None) -> list[Step]:
    steps = [Step(*row) for row in verify_cose.verify(check)]

    def kept() -> str:
        return check_promise(promise, verify_cose.as_receipt(check), check.key, steps[-1].result)

    elsewhere = "it needs the JSON receipt"
    return [
        *steps,
        Step("chain", "not checked", elsewhere),
        Step("log", "not checked", elsewhere),
        Step(*step("promise", kept)),
    ]


def check_promise(note: str | None, receipt: dict[str, Any], key: str, included: str, since: int | None = None) -> str:
    """The log's key made this promise for this upload, whose leaf is in the log (`included` is that step's result).

    `since`: when it was there at the latest, if the chain says so. The receipt's own word for it is anybody's.
    """
    if note is None:
        raise NotChecked("give the promise that came with the upload with --promise")
    need(key, "it needs the log's key: give --key")
    try:
        promised = parse(open_note(note, key))
    except Rejected as reason:
        raise ValueError(str(reason)) from None
    need("previous" not in receipt, "it is kept by the photo's own receipt, and this is one of what was stated later")
    need(promised.upload.hex() == receipt["statement"][2], "it was made for another upload")
    need(promised.capture == receipt["capture"], "it was made for another capture")
    need(included == "passed", "the receipt does not show that its upload is in the log")
    return f"the upload is in the log, as was promised until {promised.deadline:%Y-%m-%d %H:%M:%S} UTC{_when(since)}"


def _when(since: int | None) -> str:
    """Only an anchor dates a log."""
    return "" if since is None else f"; by the anchor, since {utc(since)} or before"


def main(argv: list[str] | None = None) -> int:
    """Print one line a step and return the exit code."""
    options = _options(argv)
    try:
        inputs = [Path(options.receipt).read_bytes(), Path(options.photo).read_bytes()]
        key = options.key if "+" in options.key or not options.key else Path(options.key).read_text("utf-8")
        promise = options.promise and Path(options.promise).read_text("utf-8")
        statement = options.statement and Path(options.statement).read_bytes()
    except (OSError, ValueError) as error:
        print(f"cannot read the inputs: {error}", file=sys.stderr)
        return 2
    wishes = {"rpc": options.rpc, "contract": options.contract, "log": options.log, "promise": promise}
    steps = verify(*inputs, key=key, statement=statement, **wishes)
    for each in steps:
        print(f"{each.result:12} {each.name:12} {_printable(each.sentence)}")
    return _exit_code(steps, options)


def _printable(sentence: str) -> str:
    """On one line, in ASCII: what a log or a node says moves no cursor, forges no line, and suits every terminal."""
    return "".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in sentence)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "capture verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("receipt", help="the receipt, JSON or COSE")
    parser.add_argument("photo", help="the upload, or the signed photo")
    parser.add_argument("--key", default="", help="the log's public key, name+id+key, or a file that holds it")
    parser.add_argument("--rpc", help="address of a node of the chain, http:// or https://")
    parser.add_argument("--contract", help="address of the log's contract, as its operator publishes it")
    parser.add_argument("--log", help="address of the log, such as https://capture.example/log")
    parser.add_argument("--promise", help="the promise that came with the upload, a file")
    parser.add_argument("--statement", help="of a COSE receipt: statement.bin, or the JSON receipt, which holds it")
    return parser.parse_args(argv)


def _exit_code(steps: list[Step], options: argparse.Namespace) -> int:
    results = {each.name: each.result for each in steps}
    if "failed" in results.values():
        return 1
    # A contract that only the receipt names may be anybody's.
    tied = results["signature"] == "passed" or (options.contract is not None and results["chain"] == "passed")
    if not tied:
        print("nothing ties this receipt to a log that you trust: give --key, or --rpc with --contract")
    asked = [
        name for name, wish in (("chain", options.rpc), ("log", options.log), ("promise", options.promise)) if wish
    ]
    return 0 if tied and all(results[name] == "passed" for name in ("photo", *asked)) else 3
