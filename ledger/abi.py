"""A contract's side of the wire: calls, answers and errors as Solidity's ABI has them."""

import json
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

FOLDER = Path(__file__).parents[1] / "contracts"
Entry = dict[str, Any]


class Abi:
    """What one contract can be asked, from the artifact that its compiler made."""

    def __init__(self, artifact: Entry) -> None:
        self.artifact = artifact
        self._entries = {(entry["type"], entry.get("name")): entry for entry in reversed(artifact["abi"])}
        self._digests = {key: bytes(keccak(text=_signature(entry))) for key, entry in self._entries.items() if key[1]}
        self._errors = {self.selector(*key): entry for key, entry in self._entries.items() if key[0] == "error"}

    @classmethod
    def of(cls, name: str) -> "Abi":
        """That of a contract of ours, by its name."""
        return cls(json.loads((FOLDER / f"{name}.json").read_text()))

    def call(self, function: str, *values: Any) -> str:
        """What to send to the contract for this function, as 0x and hex digits."""
        return _encoded(self._entries["function", function], values, self.selector("function", function))

    def creation(self, *values: Any) -> str:
        """What to send to nobody, so that the contract comes into being."""
        before = bytes.fromhex(self.artifact["bytecode"].removeprefix("0x"))
        return _encoded(self._entries["constructor", None], values, before)

    def answer(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What the contract answered to a function. Raises ValueError when it has not that form."""
        types = [type_of(value) for value in self._entries["function", function]["outputs"]]
        if not data or len(data) % 32:
            raise ValueError(f"{len(data)} bytes for {', '.join(types)}")
        try:
            return decode(types, data)
        except Exception as error:  # eth_abi's own kinds, of which some are no ValueError
            raise ValueError(f"{type(error).__name__} for {', '.join(types)}") from None

    def event(self, name: str, topics: list[str], data: bytes) -> Entry | None:
        """The values of an event by their names; None when the log entry is of another event."""
        entry = self._entries["event", name]
        if not topics or topics[0] != self.topic(name):
            return None
        indexed = [field for field in entry["inputs"] if field["indexed"]]
        plain = [field for field in entry["inputs"] if not field["indexed"]]
        told = zip(indexed, topics[1:], strict=True)
        found = {field["name"]: decode([type_of(field)], bytes.fromhex(topic[2:]))[0] for field, topic in told}
        values = decode([type_of(field) for field in plain], data)
        return found | {field["name"]: value for field, value in zip(plain, values, strict=True)}

    def reason(self, data: str | None) -> tuple[str, tuple[Any, ...]] | None:
        """The contract's error, by its name, and its values; None when it is no error of this contract."""
        # A contract that this one called can have it end with any bytes, also with such as begin like an error of ours.
        try:
            content = bytes.fromhex((data or "").removeprefix("0x"))
            entry = self._errors[content[:4]]
            return entry["name"], decode([type_of(value) for value in entry["inputs"]], content[4:])
        except Exception:  # eth_abi's own kinds too, of which some are no ValueError
            return None

    def topic(self, event: str) -> str:
        """What stands first among the topics of such an event."""
        return "0x" + self._digests["event", event].hex()

    def selector(self, kind: str, name: str) -> bytes:
        """The four bytes that stand for a function or an error."""
        return self._digests[kind, name][:4]

    def type_of_input(self, function: str, number: int) -> str:
        """The type of one of a function's values, with its parts when it is a struct."""
        return type_of(self._entries["function", function]["inputs"][number])


def _signature(entry: Entry) -> str:
    return f"{entry['name']}({','.join(type_of(value) for value in entry['inputs'])})"


def type_of(field: Entry) -> str:
    """A type as signatures have it: a struct as the list of its parts."""
    kind = str(field["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(type_of(part) for part in field['components'])}){kind.removeprefix('tuple')}"


def _encoded(entry: Entry, values: tuple[Any, ...], before: bytes) -> str:
    return "0x" + (before + encode([type_of(value) for value in entry["inputs"]], values)).hex()
