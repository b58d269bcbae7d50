"""The embedded chain: anvil from npm, with saved state. Its blocks are independent proof of nothing."""

import json
import platform
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAIN_ID = 31337  # what development chains call themselves: verifiers know it as no proof
MAX_DATA_BYTES = 2 * 1024**3


class AnvilMissing(Exception):
    """There is no anvil for this machine. The text says how to get it."""


def anvil_binary(root: Path = ROOT) -> Path:
    """The native program in the npm package for this machine; node is not needed. Raises AnvilMissing."""
    for folder in _folders(root):
        for name in ("anvil", "anvil.exe"):
            if (folder / "bin" / name).is_file():
                return folder / "bin" / name
    raise AnvilMissing(
        f"there is no anvil in {root / 'node_modules'}: run `make setup`, or set CAPTURE_CHAIN_URL to another chain"
    )


def _folders(root: Path) -> Iterator[Path]:
    system = {"win32": "win32", "darwin": "darwin"}.get(sys.platform, "linux")
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    name = Path("@foundry-rs") / f"anvil-{system}-{machine}"
    # npm puts an optional dependency beside its parent, or below it when two versions are wanted.
    yield root / "node_modules" / name
    yield root / "node_modules" / "@foundry-rs" / "anvil" / "node_modules" / name


def anvil_command(state: Path, port: int, root: Path = ROOT) -> list[str]:
    """The command line of a chain that keeps its state in `state` and listens on this machine only."""
    return [
        str(anvil_binary(root)), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet",
        "--accounts", "0", "--no-cors", "--state", str(state), "--state-interval", "1",
    ]  # fmt: skip


def ready(url: str) -> bool:
    """Whether a chain answers at this address."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the caller's own
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return "result" in json.loads(answer.read())
    except (OSError, ValueError):
        return False
