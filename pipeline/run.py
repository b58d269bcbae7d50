"""The stages in their order. `advance` runs those whose facts are missing: the same path at first and after a crash."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.canonical import digest_of
from pipeline.errors import Rejected, Unavailable
from pipeline.kin import asset_of, check_undeclared, parents_of, title_of
from pipeline.parents import ParentFile, parents_digest
from pipeline.ports import Blobs, Captures, Domains, Index, Picture, Public, Received, SigningOrder
from pipeline.record import (
    Capture,
    Credentials,
    Fingerprint,
    Leaf,
    Manifest,
    Rejection,
    Rendition,
    Verdict,
    encode,
)


class DerivedBlobs(Blobs, Protocol):
    """A blob store that also takes what the stages make."""

    def put(self, content: bytes) -> Received: ...

    def put_file(self, path: Path) -> Received: ...


class Services(Protocol):
    """What a stage may reach. wiring.py makes one."""

    @property
    def blobs(self) -> DerivedBlobs: ...

    @property
    def captures(self) -> Captures: ...

    @property
    def index(self) -> Index: ...

    @property
    def domains(self) -> Domains: ...


@dataclass
class Work:
    """One capture on the bench: its facts so far, its file, and the picture, which is decoded at most once."""

    services: Services
    capture: Capture
    photo: Path
    _picture: Picture | None = field(default=None)

    @property
    def picture(self) -> Picture:
        """The decoded photo. Raises Rejected when it cannot be decoded."""
        if self._picture is None:
            self._picture = self.services.domains.decode(self.photo)
        return self._picture


def inspect(work: Work) -> Credentials:
    """What Content Credentials came with the upload."""
    return work.services.domains.inspect(work.photo, work.capture.fact("asset").media_type)


def fingerprint(work: Work) -> Fingerprint:
    """Every soft binding of the photo. Later photos are compared with its thumbnail, which is stored first."""
    thumbnail = work.services.blobs.put(work.picture.thumbnail)
    return replace(work.services.domains.fingerprint(work.picture), thumbnail_sha256=thumbnail.sha256)


def match(work: Work) -> Verdict:
    """How the photo stands to those whose fingerprints were committed before its own.

    Commit first, then search what is older: of two copies uploaded at once, exactly one is the original, and a
    stage that runs twice finds the same.
    """
    before = work.services.index.position(work.capture.id)
    asset, fingerprint = work.capture.fact("asset"), work.capture.fact("fingerprint")
    return work.services.domains.judge(fingerprint, work.picture, asset.sha256, before)


def sign(work: Work) -> Manifest:
    """The photo with its signed manifest, stored; the manifest's digest goes into the leaf."""
    check_undeclared(work.capture, work.services.captures.get, work.services.domains.undeclared_policy)
    with ExitStack() as stack:
        return _signed(work, tuple(_parent_files(work, stack)))


def _parent_files(work: Work, stack: ExitStack) -> Iterator[ParentFile]:
    capture = work.capture
    altered = {each.id for each in capture.fact("verdict").matches if each.kind in ("near_copy", "contained_in")}
    for parent in parents_of(capture, work.services.captures.get):
        made: Manifest = parent.fact("manifest")
        # A place that the parent's owner shows would be told by this photo too, whose owner did not ask for that.
        tells = made.open_file is None or (made.location == "kept" and not capture.request.keep_location)
        missing = "withheld" if tells else None if made.embedded else "beside"
        file = None
        if made.open_file and not missing:
            try:
                file = stack.enter_context(work.services.blobs.local(made.open_file))
            except LookupError:  # erased a moment ago
                missing = "erased"
        yield ParentFile(parent.id, asset_of(parent), title_of(parent), parent.id in altered, made.signed_media_type,
                         made.open_store, made.open_label, file, missing)  # fmt: skip


