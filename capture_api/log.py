"""/log: the transparency log as C2SP tlog-tiles. Open to all: it holds salted digests and nothing else."""

import re

from flask import Blueprint, Response

from capture_api.problems import problem
from capture_api.services import services

log = Blueprint("log", __name__, url_prefix="/log")

FULL_WIDTH = 256  # hashes in a full tile, https://c2sp.org/tlog-tiles
_INDEX = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}")
_WIDTH = re.compile(r"[1-9][0-9]{0,2}")


@log.get("/checkpoint")
def checkpoint() -> Response:
    """The newest checkpoint: a signed note."""
    try:
        note = services().log.newest_checkpoint()
    except LookupError:
        raise problem("not-there-yet", "The log is empty: register a photo first.") from None
    return Response(note, mimetype="text/plain", headers={"Cache-Control": "no-cache"})


@log.get("/vkey")
def vkey() -> Response:
    """The key that checkpoints are signed with. Take it from a place you trust, not from here alone."""
    return Response(services().settings.log_vkey_file.read_text(), mimetype="text/plain")


@log.get("/tile/<int:level>/<path:place>")
def tile(level: int, place: str) -> Response:
    """A tile of hashes; `place` is its number in groups of three digits, with `.p/<width>` when it is partial."""
    number, width = _place(place)
    try:
        hashes = services().log.tile(level, number, width)
    except LookupError:
        raise problem("not-found", f"The log has no tile {level}/{place[:80]} yet.") from None
    return Response(
        hashes,
        mimetype="application/octet-stream",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _place(place: str) -> tuple[int, int]:
    index, partial, width_text = place.partition(".p/")
    canonical = _INDEX.fullmatch(index) and not index.startswith("x000/") and len(index) < 30
    if partial:
        canonical = canonical and _WIDTH.fullmatch(width_text) and int(width_text) < FULL_WIDTH
    if not canonical:
        raise problem("not-found", "A tile's address is /log/tile/<level>/<number>, such as 0/x001/234 or 0/000.p/7.")
    return int(index.replace("x", "").replace("/", "")), int(width_text) if partial else FULL_WIDTH
