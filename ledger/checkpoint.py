"""Checkpoints: the log's size and root as a signed note (C2SP tlog-checkpoint and signed-note, Ed25519).

The text names the log (its origin), its size and its root; each line below is one signature. Signatures by unknown
keys are kept and ignored, so that witnesses may add theirs.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.keyfile import read_private, sync_folder, write_new, write_once
from ledger.tree import HASH_BYTES, MAX_SIZE
from pipeline.errors import Conflict, Rejected

ED25519 = b"\x01"  # signed-note's type of an Ed25519 signature over the text itself
MAX_NOTE_CHARS = 256 * 1024  # 16 signatures must be accepted, and post-quantum ones have 5 kB
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})", re.ASCII)
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_DASH = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log says of itself at one moment."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name and id, and what it made of the text."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed checkpoint note that nobody has verified yet."""

    text: str
    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A log's public key. As text: name+id+key, the id in 8 hex digits, the key in base64 behind its type byte."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The inverse of `str`. Raises Rejected, with the reason."""
        name, key_id, key = _fields(text.strip(), "a verifier key is name+id+key")
        if len(key) != 33 or key[:1] != ED25519:
            raise Rejected("the verifier key is not one of Ed25519")
        parsed = cls(name, key[1:])
        if parsed.key_id.hex() != key_id:
            raise Rejected(f"the verifier key's id is {key_id}, its name and key make {parsed.key_id.hex()}")
        return parsed


class CheckpointSigner:
    """Holds the log's private key and signs its checkpoints."""

    def __init__(self, origin: str, private: Ed25519PrivateKey) -> None:
        self.origin = origin
        self._private = private
        self.vkey = VerifierKey(origin, private.public_key().public_bytes_raw())

    @classmethod
    def load_or_make(cls, folder: Path, origin: str | None) -> "CheckpointSigner":
        """The signer whose key is `folder`/log.skey (mode 0600), made at the first call; log.vkey is beside it.

        Without an origin the log gets a name that is made from its key. Raises Conflict for another origin than the
        one the log began with and for a key file that others can read, Rejected for one that is malformed.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "log.skey"
        if not path.exists():
            _write_key(path, origin)
        signer = cls._load(path)
        if origin not in (None, signer.origin):
            raise Conflict(
                f"the log in {folder} is called {signer.origin} and cannot become {origin}: "
                "a log's name is part of every checkpoint"
            )
        _replace(folder / "log.vkey", f"{signer.vkey}\n", 0o644)
        return signer

    def sign(self, size: int, root: bytes) -> str:
        """The checkpoint of this size and root as a signed note. Ed25519: the same again gives the same text."""
        if not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
            raise Rejected(f"{size} and {len(root)} bytes are no tree size and root")
        text = f"{self.origin}\n{size}\n{_base64(root)}\n"
        signature = self.vkey.key_id + self._private.sign(text.encode())
        return f"{text}\n{_DASH} {self.origin} {_base64(signature)}\n"

    @classmethod
    def _load(cls, path: Path) -> "CheckpointSigner":
        text = read_private(path)
        if not text.startswith("PRIVATE+KEY+"):
            raise Rejected(f"{path} is no private key of a log: restore it from a backup")
        name, key_id, key = _fields(text.removeprefix("PRIVATE+KEY+"), f"{path} is no name+id+key")
        if len(key) != 33 or key[:1] != ED25519:
            raise Rejected(f"{path} holds no Ed25519 key")
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(key[1:]))
        if signer.vkey.key_id.hex() != key_id:
            raise Rejected(f"the id in {path} is {key_id}, its name and key make {signer.vkey.key_id.hex()}")
        return signer


def parse(note: str) -> Note:
    """The parts of a checkpoint note; nothing is verified. Raises Rejected, with the reason."""
    if len(note) > MAX_NOTE_CHARS:
        raise Rejected(f"the note has over {MAX_NOTE_CHARS} characters")
    if _FORBIDDEN.search(note):
        raise Rejected("the note has a control character or a lone surrogate")
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise Rejected("a note is text, an empty line and signature lines, each with a newline at its end")
    lines = text.split("\n")
    if len(lines) < 3 or "" in lines:
        raise Rejected("a checkpoint is an origin, a size and a root, and has no empty line")
    if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SIZE:
        raise Rejected(f"the size {lines[1][:40]!r} is no whole number in plain decimal below 2^63")
    root = _unbase64(lines[2])
    if len(root) != HASH_BYTES:
        raise Rejected(f"the root has {len(root)} bytes, not {HASH_BYTES}")
    checkpoint = Checkpoint(lines[0], int(lines[1]), root)
    return Note(text + "\n", checkpoint, tuple(map(_signature, signatures[:-1].split("\n"))))


def verify(note: str, vkey: str, origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note that this key signed. Raises Rejected, with the reason.

    `origin` is the log's name where it is not the key's. Every signature under the key's name and id must hold.
    """
    key, parsed = VerifierKey.parse(vkey), parse(note)
    expected = key.name if origin is None else origin
    if parsed.checkpoint.origin != expected:
        raise Rejected(f"the checkpoint is of the log {parsed.checkpoint.origin!r}, not {expected!r}")
    own = [s for s in parsed.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    if not own:
        raise Rejected(f"the note has no signature by {key.name} with the key {key.key_id.hex()}")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for signature in own:
        try:
            public.verify(signature.value, parsed.text.encode())
        except InvalidSignature:
            raise Rejected(f"the signature by {key.name} does not belong to this text") from None
    return parsed.checkpoint


def _signature(line: str) -> Signature:
    fields = line.split(" ")
    if len(fields) != 3 or fields[0] != _DASH:
        raise Rejected(f"{line[:80]!r} is no signature line: a dash, a key name and a signature")
    _check_name(fields[1])
    value = _unbase64(fields[2])
    if len(value) < 5:
        raise Rejected(f"the signature by {fields[1]} is shorter than a key id")
    return Signature(fields[1], value[:4], value[4:])


def _fields(text: str, shape: str) -> tuple[str, str, bytes]:
    fields = text.split("+", 2)  # base64 may hold plus signs
    if len(fields) != 3 or not re.fullmatch(r"[0-9a-f]{8}", fields[1], re.ASCII):
        raise Rejected(shape)
    _check_name(fields[0])
    return fields[0], fields[1], _unbase64(fields[2])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise Rejected(f"{name[:80]!r} is no key name: it has no spaces and no plus sign")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _unbase64(text: str) -> bytes:
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Rejected(f"{text[:80]!r} is not base64") from None
    if _base64(value) != text:
        raise Rejected(f"{text[:80]!r} is not the one base64 form of its bytes")
    return value


def _write_key(path: Path, origin: str | None) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    name = origin or f"localhost/log-{hashlib.sha256(public).hexdigest()[:16]}"
    _check_name(name)
    key_id = VerifierKey(name, public).key_id.hex()
    text = f"PRIVATE+KEY+{name}+{key_id}+{_base64(ED25519 + private.private_bytes_raw())}\n"
    write_once(path, text)


def _replace(path: Path, text: str, mode: int) -> None:
    if not path.exists() or path.read_text() != text:
        write_new(path, text, mode).replace(path)
        sync_folder(path.parent)
