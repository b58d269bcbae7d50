"""What is told: that something happened, and where to look. Nothing of the photo itself, nor where it was taken."""

import json


def message(type_: str, timestamp: str, capture_id: str | None, status: str | None, public_url: str | None) -> bytes:
    """The body of a webhook, and of a push message: the same bytes for the same event.

    `timestamp`: when it happened, RFC 3339. A test has no capture.
    """
    data = {}
    if capture_id:
        link = f"{public_url or ''}/v1/captures/{capture_id}"
        data = {"id": capture_id, "status": status, "link": link}
    return json.dumps({"type": type_, "timestamp": timestamp, "data": data}, separators=(",", ":")).encode()
