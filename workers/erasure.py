"""What is left of an erased capture follows it within seconds: derived files, blobs, the queue's file, free pages."""

import logging
from pathlib import Path

from wiring import Services

LIMIT = 100  # captures in one sweep
REMOVED_LIMIT = 10_000  # fingerprints in one sweep
ORPHAN_S = 3600  # a blob that no fact names is removed when it is older: a worker or an upload may still be at it

log = logging.getLogger(__name__)


def finish(services: Services) -> int:
    """Bring every erasure that is open as far as it can be brought; how many are complete now.

    Each step may be repeated; the last one, which closes them, comes when nothing is left on the disk.
    """
    forget_fingerprints(services)
    ids = services.erasures.open(LIMIT)
    buried = []
    for capture_id in ids:
        services.erasures.remove_blobs(capture_id)
        if services.erasures.entomb(capture_id, services.domains.tombstone):
            buried.append(capture_id)
    if not buried or not services.database.forget_deleted():
        return 0
    services.bell.forget_done()
    services.erasures.close(buried)
    log.info("erased for good: %s", " ".join(buried))
    return len(buried)


def forget_fingerprints(services: Services) -> int:
    """Let this machine's index files go of fingerprints that were removed since the last time; how many.

    How far it came is a file beside them: on several machines each has its own, and without it all are gone through.
    """
    marker = services.settings.home / "index" / "removed-v1"
    after = _read(marker)
    if after and not services.erasures.removed_fingerprints(after - 1, 1):
        after = 0  # an older database was put back
    removed = services.erasures.removed_fingerprints(after, REMOVED_LIMIT)
    if removed:
        numbers = [fingerprint for _, fingerprint in removed]
        services.index.forget(numbers)
        services.points.forget(numbers)
        fresh = marker.with_suffix(".new")
        fresh.write_text(str(removed[-1][0]))
        fresh.replace(marker)
    return len(removed)


class Orphans:
    """Goes through the blob store, a 256th at a time, for blobs that no fact names: what a crash left."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._next = 0

    def collect(self) -> int:
        """Remove the orphans in the next part of the store; how many."""
        old = self._services.blobs.digests(self._next, ORPHAN_S)
        self._next = (self._next + 1) % 256
        if removed := self._services.erasures.remove_orphans(old):
            log.info("%d blobs that no capture uses were removed", removed)
        return removed


def _read(marker: Path) -> int:
    try:
        return int(marker.read_text())
    except (FileNotFoundError, ValueError):
        return 0
