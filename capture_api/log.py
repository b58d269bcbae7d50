"""/log: the transparency log as C2SP tlog-tiles. Open to all: it holds salted digests and nothing else."""

import re
from collections.abc import Callable

from flask import Blueprint, Response

from capture_api.problems import problem
from capture_api.services import services

log = Blueprint("log", __name__, url_prefix="/log")

FULL_WIDTH = 256  # hashes in a full tile, https://c2sp.org/tlog-tiles
_INDEX = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")
_LEVEL = re.compile(r"[0-9]|[1-5][0-9]|6[0-3]")
_WIDTH = re.compile(r"[1-9][0-9]{0,2}")


@log.get("/checkpoint")
def checkpoint() -> Response:
    """The newest checkpoint: a signed note, with the cosignatures that have come for it."""
    return _note(services().log.newest_checkpoint, "The log is empty: register a photo first.")


@log.get("/checkpoint/witnessed")
def witnessed() -> Response:
    """The newest checkpoint that a witness cosigned: under load, newer ones are still waiting for that."""
    return _note(services().log.witnessed_checkpoint, "No witness has cosigned a checkpoint: see CAPTURE_WITNESSES.")


@log.get("/checkpoint/<int:size>")
def checkpoint_at(size: int) -> Response:
    """The checkpoint of this size, when the log ever signed one."""
    return _note(lambda: services().log.checkpoint(size), f"The log signed no checkpoint of {str(size)[:20]} leaves.")


@log.get("/vkey")
def vkey() -> Response:
    """The key that checkpoints are signed with. Take it from a place you trust, not from here alone."""
    return Response(services().settings.log_vkey_file.read_text(), mimetype="text/plain")


@log.get("/tile/<level>/<path:place>")
def tile(level: str, place: str) -> Response:
    """A tile of hashes; `place` is its number in groups of three digits, with `.p/<width>` when it is partial."""
    number, width = _place(level, place)
    try:
        hashes = services().log.tile(int(level), number, width)
    except LookupError:
        raise problem("not-found", f"The log has no tile {level}/{place[:80]} yet.") from None
    return Response(
        hashes,
        mimetype="application/octet-stream",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _note(find: Callable[[], str], missing: str) -> Response:
    try:
        return Response(find(), mimetype="text/plain", headers={"Cache-Control": "no-cache"})
    except LookupError:
        raise problem("not-there-yet", missing) from None


def _place(level: str, place: str) -> tuple[int, int]:
    index, partial, width_text = place.partition(".p/")
    canonical = (
        _LEVEL.fullmatch(level) and _INDEX.fullmatch(index) and not index.startswith("x000/") and len(index) < 30
    )
    if partial:
        canonical = canonical and _WIDTH.fullmatch(width_text) and int(width_text) < FULL_WIDTH
    if not canonical:
        raise problem("not-found", "A tile's address is /log/tile/<level>/<number>, such as 0/x001/234 or 0/000.p/7.")
    return int(index.replace("x", "").replace("/", "")), int(width_text) if partial else FULL_WIDTH
