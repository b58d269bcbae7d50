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

# By preset: what its owner says others may do, short enough for a phone's list, and as a sentence.
LICENCES = {
    "all-rights-reserved": ("Nothing without asking me", "Nobody may use it without asking me first."),
    "cc0": ("Anything (CC0)", "Others may use, change and share it, also for money, without naming me (CC0 1.0)."),
    "cc-by-4.0": (
        "Anything, named (CC BY)",
        "Others may use, change and share it, also for money, and name me (CC BY 4.0).",
    ),
    "cc-by-sa-4.0": (
        "Shared alike (CC BY-SA)",
        "Others may use, change and share it, also for money, and name me; what they make of it has the same licence "
        "(CC BY-SA 4.0).",
    ),
    "cc-by-nc-4.0": (
        "Not for money (CC BY-NC)",
        "Others may use, change and share it, not for money, and name me (CC BY-NC 4.0).",
    ),
    "cc-by-nd-4.0": (
        "Unchanged (CC BY-ND)",
        "Others may use and share it unchanged, also for money, and name me (CC BY-ND 4.0).",
    ),
    "cc-by-nc-sa-4.0": (
        "No money, alike (BY-NC-SA)",
        "Others may use, change and share it, not for money, and name me; what they make of it has the same licence "
        "(CC BY-NC-SA 4.0).",
    ),
    "cc-by-nc-nd-4.0": (
        "No money, as it is (BY-NC-ND)",
        "Others may use and share it unchanged, not for money, and name me (CC BY-NC-ND 4.0).",
    ),
}
# What a contract can offer, in the order of the form: the last ones are the less usual free licences.
OFFERS = {
    "all-rights-reserved": "Nothing without asking me",
    "commercial": "Use it, also for money, if they pay",
    "commercial-remix": "Use and change it, and I get a share of what that earns",
    "cc-by-4.0": "Use and change it for free, naming me (CC BY 4.0)",
    "cc-by-nc-4.0": "Use and change it for free, not for money, naming me (CC BY-NC 4.0)",
    "cc-by-sa-4.0": "Use and change it for free, under this same licence, naming me (CC BY-SA 4.0)",
    "cc-by-nc-sa-4.0": "Use and change it, not for money, under this same licence, naming me (CC BY-NC-SA 4.0)",
    "cc-by-nd-4.0": "Use it for free, unchanged, naming me (CC BY-ND 4.0)",
    "cc-by-nc-nd-4.0": "Show it for free, unchanged, not for money, naming me (CC BY-NC-ND 4.0)",
    "cc0": "Anything, for free, also AI, without naming me (CC0 1.0)",
}
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
    return render_template("work.html", capture_id=capture_id[:64], presets=_presets(), offers=list(OFFERS.items()))


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
    words = {name: LICENCES.get(name, (preset.title, preset.title)) for name, preset in PRESETS.items()}
    return [{"name": name, "title": title, "means": means} for name, (title, means) in words.items()]
