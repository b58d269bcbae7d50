"""What `capture keys` does with the certificates that sign photos."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import Rejected
from provenance import audit, revocation
from provenance.certificates import key_ends, serial_hex
from provenance.keys import Identity, KeyFolder


def rotate(keys: KeyFolder) -> str:
    """Put a new leaf in force; what to tell the operator. The signing process takes it at its next signature."""
    keys.open()
    leaf = keys.rotate()
    return (
        f"{serial_hex(leaf)} signs from now on, until {key_ends(leaf):%Y-%m-%d}; valid until "
        f"{leaf.not_valid_after_utc:%Y-%m-%d}"
    )


def revoke(keys: KeyFolder, serial: str, reason: str, since: str | None) -> str:
    """Put a leaf on the revocation list; what to tell. `since`: ISO 8601, UTC where it names no zone.

    Raises Rejected for a time that is none or lies ahead, and for a serial number that is not ours.
    """
    moment = _moment(since) if since else None
    replaced = keys.revoke(serial, reason, moment)
    told = f"{serial} is revoked{f' since {moment:%Y-%m-%d %H:%M} UTC' if moment else ''}"
    return f"{told}; a new one signs from now on" if replaced else told


def lines(keys: KeyFolder) -> Iterator[str]:
    """One line a certificate, oldest first: serial number, state, and its times."""
    in_force, crl = keys.in_force(), keys.crl()
    for leaf in keys.issued():
        revoked = revocation.revoked_since(leaf.serial_number, crl)
        state = "in force" if leaf == in_force else "replaced"
        if revoked:
            state = f"revoked since {revoked.since:%Y-%m-%d %H:%M} ({revoked.reason})"
        yield (
            f"{serial_hex(leaf)}  {state}  made {leaf.not_valid_before_utc:%Y-%m-%d}, signs until "
            f"{key_ends(leaf):%Y-%m-%d}, valid until {leaf.not_valid_after_utc:%Y-%m-%d}"
        )


def audited(folder: Path) -> str:
    """How many signatures the log tells of. Raises Conflict where it was changed."""
    count = audit.check(folder)
    return f"{count} signatures; every line follows from the one before"


def told(identity: Identity, stamped: bool) -> str:
    """For `capture doctor`: who signs, until when, and what readers will make of it."""
    leaf = identity.leaf
    ends = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
    why = "time-stamps make photos last longer" if stamped else "no time-stamps (CAPTURE_TSA_URL): photos read as"
    after = "" if stamped else f" invalid after {ends}"
    return f"{identity.serial[:12]}… signs until {key_ends(leaf):%Y-%m-%d}, valid until {ends}; {why}{after}"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(f"{text[:40]} is no time; write such as 2026-11-20T08:00:00Z") from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    if moment > datetime.now(UTC):
        raise Rejected(f"{text[:40]} lies ahead: a certificate is revoked since a time that has been")
    return moment
