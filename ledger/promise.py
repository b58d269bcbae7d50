"""The promise: what the log's key signs when an upload is taken, and how its holder sees whether it was kept."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ledger.checkpoint import CheckpointSigner
from pipeline.errors import Rejected

KIND = "capture/promise/v1"  # a checkpoint's second line is a number, a promise's is not: neither passes for the other
WORDS = "in the log, or refused with a reason, by the time above"
DEADLINE = timedelta(hours=24)  # as long as CT logs take at most; usual are seconds, but engines can be down for hours


class Promise(NamedTuple):
    """What was promised: this upload of this capture is in the log, or refused with a reason, by `deadline`."""

    capture: str
    upload: bytes
    deadline: datetime


def promise(signer: CheckpointSigner, capture: str, upload: bytes, taken_at: datetime) -> str:
    """The promise for an upload (its SHA-256) that was taken at this time, as a signed note (C2SP signed-note).

    The same again gives the same text, so that nothing needs to be kept.
    """
    deadline = (taken_at + DEADLINE).astimezone(UTC)
    return signer.sign_text(
        f"{KIND}\ncapture {capture}\nsha256 {upload.hex()}\nby {deadline:%Y-%m-%dT%H:%M:%SZ}\n{WORDS}\n"
    )


def parse(lines: list[str]) -> Promise:
    """What the lines of a promise say; who signed them was verified before. Raises Rejected."""
    try:
        kind, capture, upload, deadline, words = lines
        parsed = Promise(
            capture.removeprefix("capture "),
            bytes.fromhex(upload.removeprefix("sha256 ")),
            datetime.strptime(deadline, "by %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        )
    except ValueError:
        raise Rejected("it is no promise: five lines that begin with capture/promise/v1") from None
    if (kind, words) != (KIND, WORDS) or len(parsed.upload) != 32:
        raise Rejected("it is no promise of version 1")
    return parsed
