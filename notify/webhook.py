"""Standard Webhooks 1.0: how a message is signed, so that its receiver knows that it is ours and new."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> bytes:
    """A secret that nobody can guess."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """A secret as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(secret: bytes, message_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """The headers of a message; `sent_at` in seconds, Unix. The id stays the same however often it is sent."""
    mac = hmac.digest(secret, f"{message_id}.{sent_at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
