"""Check a COSE receipt, its statement and a photo, offline, as named steps. See ledger/cose.py for the format."""

from typing import Any

from ledger import cose
from ledger import verify as offline
from ledger.leaf import WORD_BYTES, leaf_digest
from ledger.tree import inclusion_root
from ledger.verify import NotChecked, need, step
from pipeline.errors import Rejected

STEPS = "receipt", "leaf", "photo", "terms", "inclusion", "signature"
STATEMENT_BYTES = 10 * WORD_BYTES


def is_cose(receipt: bytes) -> bool:
    """Whether this is meant to be a COSE receipt: JSON begins with an ASCII character, CBOR's tags do not."""
    return receipt[:1] >= b"\x80"


def statement_words(content: bytes) -> list[bytes]:
    """The ten words in a file: 320 bytes, or a JSON receipt. Raises ValueError with the reason, as a step does."""
    if len(content) == STATEMENT_BYTES:
        return [content[at : at + WORD_BYTES] for at in range(0, STATEMENT_BYTES, WORD_BYTES)]
    document = offline.Check(content, b"", "")
    _, result, why = step("statement", document.receipt)
    need(result == "passed", f"a statement is a file of {STATEMENT_BYTES} bytes, or a JSON receipt: {why}")
    return document.words


class Check(offline.Check):
    """Its steps are methods, in the order of `STEPS`; one that lacks what an earlier one failed to read says so."""

    said: cose.CoseReceipt

    def __init__(self, receipt: bytes, photo: bytes, statement: bytes | None, key: str) -> None:
        super().__init__(receipt, photo, key)
        self._statement = statement

    def __getattr__(self, name: str) -> Any:
        raise NotChecked("what it needs was not given, or is not well formed")

    def receipt(self) -> str:
        """It has the form of RFC 9942, and of no other than ours."""
        self.said = cose.parse(self.text)
        return f"it is a COSE receipt for the capture {self.said.capture!a} in the log {self.said.origin!a}"

    def leaf(self) -> str:
        """The statement is one, so that its digest is the log's entry."""
        if self._statement is None:
            raise NotChecked("give the statement with --statement: statement.bin, or the JSON receipt")
        words = statement_words(self._statement)
        # Which device signed is in the JSON receipt alone, as the terms are.
        self.entry, self.words, self.numbers = leaf_digest(words), words, [1 + any(words[9]), 0, 0, len(self.file)]
        return super().leaf()

    def terms(self) -> str:
        """Not in a COSE receipt."""
        raise NotChecked("the copyright information is in the JSON receipt alone")

    def inclusion(self) -> str:
        """The proof fits this place in a tree of this size."""
        at, size = self.said.index, self.said.size
        inclusion_root(self.entry, at, size, self.said.proof)
        return f"the proof leads from entry {at} of {size} to a root; the signature says whether it is the log's"

    def signature(self) -> str:
        """The log's key signed that root, its size and the capture's id."""
        if not self.key:
            raise NotChecked("give the log's public key with --key")
        said = self.said
        cose.verify(self.text, self.words, self.key)
        return f"the key of {said.origin!a} signed that root of {said.size} entries for the capture {said.capture!a}"


def verify(check: Check) -> list[tuple[str, str, str]]:
    """All steps: their names, results and reasons. Whatever the inputs hold, nothing is raised."""
    return [_step(check, name) for name in STEPS]


def _step(check: Check, name: str) -> tuple[str, str, str]:
    def run() -> str:
        try:
            return str(getattr(check, name)())
        except Rejected as reason:
            raise ValueError(str(reason)) from None

    return step(name, run)


def as_receipt(check: Check) -> dict[str, Any]:
    """What a promise is compared with. Raises NotChecked when receipt or statement could not be read."""
    return {"capture": check.said.capture, "statement": [word.hex() for word in check.words]}
