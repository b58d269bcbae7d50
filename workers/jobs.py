"""The jobs. Each takes ids, calls the pipeline or the ledger, and ends; the record says what became of it."""

import logging
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

from rq.timeouts import JobTimeoutException

from pipeline.credentials import Credentials, TrustVerdict
from pipeline.errors import Conflict, Erased, Held, Rejected, Unavailable
from pipeline.record import Anchor, Rejection, encode
from pipeline.run import STAGES, advance
from settings import load_settings
from wiring import Services
from workers.metrics import timed

MAX_CRASHES = 3  # a photo that killed this many work horses in the same stage is refused, and its upload kept
RETRY_S = 2  # after an engine was out of reach
RETRY_AFTER_FAULT_S = 60  # after a fault of ours: it is in the log, and a new version may know better
FLUSH_WINDOW_S = 0.2  # leaves that come within this of the first share one transaction
ROUND_S = 300.0  # under a load that never ends, the ledger worker takes its next job after this

log = logging.getLogger(__name__)


def photo(capture_id: str) -> None:
    """Run a capture's missing photo stages under a lease, and ring for the ledger."""
    with _opened() as services:
        token = services.captures.lease(capture_id, os.environ["WORKER_NAME"])
        if token is not None:
            retry_in_s = _advance(services, capture_id, token)
            with suppress(Unavailable):  # the lease ends by itself
                services.captures.release(capture_id, token, retry_in_s)


def _advance(services: Services, capture_id: str, token: str) -> int:
    """Work on a capture; after how many seconds somebody shall try again. Whatever fails here is not the photo's."""
    try:
        if services.captures.crashes(capture_id) >= MAX_CRASHES:
            _refuse(services, capture_id, token)
        elif advance(services, capture_id, token, timed).status == "sealed":
            services.bell.ledger()
    except Unavailable as unavailable:
        log.warning("%s waits: %s", capture_id, unavailable)
        return RETRY_S
    except Held as held:
        log.info("%s is held until its owner answers: %s", capture_id, held)
        services.captures.wait(capture_id, token, held.until)
    except Conflict as conflict:
        log.error("%s is stopped until a person has looked: %s", capture_id, conflict)
        services.captures.hold(capture_id, str(conflict))
    except (JobTimeoutException, MemoryError) as error:
        log.error("%s took longer, or more memory, than a job may take: %r", capture_id, error)
        services.captures.count_crash(capture_id)
        return RETRY_S
    except Exception:
        if not _is_erased(services, capture_id):  # then its bytes went while it was worked on
            log.exception("%s met a fault of ours", capture_id)
            return RETRY_AFTER_FAULT_S
    return 0


def _is_erased(services: Services, capture_id: str) -> bool:
    try:
        services.captures.get(capture_id)
    except Erased:
        return True
    return False


def judge_again(capture_id: str) -> None:
    """Judge a capture's signer by the trust lists of today and add a dated verdict; the fact stays as it was."""
    with _opened() as services:
        try:
            asset = services.captures.get(capture_id).fact("asset")
            with services.blobs.local(asset.sha256) as photo:
                found = services.domains.inspect(photo, asset.media_type)
        except LookupError:  # erased meanwhile
            return
        services.trust_verdicts.put(capture_id, TrustVerdict.of(found))


def compare(loan: str, sha256: str, media_type: str, reply: str, by_stranger: bool = False) -> None:
    """Compare a lent photo with all that are registered, or are published, and send the answer back."""
    with _opened() as services:
        services.bell.reply(reply, _compare(services, loan, sha256, media_type, by_stranger))


def ledger() -> None:
    """Give the waiting leaves their places in the log and anchor the checkpoint, until nothing waits."""
    services = _resident()
    services.bell.heard()
    try:
        if not anchor_all(services.log.waiting, services.sequence, services.anchorer.flush, services.log.newest):
            services.bell.ledger()
    except Unavailable as unavailable:
        log.warning("anchoring waits: %s", unavailable)
    except Conflict as conflict:
        log.error("anchoring is stopped until a person has looked: %s", conflict)


def anchor_all(
    waiting: Callable[[int], object],
    sequence: Callable[[], int],
    flush: Callable[[], Anchor | None],
    newest: Callable[[], tuple[int, bytes] | None],
) -> bool:
    """Sequence and anchor until nothing waits that can be anchored now: the parts are those of wiring.Services.

    False when leaves never stopped coming: it ends after `ROUND_S`, long before the queue would end it.
    """
    before, end = None, time.monotonic() + ROUND_S
    while time.monotonic() < end:
        if waiting(1):
            time.sleep(FLUSH_WINDOW_S)
            sequence()
        # Leaves that come while it waits for the chain get their places meanwhile: the next flush is for them.
        anchor = flush()
        if (anchor == before or _covers(anchor, newest())) and not waiting(1):
            return True
        before = anchor
    return False


def _covers(anchor: Anchor | None, newest: tuple[int, bytes] | None) -> bool:
    """Whether this anchor is for all that has a place. On a chain that is not ours, older ones may become final yet."""
    return anchor is not None and anchor.local and newest is not None and anchor.tree_size == newest[0]


def _compare(services: Services, loan: str, sha256: str, media_type: str, by_stranger: bool) -> dict[str, object]:
    domains = services.domains
    with ExitStack() as stack:
        try:
            path = stack.enter_context(services.blobs.borrowed(loan))
        except LookupError as gone:
            return {"rejected": str(gone)}
        try:
            credentials = domains.inspect(path, media_type)
            picture = domains.decode(path)
            fingerprint = domains.fingerprint(picture)
            verdict = domains.judge(fingerprint, picture, bytes.fromhex(sha256), None, by_stranger)
        except Rejected as rejected:
            return {"rejected": str(rejected)}
        except MemoryError:
            return {"rejected": "reading this file takes more memory than a photo may"}
    answer = {
        "verdict": encode(verdict), "credentials": encode(credentials), "dimensions": encode(picture.dimensions)
    }  # fmt: skip
    if by_stranger:  # for a page that has no script to show the photo itself, and for the soft binding API
        shown = {"thumbnail": b64encode(picture.thumbnail).decode(), "soft_bindings": encode(fingerprint.soft_bindings)}
        return answer | shown
    return answer


def _refuse(services: Services, capture_id: str, token: str) -> None:
    facts = services.captures.get(capture_id).facts
    stage = next(stage.__name__ for name, stage in STAGES if name not in facts)
    reason = f"working on this file ended our program, took too long or too much memory, {MAX_CRASHES} times in a row"
    if stage == "inspect":  # its credentials did that: they are put aside, and the photo goes on
        bare = Credentials("malformed", "malformed", None, None, reason, 0, None, None)
        services.captures.put(capture_id, "credentials", bare, token)
        return
    services.captures.put(capture_id, "rejection", Rejection(stage, reason), token)


@contextmanager
def _opened() -> Iterator[Services]:
    """Services of a work horse's own: connections of the parent do not survive the fork."""
    services = Services(load_settings(os.environ))
    try:
        yield services
    finally:
        services.close()


@cache
def _resident() -> Services:
    """The ledger worker's services, kept between its jobs: importing web3 takes three seconds."""
    return Services(load_settings(os.environ))
