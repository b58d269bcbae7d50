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

from ledger.keyfile import read_private, write_once
from ledger.tree import HASH_BYTES, MAX_SIZE
from pipeline.durable import write_durably
from pipeline.errors import Conflict, Rejected

ED25519 = b"\x01"  # signed-note's type of an Ed25519 signature over the text itself
COSIGNATURE = b"\x04"  # and of one over a time and the text, by a witness: see ledger/cosignature.py
_KINDS = (ED25519, COSIGNATURE)
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
    """A log's or a witness's public key, as `kind` says.

    As text: name+id+key, the id in 8 hex digits, the key in base64 behind its type byte.
    """

    name: str
    public: bytes
    kind: bytes = ED25519

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(self.kind + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The inverse of `str`. Raises Rejected, with the reason."""
        name, key_id, key = _fields(text.strip(), "a verifier key is name+id+key")
        if len(key) != 33 or key[:1] not in _KINDS:
            raise Rejected("the verifier key is not one of Ed25519")
        parsed = cls(name, key[1:], key[:1])
        if parsed.key_id.hex() != key_id:
            raise Rejected(f"the verifier key's id is {key_id}, its name and key make {parsed.key_id.hex()}")
        return parsed

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the Ed25519 signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def own(self, note: "Note") -> list[bytes]:
        """What stands under this key's name and id in a note, not verified."""
        return [s.value for s in note.signatures if (s.name, s.key_id) == (self.name, self.key_id)]


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
            make_key(path, origin)
        signer = cls(*read_key(path))
        if origin not in (None, signer.origin):
            raise Conflict(
                f"the log in {folder} is called {signer.origin} and cannot become {origin}: "
                "a log's name is part of every checkpoint"
            )
        replace(folder / "log.vkey", f"{signer.vkey}\n", 0o644)
        return signer

    def sign(self, size: int, root: bytes) -> str:
        """The checkpoint of this size and root as a signed note. Ed25519: the same again gives the same text."""
        if not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
            raise Rejected(f"{size} and {len(root)} bytes are no tree size and root")
        return self.sign_text(f"{self.origin}\n{size}\n{to_base64(root)}\n")

    def sign_text(self, text: str) -> str:
        """A signed note of any text whose second line is no decimal number: nobody may take it for a checkpoint."""
        return f"{text}\n{signature_line(self.vkey, self._private.sign(text.encode()))}"

    def sign_cose(self, structure: bytes) -> bytes:
        """The signature over a COSE Sig_structure (RFC 9052 section 4.4). It begins with 0x84, which no text does:
        nobody may take it for a note's. Raises Rejected for anything else."""
        if not structure.startswith(b"\x84jSignature1"):
            raise Rejected("these bytes are no Sig_structure of a COSE_Sign1")
        return self._private.sign(structure)


def parse(note: str) -> Note:
    """The parts of a checkpoint note; nothing is verified. Raises Rejected, with the reason."""
    if len(note) > MAX_NOTE_CHARS:
        raise Rejected(f"the note has over {MAX_NOTE_CHARS} characters")
    if _FORBIDDEN.search(note):
        raise Rejected("the note has a control character or a lone surrogate")
    text, blank, lines_below = note.rpartition("\n\n")
    if not blank or not lines_below.endswith("\n"):
        raise Rejected("a note is text, an empty line and signature lines, each with a newline at its end")
    lines = text.split("\n")
    if len(lines) < 3 or "" in lines:
        raise Rejected("a checkpoint is an origin, a size and a root, and has no empty line")
    if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SIZE:
        raise Rejected(f"the size {lines[1][:40]!r} is no whole number in plain decimal below 2^63")
    root = from_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise Rejected(f"the root has {len(root)} bytes, not {HASH_BYTES}")
    checkpoint = Checkpoint(lines[0], int(lines[1]), root)
    return Note(text + "\n", checkpoint, signatures(lines_below))


def verify(note: str, vkey: str, origin: str | None = None) -> Checkpoint:
    """The checkpoint in a note that this key signed. Raises Rejected, with the reason.

    `origin` is the log's name where it is not the key's. Every signature under the key's name and id must hold.
    """
    key, parsed = VerifierKey.parse(vkey), parse(note)
    if key.kind != ED25519:
        raise Rejected(f"the key of {key.name} is a witness's: give the log's own")
    expected = key.name if origin is None else origin
    if parsed.checkpoint.origin != expected:
        raise Rejected(f"the checkpoint is of the log {parsed.checkpoint.origin!r}, not {expected!r}")
    own = key.own(parsed)
    if not own:
        raise Rejected(f"the note has no signature by {key.name} with the key {key.key_id.hex()}")
    if not all(key.holds(signature, parsed.text.encode()) for signature in own):
        raise Rejected(f"the signature by {key.name} does not belong to this text")
    return parsed.checkpoint


def signature_line(key: VerifierKey, value: bytes) -> str:
    """What this key signed, as a line of a note."""
    return f"{_DASH} {key.name} {to_base64(key.key_id + value)}\n"


def signatures(lines: str) -> tuple[Signature, ...]:
    """Signature lines, each with a newline at its end. Raises Rejected, with the reason."""
    if not lines.endswith("\n"):
        raise Rejected("signature lines end with a newline")
    return tuple(map(_signature, lines[:-1].split("\n")))


def make_key(path: Path, name: str | None, kind: bytes = ED25519) -> None:
    """A new private key in a file of mode 0600, unless it is there. Without a name it gets one made from the key."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    name = name or f"localhost/{path.stem}-{hashlib.sha256(public).hexdigest()[:16]}"
    _check_name(name)
    key_id = VerifierKey(name, public, kind).key_id.hex()
    write_once(path, f"PRIVATE+KEY+{name}+{key_id}+{to_base64(kind + private.private_bytes_raw())}\n")


def read_key(path: Path, kind: bytes = ED25519) -> tuple[str, Ed25519PrivateKey]:
    """The name and the private key in a file. Raises Conflict when others can read it, Rejected when malformed."""
    text = read_private(path)
    if not text.startswith("PRIVATE+KEY+"):
        raise Rejected(f"{path} is no private key of a {path.stem}: restore it from a backup")
    name, key_id, key = _fields(text.removeprefix("PRIVATE+KEY+"), f"{path} is no name+id+key")
    if len(key) != 33 or key[:1] != kind:
        raise Rejected(f"{path} holds no Ed25519 key of a {path.stem}")
    private = Ed25519PrivateKey.from_private_bytes(key[1:])
    own_id = VerifierKey(name, private.public_key().public_bytes_raw(), kind).key_id.hex()
    if own_id != key_id:
        raise Rejected(f"the id in {path} is {key_id}, its name and key make {own_id}")
    return name, private


def replace(path: Path, text: str, mode: int) -> None:
    """Make a file hold this text, in one durable step; nothing is written when it does already."""
    if not path.exists() or path.read_text() != text:
        write_durably(path, text, mode)


def to_base64(value: bytes) -> str:
    """Standard base64, as text."""
    return base64.b64encode(value).decode()


def from_base64(text: str) -> bytes:
    """The inverse of `to_base64`. Raises Rejected for any other spelling."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Rejected(f"{text[:80]!r} is not base64") from None
    if to_base64(value) != text:
        raise Rejected(f"{text[:80]!r} is not the one base64 form of its bytes")
    return value


def _signature(line: str) -> Signature:
    fields = line.split(" ")
    if len(fields) != 3 or fields[0] != _DASH:
        raise Rejected(f"{line[:80]!r} is no signature line: a dash, a key name and a signature")
    _check_name(fields[1])
    value = from_base64(fields[2])
    if len(value) < 5:
        raise Rejected(f"the signature by {fields[1]} is shorter than a key id")
    return Signature(fields[1], value[:4], value[4:])


def _fields(text: str, shape: str) -> tuple[str, str, bytes]:
    fields = text.split("+", 2)  # base64 may hold plus signs
    if len(fields) != 3 or not re.fullmatch(r"[0-9a-f]{8}", fields[1], re.ASCII):
        raise Rejected(shape)
    _check_name(fields[0])
    return fields[0], fields[1], from_base64(fields[2])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise Rejected(f"{name[:80]!r} is no key name: it has no spaces and no plus sign")
