"""The two keys of telling others, in files of their own: one seals secrets, the other sends push messages (VAPID)."""

import secrets
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from notify.seal import KEY_BYTES, Seal
from notify.webpush import Sender
from pipeline.errors import Conflict


class NotifyKeys:
    """The files `seal.key` and `vapid.key`, each 32 bytes in hex. `read` and `write_once` are for files with keys.

    Whoever makes the push key anew loses every browser: they subscribed to messages of the old one.
    """

    def __init__(
        self, folder: Path, read: Callable[[Path], str], write_once: Callable[[Path, str], None], contact: str | None
    ) -> None:
        self._folder, self._read, self._write_once, self._contact = folder, read, write_once, contact

    @cached_property
    def seal(self) -> Seal:
        """What encrypts and decrypts secrets."""
        return Seal(self._key("seal", lambda: secrets.token_bytes(KEY_BYTES)))

    @cached_property
    def sender(self) -> Sender:
        """Who sends push messages. Push services are told the operator's address where there is one on https."""
        private = ec.derive_private_key(int.from_bytes(self._key("vapid", _new_scalar), "big"), ec.SECP256R1())
        contact = self._contact if self._contact and self._contact.startswith("https://") else None
        return Sender(private, contact)

    def _key(self, name: str, make: Callable[[], bytes]) -> bytes:
        file = self._folder / f"{name}.key"
        if not file.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_once(file, make().hex() + "\n")
        try:
            key = bytes.fromhex(self._read(file))
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise Conflict(f"{file} does not hold 64 hex digits: put the backup of it back")
        return key


def _new_scalar() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(KEY_BYTES, "big")
