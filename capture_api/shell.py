"""The app page and what it needs to open without a network: its files by their content, and its service worker."""

import hashlib
import json
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, render_template, url_for

from capture_api.body import TYPES
from rights.terms import PRESETS
from settings import MAX_UPLOAD_BYTES

shell = Blueprint("shell", __name__)

STATIC = Path(__file__).with_name("static")
WORKER = STATIC / "worker.js"


@shell.get("/")
def home() -> str:
    """The app page."""
    return _home()


@shell.get("/offline")
def offline() -> str:
    """What a browser without a network shows instead of the other pages."""
    return render_template("offline.html")


@shell.get("/work/<capture_id>")
def work(capture_id: str) -> str:
    """The owner's page of a photo as a work: what others may do with it, and what it earned."""
    return render_template("work.html", capture_id=capture_id[:64], presets=_presets())


@shell.get("/sw.js")
def worker() -> Response:
    """The service worker, for all pages: it stands at the root because its reach is the folder that it lies in."""
    names = [file.relative_to(STATIC).as_posix() for file in _files()]
    pages = {"/": _home(), "/offline": offline()}
    files = [*pages, *(url_for("static", filename=name) for name in names)]
    listed = json.dumps({"version": _version(*pages.values()), "files": files})
    answer = Response(f"const SHELL = {listed};\n{WORKER.read_text()}", mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"  # browsers ask for it on every visit, and compare
    return answer


def _home() -> str:
    return render_template("capture.html", presets=_presets(), max_upload_bytes=MAX_UPLOAD_BYTES, types=TYPES)


def _files() -> list[Path]:
    """All static files: the app's, and a few small ones more."""
    return sorted(file for file in STATIC.rglob("*") if file.is_file() and file != WORKER)


@cache
def _version(*pages: str) -> str:
    """A name for exactly this content."""
    digest = hashlib.sha256("".join(pages).encode())
    for file in [*_files(), WORKER]:
        digest.update(f"{file.relative_to(STATIC)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _presets() -> list[dict[str, str]]:
    return [{"name": name, "title": preset.title} for name, preset in PRESETS.items()]
