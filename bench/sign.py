"""`make bench-sign`: what do signing and judging a photo of 12 MP cost, beside the library's own way of signing it?

Each round signs the same photo both ways, one after the other, so that what else the machine does falls on both. Times
are of the processor, threads included; the table shows medians. Prints a table, puts it into bench/results.json.

The rows `forked_…` are what a photo worker's work horse pays: a process that has just been forked, in which every page
of the library and of memory is touched for the first time.
"""

import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from c2pa import Builder, C2paBuilderIntent, C2paSigningAlg, Context, Signer

from fingerprint.decode import decode
from pipeline.ports import Signed
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.manifest import sign
from provenance.timestamp import Authority
from tests.photos import jpeg
from tests.provenance import authority
from tests.provenance.orders import RIGHTS, order_for
from wiring import tsa_post

ROUNDS = 15
RESULTS = Path(__file__).parent / "results.json"
MEDIA_TYPE = "image/jpeg"

# What issue 5 asks for, at 12 MP.
TARGETS = {
    "sign_cpu_ms": ("<=", 100.0),
    "times_faster_than_default": (">=", 3.0),
    "bytes_added": ("<=", 20_000.0),
    "bytes_added_with_time_stamp": ("<=", 20_000.0),
    "inspect_signed_cpu_ms": ("<=", 15.0),
    "inspect_unsigned_cpu_ms": ("<=", 15.0),
}


def main() -> int:
    """Run all measurements; the exit status says whether every target was met."""
    responder = authority.Authority()
    with tempfile.TemporaryDirectory(prefix="capture-bench-") as folder:
        bench = Bench(Path(folder), Authority(tsa_post(responder.url), (responder.root.certificate,)))
        results = bench.measure()
    responder.close()
    for name, value in results.items():
        wanted = f"{TARGETS[name][0]} {TARGETS[name][1]:,.0f}" if name in TARGETS else ""
        print(f"{name:30}{value:>12,.1f}   {wanted}")
    RESULTS.write_text(json.dumps(json.loads(RESULTS.read_text()) | {"sign": results}, indent=2) + "\n")
    return 0 if all(_met(results[name], *target) for name, target in TARGETS.items()) else 1


class Bench:
    """One photo of 12 MP in a folder, and the ways to sign it."""

    def __init__(self, folder: Path, time_stamps: Authority) -> None:
        self.photo, self.signed = folder / "photo", folder / "signed"
        self.photo.write_bytes(jpeg(1, 4000, 3000, quality=92))
        self.identity = Identity.load_or_make(folder / "c2pa")
        self.time_stamps = time_stamps
        self.order = order_for(self.photo, MEDIA_TYPE, self.identity, thumbnail=self.thumbnail())

    def measure(self) -> dict[str, float]:
        """All numbers."""
        rows = [dict(self._round()) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
        times = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        whole = times["sign_cpu_ms"]
        return {
            **times,
            "times_faster_than_default": statistics.median(r["default_cpu_ms"] / r["sign_cpu_ms"] for r in rows),
            "share_of_thumbnail": times["thumbnail_cpu_ms"] / whole,
            "bytes_added": self._added(self.ours()),
            "bytes_added_with_time_stamp": self._added(self.ours(self.time_stamps)),
            "thumbnail_bytes": len(self.order.thumbnail),
            "photo_bytes": self.photo.stat().st_size,
        }

    def _round(self) -> Iterator[tuple[str, float]]:
        thumbnail, sign_only = _cpu_ms(self.thumbnail), _cpu_ms(self.ours)
        yield "sign_cpu_ms", thumbnail + sign_only
        yield "thumbnail_cpu_ms", thumbnail
        yield "default_cpu_ms", _cpu_ms(self.default)
        yield "inspect_signed_cpu_ms", _cpu_ms(lambda: self._inspect(self.signed))
        yield "inspect_unsigned_cpu_ms", _cpu_ms(lambda: self._inspect(self.photo))
        yield "forked_sign_stage_cpu_ms", _forked_cpu_ms(self.ours)
        yield "forked_inspect_signed_cpu_ms", _forked_cpu_ms(lambda: self._inspect(self.signed))

    def thumbnail(self) -> bytes:
        """Ours, from a decoded draft of the photo; in the service the same decoding serves the fingerprints too."""
        return decode(self.photo).thumbnail

    def ours(self, time_stamps: Authority | None = None) -> Signed:
        """The sign stage: with the thumbnail, validated by the library, read back and compared with the file."""
        return sign(self.photo, self.signed, self.order, RIGHTS, self.identity, time_stamps)

    def default(self) -> None:
        """The library as it comes: it makes the thumbnail, and validates what it signed. Nothing is read back."""
        definition = {"claim_generator_info": [{"name": "default", "version": "1"}]}
        signer = Signer.from_callback(self.identity.sign_es256, C2paSigningAlg.ES256, self.identity.chain_pem)
        with (
            self.photo.open("rb") as source,
            Context.from_dict({"trust": {"user_anchors": self.identity.root_pem}}, signer=signer) as context,
            Builder.from_json(json.dumps(definition), context) as builder,
        ):
            builder.set_intent(C2paBuilderIntent.EDIT)
            builder.sign(MEDIA_TYPE, source, io.BytesIO())

    def _inspect(self, file: Path) -> None:
        inspect(file, MEDIA_TYPE, self.identity.root_pem)

    def _added(self, signed: Signed) -> float:
        assert signed.timestamp != "pending"
        return self.signed.stat().st_size - self.photo.stat().st_size - len(self.order.thumbnail)


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _forked_cpu_ms(work: Callable[[], object]) -> float:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(_cpu_ms(work)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return float(answer.read())


def _met(value: float, relation: str, target: float) -> bool:
    return value >= target if relation == ">=" else value <= target


if __name__ == "__main__":
    sys.exit(main())
