"""The log contract's side of the wire: calls and answers as Solidity's ABI has them."""

import json
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

ARTIFACT = json.loads((Path(__file__).parents[1] / "contracts" / "Log.json").read_text())


def call(function: str, *values: Any) -> str:
    """What to send to the contract for this function, as 0x and hex digits."""
    return _encoded(_entry("function", function), values, keccak(text=_signature("function", function))[:4])


def creation(*values: Any) -> str:
    """What to send to nobody, so that the contract comes into being."""
    entry = next(entry for entry in ARTIFACT["abi"] if entry["type"] == "constructor")
    return _encoded(entry, values, bytes.fromhex(ARTIFACT["bytecode"].removeprefix("0x")))


def answer(function: str, data: bytes) -> tuple[Any, ...]:
    """What the contract answered to a function whose values have 32 bytes each. Raises ValueError for other lengths."""
    types = [value["type"] for value in _entry("function", function)["outputs"]]
    if len(data) != 32 * len(types):
        raise ValueError(f"{len(data)} bytes for {', '.join(types)}")
    return decode(types, data)


def reason(data: str | None) -> str | None:
    """The contract's error with its values, as Solidity writes them; None when it is no error of ours."""
    for entry in ARTIFACT["abi"]:
        if entry["type"] == "error" and data and data.startswith(selector := _selector(entry["name"])):
            types = [value["type"] for value in entry["inputs"]]
            values = decode(types, bytes.fromhex(data[len(selector) :]))
            return f"{entry['name']}({', '.join(map(str, values))})"
    return None


def _encoded(entry: dict[str, Any], values: tuple[Any, ...], before: bytes) -> str:
    return "0x" + (before + encode([value["type"] for value in entry["inputs"]], values)).hex()


def _selector(error: str) -> str:
    return "0x" + keccak(text=_signature("error", error))[:4].hex()


def _signature(kind: str, name: str) -> str:
    return f"{name}({','.join(value['type'] for value in _entry(kind, name)['inputs'])})"


def _entry(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e for e in ARTIFACT["abi"] if (e["type"], e.get("name")) == (kind, name))
    return found
