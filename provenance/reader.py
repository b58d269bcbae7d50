"""One door to the C2PA library for reading: no network, own trust anchors, and its report as a plain mapping."""

import errno
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from c2pa import C2paError, Context, Reader

from pipeline.errors import Unavailable
from provenance.jumbf import MAX_STORE_BYTES

MAX_REPORT_CHARACTERS = 32 << 20  # as JSON; bytes in assertions become base64, and the library writes them twice

# The library names the class of an error before its text. The text itself may quote the photo or a path.
_KIND = re.compile(r"[A-Za-z0-9]{1,40}")
# How the library quotes the system. A stream that ends early or makes no sense has no such number.
_SYSTEM_ERROR = re.compile(r"\(os error ([0-9]{1,4})\)")


class Unreadable(Exception):
    """The library cannot read the file's credentials. `kind` is its class of error, one word."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Source:
    """A photo's stream for the library, which hides why a stream failed: this keeps the reason.

    Seeking to before the start is what a damaged photo makes the library do; anything else that the system refuses
    is the disk's fault.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream
        self.failed = False
        self.fault: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; how many bytes came."""
        with self._noted():
            return int(self._stream.readinto(buffer))

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        with self._noted():
            return bytes(self._stream.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there; where that is from the start."""
        with self._noted():
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        """Where the next byte is read from."""
        return int(self._stream.tell())

    def write(self, content: bytes) -> int:
        """Nothing is written to a photo that is read."""
        raise io.UnsupportedOperation("write")

    def flush(self) -> None:
        """Nothing waits to be written."""

    def check(self, error: C2paError) -> None:
        """Raise Unavailable when the library's error is the disk's and not the photo's."""
        if self.fault:
            raise Unavailable(f"the stored upload cannot be read ({self.fault.strerror})") from None
        # After a stream's own failure the number is whatever the system last said, to whomever.
        found = None if self.failed or error_kind(error) != "Io" else _SYSTEM_ERROR.search(str(error))
        if found and int(found[1]) not in (0, errno.EINVAL):
            raise Unavailable(f"the disk: the credentials cannot be worked on ({os.strerror(int(found[1]))})") from None

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failed = True
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                self.fault = error
            raise


@dataclass(frozen=True, slots=True)
class Report:
    """What the library found: its verdict over the active manifest, and every manifest by its label.

    `results` are the library's validation results; `assertions` the raw assertions of each manifest, hashes among them.
    """

    state: str
    active_label: str
    manifests: Mapping[str, Mapping[str, Any]]
    failures: tuple[str, ...]
    results: Mapping[str, Any] = field(default_factory=dict)
    assertions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def active(self) -> Mapping[str, Any]:
        return self.manifests[self.active_label]


def offline_settings(anchors: str | Mapping[str, Any]) -> dict[str, Any]:
    """Library settings under which nothing that a photo names is ever fetched.

    `anchors`: one list of certificates in PEM, or the library's own `trust` settings.

    Each fetch is switched off, and the list of hosts that may be asked is empty: a new version that learns to fetch
    something else still cannot. (A signer's time-stamping authority is not subject to that list; measured.)
    """
    return {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        # CAWG identities may name a web address to ask for a key (did:web): they are not resolved.
        "core": {
            "decode_identity_assertions": False,
            "allowed_network_hosts": [],
            "max_decompressed_manifest_size_in_mb": MAX_STORE_BYTES >> 20,
        },
        "trust": {"user_anchors": anchors} if isinstance(anchors, str) else dict(anchors),
    }


def read_report(
    photo: BinaryIO, library_format: str, anchors: str | Mapping[str, Any], sidecar: bytes | None = None
) -> Report:
    """Read and validate the credentials in a stream, or those in a sidecar that is kept beside it.

    Raises Unreadable, and Unavailable when the disk is at fault.
    """
    source = Source(photo)
    try:
        # Made here and not kept: the library's contexts do not survive a fork.
        with (
            Context.from_dict(offline_settings(anchors)) as context,
            Reader(library_format, source, sidecar, context) as reader,
        ):
            # Not get_active_manifest(): it raises KeyError for a store whose active manifest is missing.
            return _report(_parsed(reader.json()), _parsed(reader.detailed_json()))
    except C2paError as error:
        source.check(error)
        raise Unreadable(error_kind(error)) from None
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None


def error_kind(error: Exception) -> str:
    """The library's class of error in one word; never its text."""
    kind = str(error).split(":", 1)[0].strip()
    return kind if _KIND.fullmatch(kind) else "Other"


def failure_codes(results: Mapping[str, Any]) -> tuple[str, ...]:
    """The failure codes of a validation_results object, those found in ingredients' manifests included."""
    statuses: list[Mapping[str, Any]] = [*(results.get("activeManifest") or {}).get("failure", ())]
    for delta in results.get("ingredientDeltas") or ():
        statuses += delta.get("validationDeltas", {}).get("failure", ())
    return tuple(str(status["code"]) for status in statuses)


def ingredients(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The manifest's ingredients as its own signer recorded them."""
    return manifest.get("ingredients") or ()


def _parsed(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_REPORT_CHARACTERS:
        raise Unreadable("TooLarge")
    return dict(json.loads(text))


def _report(content: Mapping[str, Any], detailed: Mapping[str, Any]) -> Report:
    manifests, label = content["manifests"], content["active_manifest"]
    if label not in manifests:
        raise LookupError("the active manifest is not in the store")
    results = content.get("validation_results") or {}
    assertions = {name: manifest.get("assertion_store") or {} for name, manifest in detailed["manifests"].items()}
    return Report(content.get("validation_state") or "", label, manifests, failure_codes(results), results, assertions)
