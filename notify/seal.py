"""Secrets that must be used again are kept encrypted: a thief of the database alone cannot sign or read with them."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.errors import Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12


class Seal:
    """AES-256-GCM under the key of a file. `context`: what the secret belongs to; it opens for nothing else."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, secret: bytes, context: str) -> bytes:
        """Encrypt."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt. Raises Unavailable when it was encrypted under another key, or is damaged."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise Unavailable("the secret: it is not of the key in keys/notify, which a backup must hold too") from None
