"""What of a token (ERC-20) a buyer has to ask: how much another may take of it, and to let that take some."""

from typing import Any

from ledger.abi import Abi


def _function(name: str, inputs: tuple[str, ...], output: str) -> dict[str, Any]:
    return {"type": "function", "name": name, "inputs": [{"name": "", "type": each} for each in inputs],
            "outputs": [{"name": "", "type": output}]}  # fmt: skip


TOKEN = Abi({"abi": [
    _function("allowance", ("address", "address"), "uint256"),
    _function("approve", ("address", "uint256"), "bool"),
]})  # fmt: skip
