"""Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says when it saw a checkpoint that extends all before it.

What a client that trusts the witness gains: the log cannot show others another history without the witness's help.
"""

import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoint import (
    COSIGNATURE,
    MAX_NOTE_CHARS,
    Note,
    VerifierKey,
    make_key,
    parse,
    read_key,
    replace,
    signature_line,
    signatures,
)
from pipeline.errors import Rejected

TIME_BYTES = 8
MAX_AHEAD_S = 300  # a witness whose clock is further ahead of ours than this says nothing useful about time


class Cosigner:
    """Holds a witness's private key."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.vkey = VerifierKey(name, private.public_key().public_bytes_raw(), COSIGNATURE)

    @classmethod
    def load_or_make(cls, folder: Path, name: str | None) -> "Cosigner":
        """The cosigner whose key is `folder`/witness.skey (mode 0600), made at the first call; witness.vkey beside it.

        Raises Rejected when the key is there under another name, or malformed; Conflict when others can read it.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "witness.skey"
        if not path.exists():
            make_key(path, name, COSIGNATURE)
        cosigner = cls(*read_key(path, COSIGNATURE))
        if name not in (None, cosigner.vkey.name):
            raise Rejected(f"the witness in {folder} is called {cosigner.vkey.name}: a new name needs a new folder")
        replace(folder / "witness.vkey", f"{cosigner.vkey}\n", 0o644)
        return cosigner

    def cosign(self, text: str, time_s: int) -> str:
        """The signature line for a checkpoint's text (its newline included) at this POSIX time."""
        value = time_s.to_bytes(TIME_BYTES, "big") + self._private.sign(_message(text, time_s))
        return signature_line(self.vkey, value)


def cosigned_at(note: Note, witness: VerifierKey) -> int:
    """When this witness cosigned the note, as POSIX time. Raises Rejected, with the reason, when it did not."""
    own = witness.own(note)
    if not own:
        raise Rejected(f"the note has no cosignature by {witness.name} with the key {witness.key_id.hex()}")
    if witness.kind != COSIGNATURE:
        raise Rejected(f"the key of {witness.name} is a log's: give the witness's own")
    times = [int.from_bytes(value[:TIME_BYTES], "big") for value in own]
    for value, time_s in zip(own, times, strict=True):
        if not witness.holds(value[TIME_BYTES:], _message(note.text, time_s)):
            raise Rejected(f"the cosignature by {witness.name} does not belong to this checkpoint")
    if max(times) > time.time() + MAX_AHEAD_S:
        raise Rejected(f"the cosignature by {witness.name} is of a time to come: {max(times)}")
    return max(times)


def cosignature(note: str, answer: str, witness: VerifierKey) -> str:
    """The one valid cosignature by this witness among the lines that it answered. Raises Rejected, with the reason."""
    if len(answer) > MAX_NOTE_CHARS:
        raise Rejected(f"the answer has over {MAX_NOTE_CHARS} characters")
    parsed = parse(note)
    for line in signatures(answer):
        if (line.name, line.key_id) == (witness.name, witness.key_id):
            cosigned_at(Note(parsed.text, parsed.checkpoint, (line,)), witness)
            return signature_line(witness, line.value)
    raise Rejected(f"the answer has no cosignature by {witness.name} with the key {witness.key_id.hex()}")


def _message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
