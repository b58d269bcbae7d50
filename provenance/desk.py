"""What the signing process does, whoever asks: it signs with the leaf in force, and a while with the one before."""

import hashlib
import threading
import time

from pipeline.errors import Rejected, Unavailable
from provenance.audit import AuditLog
from provenance.keys import Identity, KeyFolder
from provenance.signer import MAX_SIGNED_BYTES

BURST_S = 2  # so many seconds' worth may come at once
OVERLAP_S = 120.0  # after a rotation; a photo takes seconds
# What a claim's signature is over (RFC 9052, section 4.4): an array of four that begins with this text.
CLAIM_START = b"\x84\x6aSignature1"


class Rate:
    """So many a second, with a burst of so many."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._left, self._at = burst, time.monotonic()

    def take(self) -> bool:
        """Whether there is one left."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Desk:
    """What the process knows and does, whoever asks. One signature at a time."""

    def __init__(self, keys: KeyFolder, audit: AuditLog, rate_per_s: float) -> None:
        self._keys, self._audit = keys, audit
        self._rate = Rate(rate_per_s, BURST_S * rate_per_s)
        self._lock = threading.Lock()
        self._identity = keys.open()
        self._stamp = keys.leaf_stamp()
        self._before: tuple[Identity, float] | None = None
        audit.add("start", leaf=self._identity.serial)

    def chain(self) -> dict[str, str]:
        """The certificates in force, and the revocation list."""
        with self._lock:
            self._reload()
            identity = self._identity
            return {"chain": identity.chain_pem, "root": identity.root_pem, "crl": self._keys.crl().decode()}

    def sign(self, message: bytes, serial: str, peer: tuple[int, int]) -> bytes:
        """Sign for a peer (process id, user id) with this leaf's key. Raises Rejected and Unavailable."""
        if not message.startswith(CLAIM_START) or len(message) > MAX_SIGNED_BYTES:
            raise Rejected(f"only claims are signed: COSE Sig_structures of at most {MAX_SIGNED_BYTES} bytes")
        with self._lock:
            self._reload()
            if not self._rate.take():
                raise Unavailable("too many signatures are asked for: try again in a second")
            identity = self._in_use(serial)
            identity.check()
            self._audit.add(
                "sign", leaf=serial, sha256=hashlib.sha256(message).hexdigest(), bytes=len(message), pid=peer[0],
                uid=peer[1],
            )  # fmt: skip
            return identity.sign_es256(message)

    def upkeep(self) -> None:
        """Replace the leaf and renew the revocation list when that is due. Raises Unavailable."""
        self._keys.upkeep()
        with self._lock:
            self._reload()

    def _in_use(self, serial: str) -> Identity:
        if serial == self._identity.serial:
            return self._identity
        before, until = self._before or (self._identity, 0.0)
        if serial == before.serial and time.monotonic() < until and not self._keys.is_revoked(before.leaf):
            return before
        raise Unavailable(f"the certificate {serial[:40]} is not in force any more: ask for the chain again")

    def _reload(self) -> None:
        """Take the leaf that is in the folder now: this process or `capture keys rotate` put it there."""
        if (stamp := self._keys.leaf_stamp()) == self._stamp:
            return
        new = self._keys.load()
        self._audit.add("leaf", leaf=new.serial, before=self._identity.serial)
        self._before = (self._identity, time.monotonic() + OVERLAP_S)
        self._identity, self._stamp = new, stamp