def _signed(work: Work, parents: tuple[ParentFile, ...]) -> Manifest:
    capture, blobs = work.capture, work.services.blobs
    made = bool(parents) or capture.request.digital_source_type is not None  # what was made, no sensor took
    order = SigningOrder(
        asset=capture.fact("asset"),
        credentials=capture.fact("credentials"),
        fingerprint=capture.fact("fingerprint"),
        verdict=capture.fact("verdict"),
        rights=capture.request.rights,
        thumbnail=work.picture.thumbnail,
        keep_location=capture.request.keep_location,
        registered_at=capture.created_at,
        device=capture.facts.get("device"),
        attested=not made and work.services.domains.vouches(capture.facts.get("device"), capture.fact("verdict")),
        parents=parents,
        source_type=capture.request.digital_source_type,
    )
    with tempfile.TemporaryDirectory(prefix="capture-sign-") as folder:
        path, public_path = Path(folder) / "signed", Path(folder) / "public"
        signed = work.services.domains.sign(work.photo, path, order)
        public = work.services.domains.sign_public(path, public_path, order, signed)
        rendition = _rendition(blobs, public_path, public)
        file = blobs.put_file(path)
    store = blobs.put(signed.store)
    thumbnail = blobs.put(order.thumbnail)
    return Manifest(
        sha256=store.sha256,
        size=store.size,
        label=signed.label,
        signed_sha256=file.sha256,
        signed_size=file.size,
        signed_media_type=signed.media_type,
        signer=signed.signer,
        # Signing reads the file back and raises unless our own signature is trusted.
        state="trusted",
        thumbnail_sha256=thumbnail.sha256,
        embedded=signed.embedded,
        location=public.location,
        public=rendition,
        timestamp=signed.timestamp,
        carried_parents=signed.carried_parents,
    )


def _rendition(blobs: DerivedBlobs, path: Path, public: Public) -> Rendition | None:
    if public.signed is None:
        return None
    store, file = blobs.put(public.signed.store), blobs.put_file(path)
    return Rendition(file.sha256, file.size, store.sha256, public.signed.label)


def seal(work: Work) -> Leaf:
    """The salted commitment to all of the above. A fresh salt each time: only the one that is committed counts."""
    capture = work.capture
    vouched = {"device": digest_of(encode(capture.fact("device")))} if "device" in capture.facts else {}
    statement, digest = work.services.domains.commit(
        {
            "salt": secrets.token_bytes(32),
            "upload": capture.fact("asset").sha256,
            "manifest": capture.fact("manifest").sha256,
            "fingerprint": digest_of(encode(capture.fact("fingerprint"))),
            "owner": capture.owner_address,
            "terms": work.services.domains.terms_id(capture.request.rights),
            "parents": parents_digest(map(asset_of, parents_of(capture, work.services.captures.get))),
            "captured_at": int(capture.created_at.timestamp()),
            **vouched,
        }
    )
    return Leaf(statement=statement, digest=digest)


STAGES: tuple[tuple[str, Callable[[Work], Any]], ...] = (
    ("credentials", inspect),
    ("fingerprint", fingerprint),
    ("verdict", match),
    ("manifest", sign),
    ("leaf", seal),
)


def advance(
    services: Services,
    capture_id: str,
    token: str | None,
    around: Callable[[str], AbstractContextManager[None]],
) -> Capture:
    """Run every photo stage whose fact is missing and return the capture: sealed, or rejected with its reason.

    `token` is the lease under which the facts are written; `around(stage)` is entered for each stage, the write of
    its fact included (timing, fault injection). Raises Unavailable (try later), Held (later still), Conflict (stop).
    """
    capture = services.captures.get(capture_id)
    if capture.finished or "leaf" in capture.facts:
        return capture
    with ExitStack() as stack:
        try:
            photo = stack.enter_context(services.blobs.local(capture.fact("asset").sha256))
        except LookupError as missing:
            raise Unavailable(f"the upload of {capture_id}, whose bytes the blob store does not have now") from missing
        work = Work(services, capture, photo)
        for name, stage in STAGES:
            if name in work.capture.facts:
                continue
            with around(stage.__name__):
                name, fact = _attempt(name, stage, work)
                services.captures.put(capture_id, name, fact, token)
            work.capture = services.captures.get(capture_id)
            if work.capture.finished:
                break
    return work.capture


def _attempt(name: str, stage: Callable[[Work], Any], work: Work) -> tuple[str, Any]:
    try:
        return name, stage(work)
    except Rejected as rejected:
        return "rejection", Rejection(stage=stage.__name__, reason=str(rejected))
