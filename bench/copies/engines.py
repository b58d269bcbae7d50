"""Two ways to ask the same question: through a running service's HTTP API, or in this process, on a home of its own."""

import hashlib
import json
import secrets
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench.copies.geometry import Quad
from pipeline.errors import Rejected
from pipeline.record import Asset, Match, Request, Rights
from pipeline.run import Work, fingerprint, match
from settings import load_settings
from wiring import Services

ACCUSES = ("exact_copy", "near_copy", "contains", "contained_in")  # what says: this is, or shows, that photo
BUSY_S = 2.0
TRIES = 30


@dataclass(frozen=True, eq=False)
class Found:
    """One match of an answer. `box`: where the registered photo lies in the picture asked about, if it says so."""

    id: str
    kind: str
    box: Quad | None

    @property
    def accuses(self) -> bool:
        """True for every kind that is not left to a person."""
        return self.kind in ACCUSES


@dataclass(frozen=True)
class Place:
    """Where to ask: a service's address and key, or a home in which this process is the service."""

    home: str | None = None
    base: str | None = None
    key: str | None = None


class Engine(Protocol):
    """Registers and asks. Both raise Rejected for a picture that is refused."""

    def register(self, body: bytes) -> str:
        """Register a file and wait until others are compared with it; its id."""

    def ask(self, body: bytes) -> list[Found]:
        """What has this file to do with those registered? Best first."""


@cache
def engine(place: Place) -> Engine:
    """This process's connection to the place."""
    return InProcess(place.home) if place.home else OverHttp(place.base or "", place.key or "")


class InProcess:
    """The photo stages up to the verdict, without queue, signing and log, on the embedded engines."""

    def __init__(self, home: str) -> None:
        self.services = open_home(home)

    def register(self, body: bytes) -> str:
        """Store the file, fingerprint it and compare it with what is older, as a photo worker does."""
        services, capture_id = self.services, f"cap-{secrets.token_hex(12)}"
        stored = services.blobs.put(body)
        asset = Asset(stored.sha256, "image/jpeg", stored.size)
        known = services.captures.register(capture_id, "bench", bytes(20), Request(Rights()), asset)
        if known != capture_id:
            return known
        with services.blobs.local(stored.sha256) as path:
            work = Work(services, services.captures.get(capture_id), path)
            for name, stage in (("fingerprint", fingerprint), ("verdict", match)):
                services.captures.put(capture_id, name, stage(work))
                work.capture = services.captures.get(capture_id)
        return capture_id

    def ask(self, body: bytes) -> list[Found]:
        """Decode, fingerprint and judge, as a photo worker does for /v1/verify."""
        domains = self.services.domains
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            picture = domains.decode(Path(file.name))
        verdict = domains.judge(domains.fingerprint(picture), picture, hashlib.sha256(body).digest(), None)
        return [_found(each) for each in verdict.matches]


def open_home(home: str) -> Services:
    """Services on the embedded engines in this folder."""
    return Services(load_settings({"CAPTURE_HOME": home}))


def _found(each: Match) -> Found:
    alignment = each.evidence.alignment
    return Found(each.id, each.kind, np.array(alignment.box, dtype=np.float64) / 100 if alignment else None)


class OverHttp:
    """A running service, asked as its clients do."""

    def __init__(self, base: str, key: str) -> None:
        self._base, self._key = base.rstrip("/"), key

    def register(self, body: bytes) -> str:
        """POST /v1/captures, waiting until the capture is anchored."""
        return str(self._post("/v1/captures", body, Prefer="wait=60")["id"])

    def ask(self, body: bytes) -> list[Found]:
        """POST /v1/verify."""
        return [_parsed(each) for each in self._post("/v1/verify", body)["matches"]]

    def _post(self, path: str, body: bytes, **headers: str) -> Any:
        headers |= {"Authorization": f"Bearer {self._key}", "Content-Type": "image/jpeg"}
        for _ in range(TRIES):
            request = urllib.request.Request(self._base + path, body, headers, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    text = error.read().decode(errors="replace")
                if error.code not in (429, 503):
                    raise Rejected(f"{path}: {error.code} {text[:300]}") from error
            time.sleep(BUSY_S)  # it says that it is busy: come back later
        raise RuntimeError(f"{self._base}{path} was busy {TRIES} times")


def _parsed(each: Mapping[str, Any]) -> Found:
    box: Iterable[Iterable[float]] | None = (each.get("evidence") or {}).get("box")
    return Found(each["id"], each["kind"], np.array(box, dtype=np.float64) if box else None)
