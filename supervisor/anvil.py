"""The embedded chain: anvil from npm, with saved state. Its blocks are independent proof of nothing.

Anvil rewrites its state file in place, so that a kill in the middle leaves half a file, with which it would never
start again. So it reads one file and writes another, and what it wrote is read from now on only when it is whole:
`python -m supervisor.anvil STATE PORT` sees to that and becomes anvil. Transactions that are lost all the same are
sent again by the anchorer, which keeps all of them (ledger/anchor.py).
"""

import json
import os
import platform
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import Unavailable

ROOT = Path(__file__).resolve().parents[1]
CHAIN_ID = 31337  # what development chains call themselves: verifiers know it as no proof
MAX_DATA_BYTES = 2 * 1024**3  # a transaction costs 43 KB while it is kept and 10 KB for ever (measured)
KEPT_BLOCKS = 5_000  # whose transactions can be asked for: 215 MB
# Before any block of ours: a chain that starts from nothing again can give its blocks the times that they had.
GENESIS_TIME = 1_700_000_000
# Writing 1 MB of state takes 3.4 ms (measured), so this is at most 2 % of the time.
BYTES_PER_SECOND_BETWEEN_SAVES = 6_000_000


def anvil_binary(root: Path = ROOT) -> Path:
    """The native program in the npm package for this machine; node is not needed. Raises Unavailable."""
    for folder in _folders(root):
        for name in ("anvil", "anvil.exe"):
            if (folder / "bin" / name).is_file():
                return folder / "bin" / name
    raise Unavailable(
        f"the embedded chain: there is no anvil for this machine in {root / 'node_modules'}; "
        "run `make setup`, or set CAPTURE_CHAIN_URL to another chain"
    )


def _folders(root: Path) -> Iterator[Path]:
    system = {"win32": "win32", "darwin": "darwin"}.get(sys.platform, "linux")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    name = Path("@foundry-rs") / f"anvil-{system}-{machine}"
    # npm puts an optional dependency beside its parent, or below it when two versions are wanted.
    yield root / "node_modules" / name
    yield root / "node_modules" / "@foundry-rs" / "anvil" / "node_modules" / name


def anvil_command(state: Path, port: int) -> list[str]:
    """What to run for a chain that keeps its state in `state` and listens on this machine only. Raises Unavailable."""
    anvil_binary()  # so that what is missing is said now, and not by a child that dies
    return [sys.executable, "-m", "supervisor.anvil", str(state), str(port)]


def arguments(state: Path, port: int) -> list[str]:
    """The words for anvil: auto-mining, no account with a key that is known, no calls from web pages."""
    size = state.stat().st_size if state.exists() else 0
    return [
        str(anvil_binary()), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet",
        "--accounts", "0", "--no-cors", "--timestamp", str(GENESIS_TIME),
        "--prune-history", "--transaction-block-keeper", str(KEPT_BLOCKS),
        *(["--load-state", str(state)] if size else []), "--dump-state", str(_next(state)),
        "--state-interval", str(1 + size // BYTES_PER_SECOND_BETWEEN_SAVES),
    ]  # fmt: skip


def recover(state: Path) -> bool:
    """Make what anvil wrote last the state to start from, when it is whole; False when half a file was thrown away."""
    written = _next(state)
    if not written.exists():
        return True
    if not _whole(written):
        written.unlink()
        return False
    with written.open("rb") as file:
        os.fsync(file.fileno())  # else a power cut after the renaming could leave neither
    written.replace(state)
    return True


def ready(url: str) -> bool:
    """Whether a chain answers at this address."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the caller's own
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return "result" in json.loads(answer.read())
    except (OSError, ValueError):
        return False


def _next(state: Path) -> Path:
    return state.with_name(state.name + ".next")


def _whole(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except ValueError:
        return False


def main(state: str, port: str) -> None:
    """Recover the state and become anvil: the process keeps its id and its limits."""
    if not recover(Path(state)):
        sys.stderr.write("warning the chain was killed while it saved itself: it goes on from its last start\n")
    command = arguments(Path(state), int(port))
    os.execv(command[0], command)  # noqa: S606 - the binary from our own node_modules


if __name__ == "__main__":
    main(*sys.argv[1:])
