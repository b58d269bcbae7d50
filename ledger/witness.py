"""A witness for logs (C2SP tlog-witness): keeps one checkpoint a log, and cosigns only what extends it.

The record is on the disk before a cosignature leaves, and requests about one log are taken one after the other, also
by several processes on the same folder: a kill at any moment cannot make it cosign two histories. What can is the loss
of its folder: a witness without its memory needs a new key.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.checkpoint import Checkpoint, Note, VerifierKey, from_base64, parse, replace, signature_line
from ledger.cosignature import Cosigner
from ledger.tree import EMPTY_ROOT, MAX_SIZE, verify_consistency
from pipeline.errors import Conflict, Rejected

MAX_PROOF_LINES = 63
MAX_FORKS = 100  # kept as evidence; a log that forks more often has been proved guilty
STALE_S = 60
SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class _Request:
    old: int
    proof: tuple[bytes, ...]
    note: Note


class Witness:
    """Answers add-checkpoint for the logs whose keys it was given; its memory is in `folder`."""

    def __init__(self, folder: Path, cosigner: Cosigner, logs: Iterable[VerifierKey]) -> None:
        self._folder = folder
        self._cosigner = cosigner
        self._keys: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._keys.setdefault(key.name, []).append(key)
        for name in ("checkpoints", "forks"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob("*/.*"):  # by a kill while it was written; what another process writes now may go
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - STALE_S:
                    left.unlink()

    def add_checkpoint(self, body: bytes) -> Answer:
        """200 with a cosignature, or a refusal: 400 malformed, 404 unknown log, 403 not signed by it, 409 another size
        or root is held, 422 the proof does not lead from what is held. Raises Conflict when our own record is damaged.
        """
        try:
            request = _parse(body)
        except Rejected as rejected:
            return Answer(400, f"{rejected}\n")
        origin = request.note.checkpoint.origin
        if origin not in self._keys:
            return Answer(404, "this witness does not know this log\n")
        signed = self._signed(request.note)
        if signed is None:
            return Answer(403, "no key that this witness knows of this log signed this checkpoint\n")
        with self._alone(origin) as file:
            return self._extend(file, request, signed)

    def _signed(self, note: Note) -> str | None:
        """The note with the signatures of the log's known keys alone; None when there is none that holds."""
        text = note.text.encode()
        own = [(key, value) for key in self._keys[note.checkpoint.origin] for value in key.own(note)]
        lines = [signature_line(key, value) for key, value in own if key.holds(value, text)]
        return "\n".join((note.text, "".join(lines))) if lines else None

    def _extend(self, file: Path, request: _Request, signed: str) -> Answer:
        held, offered = _held(file), request.note.checkpoint
        if request.old > offered.size:
            return Answer(400, "the old size is larger than the checkpoint's\n")
        if request.old != held.size:
            return Answer(409, f"{held.size}\n", SIZE_TYPE)
        if offered.size == held.size and offered.root != held.root:
            self._keep_fork(file, signed)
            return Answer(409, f"{held.size}\n", SIZE_TYPE)
        try:
            verify_consistency(held.size, offered.size, request.proof, held.root, offered.root)
        except Rejected as rejected:
            log.warning("refused %s at %d leaves: %s", offered.origin, offered.size, rejected)
            return Answer(422, f"{rejected}\n")
        if offered.size > held.size or not file.exists():
            replace(file, signed, 0o600)
        return Answer(200, self._cosigner.cosign(request.note.text, int(time.time())))

    @contextmanager
    def _alone(self, origin: str) -> Iterator[Path]:
        """The file with this log's checkpoint, while nobody else reads or writes it."""
        file = self._folder / "checkpoints" / hashlib.sha256(origin.encode()).hexdigest()
        descriptor = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(descriptor)  # which gives the lock back, as the end of the process does

    def _keep_fork(self, file: Path, signed: str) -> None:
        """Two notes of one size with different roots, both signed by the log: proof against it, to anyone."""
        evidence = self._folder / "forks" / f"{hashlib.sha256(signed.encode()).hexdigest()}.json"
        log.error("FORK: a log signed two roots for one size; both notes are in %s", evidence)
        if len(list(evidence.parent.iterdir())) < MAX_FORKS:
            notes = {"held": file.read_text() if file.exists() else "", "offered": signed}
            replace(evidence, json.dumps(notes, indent=1, ensure_ascii=False), 0o600)


def _held(file: Path) -> Checkpoint:
    if not file.exists():
        return Checkpoint("", 0, EMPTY_ROOT)
    try:
        return parse(file.read_text()).checkpoint
    except (Rejected, UnicodeDecodeError) as damage:
        raise Conflict(f"{file} is damaged ({damage}): restore it, or begin anew with a new key") from None


def _parse(body: bytes) -> _Request:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Rejected("the request is no UTF-8 text") from None
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if not old or int(old[1]) > MAX_SIZE:
        raise Rejected("a request begins with a line such as: old 0")
    if len(lines) > MAX_PROOF_LINES:
        raise Rejected(f"a proof has at most {MAX_PROOF_LINES} lines, not {len(lines)}")
    return _Request(int(old[1]), tuple(map(from_base64, lines)), parse(note))
