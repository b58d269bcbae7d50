"""What an EVM node answers over JSON-RPC, read with suspicion: a proxy or a broken node may answer anything."""

import re
from typing import Any

from pipeline.errors import Unavailable

MAX_WORDS = 200  # of what a node says, in a message of ours
MAX_QUANTITY = 66  # characters: 0x and 256 bits, which are all that a chain counts with; longer ones can be in no state
LIMIT_EXCEEDED = -32005  # EIP-1474
_OVERLOADED = ("rate limit", "too many requests", "limit exceeded", "try again")


class Refused(Unavailable):
    """The node answered with an error, or with nonsense. `words` are its own, `data` what a contract returned."""

    def __init__(self, host: str, method: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": error}
        self.words = str(fields.get("message", ""))[:MAX_WORDS]
        data = fields.get("data")
        self.data = data if isinstance(data, str) and data.startswith("0x") else None
        # Another node would answer: this one is busy, or is none.
        self.overloaded = fields.get("code", LIMIT_EXCEEDED) == LIMIT_EXCEEDED or any(
            text in self.words.lower() for text in _OVERLOADED
        )
        super().__init__(f"the chain at {host} refused {method}: {self.words}")


class Answer:
    """The answer to one call. Every reading raises Refused when the answer is not of that kind."""

    def __init__(self, host: str, method: str, answer: Any) -> None:
        self._host = host
        self._method = method
        fields: dict[str, Any] = answer if isinstance(answer, dict) else {}
        if fields.get("error") or "result" not in fields:
            raise Refused(host, method, fields.get("error") or "its answer is not JSON-RPC")
        self._result = fields["result"]

    @property
    def missing(self) -> bool:
        """Whether the node does not know what was asked for."""
        return self._result is None

    def number(self) -> int:
        """A quantity such as 0x1f."""
        return self._number(self._result)

    def content(self) -> bytes:
        """Bytes such as 0x00ff; 0x stands for none."""
        text = self._hex(self._result, least=0)
        if len(text) % 2:
            raise self._nonsense("whole bytes", text)
        return bytes.fromhex(text[2:])

    def field(self, name: str) -> int | None:
        """A quantity inside an object; None when the object has no such field, or it is null."""
        value = self._object().get(name)
        return None if value is None else self._number(value)

    def quantity(self, name: str) -> int:
        """A quantity that the object must have."""
        return self._number(self._object().get(name))

    def text(self, name: str) -> str | None:
        """A hash or an address inside an object; None when it has no such field, or it is null."""
        value = self._object().get(name)
        return None if value is None else self._hex(value)

    def data(self, name: str) -> bytes:
        """Bytes inside an object, such as an event's; none when it has no such field."""
        text = self._hex(self._object().get(name) or "0x", least=0)
        return bytes.fromhex(text[2:])

    def part(self, name: str) -> "Answer":
        """What an object has under this name, as an answer of its own."""
        return Answer(self._host, self._method, {"result": self._object().get(name)})

    def rows(self) -> "list[Answer]":
        """The entries of a list, each as an answer of its own."""
        if not isinstance(self._result, list):
            raise self._nonsense("a list", self._result)
        return [Answer(self._host, self._method, {"result": row}) for row in self._result]

    def texts(self, name: str) -> list[str]:
        """A list of hashes inside an object, such as an event's topics."""
        values = self._object().get(name)
        return [self._hex(value) for value in values] if isinstance(values, list) else []

    def _object(self) -> dict[str, Any]:
        if not isinstance(self._result, dict):
            raise self._nonsense("an object", self._result)
        return self._result

    def _number(self, value: Any) -> int:
        text = self._hex(value)
        if len(text) > MAX_QUANTITY:
            raise self._nonsense("a number of 256 bits", text)
        return int(text, 16)

    def _hex(self, value: Any, least: int = 1) -> str:
        if not isinstance(value, str) or not re.fullmatch(f"0x[0-9a-fA-F]{{{least},}}", value):
            raise self._nonsense("hexadecimal", value)
        return value

    def _nonsense(self, wanted: str, value: Any) -> Refused:
        return Refused(self._host, self._method, f"its answer is not {wanted}: {str(value)[:60]}")
