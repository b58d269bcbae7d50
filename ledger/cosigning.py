"""Asking the configured witnesses to cosign the newest checkpoint (C2SP tlog-witness).

This runs beside sequencing and anchoring, which never wait for it. Only the operator's URLs are asked; a witness that
is dead, slow or wrong is told of in the log, and asked again later.
"""

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.checkpoint import COSIGNATURE, MAX_NOTE_CHARS, VerifierKey, parse, to_base64
from ledger.cosignature import cosignature
from ledger.fetch import Fetched, fetch
from ledger.tree import MAX_SIZE, Hashes, consistency_proof
from pipeline.errors import Conflict, Rejected, Unavailable

LOOK_S = 0.5  # how often we look for a new checkpoint
TIMEOUT_S = 5.0
LONGEST_PAUSE_S = 60.0  # after failures; the first pause is LOOK_S, each next one twice as long
SIZE_TYPE = "text/x.tlog.size"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Witness:
    """Where a witness is asked (its submission prefix), and the key that it cosigns with."""

    url: str
    key: VerifierKey

    @classmethod
    def parse(cls, url: str, vkey: str) -> "Witness":
        """Raises Rejected when the key is not a witness's."""
        key = VerifierKey.parse(vkey)
        if key.kind != COSIGNATURE:
            raise Rejected(f"the key {vkey} is a log's: a witness prints its own when it starts")
        return cls(url.rstrip("/"), key)


class Log(Hashes, Protocol):
    """The log, and where cosignatures are kept; see store.log.LogRecords."""

    def newest_checkpoint(self) -> str:
        """The newest checkpoint as a signed note. Raises LookupError before the first."""

    def record_cosignature(self, size: int, key_id: str, line: str) -> None:
        """Keep a witness's signature line of the checkpoint at this size."""


def ask(witness: Witness, note: str, held: int, hashes: Hashes) -> str:
    """The witness's cosignature of a checkpoint, verified, as a line of the note.

    `held`: the size that the witness is thought to hold; it tells when that is wrong. Raises Unavailable when it does
    not answer, or knows a later checkpoint than this one, and Rejected when it refuses, or answers nonsense.
    """
    size = parse(note).checkpoint.size
    answer = _add_checkpoint(witness, note, held, size, hashes)
    if answer.status == 409:
        held = _size(witness, answer)
        if held > size:
            raise Unavailable(f"the witness {witness.key.name}, which holds {held} leaves and was asked about {size}")
        answer = _add_checkpoint(witness, note, held, size, hashes)
    if answer.status != 200:
        raise Rejected(_refusal(witness, answer, held, size))
    try:
        return cosignature(note, answer.body.decode(), witness.key)
    except UnicodeDecodeError:
        raise Rejected(f"the witness {witness.key.name} answered something that is no text") from None


def _add_checkpoint(witness: Witness, note: str, old: int, size: int, hashes: Hashes) -> Fetched:
    proof = "".join(f"{to_base64(digest)}\n" for digest in consistency_proof(old, size, hashes))
    body = f"old {old}\n{proof}\n{note}".encode()
    return fetch(f"{witness.url}/add-checkpoint", body, timeout_s=TIMEOUT_S, max_bytes=MAX_NOTE_CHARS,
                 media_type="text/plain")  # fmt: skip


def _size(witness: Witness, answer: Fetched) -> int:
    found = _SIZE.fullmatch(answer.body)
    if answer.media_type != SIZE_TYPE or not found or int(found[1]) > MAX_SIZE:
        raise Rejected(f"the witness {witness.key.name} answered 409 without the size that it holds")
    return int(found[1])


def _refusal(witness: Witness, answer: Fetched, held: int, size: int) -> str:
    reason = {
        403: "it does not know our key: give its operator our vkey",
        404: "it does not know our log: give its operator our vkey",
        409: "it holds another checkpoint of the same size",
        422: "what it holds is no beginning of our log",
    }.get(answer.status, ascii(answer.body[:100].decode(errors="replace")))
    return f"the witness {witness.key.name} refuses {size} leaves after {held} with {answer.status}: {reason}"


@dataclass(slots=True)
class _Asked:
    """What we know of one witness. `cosigned`: the newest size it cosigned for us since we started."""

    witness: Witness
    cosigned: int = 0
    failures: int = 0
    due: float = 0.0
    call: threading.Thread | None = None


class Cosigning:
    """Keeps every witness up to date with the log, each on its own: none waits for another."""

    def __init__(self, witnesses: Sequence[Witness], log: Log) -> None:
        self._asked = [_Asked(witness) for witness in witnesses]
        self._log = log

    def run(self) -> None:
        """Look for new checkpoints and have them cosigned, for ever."""
        while self._asked:
            try:
                self.look()
            except Unavailable as unavailable:
                log.warning("witnesses wait: %s", unavailable)
            except Exception:
                log.exception("looking for a checkpoint met a fault of ours")
                time.sleep(LONGEST_PAUSE_S)
            time.sleep(LOOK_S)

    def look(self) -> list[threading.Thread]:
        """Ask every witness that is free, due, and has not cosigned the newest checkpoint yet; the calls."""
        try:
            note = self._log.newest_checkpoint()
        except LookupError:
            return []
        size, calls = parse(note).checkpoint.size, []
        for asked in self._asked:
            busy = asked.call is not None and asked.call.is_alive()
            if not busy and asked.cosigned < size and asked.due <= time.monotonic():
                asked.call = threading.Thread(target=self._ask, args=(asked, note, size), daemon=True)
                asked.call.start()
                calls.append(asked.call)
        return calls

    def _ask(self, asked: _Asked, note: str, size: int) -> None:
        name = asked.witness.key.name
        try:
            line = ask(asked.witness, note, asked.cosigned, self._log)
            self._log.record_cosignature(size, asked.witness.key.key_id.hex(), line)
        except (Unavailable, Rejected, Conflict) as error:
            if asked.failures == 0:
                log.warning("no cosignature by %s, asked again later: %s", name, error)
            self._postpone(asked)
        except Exception:
            log.exception("asking %s met a fault of ours", name)
            self._postpone(asked)
        else:
            if asked.failures:
                log.info("%s cosigns again", name)
            asked.cosigned, asked.failures = size, 0

    def _postpone(self, asked: _Asked) -> None:
        asked.failures += 1
        asked.due = time.monotonic() + min(LOOK_S * 2**asked.failures, LONGEST_PAUSE_S)
