"""Where the log is anchored, for whoever has nothing but a signed photo: the log's name, the chain and the contract."""

import hashlib
from pathlib import Path
from typing import Any

from ledger.fetch import fetch
from ledger.keyfile import write_new
from ledger.verify_chain import QUANTITY, check_form, parse
from pipeline.errors import Unavailable

ASK_S = 3  # a photo waits for this, once, until the chain was heard for the first time
_QUESTION = b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}'


def log_place(origin: str, contract: str, chain_url: str, local: bool, memory: Path) -> dict[str, Any]:
    """`origin`, and `chain_id`, `contract` and `local`, which are left out until the chain was heard once.

    `memory`: a file that keeps the chain's number, so that photos are signed while the chain is down. `local`: the
    chain is the service's own, and no independent proof.
    """
    chain_id = _remembered(chain_url, memory) or _heard(chain_url, memory)
    if chain_id is None:
        return {"origin": origin}
    return {"origin": origin, "chain_id": chain_id, "contract": contract, "local": local}


def _remembered(chain_url: str, memory: Path) -> int | None:
    try:
        named, number = memory.read_text("ascii").split()
        return int(number) if named == _name(chain_url) else None
    except (OSError, ValueError):
        return None


def _heard(chain_url: str, memory: Path) -> int | None:
    try:
        answer = fetch(chain_url, _QUESTION, timeout_s=ASK_S, max_bytes=10_000, media_type="application/json")
        found = parse(answer.body.decode())["result"]
        check_form(found, QUANTITY, "the chain's number")
    except (Unavailable, ValueError, LookupError, TypeError, RecursionError):
        return None
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_new(memory, f"{_name(chain_url)} {int(found, 16)}\n", 0o600).replace(memory)
    return int(found, 16)


def _name(chain_url: str) -> str:
    # Addresses of nodes hold passwords: only this is kept.
    return hashlib.sha256(chain_url.encode()).hexdigest()
