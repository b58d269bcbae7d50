"""The worker processes: `python -m workers.main photos|ledger|sweep NAME`."""

import ctypes
import importlib
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import rq
from rq.job import Job
from rq.serializers import JSONSerializer

from pipeline.errors import Unavailable
from settings import load_settings
from store.bell import COMPARE_JOB, LEDGER, PHOTO_JOB, PHOTOS
from store.idempotency import forget_keys
from wiring import Services
from workers import erasure, metrics, stamping, telling, trust

PRELOADED = (
    "fingerprint.decode",
    "fingerprint.index",
    "fingerprint.match",
    "provenance.inspect",
    "provenance.manifest",
    "provenance.rendition",
    "rights.preferences",
    "ledger.accounts",
    "ledger.leaf",
    "ledger.place",
    "workers.jobs",
)
SWEEP_S = 1.0
BUSY_PATIENCE_MS = 20_000  # while the queue is not empty, a capture that waits is most likely in it
# A chain that lost blocks is given them again after this, and what became final is noted, also when nothing is
# registered: 90,000 questions to the node a day.
CHAIN_CHECK_S = 3.0
SWEEP_LIMIT = 100  # captures rung for at a time
STALE_UPLOAD_S = 3600  # an upload that was cut off by a crash is removed after this
ORPHANS_S = 10.0  # a 256th of the blob store is looked through: all of it in 43 minutes
TRUST_S = 5.0  # trust lists are looked at for changes
# What one photo may take beyond what its process was forked with. The largest that we accept take 1.5 GB (a WebP of 96
# million pixels), 0.9 (AVIF, CMYK JPEG) or less; a file that makes a library reserve more ends alone.
PHOTO_BYTES = 2 << 30
_PR_SET_PDEATHSIG = 1  # prctl(2), Linux

log = logging.getLogger(__name__)


class PhotoWorker(rq.Worker):
    """Forks a work horse for each photo: a decoder's crash fails that job, and the worker lives."""

    def main_work_horse(self, job: Job, queue: rq.Queue) -> None:
        """In the child: die with the parent, so that a killed worker leaves nobody working under its name.

        The parent must never open the blob store: its threads do not survive the fork, and the child would hang.
        """
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        limit_memory(PHOTO_BYTES)
        super().main_work_horse(job, queue)


def limit_memory(more_bytes: int) -> None:
    """Let this process reserve so much more than it holds: from then on allocations fail. Only Linux has the means."""
    if sys.platform == "linux":
        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (held + more_bytes, held + more_bytes))


def photos(services: Services, name: str) -> None:
    """Work on photos until told to stop."""
    _preload()
    importlib.import_module("provenance.inspect").warm(services.trust)
    _clear_temporary_files(services, name)
    connection = services.bell.connection

    def crashed(job: Job, _pid: int, _status: int, _usage: object) -> None:
        metrics.CRASHES.inc()
        if job.func_name == COMPARE_JOB:
            services.bell.reply(str(job.args[3]), {"rejected": "reading this file ended our program"})
        elif job.func_name == PHOTO_JOB:
            services.captures.count_crash(str(job.args[0]))
        _clear_temporary_files(services, name)
        freed = services.captures.release_all(name)
        services.database.close()  # before the next fork
        log.error("a work horse of %s died; %s capture given back", name, freed)

    services.captures.release_all(name)
    services.database.close()
    PhotoWorker(
        [PHOTOS], name=f"{name}-{os.getpid()}", connection=connection, serializer=JSONSerializer,
        work_horse_killed_handler=crashed, log_job_description=False, maintenance_interval=60, worker_ttl=60,
    ).work(logging_level="WARNING")  # fmt: skip


def _clear_temporary_files(services: Services, name: str) -> None:
    """A folder of this worker's own for its temporary files: photos, which a killed work horse leaves behind."""
    folder = services.settings.run / "tmp" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    tempfile.tempdir = str(folder)


def ledger(services: Services, name: str) -> None:
    """Sequence and anchor until told to stop: resident, because importing web3 takes three seconds."""
    importlib.import_module("ledger.chain")  # so that the first leaf does not wait for it
    importlib.import_module("workers.jobs")
    threading.Thread(target=services.cosigning().run, name="cosigning", daemon=True).start()
    relaying = importlib.import_module("workers.relaying").Relaying(Services(services.settings))
    threading.Thread(target=relaying.run, name="relaying", daemon=True).start()
    watching = importlib.import_module("workers.watching").Watching(Services(services.settings))
    threading.Thread(target=watching.run, name="watching", daemon=True).start()
    services.bell.heard()  # what was rung for the one before
    services.bell.ledger()
    rq.SimpleWorker(
        [LEDGER], name=f"{name}-{os.getpid()}", connection=services.bell.connection, serializer=JSONSerializer,
        log_job_description=False, maintenance_interval=60, worker_ttl=60,
    ).work(logging_level="WARNING")  # fmt: skip


def sweep(services: Services, name: str) -> None:
    """Ring for whatever waits in the database, so that nothing depends on the queue keeping anything."""
    threading.Thread(target=stamping.Stamping(Services(services.settings)).run, name="stamping", daemon=True).start()
    threading.Thread(target=telling.Telling(Services(services.settings), name).run, name="telling", daemon=True).start()
    due = dict.fromkeys(("chain", "uploads", "orphans", "trust"), 0.0)
    orphans, rejudging = erasure.Orphans(services), trust.Rejudging(services)
    while True:
        now = time.monotonic()
        try:
            overdue_ms = BUSY_PATIENCE_MS if services.bell.length(PHOTOS) else 0
            for capture_id in services.captures.take_waiting(SWEEP_LIMIT, overdue_ms):
                services.bell.photo(capture_id)
            if now > due["chain"] or services.log.waiting(1):
                services.bell.ledger()
                due["chain"] = now + CHAIN_CHECK_S
            if now > due["uploads"]:
                services.blobs.discard_stale(STALE_UPLOAD_S)
                forget_keys(services.database)
                services.uploads.remove_expired()
                due["uploads"] = now + STALE_UPLOAD_S / 4
            if now > due["orphans"]:
                orphans.collect()
                due["orphans"] = now + ORPHANS_S
            if now > due["trust"]:
                due["trust"] = now + (SWEEP_S if rejudging.step() else TRUST_S)
            erasure.finish(services)
            services.points.seal()
        except Unavailable as unavailable:
            log.warning("sweeping waits: %s", unavailable)
        except (OSError, ValueError) as error:  # a full disk, a damaged file: derived, and nothing waits for it
            log.warning("deriving the index's files waits: %s", error)
        time.sleep(SWEEP_S)


def _preload() -> None:
    """Import what every photo needs, once, before the forks; never web3."""
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("fingerprint.hashes").warm()
    importlib.import_module("ledger.accounts").checksummed(bytes(20))  # its digest chooses a library at the first call


def main() -> None:
    """Run one worker process."""
    kind, name = sys.argv[1], sys.argv[2]
    os.environ["WORKER_NAME"] = name
    metrics.name_this_process(name)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    services = Services(load_settings(os.environ))
    try:
        {"photos": photos, "ledger": ledger, "sweep": sweep}[kind](services, name)
    except KeyboardInterrupt:
        services.close()


if __name__ == "__main__":
    main()
